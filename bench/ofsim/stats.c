/* Multipart requests: OpenFlow 1.3.5, 7.3.5. */

#include "ofsim.h"

#include <string.h>

/* A reply in as many parts as it needs. */

struct reply {
    struct buf *out;
    uint32_t xid;
    uint16_t type;
    size_t ofs; /* Of the part that is being filled. */
};

static void reply_begin(struct reply *r, struct sim_switch *sw, uint16_t type)
{
    *r = (struct reply){
        .out = switch_output(sw), .xid = sw->sim->msg.h.xid, .type = type};
    r->ofs = of_put_multipart_reply(r->out, r->xid, type, 0);
}

/* The entry that was just appended begins at `entry`: it moves to a part of its own
 * when this one has become too long. */
static void reply_entry(struct reply *r, size_t entry)
{
    const size_t len = r->out->len - entry;

    if (r->out->len - r->ofs <= OFP_MAX_LEN) {
        return;
    }
    void *saved = memcpy(xmalloc(len), r->out->data + entry, len);
    r->out->len = entry;
    buf_set_u16(r->out, r->ofs + 10, OFPMPF_MORE);
    of_put_multipart_end(r->out, r->ofs);
    r->ofs = of_put_multipart_reply(r->out, r->xid, r->type, 0);
    buf_put(r->out, saved, len);
    free(saved);
}

static void reply_end(struct reply *r)
{
    of_put_multipart_end(r->out, r->ofs);
}

static void put_text(struct buf *b, const char *text, size_t size)
{
    const size_t n = MIN(strlen(text), size - 1);

    buf_put(b, text, n);
    buf_put_zeros(b, size - n);
}

static void desc(struct sim_switch *sw)
{
    struct reply r;
    char id[ID_STRLEN];

    reply_begin(&r, sw, OFPMP_DESC);
    put_text(r.out, "RouteFlow", 256);
    put_text(r.out, "ofsim", 256);
    put_text(r.out, "1", 256);
    put_text(r.out, id_format(sw->id, id), 32);
    put_text(r.out, "simulated", 256);
    reply_end(&r);
}

static void port_desc(struct sim_switch *sw)
{
    struct reply r;
    struct of_port port;

    reply_begin(&r, sw, OFPMP_PORT_DESC);
    for (uint32_t no = 1; no <= sw->sim->n_ports; no++) {
        const size_t entry = r.out->len;
        port_describe(sw, no, &port);
        of_port_put(r.out, &port);
        reply_entry(&r, entry);
    }
    reply_end(&r);
}

/* Flow entries. */

static bool wanted(const struct of_flow_request *request, const struct flow *flow)
{
    return (request->table_id == OFPTT_ALL || request->table_id == flow->table) &&
           !((flow->cookie ^ request->cookie) & request->cookie_mask) &&
           of_match_covers(&request->match, &flow->match) &&
           flow_outputs_to(flow, request->out_port, request->out_group);
}

static void flows(struct sim_switch *sw, const struct of_flow_request *request)
{
    const int64_t now = loop_now();
    struct reply r;

    reply_begin(&r, sw, OFPMP_FLOW);
    for (const struct flow *flow = sw->flows; flow; flow = flow->hh.next) {
        if (wanted(request, flow)) {
            const size_t entry = r.out->len;
            const int64_t age = now - flow->since;
            struct of_flow_stats stats = {.table_id = flow->table,
                                          .duration_sec = (uint32_t)(age / 1000),
                                          .duration_nsec =
                                              (uint32_t)(age % 1000 * 1000000),
                                          .priority = flow->priority,
                                          .idle_timeout = flow->idle_timeout,
                                          .hard_timeout = flow->hard_timeout,
                                          .flags = flow->flags,
                                          .cookie = flow->cookie,
                                          .packet_count = flow->packets,
                                          .byte_count = flow->bytes,
                                          .match = flow->match};
            flow_instructions(flow, &stats.inst);
            of_put_flow_stats(r.out, &stats);
            reply_entry(&r, entry);
        }
    }
    reply_end(&r);
}

static void aggregate(struct sim_switch *sw, const struct of_flow_request *request)
{
    uint64_t packets = 0, bytes = 0;
    uint32_t n = 0;
    struct reply r;

    for (const struct flow *flow = sw->flows; flow; flow = flow->hh.next) {
        if (wanted(request, flow)) {
            packets += flow->packets;
            bytes += flow->bytes;
            n++;
        }
    }
    reply_begin(&r, sw, OFPMP_AGGREGATE);
    buf_put_u64(r.out, packets);
    buf_put_u64(r.out, bytes);
    buf_put_u32(r.out, n);
    buf_put_zeros(r.out, 4);
    reply_end(&r);
}

static void flow_request(struct sim_switch *sw, const struct of_multipart *mp)
{
    struct of_flow_request request;
    struct cursor body = mp->body;
    const enum of_err err = of_flow_request_pull(&body, &request);
    uint16_t type, code;

    if (err) {
        of_err_code(err, &type, &code);
        switch_error(sw, type, code);
    } else if (mp->type == OFPMP_FLOW) {
        flows(sw, &request);
    } else {
        aggregate(sw, &request);
    }
}

static void tables(struct sim_switch *sw)
{
    struct reply r;

    reply_begin(&r, sw, OFPMP_TABLE);
    for (uint8_t i = 0; i < SIM_N_TABLES; i++) {
        of_put_table_stats(r.out, &(struct of_table_stats){
                                      .table_id = i, .active_count = sw->n_flows[i]});
    }
    reply_end(&r);
}

/* Groups, meters, ports. */

static void group_desc(struct sim_switch *sw)
{
    struct reply r;

    reply_begin(&r, sw, OFPMP_GROUP_DESC);
    for (const struct group *group = sw->groups; group; group = group->hh.next) {
        const size_t entry = r.out->len;
        buf_put_u16(r.out, (uint16_t)(8 + group->len));
        buf_put_u8(r.out, group->type);
        buf_put_u8(r.out, 0);
        buf_put_u32(r.out, group->id);
        buf_put(r.out, group->buckets, group->len);
        reply_entry(&r, entry);
    }
    reply_end(&r);
}

static void group_features(struct sim_switch *sw)
{
    const uint32_t actions = 1u << OFPAT_OUTPUT | 1u << OFPAT_GROUP |
                             1u << OFPAT_SET_FIELD | 1u << OFPAT_DEC_NW_TTL;
    struct reply r;

    reply_begin(&r, sw, OFPMP_GROUP_FEATURES);
    buf_put_u32(r.out, 1u << OFPGT_ALL | 1u << OFPGT_SELECT | 1u << OFPGT_INDIRECT |
                           1u << OFPGT_FF);
    buf_put_u32(r.out, 1u << 0 | 1u << 1 | 1u << 2); /* Weights, liveness, chaining. */
    for (int i = 0; i < 4; i++) {
        buf_put_u32(r.out, OFPG_MAX);
    }
    for (int i = 0; i < 4; i++) {
        buf_put_u32(r.out, actions);
    }
    reply_end(&r);
}

static void meter_config(struct sim_switch *sw, struct cursor body)
{
    uint32_t id;
    struct reply r;

    if (!cursor_u32(&body, &id)) {
        switch_error(sw, OFPET_BAD_REQUEST, OFPBRC_BAD_LEN);
        return;
    }
    reply_begin(&r, sw, OFPMP_METER_CONFIG);
    for (const struct meter *meter = sw->meters; meter; meter = meter->hh.next) {
        if (id == OFPM_ALL || id == meter->id) {
            const size_t entry = r.out->len;
            buf_put_u16(r.out, (uint16_t)(8 + meter->len));
            buf_put_u16(r.out, meter->flags);
            buf_put_u32(r.out, meter->id);
            buf_put(r.out, meter->bands, meter->len);
            reply_entry(&r, entry);
        }
    }
    reply_end(&r);
}

static void meter_features(struct sim_switch *sw)
{
    struct reply r;

    reply_begin(&r, sw, OFPMP_METER_FEATURES);
    buf_put_u32(r.out, SIM_MAX_METER);
    buf_put_u32(r.out, 1u << OFPMBT_DROP);
    buf_put_u32(r.out, OFPMF_KBPS | OFPMF_PKTPS | OFPMF_BURST | OFPMF_STATS);
    buf_put_u8(r.out, 1); /* Bands. */
    buf_put_u8(r.out, 0);
    buf_put_zeros(r.out, 2);
    reply_end(&r);
}

static void port_stats(struct sim_switch *sw, struct cursor body)
{
    uint32_t wanted_no;
    struct reply r;

    if (!cursor_u32(&body, &wanted_no) ||
        (wanted_no != OFPP_ANY && !switch_port(sw, wanted_no))) {
        switch_error(sw, OFPET_BAD_REQUEST, OFPBRC_BAD_PORT);
        return;
    }
    reply_begin(&r, sw, OFPMP_PORT_STATS);
    for (uint32_t no = 1; no <= sw->sim->n_ports; no++) {
        const struct sim_port *port = &sw->ports[no - 1];
        if (wanted_no == OFPP_ANY || wanted_no == no) {
            const size_t entry = r.out->len;
            buf_put_u32(r.out, no);
            buf_put_zeros(r.out, 4);
            buf_put_u64(r.out, port->rx_packets);
            buf_put_u64(r.out, port->tx_packets);
            buf_put_u64(r.out, port->rx_bytes);
            buf_put_u64(r.out, port->tx_bytes);
            buf_put_zeros(r.out, 8 * 8); /* Drops, errors, collisions. */
            buf_put_u32(r.out, UINT32_MAX);
            buf_put_u32(r.out, UINT32_MAX); /* Duration: not kept. */
            reply_entry(&r, entry);
        }
    }
    reply_end(&r);
}

void stats_request(struct sim_switch *sw, const struct of_multipart *mp)
{
    switch (mp->type) {
    case OFPMP_DESC:
        desc(sw);
        break;
    case OFPMP_FLOW:
    case OFPMP_AGGREGATE:
        flow_request(sw, mp);
        break;
    case OFPMP_TABLE:
        tables(sw);
        break;
    case OFPMP_PORT_STATS:
        port_stats(sw, mp->body);
        break;
    case OFPMP_GROUP_DESC:
        group_desc(sw);
        break;
    case OFPMP_GROUP_FEATURES:
        group_features(sw);
        break;
    case OFPMP_METER_CONFIG:
        meter_config(sw, mp->body);
        break;
    case OFPMP_METER_FEATURES:
        meter_features(sw);
        break;
    case OFPMP_PORT_DESC:
        port_desc(sw);
        break;
    default:
        switch_error(sw, OFPET_BAD_REQUEST, OFPBRC_BAD_MULTIPART);
        break;
    }
}
