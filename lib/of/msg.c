#include "of/msg.h"

#include <string.h>

#include "base/util.h"
#include "print_msg.h"

/* Decoders of bodies.  Each gets the message after its header, of a length between the
 * minimum and the maximum of its row below, so that reads of the fixed part fit. */

static enum of_err decode_nothing(struct cursor *c, struct of_msg *m)
{
    return OF_OK;
}

/* 7.5.1: elements that are unknown or malformed are to be ignored. */
static enum of_err decode_hello(struct cursor *c, struct of_msg *m)
{
    uint16_t type, len;
    struct cursor element;

    m->hello.bitmap = 0;
    while (cursor_u16(c, &type) && cursor_u16(c, &len) && len >= 4 &&
           cursor_sub(c, len - 4u, &element)) {
        if (type == OFPHET_VERSIONBITMAP) {
            cursor_u32(&element, &m->hello.bitmap);
        }
        cursor_skip(c, MIN(-(size_t)len & 7, c->n));
    }
    return OF_OK;
}

static enum of_err decode_error(struct cursor *c, struct of_msg *m)
{
    cursor_u16(c, &m->error.type);
    cursor_u16(c, &m->error.code);
    m->error.data = *c;
    return OF_OK;
}

static enum of_err decode_echo(struct cursor *c, struct of_msg *m)
{
    m->echo = *c;
    return OF_OK;
}

static enum of_err decode_experimenter(struct cursor *c, struct of_msg *m)
{
    cursor_u32(c, &m->experimenter.experimenter);
    cursor_u32(c, &m->experimenter.exp_type);
    m->experimenter.data = *c;
    return OF_OK;
}

static enum of_err decode_features(struct cursor *c, struct of_msg *m)
{
    cursor_u64(c, &m->features.datapath_id);
    cursor_u32(c, &m->features.n_buffers);
    cursor_u8(c, &m->features.n_tables);
    cursor_u8(c, &m->features.auxiliary_id);
    cursor_skip(c, 2);
    cursor_u32(c, &m->features.capabilities);
    return OF_OK;
}

static enum of_err decode_config(struct cursor *c, struct of_msg *m)
{
    cursor_u16(c, &m->config.flags);
    cursor_u16(c, &m->config.miss_send_len);
    return OF_OK;
}

static enum of_err decode_packet_in(struct cursor *c, struct of_msg *m)
{
    struct of_packet_in *pin = &m->packet_in;

    cursor_u32(c, &pin->buffer_id);
    cursor_u16(c, &pin->total_len);
    cursor_u8(c, &pin->reason);
    cursor_u8(c, &pin->table_id);
    cursor_u64(c, &pin->cookie);
    enum of_err err = of_match_pull(c, &pin->match);
    if (err) {
        return err;
    }
    if (!cursor_skip(c, 2)) {
        return OF_ERR_LEN;
    }
    pin->data = *c;
    return OF_OK;
}

static enum of_err decode_flow_removed(struct cursor *c, struct of_msg *m)
{
    struct of_flow_removed *fr = &m->flow_removed;

    cursor_u64(c, &fr->cookie);
    cursor_u16(c, &fr->priority);
    cursor_u8(c, &fr->reason);
    cursor_u8(c, &fr->table_id);
    cursor_u32(c, &fr->duration_sec);
    cursor_u32(c, &fr->duration_nsec);
    cursor_u16(c, &fr->idle_timeout);
    cursor_u16(c, &fr->hard_timeout);
    cursor_u64(c, &fr->packet_count);
    cursor_u64(c, &fr->byte_count);
    return of_match_pull(c, &fr->match);
}

static enum of_err decode_port_status(struct cursor *c, struct of_msg *m)
{
    cursor_u8(c, &m->port_status.reason);
    cursor_skip(c, 7);
    return of_port_pull(c, &m->port_status.port) ? OF_OK : OF_ERR_LEN;
}

static enum of_err decode_packet_out(struct cursor *c, struct of_msg *m)
{
    struct of_packet_out *po = &m->packet_out;
    uint16_t actions_len;
    struct cursor actions;

    cursor_u32(c, &po->buffer_id);
    cursor_u32(c, &po->in_port);
    cursor_u16(c, &actions_len);
    cursor_skip(c, 6);
    if (!cursor_sub(c, actions_len, &actions)) {
        return OF_ERR_ACTION_LEN;
    }
    po->data = *c;
    return of_actions_pull(&actions, &po->actions);
}

static enum of_err decode_flow_mod(struct cursor *c, struct of_msg *m)
{
    struct of_flow_mod *fm = &m->flow_mod;

    cursor_u64(c, &fm->cookie);
    cursor_u64(c, &fm->cookie_mask);
    cursor_u8(c, &fm->table_id);
    cursor_u8(c, &fm->command);
    cursor_u16(c, &fm->idle_timeout);
    cursor_u16(c, &fm->hard_timeout);
    cursor_u16(c, &fm->priority);
    cursor_u32(c, &fm->buffer_id);
    cursor_u32(c, &fm->out_port);
    cursor_u32(c, &fm->out_group);
    cursor_u16(c, &fm->flags);
    cursor_skip(c, 2);
    enum of_err err = of_match_pull(c, &fm->match);
    return err ? err : of_instructions_pull(c, &fm->inst);
}

static enum of_err decode_group_mod(struct cursor *c, struct of_msg *m)
{
    cursor_u16(c, &m->group_mod.command);
    cursor_u8(c, &m->group_mod.type);
    cursor_skip(c, 1);
    cursor_u32(c, &m->group_mod.group_id);
    m->group_mod.buckets = *c;
    return OF_OK;
}

static enum of_err decode_port_mod(struct cursor *c, struct of_msg *m)
{
    cursor_u32(c, &m->port_mod.port_no);
    cursor_skip(c, 4);
    cursor_eth(c, &m->port_mod.hw_addr);
    cursor_skip(c, 2);
    cursor_u32(c, &m->port_mod.config);
    cursor_u32(c, &m->port_mod.mask);
    cursor_u32(c, &m->port_mod.advertise);
    return OF_OK;
}

static enum of_err decode_table_mod(struct cursor *c, struct of_msg *m)
{
    cursor_u8(c, &m->table_mod.table_id);
    cursor_skip(c, 3);
    cursor_u32(c, &m->table_mod.config);
    return OF_OK;
}

static enum of_err decode_multipart(struct cursor *c, struct of_msg *m)
{
    cursor_u16(c, &m->multipart.type);
    cursor_u16(c, &m->multipart.flags);
    cursor_skip(c, 4);
    m->multipart.body = *c;
    return m->multipart.type < OFPMP_N_TYPES || m->multipart.type == OFPMP_EXPERIMENTER
               ? OF_OK
               : OF_ERR_MULTIPART;
}

static enum of_err decode_queue_config(struct cursor *c, struct of_msg *m)
{
    cursor_u32(c, &m->queue_config.port);
    cursor_skip(c, 4);
    m->queue_config.queues = *c;
    return OF_OK;
}

static enum of_err decode_role(struct cursor *c, struct of_msg *m)
{
    cursor_u32(c, &m->role.role);
    cursor_skip(c, 4);
    cursor_u64(c, &m->role.generation_id);
    return OF_OK;
}

static enum of_err decode_async(struct cursor *c, struct of_msg *m)
{
    for (int i = 0; i < 2; i++) {
        cursor_u32(c, &m->async.packet_in[i]);
    }
    for (int i = 0; i < 2; i++) {
        cursor_u32(c, &m->async.port_status[i]);
    }
    for (int i = 0; i < 2; i++) {
        cursor_u32(c, &m->async.flow_removed[i]);
    }
    return OF_OK;
}

static enum of_err decode_meter_mod(struct cursor *c, struct of_msg *m)
{
    cursor_u16(c, &m->meter_mod.command);
    cursor_u16(c, &m->meter_mod.flags);
    cursor_u32(c, &m->meter_mod.meter_id);
    m->meter_mod.bands = *c;
    return OF_OK;
}

/* The codec: one row per type of message.  FIXED rows have exactly one length. */

struct row {
    struct of_type_info info;
    uint16_t max_len;
    enum of_err (*decode)(struct cursor *, struct of_msg *);
    of_print_fn *print;
};

#define OPEN(TYPE, SENDERS, MIN_LEN, NAME)               \
    [TYPE] = {.info = {.name = #TYPE, SENDERS, MIN_LEN}, \
              .max_len = OFP_MAX_LEN,                    \
              .decode = decode_##NAME,                   \
              .print = of_print_##NAME}
#define FIXED(TYPE, SENDERS, LEN, NAME)              \
    [TYPE] = {.info = {.name = #TYPE, SENDERS, LEN}, \
              .max_len = (LEN),                      \
              .decode = decode_##NAME,               \
              .print = of_print_##NAME}
#define BOTH (OF_BY_SWITCH | OF_BY_CONTROLLER)
#define SW OF_BY_SWITCH
#define CTL OF_BY_CONTROLLER

static const struct row rows[OFPT_N_TYPES] = {
    OPEN(OFPT_HELLO, BOTH, 8, hello),
    OPEN(OFPT_ERROR, BOTH, 12, error),
    OPEN(OFPT_ECHO_REQUEST, BOTH, 8, echo),
    OPEN(OFPT_ECHO_REPLY, BOTH, 8, echo),
    OPEN(OFPT_EXPERIMENTER, BOTH, 16, experimenter),
    FIXED(OFPT_FEATURES_REQUEST, CTL, 8, nothing),
    FIXED(OFPT_FEATURES_REPLY, SW, 32, features),
    FIXED(OFPT_GET_CONFIG_REQUEST, CTL, 8, nothing),
    FIXED(OFPT_GET_CONFIG_REPLY, SW, 12, config),
    FIXED(OFPT_SET_CONFIG, CTL, 12, config),
    OPEN(OFPT_PACKET_IN, SW, 34, packet_in),
    OPEN(OFPT_FLOW_REMOVED, SW, 56, flow_removed),
    FIXED(OFPT_PORT_STATUS, SW, 80, port_status),
    OPEN(OFPT_PACKET_OUT, CTL, 24, packet_out),
    OPEN(OFPT_FLOW_MOD, CTL, 56, flow_mod),
    OPEN(OFPT_GROUP_MOD, CTL, 16, group_mod),
    FIXED(OFPT_PORT_MOD, CTL, 40, port_mod),
    FIXED(OFPT_TABLE_MOD, CTL, 16, table_mod),
    OPEN(OFPT_MULTIPART_REQUEST, CTL, 16, multipart),
    OPEN(OFPT_MULTIPART_REPLY, SW, 16, multipart),
    FIXED(OFPT_BARRIER_REQUEST, CTL, 8, nothing),
    FIXED(OFPT_BARRIER_REPLY, SW, 8, nothing),
    FIXED(OFPT_QUEUE_GET_CONFIG_REQUEST, CTL, 16, queue_config),
    OPEN(OFPT_QUEUE_GET_CONFIG_REPLY, SW, 16, queue_config),
    FIXED(OFPT_ROLE_REQUEST, CTL, 24, role),
    FIXED(OFPT_ROLE_REPLY, SW, 24, role),
    FIXED(OFPT_GET_ASYNC_REQUEST, CTL, 8, nothing),
    FIXED(OFPT_GET_ASYNC_REPLY, SW, 32, async),
    FIXED(OFPT_SET_ASYNC, CTL, 32, async),
    OPEN(OFPT_METER_MOD, CTL, 16, meter_mod),
};

const struct of_type_info *of_type_info(uint8_t type)
{
    return type < OFPT_N_TYPES ? &rows[type].info : NULL;
}

of_print_fn *of_type_printer(uint8_t type)
{
    return type < OFPT_N_TYPES ? rows[type].print : NULL;
}

bool of_header_pull(struct cursor *c, struct of_header *ret)
{
    struct cursor h;

    if (!cursor_sub(c, OFP_HEADER_LEN, &h)) {
        return false;
    }
    cursor_u8(&h, &ret->version);
    cursor_u8(&h, &ret->type);
    cursor_u16(&h, &ret->length);
    cursor_u32(&h, &ret->xid);
    return true;
}

enum of_err of_msg_decode(struct cursor c, struct of_msg *ret)
{
    ret->raw = c;
    ret->h = (struct of_header){0};
    if (!of_header_pull(&c, &ret->h) || ret->h.length != ret->raw.n) {
        return OF_ERR_LEN;
    }
    uint8_t type = ret->h.type;
    if (ret->h.version != OFP_VERSION_13 && type > OFPT_ECHO_REPLY) {
        return OF_ERR_VERSION;
    }
    if (type >= OFPT_N_TYPES) {
        return OF_ERR_TYPE;
    }
    const struct row *row = &rows[type];
    if (ret->h.length < row->info.min_len || ret->h.length > row->max_len) {
        return OF_ERR_LEN;
    }
    return row->decode(&c, ret);
}

/* Parts. */

void of_flow_mod_init(struct of_flow_mod *fm, uint8_t command, uint8_t table_id,
                      uint16_t priority)
{
    memset(fm, 0, offsetof(struct of_flow_mod, inst));
    fm->command = command;
    fm->table_id = table_id;
    fm->priority = priority;
    fm->buffer_id = OFP_NO_BUFFER;
    fm->out_port = OFPP_ANY;
    fm->out_group = OFPG_ANY;
    of_instructions_init(&fm->inst);
}

void of_bucket_init(struct of_bucket *b)
{
    b->weight = 0;
    b->watch_port = OFPP_ANY;
    b->watch_group = OFPG_ANY;
    of_actions_init(&b->actions);
}

bool of_bucket_next(struct cursor *c, struct of_bucket *ret, enum of_err *ret_err)
{
    uint16_t len;
    struct cursor body;

    *ret_err = OF_OK;
    if (!c->n) {
        return false;
    }
    if (!cursor_u16(c, &len) || len < 16 || len % 8 ||
        !cursor_sub(c, len - 2u, &body)) {
        *ret_err = OF_ERR_BUCKET;
        return false;
    }
    cursor_u16(&body, &ret->weight);
    cursor_u32(&body, &ret->watch_port);
    cursor_u32(&body, &ret->watch_group);
    cursor_skip(&body, 4);
    *ret_err = of_actions_pull(&body, &ret->actions);
    return !*ret_err;
}

bool of_meter_band_next(struct cursor *c, struct of_meter_band *ret,
                        enum of_err *ret_err)
{
    uint16_t len;
    struct cursor body;

    *ret_err = OF_OK;
    if (!c->n) {
        return false;
    }
    if (!cursor_u16(c, &ret->type) || !cursor_u16(c, &len) || len < 16 ||
        !cursor_sub(c, len - 4u, &body)) {
        *ret_err = OF_ERR_BAND;
        return false;
    }
    cursor_u32(&body, &ret->rate);
    cursor_u32(&body, &ret->burst_size);
    ret->prec_level = 0;
    if (ret->type == OFPMBT_DSCP_REMARK) {
        cursor_u8(&body, &ret->prec_level);
    }
    return true;
}
