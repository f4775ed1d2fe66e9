/* Multipart messages in words: entries in braces, all on one line. */

#include <inttypes.h>

#include "of/multipart.h"
#include "of/print.h"
#include "print_msg.h"

static void print_rest(struct buf *b, struct cursor c)
{
    if (c.n) {
        buf_printf(b, " %zu bytes", c.n);
    }
}

static void print_desc(struct buf *b, struct cursor c)
{
    struct of_desc d;
    enum of_err err = of_desc_pull(&c, &d);

    if (!err) {
        buf_printf(b, " mfr=\"%s\" hw=\"%s\" sw=\"%s\" serial=\"%s\" dp=\"%s\"", d.mfr,
                   d.hw, d.sw, d.serial, d.dp);
    }
    of_print_fault(b, err);
}

static void print_flow_request(struct buf *b, struct cursor c)
{
    struct of_flow_request r;
    enum of_err err = of_flow_request_pull(&c, &r);

    if (!err) {
        buf_printf(b, " ");
        of_print_table_id(b, r.table_id);
        if (r.out_port != OFPP_ANY) {
            buf_printf(b, " out_port=");
            of_port_no_print(b, r.out_port);
        }
        if (r.out_group != OFPG_ANY) {
            buf_printf(b, " out_group=%u", r.out_group);
        }
        if (r.cookie_mask) {
            buf_printf(b, " cookie=0x%" PRIx64 "/0x%" PRIx64, r.cookie, r.cookie_mask);
        }
        if (r.match.fields || r.match.unknown) {
            buf_printf(b, " ");
            of_match_print(b, &r.match);
        }
    }
    of_print_fault(b, err);
}

static void print_flows(struct buf *b, struct cursor c)
{
    struct of_flow_stats fs;
    enum of_err err;

    while (of_flow_stats_next(&c, &fs, &err)) {
        buf_printf(b, " {");
        of_print_table_id(b, fs.table_id);
        buf_printf(b, " priority=%u", fs.priority);
        if (fs.match.fields || fs.match.unknown) {
            buf_printf(b, ",");
            of_match_print(b, &fs.match);
        }
        buf_printf(b,
                   " cookie=0x%" PRIx64 " duration=%u.%03us n_packets=%" PRIu64
                   " n_bytes=%" PRIu64,
                   fs.cookie, fs.duration_sec, fs.duration_nsec / 1000000,
                   fs.packet_count, fs.byte_count);
        if (fs.idle_timeout) {
            buf_printf(b, " idle_timeout=%u", fs.idle_timeout);
        }
        if (fs.hard_timeout) {
            buf_printf(b, " hard_timeout=%u", fs.hard_timeout);
        }
        of_print_flow_flags(b, fs.flags);
        buf_printf(b, " ");
        of_instructions_print(b, &fs.inst);
        buf_printf(b, "}");
    }
    of_print_fault(b, err);
}

static void print_aggregate(struct buf *b, struct cursor c)
{
    struct of_aggregate a;
    enum of_err err = of_aggregate_pull(&c, &a);

    if (!err) {
        buf_printf(b, " n_packets=%" PRIu64 " n_bytes=%" PRIu64 " n_flows=%u",
                   a.packet_count, a.byte_count, a.flow_count);
    }
    of_print_fault(b, err);
}

static void print_tables(struct buf *b, struct cursor c)
{
    struct of_table_stats ts;
    enum of_err err;

    while (of_table_stats_next(&c, &ts, &err)) {
        /* Open vSwitch reports all of its 254 tables; empty ones say nothing. */
        if (ts.active_count || ts.lookup_count) {
            buf_printf(b,
                       " {table=%u active=%u lookup=%" PRIu64 " matched=%" PRIu64 "}",
                       ts.table_id, ts.active_count, ts.lookup_count, ts.matched_count);
        }
    }
    of_print_fault(b, err);
}

static void print_port_request(struct buf *b, struct cursor c)
{
    uint32_t port_no;

    if (cursor_u32(&c, &port_no)) {
        buf_printf(b, " port=");
        of_port_no_print(b, port_no);
    } else {
        of_print_fault(b, OF_ERR_LEN);
    }
}

static void print_port_stats(struct buf *b, struct cursor c)
{
    struct of_port_stats ps;
    enum of_err err;

    while (of_port_stats_next(&c, &ps, &err)) {
        buf_printf(b, " {port=");
        of_port_no_print(b, ps.port_no);
        buf_printf(b,
                   " rx=%" PRIu64 "/%" PRIu64 "B drop=%" PRIu64 " err=%" PRIu64
                   " tx=%" PRIu64 "/%" PRIu64 "B drop=%" PRIu64 " err=%" PRIu64,
                   ps.rx_packets, ps.rx_bytes, ps.rx_dropped, ps.rx_errors,
                   ps.tx_packets, ps.tx_bytes, ps.tx_dropped, ps.tx_errors);
        buf_printf(b, " duration=%u.%03us}", ps.duration_sec,
                   ps.duration_nsec / 1000000);
    }
    of_print_fault(b, err);
}

static void print_ports(struct buf *b, struct cursor c)
{
    struct of_port p;
    enum of_err err;

    while (of_port_next(&c, &p, &err)) {
        buf_printf(b, " {");
        of_port_print(b, &p);
        buf_printf(b, "}");
    }
    of_print_fault(b, err);
}

static void print_queue_request(struct buf *b, struct cursor c)
{
    uint32_t queue_id;

    print_port_request(b, c);
    if (cursor_skip(&c, 4) && cursor_u32(&c, &queue_id)) {
        buf_printf(b, " queue=%u", queue_id);
    }
}

static void print_queues(struct buf *b, struct cursor c)
{
    struct of_queue_stats qs;
    enum of_err err;

    while (of_queue_stats_next(&c, &qs, &err)) {
        buf_printf(b, " {port=");
        of_port_no_print(b, qs.port_no);
        buf_printf(b, " queue=%u tx=%" PRIu64 "/%" PRIu64 "B err=%" PRIu64 "}",
                   qs.queue_id, qs.tx_packets, qs.tx_bytes, qs.tx_errors);
    }
    of_print_fault(b, err);
}

static void print_group_request(struct buf *b, struct cursor c)
{
    uint32_t group_id;

    if (cursor_u32(&c, &group_id)) {
        buf_printf(b, " ");
        of_print_group_id(b, group_id);
    } else {
        of_print_fault(b, OF_ERR_LEN);
    }
}

static void print_group_stats(struct buf *b, struct cursor c)
{
    struct of_group_stats gs;
    enum of_err err;

    while (of_group_stats_next(&c, &gs, &err)) {
        uint64_t packets, bytes;
        buf_printf(b,
                   " {group_id=%u ref_count=%u n_packets=%" PRIu64 " n_bytes=%" PRIu64,
                   gs.group_id, gs.ref_count, gs.packet_count, gs.byte_count);
        while (cursor_u64(&gs.buckets, &packets) && cursor_u64(&gs.buckets, &bytes)) {
            buf_printf(b, " bucket:%" PRIu64 "/%" PRIu64 "B", packets, bytes);
        }
        buf_printf(b, "}");
    }
    of_print_fault(b, err);
}

static void print_group_desc(struct buf *b, struct cursor c)
{
    struct of_group_desc gd;
    enum of_err err;

    while (of_group_desc_next(&c, &gd, &err)) {
        buf_printf(b, " {");
        of_print_group_id(b, gd.group_id);
        buf_printf(b, ",");
        of_print_group_type(b, gd.type);
        of_print_buckets(b, gd.buckets);
        buf_printf(b, "}");
    }
    of_print_fault(b, err);
}

static void print_group_features(struct buf *b, struct cursor c)
{
    struct of_group_features gf;
    enum of_err err = of_group_features_pull(&c, &gf);

    if (!err) {
        buf_printf(b, " types=0x%x capabilities=0x%x", gf.types, gf.capabilities);
        for (uint8_t i = 0; i < 4; i++) {
            buf_printf(b, " {");
            of_print_group_type(b, i);
            buf_printf(b, " max_groups=%u actions=0x%x}", gf.max_groups[i],
                       gf.actions[i]);
        }
    }
    of_print_fault(b, err);
}

static void print_meter_request(struct buf *b, struct cursor c)
{
    uint32_t meter_id;

    if (cursor_u32(&c, &meter_id)) {
        buf_printf(b, " ");
        of_print_meter_id(b, meter_id);
    } else {
        of_print_fault(b, OF_ERR_LEN);
    }
}

static void print_meter_stats(struct buf *b, struct cursor c)
{
    struct of_meter_stats ms;
    enum of_err err;

    while (of_meter_stats_next(&c, &ms, &err)) {
        uint64_t packets, bytes;
        buf_printf(b, " {");
        of_print_meter_id(b, ms.meter_id);
        buf_printf(b, " flow_count=%u in=%" PRIu64 "/%" PRIu64 "B", ms.flow_count,
                   ms.packet_in_count, ms.byte_in_count);
        while (cursor_u64(&ms.bands, &packets) && cursor_u64(&ms.bands, &bytes)) {
            buf_printf(b, " band:%" PRIu64 "/%" PRIu64 "B", packets, bytes);
        }
        buf_printf(b, "}");
    }
    of_print_fault(b, err);
}

static void print_meter_config(struct buf *b, struct cursor c)
{
    struct of_meter_config mc;
    enum of_err err;

    while (of_meter_config_next(&c, &mc, &err)) {
        buf_printf(b, " {");
        of_print_meter_id(b, mc.meter_id);
        buf_printf(b, " ");
        of_print_meter_flags(b, mc.flags);
        of_print_bands(b, mc.bands);
        buf_printf(b, "}");
    }
    of_print_fault(b, err);
}

static void print_meter_features(struct buf *b, struct cursor c)
{
    struct of_meter_features mf;
    enum of_err err = of_meter_features_pull(&c, &mf);

    if (!err) {
        buf_printf(b,
                   " max_meter=%u band_types=0x%x capabilities=0x%x max_bands=%u "
                   "max_color=%u",
                   mf.max_meter, mf.band_types, mf.capabilities, mf.max_bands,
                   mf.max_color);
    }
    of_print_fault(b, err);
}

static void print_table_features(struct buf *b, struct cursor c)
{
    struct of_table_features tf;
    enum of_err err;

    while (of_table_features_next(&c, &tf, &err)) {
        buf_printf(b,
                   " {table=%u name=\"%s\" config=0x%x max_entries=%u metadata "
                   "match=0x%" PRIx64 " write=0x%" PRIx64 " properties:",
                   tf.table_id, tf.name, tf.config, tf.max_entries, tf.metadata_match,
                   tf.metadata_write);
        print_rest(b, tf.properties);
        buf_printf(b, "}");
    }
    of_print_fault(b, err);
}

static void print_experimenter(struct buf *b, struct cursor c)
{
    uint32_t experimenter, type;

    if (cursor_u32(&c, &experimenter) && cursor_u32(&c, &type)) {
        buf_printf(b, " experimenter=0x%x type=%u", experimenter, type);
        print_rest(b, c);
    } else {
        of_print_fault(b, OF_ERR_LEN);
    }
}

/* One row per type of multipart message, 7.3.5. */
static const struct {
    void (*request)(struct buf *, struct cursor);
    void (*reply)(struct buf *, struct cursor);
} rows[OFPMP_N_TYPES] = {
    [OFPMP_DESC] = {print_rest, print_desc},
    [OFPMP_FLOW] = {print_flow_request, print_flows},
    [OFPMP_AGGREGATE] = {print_flow_request, print_aggregate},
    [OFPMP_TABLE] = {print_rest, print_tables},
    [OFPMP_PORT_STATS] = {print_port_request, print_port_stats},
    [OFPMP_QUEUE] = {print_queue_request, print_queues},
    [OFPMP_GROUP] = {print_group_request, print_group_stats},
    [OFPMP_GROUP_DESC] = {print_rest, print_group_desc},
    [OFPMP_GROUP_FEATURES] = {print_rest, print_group_features},
    [OFPMP_METER] = {print_meter_request, print_meter_stats},
    [OFPMP_METER_CONFIG] = {print_meter_request, print_meter_config},
    [OFPMP_METER_FEATURES] = {print_rest, print_meter_features},
    [OFPMP_TABLE_FEATURES] = {print_table_features, print_table_features},
    [OFPMP_PORT_DESC] = {print_rest, print_ports},
};

void of_print_multipart(struct buf *b, const struct of_msg *m)
{
    const struct of_multipart *mp = &m->multipart;
    const char *name = of_multipart_name(mp->type);

    buf_printf(b, ": %s%s", name ? name : "?", mp->flags & OFPMPF_MORE ? " MORE" : "");
    if (mp->type >= OFPMP_N_TYPES) {
        print_experimenter(b, mp->body);
    } else if (m->h.type == OFPT_MULTIPART_REQUEST) {
        rows[mp->type].request(b, mp->body);
    } else {
        rows[mp->type].reply(b, mp->body);
    }
}
