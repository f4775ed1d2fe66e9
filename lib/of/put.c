#include "of/put.h"

#include <assert.h>

#include "wire.h"

static uint8_t *header(uint8_t *p, uint8_t type, size_t len, uint32_t xid)
{
    assert(len <= OFP_MAX_LEN);
    p = wire_u8(p, OFP_VERSION_13);
    p = wire_u8(p, type);
    p = wire_u16(p, (uint16_t)len);
    return wire_u32(p, xid);
}

/* Starts a message of known length and returns where its body goes. */
static uint8_t *begin(struct buf *b, uint8_t type, size_t len, uint32_t xid)
{
    return header(buf_put_uninit(b, len), type, len, xid);
}

static void put_empty(struct buf *b, uint8_t type, uint32_t xid)
{
    begin(b, type, OFP_HEADER_LEN, xid);
}

static void put_with_data(struct buf *b, uint8_t type, uint32_t xid, const void *data,
                          size_t n)
{
    wire_bytes(begin(b, type, OFP_HEADER_LEN + n, xid), data, n);
}

/* Both sides. */

void of_put_hello(struct buf *b, uint32_t xid, uint8_t version, uint32_t bitmap)
{
    size_t ofs = b->len;
    uint8_t *p = begin(b, OFPT_HELLO, bitmap ? 16 : 8, xid);

    b->data[ofs] = version;
    if (bitmap) {
        p = wire_u16(p, OFPHET_VERSIONBITMAP);
        p = wire_u16(p, 8);
        wire_u32(p, bitmap);
    }
}

void of_put_error(struct buf *b, uint32_t xid, uint16_t type, uint16_t code,
                  const void *data, size_t n)
{
    uint8_t *p = begin(b, OFPT_ERROR, 12 + n, xid);
    p = wire_u16(p, type);
    p = wire_u16(p, code);
    wire_bytes(p, data, n);
}

void of_put_echo_request(struct buf *b, uint32_t xid, const void *data, size_t n)
{
    put_with_data(b, OFPT_ECHO_REQUEST, xid, data, n);
}

void of_put_echo_reply(struct buf *b, uint32_t xid, const void *data, size_t n)
{
    put_with_data(b, OFPT_ECHO_REPLY, xid, data, n);
}

void of_put_experimenter(struct buf *b, uint32_t xid, uint32_t experimenter,
                         uint32_t exp_type, const void *data, size_t n)
{
    uint8_t *p = begin(b, OFPT_EXPERIMENTER, 16 + n, xid);
    p = wire_u32(p, experimenter);
    p = wire_u32(p, exp_type);
    wire_bytes(p, data, n);
}

/* Controller to switch. */

void of_put_features_request(struct buf *b, uint32_t xid)
{
    put_empty(b, OFPT_FEATURES_REQUEST, xid);
}

void of_put_get_config_request(struct buf *b, uint32_t xid)
{
    put_empty(b, OFPT_GET_CONFIG_REQUEST, xid);
}

static void put_config(struct buf *b, uint8_t type, uint32_t xid, uint16_t flags,
                       uint16_t miss_send_len)
{
    uint8_t *p = begin(b, type, 12, xid);
    p = wire_u16(p, flags);
    wire_u16(p, miss_send_len);
}

void of_put_set_config(struct buf *b, uint32_t xid, uint16_t flags,
                       uint16_t miss_send_len)
{
    put_config(b, OFPT_SET_CONFIG, xid, flags, miss_send_len);
}

void of_put_get_config_reply(struct buf *b, uint32_t xid, uint16_t flags,
                             uint16_t miss_send_len)
{
    put_config(b, OFPT_GET_CONFIG_REPLY, xid, flags, miss_send_len);
}

void of_put_flow_mod(struct buf *b, uint32_t xid, const struct of_flow_mod *fm)
{
    buf_reserve(b, 48 + OF_MATCH_MAX_LEN + OF_INSTRUCTIONS_MAX_LEN);

    uint8_t *start = b->data + b->len;
    uint8_t *p = wire_u64(start + OFP_HEADER_LEN, fm->cookie);
    p = wire_u64(p, fm->cookie_mask);
    p = wire_u8(p, fm->table_id);
    p = wire_u8(p, fm->command);
    p = wire_u16(p, fm->idle_timeout);
    p = wire_u16(p, fm->hard_timeout);
    p = wire_u16(p, fm->priority);
    p = wire_u32(p, fm->buffer_id);
    p = wire_u32(p, fm->out_port);
    p = wire_u32(p, fm->out_group);
    p = wire_u16(p, fm->flags);
    p = wire_u16(p, 0);
    p = of_match_encode(p, &fm->match);
    p = of_instructions_encode(p, &fm->inst);
    header(start, OFPT_FLOW_MOD, (size_t)(p - start), xid);
    b->len += (size_t)(p - start);
}

static void put_buckets(struct buf *b, const struct of_bucket *buckets, size_t n)
{
    buf_reserve(b, n * (16 + OF_ACTIONS_MAX_LEN));

    uint8_t *p = b->data + b->len;
    for (size_t i = 0; i < n; i++) {
        uint8_t *start = p;
        p = wire_u16(start + 2, buckets[i].weight);
        p = wire_u32(p, buckets[i].watch_port);
        p = wire_u32(p, buckets[i].watch_group);
        p = wire_u32(p, 0);
        p = of_actions_encode(p, &buckets[i].actions);
        wire_u16(start, (uint16_t)(p - start));
    }
    b->len = (size_t)(p - b->data);
}

/* Sets the length at `at` to that of all from `start` to the end of the buffer. */
static void end_at(struct buf *b, size_t start, size_t at)
{
    size_t len = b->len - start;
    assert(len <= OFP_MAX_LEN);
    buf_set_u16(b, at, (uint16_t)len);
}

void of_put_group_mod(struct buf *b, uint32_t xid, uint16_t command, uint8_t type,
                      uint32_t group_id, const struct of_bucket *buckets, size_t n)
{
    size_t ofs = b->len;
    uint8_t *p = begin(b, OFPT_GROUP_MOD, 16, xid);
    p = wire_u16(p, command);
    p = wire_u8(p, type);
    p = wire_u8(p, 0);
    wire_u32(p, group_id);
    put_buckets(b, buckets, n);
    end_at(b, ofs, ofs + 2);
}

static void put_bands(struct buf *b, const struct of_meter_band *bands, size_t n)
{
    uint8_t *p = buf_put_uninit(b, 16 * n);

    for (size_t i = 0; i < n; i++) {
        p = wire_u16(p, bands[i].type);
        p = wire_u16(p, 16);
        p = wire_u32(p, bands[i].rate);
        p = wire_u32(p, bands[i].burst_size);
        p = wire_u8(p, bands[i].type == OFPMBT_DSCP_REMARK ? bands[i].prec_level : 0);
        p = wire_zeros(p, 3);
    }
}

void of_put_meter_mod(struct buf *b, uint32_t xid, uint16_t command, uint16_t flags,
                      uint32_t meter_id, const struct of_meter_band *bands, size_t n)
{
    size_t ofs = b->len;
    uint8_t *p = begin(b, OFPT_METER_MOD, 16, xid);
    p = wire_u16(p, command);
    p = wire_u16(p, flags);
    wire_u32(p, meter_id);
    put_bands(b, bands, n);
    end_at(b, ofs, ofs + 2);
}

void of_put_port_mod(struct buf *b, uint32_t xid, const struct of_port_mod *pm)
{
    uint8_t *p = begin(b, OFPT_PORT_MOD, 40, xid);
    p = wire_u32(p, pm->port_no);
    p = wire_u32(p, 0);
    p = wire_bytes(p, pm->hw_addr.ea, 6);
    p = wire_u16(p, 0);
    p = wire_u32(p, pm->config);
    p = wire_u32(p, pm->mask);
    p = wire_u32(p, pm->advertise);
    wire_u32(p, 0);
}

void of_put_table_mod(struct buf *b, uint32_t xid, uint8_t table_id, uint32_t config)
{
    uint8_t *p = begin(b, OFPT_TABLE_MOD, 16, xid);
    p = wire_u32(p, (uint32_t)table_id << 24);
    wire_u32(p, config);
}

void of_put_packet_out(struct buf *b, uint32_t xid, uint32_t in_port,
                       const struct of_actions *actions, const void *frame, size_t n)
{
    buf_reserve(b, 24 + OF_ACTIONS_MAX_LEN + n);

    uint8_t *start = b->data + b->len;
    uint8_t *list = start + 24;
    uint8_t *end = of_actions_encode(list, actions);
    uint8_t *p = wire_u32(start + OFP_HEADER_LEN, OFP_NO_BUFFER);
    p = wire_u32(p, in_port);
    p = wire_u16(p, (uint16_t)(end - list));
    wire_zeros(p, 6);
    end = wire_bytes(end, frame, n);
    header(start, OFPT_PACKET_OUT, (size_t)(end - start), xid);
    b->len += (size_t)(end - start);
}

void of_put_barrier_request(struct buf *b, uint32_t xid)
{
    put_empty(b, OFPT_BARRIER_REQUEST, xid);
}

static void put_role(struct buf *b, uint8_t type, uint32_t xid,
                     const struct of_role *role)
{
    uint8_t *p = begin(b, type, 24, xid);
    p = wire_u32(p, role->role);
    p = wire_u32(p, 0);
    wire_u64(p, role->generation_id);
}

void of_put_role_request(struct buf *b, uint32_t xid, const struct of_role *role)
{
    put_role(b, OFPT_ROLE_REQUEST, xid, role);
}

void of_put_role_reply(struct buf *b, uint32_t xid, const struct of_role *role)
{
    put_role(b, OFPT_ROLE_REPLY, xid, role);
}

void of_put_get_async_request(struct buf *b, uint32_t xid)
{
    put_empty(b, OFPT_GET_ASYNC_REQUEST, xid);
}

static void put_async(struct buf *b, uint8_t type, uint32_t xid,
                      const struct of_async_config *async)
{
    uint8_t *p = begin(b, type, 32, xid);
    p = wire_u32(wire_u32(p, async->packet_in[0]), async->packet_in[1]);
    p = wire_u32(wire_u32(p, async->port_status[0]), async->port_status[1]);
    wire_u32(wire_u32(p, async->flow_removed[0]), async->flow_removed[1]);
}

void of_put_set_async(struct buf *b, uint32_t xid, const struct of_async_config *async)
{
    put_async(b, OFPT_SET_ASYNC, xid, async);
}

void of_put_get_async_reply(struct buf *b, uint32_t xid,
                            const struct of_async_config *async)
{
    put_async(b, OFPT_GET_ASYNC_REPLY, xid, async);
}

void of_put_queue_get_config_request(struct buf *b, uint32_t xid, uint32_t port_no)
{
    uint8_t *p = begin(b, OFPT_QUEUE_GET_CONFIG_REQUEST, 16, xid);
    p = wire_u32(p, port_no);
    wire_u32(p, 0);
}

/* Switch to controller. */

void of_put_features_reply(struct buf *b, uint32_t xid, const struct of_features *f)
{
    uint8_t *p = begin(b, OFPT_FEATURES_REPLY, 32, xid);
    p = wire_u64(p, f->datapath_id);
    p = wire_u32(p, f->n_buffers);
    p = wire_u8(p, f->n_tables);
    p = wire_u8(p, f->auxiliary_id);
    p = wire_u16(p, 0);
    p = wire_u32(p, f->capabilities);
    wire_u32(p, 0);
}

void of_put_packet_in(struct buf *b, uint32_t xid, const struct of_packet_in *pin)
{
    buf_reserve(b, 26 + OF_MATCH_MAX_LEN + pin->data.n);

    uint8_t *start = b->data + b->len;
    uint8_t *p = wire_u32(start + OFP_HEADER_LEN, pin->buffer_id);
    p = wire_u16(p, pin->total_len);
    p = wire_u8(p, pin->reason);
    p = wire_u8(p, pin->table_id);
    p = wire_u64(p, pin->cookie);
    p = of_match_encode(p, &pin->match);
    p = wire_u16(p, 0);
    p = wire_bytes(p, pin->data.p, pin->data.n);
    header(start, OFPT_PACKET_IN, (size_t)(p - start), xid);
    b->len += (size_t)(p - start);
}

void of_put_flow_removed(struct buf *b, uint32_t xid, const struct of_flow_removed *fr)
{
    buf_reserve(b, 48 + OF_MATCH_MAX_LEN);

    uint8_t *start = b->data + b->len;
    uint8_t *p = wire_u64(start + OFP_HEADER_LEN, fr->cookie);
    p = wire_u16(p, fr->priority);
    p = wire_u8(p, fr->reason);
    p = wire_u8(p, fr->table_id);
    p = wire_u32(p, fr->duration_sec);
    p = wire_u32(p, fr->duration_nsec);
    p = wire_u16(p, fr->idle_timeout);
    p = wire_u16(p, fr->hard_timeout);
    p = wire_u64(p, fr->packet_count);
    p = wire_u64(p, fr->byte_count);
    p = of_match_encode(p, &fr->match);
    header(start, OFPT_FLOW_REMOVED, (size_t)(p - start), xid);
    b->len += (size_t)(p - start);
}

void of_put_port_status(struct buf *b, uint32_t xid, const struct of_port_status *ps)
{
    size_t ofs = b->len;
    uint8_t *p = begin(b, OFPT_PORT_STATUS, 16, xid);
    wire_zeros(wire_u8(p, ps->reason), 7);
    of_port_put(b, &ps->port);
    end_at(b, ofs, ofs + 2);
}

void of_put_barrier_reply(struct buf *b, uint32_t xid)
{
    put_empty(b, OFPT_BARRIER_REPLY, xid);
}

/* Multipart messages. */

static uint8_t *begin_multipart(struct buf *b, uint8_t message, size_t body,
                                uint32_t xid, uint16_t type, uint16_t flags)
{
    uint8_t *p = begin(b, message, 16 + body, xid);
    p = wire_u16(p, type);
    p = wire_u16(p, flags);
    return wire_u32(p, 0);
}

static uint8_t *begin_request(struct buf *b, size_t body, uint32_t xid, uint16_t type)
{
    return begin_multipart(b, OFPT_MULTIPART_REQUEST, body, xid, type, 0);
}

void of_put_multipart_request(struct buf *b, uint32_t xid, uint16_t type)
{
    begin_request(b, 0, xid, type);
}

static void put_flow_request(struct buf *b, uint32_t xid, uint16_t type,
                             const struct of_flow_request *r)
{
    size_t ofs = b->len;
    uint8_t *p = begin_request(b, 32, xid, type);
    p = wire_u32(p, (uint32_t)r->table_id << 24);
    p = wire_u32(p, r->out_port);
    p = wire_u32(p, r->out_group);
    p = wire_u32(p, 0);
    p = wire_u64(p, r->cookie);
    wire_u64(p, r->cookie_mask);
    of_match_put(b, &r->match);
    end_at(b, ofs, ofs + 2);
}

void of_put_flow_stats_request(struct buf *b, uint32_t xid,
                               const struct of_flow_request *r)
{
    put_flow_request(b, xid, OFPMP_FLOW, r);
}

void of_put_aggregate_request(struct buf *b, uint32_t xid,
                              const struct of_flow_request *r)
{
    put_flow_request(b, xid, OFPMP_AGGREGATE, r);
}

/* The requests whose body is two 32-bit numbers. */
static void put_pair_request(struct buf *b, uint32_t xid, uint16_t type, uint32_t first,
                             uint32_t second)
{
    wire_u32(wire_u32(begin_request(b, 8, xid, type), first), second);
}

void of_put_port_stats_request(struct buf *b, uint32_t xid, uint32_t port_no)
{
    put_pair_request(b, xid, OFPMP_PORT_STATS, port_no, 0);
}

void of_put_queue_stats_request(struct buf *b, uint32_t xid, uint32_t port_no,
                                uint32_t queue_id)
{
    put_pair_request(b, xid, OFPMP_QUEUE, port_no, queue_id);
}

void of_put_group_stats_request(struct buf *b, uint32_t xid, uint32_t group_id)
{
    put_pair_request(b, xid, OFPMP_GROUP, group_id, 0);
}

void of_put_meter_request(struct buf *b, uint32_t xid, uint16_t type, uint32_t meter_id)
{
    put_pair_request(b, xid, type, meter_id, 0);
}

size_t of_put_multipart_reply(struct buf *b, uint32_t xid, uint16_t type,
                              uint16_t flags)
{
    size_t ofs = b->len;
    begin_multipart(b, OFPT_MULTIPART_REPLY, 0, xid, type, flags);
    return ofs;
}

void of_put_multipart_end(struct buf *b, size_t ofs)
{
    end_at(b, ofs, ofs + 2);
}

void of_put_flow_stats(struct buf *b, const struct of_flow_stats *fs)
{
    buf_reserve(b, 48 + OF_MATCH_MAX_LEN + OF_INSTRUCTIONS_MAX_LEN);

    uint8_t *start = b->data + b->len;
    uint8_t *p = wire_u8(start + 2, fs->table_id);
    p = wire_u8(p, 0);
    p = wire_u32(p, fs->duration_sec);
    p = wire_u32(p, fs->duration_nsec);
    p = wire_u16(p, fs->priority);
    p = wire_u16(p, fs->idle_timeout);
    p = wire_u16(p, fs->hard_timeout);
    p = wire_u16(p, fs->flags);
    p = wire_u32(p, 0);
    p = wire_u64(p, fs->cookie);
    p = wire_u64(p, fs->packet_count);
    p = wire_u64(p, fs->byte_count);
    p = of_match_encode(p, &fs->match);
    p = of_instructions_encode(p, &fs->inst);
    wire_u16(start, (uint16_t)(p - start));
    b->len += (size_t)(p - start);
}

void of_put_group_desc(struct buf *b, uint8_t type, uint32_t group_id,
                       const struct of_bucket *buckets, size_t n)
{
    size_t ofs = b->len;
    uint8_t *p = wire_u16(buf_put_uninit(b, 8), 0);
    p = wire_u8(p, type);
    p = wire_u8(p, 0);
    wire_u32(p, group_id);
    put_buckets(b, buckets, n);
    end_at(b, ofs, ofs);
}

void of_put_meter_config(struct buf *b, uint16_t flags, uint32_t meter_id,
                         const struct of_meter_band *bands, size_t n)
{
    size_t ofs = b->len;
    uint8_t *p = wire_u16(buf_put_uninit(b, 8), 0);
    p = wire_u16(p, flags);
    wire_u32(p, meter_id);
    put_bands(b, bands, n);
    end_at(b, ofs, ofs);
}

void of_put_table_stats(struct buf *b, const struct of_table_stats *ts)
{
    uint8_t *p = buf_put_uninit(b, 24);
    p = wire_u32(p, (uint32_t)ts->table_id << 24);
    p = wire_u32(p, ts->active_count);
    p = wire_u64(p, ts->lookup_count);
    wire_u64(p, ts->matched_count);
}
