#include "ofsim.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define ERROR_DATA_LEN 64 /* 7.4.4. */
#define OUTPUT_MAX (32 * 1024 * 1024)

/* Ports. */

struct sim_port *switch_port(struct sim_switch *sw, uint32_t no)
{
    return no && no <= sw->sim->n_ports ? &sw->ports[no - 1] : NULL;
}

bool port_is_up(const struct sim_port *port)
{
    return !port->down && !port->link_down && !(port->config & OFPPC_PORT_DOWN);
}

void port_describe(const struct sim_switch *sw, uint32_t no, struct of_port *ret)
{
    const struct sim_port *port = &sw->ports[no - 1];

    *ret = (struct of_port){
        .port_no = no,
        .hw_addr = {{6, (uint8_t)(sw->index >> 16), (uint8_t)(sw->index >> 8),
                     (uint8_t)sw->index, (uint8_t)(no >> 8), (uint8_t)no}},
        .config = port->config,
        .state = port_is_up(port) ? OFPPS_LIVE : OFPPS_LINK_DOWN,
        .curr_speed = 10000000,
        .max_speed = 10000000};
    snprintf(ret->name, sizeof ret->name, "p%u", no);
}

void switch_port_status(struct sim_switch *sw, uint32_t no)
{
    struct of_port_status status = {.reason = OFPPR_MODIFY};

    if (sw->up) {
        port_describe(sw, no, &status.port);
        of_put_port_status(switch_output(sw), 0, &status);
        switch_kick(sw);
    }
}

/* Connection. */

static void go_down(struct sim_switch *sw)
{
    stream_destroy(sw->stream);
    sw->stream = NULL;
    sw->up = false;
    buf_clear(&sw->in);
    buf_clear(&sw->out);
    sw->out_head = 0;
    if (!sw->killed) {
        loop_timer_once(sw->timer, sw->sim->backoff_ms);
    }
}

struct buf *switch_output(struct sim_switch *sw)
{
    return &sw->out;
}

void switch_kick(struct sim_switch *sw)
{
    if (sw->stream) {
        stream_kick(sw->stream);
    } else {
        buf_clear(&sw->out);
    }
}

void switch_error(struct sim_switch *sw, uint16_t type, uint16_t code)
{
    const struct of_msg *msg = &sw->sim->msg;

    sw->sim->counters.errors++;
    of_put_error(&sw->out, msg->h.xid, type, code, msg->raw.p,
                 MIN(msg->raw.n, ERROR_DATA_LEN));
}

static void port_mod(struct sim_switch *sw, const struct of_port_mod *mod)
{
    struct sim_port *port = switch_port(sw, mod->port_no);
    struct of_port before;

    if (!port) {
        switch_error(sw, OFPET_PORT_MOD_FAILED, 0); /* OFPPMFC_BAD_PORT */
        return;
    }
    port_describe(sw, mod->port_no, &before);
    if (!eth_equal(before.hw_addr, mod->hw_addr)) {
        switch_error(sw, OFPET_PORT_MOD_FAILED, 1); /* OFPPMFC_BAD_HW_ADDR */
        return;
    }
    port->config = (port->config & ~mod->mask) | (mod->config & mod->mask);
    if (port->config != before.config) {
        switch_port_status(sw, mod->port_no);
    }
}

static void features(struct sim_switch *sw, uint32_t xid)
{
    of_put_features_reply(
        &sw->out, xid,
        &(struct of_features){.datapath_id = sw->id,
                              .n_tables = SIM_N_TABLES,
                              .capabilities = OFPC_FLOW_STATS | OFPC_TABLE_STATS |
                                              OFPC_PORT_STATS | OFPC_GROUP_STATS});
}

static void role(struct sim_switch *sw, const struct of_msg *msg)
{
    if (msg->role.role > OFPCR_ROLE_SLAVE) {
        switch_error(sw, OFPET_ROLE_REQUEST_FAILED, 2); /* OFPRRFC_BAD_ROLE */
        return;
    }
    of_put_role_reply(&sw->out, msg->h.xid, &msg->role);
}

static void handle_hello(struct sim_switch *sw, const struct of_msg *msg)
{
    const uint32_t bitmap = msg->hello.bitmap;

    if (bitmap ? !(bitmap & 1u << OFP_VERSION_13) : msg->h.version < OFP_VERSION_13) {
        switch_error(sw, OFPET_HELLO_FAILED, OFPHFC_INCOMPATIBLE);
    }
}

static void handle(struct sim_switch *sw, const struct of_msg *msg)
{
    switch (msg->h.type) {
    case OFPT_HELLO:
        handle_hello(sw, msg);
        break;
    case OFPT_ERROR:
    case OFPT_ECHO_REPLY:
        break;
    case OFPT_ECHO_REQUEST:
        of_put_echo_reply(&sw->out, msg->h.xid, msg->echo.p, msg->echo.n);
        break;
    case OFPT_EXPERIMENTER:
        switch_error(sw, OFPET_BAD_REQUEST, OFPBRC_BAD_EXPERIMENTER);
        break;
    case OFPT_FEATURES_REQUEST:
        features(sw, msg->h.xid);
        break;
    case OFPT_GET_CONFIG_REQUEST:
        of_put_get_config_reply(&sw->out, msg->h.xid, sw->config_flags,
                                sw->miss_send_len);
        break;
    case OFPT_SET_CONFIG:
        sw->config_flags = msg->config.flags;
        sw->miss_send_len = msg->config.miss_send_len;
        break;
    case OFPT_PACKET_OUT:
        forward_packet_out(sw, &msg->packet_out);
        break;
    case OFPT_FLOW_MOD:
        tables_flow_mod(sw, &msg->flow_mod);
        break;
    case OFPT_GROUP_MOD:
        tables_group_mod(sw, &msg->group_mod);
        break;
    case OFPT_METER_MOD:
        tables_meter_mod(sw, &msg->meter_mod);
        break;
    case OFPT_PORT_MOD:
        port_mod(sw, &msg->port_mod);
        break;
    case OFPT_TABLE_MOD:
    case OFPT_SET_ASYNC:
        break;
    case OFPT_MULTIPART_REQUEST:
        stats_request(sw, &msg->multipart);
        break;
    case OFPT_BARRIER_REQUEST:
        of_put_barrier_reply(&sw->out, msg->h.xid);
        break;
    case OFPT_ROLE_REQUEST:
        role(sw, msg);
        break;
    case OFPT_GET_ASYNC_REQUEST:
        of_put_get_async_reply(
            &sw->out, msg->h.xid,
            &(struct of_async_config){{7, 0}, {7, 7}, {15, 0}}); /* The defaults. */
        break;
    default:
        switch_error(sw, OFPET_BAD_REQUEST, OFPBRC_BAD_TYPE);
        break;
    }
}

/* Handles the whole messages in `in`.  False: the framing is broken. */
static bool handle_input(struct sim_switch *sw)
{
    struct of_msg *msg = &sw->sim->msg;
    size_t head = 0;

    while (sw->in.len - head >= OFP_HEADER_LEN) {
        struct cursor rest = cursor_of(sw->in.data + head, sw->in.len - head), raw;
        const size_t length = (size_t)rest.p[2] << 8 | rest.p[3];
        if (length < OFP_HEADER_LEN) {
            return false;
        }
        if (!cursor_sub(&rest, length, &raw)) {
            break;
        }
        const enum of_err err = of_msg_decode(raw, msg);
        if (err) {
            uint16_t type, code;
            of_err_code(err, &type, &code);
            switch_error(sw, type, code);
        } else {
            handle(sw, msg);
        }
        sw->sim->counters.messages++;
        head += length;
    }
    buf_pull(&sw->in, head);
    return true;
}

static void on_readable(void *sw_, const uint8_t *data, size_t n)
{
    struct sim_switch *sw = sw_;

    buf_put(&sw->in, data, n);
    if (!handle_input(sw) || sw->out.len - sw->out_head > OUTPUT_MAX) {
        go_down(sw);
        return;
    }
    switch_kick(sw);
}

static size_t on_output(void *sw_, const uint8_t **ret)
{
    struct sim_switch *sw = sw_;

    if (!sw->up) { /* The first call says that the connection is there. */
        sw->up = true;
        sw->sim->counters.connects++;
        of_put_hello(&sw->out, 1, OFP_VERSION_13, 1u << OFP_VERSION_13);
    }
    *ret = sw->out.data + sw->out_head;
    return sw->out.len - sw->out_head;
}

static void on_written(void *sw_, size_t n)
{
    struct sim_switch *sw = sw_;

    sw->out_head += n;
    if (sw->out_head == sw->out.len) {
        buf_clear(&sw->out);
        sw->out_head = 0;
    }
}

static void on_closed(void *sw_, const char *reason)
{
    go_down(sw_);
}

static void connect_now(void *sw_)
{
    static const struct stream_ops ops = {.readable = on_readable,
                                          .output = on_output,
                                          .written = on_written,
                                          .closed = on_closed};
    struct sim_switch *sw = sw_;

    if (stream_connect(sw->sim->loop, sw->sim->endpoint, NULL, &ops, sw, &sw->stream)) {
        loop_timer_once(sw->timer, sw->sim->backoff_ms);
    }
}

/* Life. */

void switch_init(struct sim_switch *sw, struct sim *sim, uint32_t index)
{
    *sw = (struct sim_switch){
        .sim = sim, .id = sim->first_id + index, .index = index, .miss_send_len = 128};
    sw->ports = xcalloc(sim->n_ports, sizeof *sw->ports);
    sw->timer = loop_timer_create(sim->loop, connect_now, sw);
    loop_timer_once(sw->timer, 0);
}

void switch_uninit(struct sim_switch *sw)
{
    stream_destroy(sw->stream);
    loop_timer_destroy(sw->timer);
    tables_clear(sw);
    buf_uninit(&sw->in);
    buf_uninit(&sw->out);
    free(sw->ports);
}

struct sim_switch *switch_find(struct sim *sim, uint64_t id)
{
    return id - sim->first_id < sim->n ? &sim->switches[id - sim->first_id] : NULL;
}

void switch_kill(struct sim_switch *sw)
{
    sw->killed = true;
    loop_timer_cancel(sw->timer);
    go_down(sw);
}

void switch_revive(struct sim_switch *sw)
{
    if (sw->killed) {
        sw->killed = false;
        loop_timer_once(sw->timer, 0);
    }
}

void switch_restart(struct sim_switch *sw)
{
    switch_kill(sw);
    tables_clear(sw);
    switch_revive(sw);
}
