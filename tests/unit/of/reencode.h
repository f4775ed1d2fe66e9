#ifndef REENCODE_H
#define REENCODE_H 1

/* Encodes a decoded message again with the public encoders, so that a vector proves
 * both directions.  False for a message that has no encoder. */

#include "of/put.h"

enum { REENCODE_MAX = 16 };

static inline size_t pull_buckets(struct cursor c, struct of_bucket *ret)
{
    enum of_err err;
    size_t n = 0;

    while (n < REENCODE_MAX && of_bucket_next(&c, &ret[n], &err)) {
        n++;
    }
    return n;
}

static inline size_t pull_bands(struct cursor c, struct of_meter_band *ret)
{
    enum of_err err;
    size_t n = 0;

    while (n < REENCODE_MAX && of_meter_band_next(&c, &ret[n], &err)) {
        n++;
    }
    return n;
}

static inline bool reencode_request(struct buf *b, const struct of_msg *m)
{
    struct cursor c = m->multipart.body;
    struct of_flow_request r;
    uint32_t first = 0, second = 0;
    uint32_t xid = m->h.xid;

    switch (m->multipart.type) {
    case OFPMP_FLOW:
        of_flow_request_pull(&c, &r);
        of_put_flow_stats_request(b, xid, &r);
        return true;
    case OFPMP_AGGREGATE:
        of_flow_request_pull(&c, &r);
        of_put_aggregate_request(b, xid, &r);
        return true;
    }
    if (!c.n) {
        of_put_multipart_request(b, xid, m->multipart.type);
        return true;
    }
    cursor_u32(&c, &first);
    cursor_u32(&c, &second);
    switch (m->multipart.type) {
    case OFPMP_PORT_STATS:
        of_put_port_stats_request(b, xid, first);
        return true;
    case OFPMP_QUEUE:
        of_put_queue_stats_request(b, xid, first, second);
        return true;
    case OFPMP_GROUP:
        of_put_group_stats_request(b, xid, first);
        return true;
    case OFPMP_METER:
    case OFPMP_METER_CONFIG:
        of_put_meter_request(b, xid, m->multipart.type, first);
        return true;
    }
    return false;
}

static inline bool reencode_reply(struct buf *b, const struct of_msg *m)
{
    struct cursor c = m->multipart.body;
    size_t ofs =
        of_put_multipart_reply(b, m->h.xid, m->multipart.type, m->multipart.flags);
    enum of_err err = OF_OK;
    struct of_port port;
    struct of_flow_stats fs;
    struct of_table_stats ts;
    struct of_group_desc gd;
    struct of_meter_config mc;
    struct of_bucket buckets[REENCODE_MAX];
    struct of_meter_band bands[REENCODE_MAX];

    switch (m->multipart.type) {
    case OFPMP_PORT_DESC:
        while (of_port_next(&c, &port, &err)) {
            of_port_put(b, &port);
        }
        break;
    case OFPMP_FLOW:
        while (of_flow_stats_next(&c, &fs, &err)) {
            of_put_flow_stats(b, &fs);
        }
        break;
    case OFPMP_TABLE:
        while (of_table_stats_next(&c, &ts, &err)) {
            of_put_table_stats(b, &ts);
        }
        break;
    case OFPMP_GROUP_DESC:
        while (of_group_desc_next(&c, &gd, &err)) {
            size_t n = pull_buckets(gd.buckets, buckets);
            of_put_group_desc(b, gd.type, gd.group_id, buckets, n);
        }
        break;
    case OFPMP_METER_CONFIG:
        while (of_meter_config_next(&c, &mc, &err)) {
            size_t n = pull_bands(mc.bands, bands);
            of_put_meter_config(b, mc.flags, mc.meter_id, bands, n);
        }
        break;
    default:
        return false;
    }
    of_put_multipart_end(b, ofs);
    return !err;
}

/* Messages from controller to switch. */
static inline bool reencode_controller(struct buf *b, const struct of_msg *m)
{
    struct of_bucket buckets[REENCODE_MAX];
    struct of_meter_band bands[REENCODE_MAX];
    uint32_t xid = m->h.xid;

    switch (m->h.type) {
    case OFPT_FEATURES_REQUEST:
        of_put_features_request(b, xid);
        return true;
    case OFPT_GET_CONFIG_REQUEST:
        of_put_get_config_request(b, xid);
        return true;
    case OFPT_SET_CONFIG:
        of_put_set_config(b, xid, m->config.flags, m->config.miss_send_len);
        return true;
    case OFPT_PACKET_OUT:
        of_put_packet_out(b, xid, m->packet_out.in_port, &m->packet_out.actions,
                          m->packet_out.data.p, m->packet_out.data.n);
        return true;
    case OFPT_FLOW_MOD:
        of_put_flow_mod(b, xid, &m->flow_mod);
        return true;
    case OFPT_GROUP_MOD:
        of_put_group_mod(b, xid, m->group_mod.command, m->group_mod.type,
                         m->group_mod.group_id, buckets,
                         pull_buckets(m->group_mod.buckets, buckets));
        return true;
    case OFPT_PORT_MOD:
        of_put_port_mod(b, xid, &m->port_mod);
        return true;
    case OFPT_TABLE_MOD:
        of_put_table_mod(b, xid, m->table_mod.table_id, m->table_mod.config);
        return true;
    case OFPT_MULTIPART_REQUEST:
        return reencode_request(b, m);
    case OFPT_BARRIER_REQUEST:
        of_put_barrier_request(b, xid);
        return true;
    case OFPT_QUEUE_GET_CONFIG_REQUEST:
        of_put_queue_get_config_request(b, xid, m->queue_config.port);
        return true;
    case OFPT_ROLE_REQUEST:
        of_put_role_request(b, xid, &m->role);
        return true;
    case OFPT_GET_ASYNC_REQUEST:
        of_put_get_async_request(b, xid);
        return true;
    case OFPT_SET_ASYNC:
        of_put_set_async(b, xid, &m->async);
        return true;
    case OFPT_METER_MOD:
        of_put_meter_mod(b, xid, m->meter_mod.command, m->meter_mod.flags,
                         m->meter_mod.meter_id, bands,
                         pull_bands(m->meter_mod.bands, bands));
        return true;
    }
    return false;
}

static inline bool reencode(struct buf *b, const struct of_msg *m)
{
    uint32_t xid = m->h.xid;

    switch (m->h.type) {
    case OFPT_HELLO:
        of_put_hello(b, xid, m->h.version, m->hello.bitmap);
        return true;
    case OFPT_ERROR:
        of_put_error(b, xid, m->error.type, m->error.code, m->error.data.p,
                     m->error.data.n);
        return true;
    case OFPT_ECHO_REQUEST:
        of_put_echo_request(b, xid, m->echo.p, m->echo.n);
        return true;
    case OFPT_ECHO_REPLY:
        of_put_echo_reply(b, xid, m->echo.p, m->echo.n);
        return true;
    case OFPT_EXPERIMENTER:
        of_put_experimenter(b, xid, m->experimenter.experimenter,
                            m->experimenter.exp_type, m->experimenter.data.p,
                            m->experimenter.data.n);
        return true;
    case OFPT_FEATURES_REPLY:
        of_put_features_reply(b, xid, &m->features);
        return true;
    case OFPT_GET_CONFIG_REPLY:
        of_put_get_config_reply(b, xid, m->config.flags, m->config.miss_send_len);
        return true;
    case OFPT_PACKET_IN:
        of_put_packet_in(b, xid, &m->packet_in);
        return true;
    case OFPT_FLOW_REMOVED:
        of_put_flow_removed(b, xid, &m->flow_removed);
        return true;
    case OFPT_PORT_STATUS:
        of_put_port_status(b, xid, &m->port_status);
        return true;
    case OFPT_MULTIPART_REPLY:
        return reencode_reply(b, m);
    case OFPT_BARRIER_REPLY:
        of_put_barrier_reply(b, xid);
        return true;
    case OFPT_ROLE_REPLY:
        of_put_role_reply(b, xid, &m->role);
        return true;
    case OFPT_GET_ASYNC_REPLY:
        of_put_get_async_reply(b, xid, &m->async);
        return true;
    }
    return reencode_controller(b, m);
}

#endif
