#include "of/print.h"

#include "base/util.h"
#include "print_msg.h"

/* Small parts. */

static void print_name(struct buf *b, const char *const *names, size_t n,
                       unsigned value)
{
    if (value < n) {
        buf_printf(b, "%s", names[value]);
    } else {
        buf_printf(b, "%u", value);
    }
}

#define PRINT_NAME(B, NAMES, VALUE) print_name(B, NAMES, ARRAY_SIZE(NAMES), VALUE)

static void print_bits(struct buf *b, uint32_t bits, const char *const *names, size_t n)
{
    const char *sep = "";

    if (!bits) {
        buf_printf(b, "none");
    }
    for (unsigned i = 0; i < 32; i++) {
        if (bits & 1u << i) {
            buf_printf(b, "%s", sep);
            print_name(b, names, n, i);
            sep = "|";
        }
    }
}

#define PRINT_BITS(B, BITS, NAMES) print_bits(B, BITS, NAMES, ARRAY_SIZE(NAMES))

static void print_data(struct buf *b, struct cursor data)
{
    static const char digits[] = "0123456789abcdef";
    enum { MAX_SHOWN = 64 };

    buf_printf(b, data.n ? "%zu bytes " : "%zu bytes", data.n);
    for (size_t i = 0; i < data.n && i < MAX_SHOWN; i++) {
        buf_put_u8(b, (uint8_t)digits[data.p[i] >> 4]);
        buf_put_u8(b, (uint8_t)digits[data.p[i] & 15]);
    }
    if (data.n > MAX_SHOWN) {
        buf_printf(b, "...");
    }
}

static void print_text(struct buf *b, struct cursor data)
{
    buf_printf(b, "\"");
    for (size_t i = 0; i < data.n && i < 256 && data.p[i]; i++) {
        uint8_t ch = data.p[i];
        buf_put_u8(b, ch >= ' ' && ch <= '~' ? ch : '?');
    }
    buf_printf(b, "\"");
}

void of_print_fault(struct buf *b, enum of_err err)
{
    if (err) {
        buf_printf(b, " ***%s***", of_err_text(err));
    }
}

void of_print_table_id(struct buf *b, uint8_t table_id)
{
    if (table_id == OFPTT_ALL) {
        buf_printf(b, "table=ALL");
    } else {
        buf_printf(b, "table=%u", table_id);
    }
}

void of_print_group_id(struct buf *b, uint32_t group_id)
{
    if (group_id == OFPG_ALL) {
        buf_printf(b, "group_id=ALL");
    } else if (group_id == OFPG_ANY) {
        buf_printf(b, "group_id=ANY");
    } else {
        buf_printf(b, "group_id=%u", group_id);
    }
}

void of_print_meter_id(struct buf *b, uint32_t meter_id)
{
    switch (meter_id) {
    case OFPM_SLOWPATH:
        buf_printf(b, "meter=slowpath");
        break;
    case OFPM_CONTROLLER:
        buf_printf(b, "meter=controller");
        break;
    case OFPM_ALL:
        buf_printf(b, "meter=all");
        break;
    default:
        buf_printf(b, "meter=%u", meter_id);
        break;
    }
}

void of_print_meter_flags(struct buf *b, uint16_t flags)
{
    static const char *const names[] = {"kbps", "pktps", "burst", "stats"};
    PRINT_BITS(b, flags, names);
}

void of_print_flow_flags(struct buf *b, uint16_t flags)
{
    static const char *const names[] = {"send_flow_rem", "check_overlap",
                                        "reset_counts", "no_packet_counts",
                                        "no_byte_counts"};
    if (flags) {
        buf_printf(b, " ");
        PRINT_BITS(b, flags, names);
    }
}

void of_print_group_type(struct buf *b, uint8_t type)
{
    static const char *const names[] = {"all", "select", "indirect", "ff"};
    buf_printf(b, "type=");
    PRINT_NAME(b, names, type);
}

void of_print_buckets(struct buf *b, struct cursor buckets)
{
    struct of_bucket bucket;
    enum of_err err;

    while (of_bucket_next(&buckets, &bucket, &err)) {
        buf_printf(b, ",bucket=");
        if (bucket.weight) {
            buf_printf(b, "weight:%u,", bucket.weight);
        }
        if (bucket.watch_port != OFPP_ANY) {
            buf_printf(b, "watch_port:");
            of_port_no_print(b, bucket.watch_port);
            buf_printf(b, ",");
        }
        if (bucket.watch_group != OFPG_ANY) {
            buf_printf(b, "watch_group:%u,", bucket.watch_group);
        }
        buf_printf(b, "actions=");
        of_actions_print(b, &bucket.actions);
    }
    of_print_fault(b, err);
}

void of_print_bands(struct buf *b, struct cursor bands)
{
    struct of_meter_band band;
    enum of_err err;

    buf_printf(b, " bands=");
    while (of_meter_band_next(&bands, &band, &err)) {
        if (band.type == OFPMBT_DROP) {
            buf_printf(b, "{drop");
        } else if (band.type == OFPMBT_DSCP_REMARK) {
            buf_printf(b, "{dscp_remark prec_level=%u", band.prec_level);
        } else {
            buf_printf(b, "{type=%u", band.type);
        }
        buf_printf(b, " rate=%u", band.rate);
        if (band.burst_size) {
            buf_printf(b, " burst_size=%u", band.burst_size);
        }
        buf_printf(b, "}");
    }
    of_print_fault(b, err);
}

/* "priority=5,ip,nw_dst=..." with a blank before. */
static void print_flow_key(struct buf *b, uint16_t priority, const struct of_match *m)
{
    buf_printf(b, " priority=%u", priority);
    if (m->fields || m->unknown) {
        buf_printf(b, ",");
        of_match_print(b, m);
    }
}

/* Bodies, for the table in msg.c. */

void of_print_nothing(struct buf *b, const struct of_msg *m)
{
}

void of_print_hello(struct buf *b, const struct of_msg *m)
{
    buf_printf(b, ": version 0x%02x", m->h.version);
    if (m->hello.bitmap) {
        const char *sep = "";
        buf_printf(b, ", bitmap ");
        for (unsigned i = 0; i < 32; i++) {
            if (m->hello.bitmap & 1u << i) {
                buf_printf(b, "%s0x%02x", sep, i);
                sep = " ";
            }
        }
    }
}

void of_print_error(struct buf *b, const struct of_msg *m)
{
    buf_printf(b, ": ");
    of_error_print(b, m->error.type, m->error.code);
    buf_printf(b, " ");
    if (m->error.type == OFPET_HELLO_FAILED) {
        print_text(b, m->error.data);
    } else {
        print_data(b, m->error.data);
    }
}

void of_print_echo(struct buf *b, const struct of_msg *m)
{
    buf_printf(b, ": ");
    print_data(b, m->echo);
}

void of_print_experimenter(struct buf *b, const struct of_msg *m)
{
    buf_printf(b, ": experimenter=0x%x type=%u ", m->experimenter.experimenter,
               m->experimenter.exp_type);
    print_data(b, m->experimenter.data);
}

void of_print_features(struct buf *b, const struct of_msg *m)
{
    static const char *const names[] = {"FLOW_STATS",  "TABLE_STATS", "PORT_STATS",
                                        "GROUP_STATS", "4",           "IP_REASM",
                                        "QUEUE_STATS", "7",           "PORT_BLOCKED"};
    char id[ID_STRLEN];

    buf_printf(b, ": dpid=%s n_tables=%u n_buffers=%u auxiliary_id=%u capabilities=",
               id_format(m->features.datapath_id, id), m->features.n_tables,
               m->features.n_buffers, m->features.auxiliary_id);
    PRINT_BITS(b, m->features.capabilities, names);
}

void of_print_config(struct buf *b, const struct of_msg *m)
{
    static const char *const names[] = {"normal", "drop", "reassemble"};

    buf_printf(b, ": frags=");
    PRINT_NAME(b, names, m->config.flags);
    buf_printf(b, " miss_send_len=%u", m->config.miss_send_len);
}

void of_print_packet_in(struct buf *b, const struct of_msg *m)
{
    static const char *const reasons[] = {"no_match", "action", "invalid_ttl"};
    const struct of_packet_in *pin = &m->packet_in;

    buf_printf(b, ": ");
    of_print_table_id(b, pin->table_id);
    buf_printf(b, " cookie=0x%llx total_len=%u ", (unsigned long long)pin->cookie,
               pin->total_len);
    of_match_print(b, &pin->match);
    buf_printf(b, " (via ");
    PRINT_NAME(b, reasons, pin->reason);
    buf_printf(b, ") ");
    if (pin->buffer_id != OFP_NO_BUFFER) {
        buf_printf(b, "buffer=0x%x ", pin->buffer_id);
    }
    print_data(b, pin->data);
}

void of_print_flow_removed(struct buf *b, const struct of_msg *m)
{
    static const char *const reasons[] = {"idle", "hard", "delete", "group_delete"};
    const struct of_flow_removed *fr = &m->flow_removed;

    buf_printf(b, ": ");
    of_print_table_id(b, fr->table_id);
    print_flow_key(b, fr->priority, &fr->match);
    buf_printf(b, " reason=");
    PRINT_NAME(b, reasons, fr->reason);
    buf_printf(b, " cookie=0x%llx duration=%u.%03us idle_timeout=%u hard_timeout=%u",
               (unsigned long long)fr->cookie, fr->duration_sec,
               fr->duration_nsec / 1000000, fr->idle_timeout, fr->hard_timeout);
    buf_printf(b, " n_packets=%llu n_bytes=%llu", (unsigned long long)fr->packet_count,
               (unsigned long long)fr->byte_count);
}

void of_print_port_status(struct buf *b, const struct of_msg *m)
{
    static const char *const reasons[] = {"ADD", "DELETE", "MODIFY"};

    buf_printf(b, ": ");
    PRINT_NAME(b, reasons, m->port_status.reason);
    buf_printf(b, ": ");
    of_port_print(b, &m->port_status.port);
}

void of_print_packet_out(struct buf *b, const struct of_msg *m)
{
    buf_printf(b, ": in_port=");
    of_port_no_print(b, m->packet_out.in_port);
    buf_printf(b, " actions=");
    of_actions_print(b, &m->packet_out.actions);
    if (m->packet_out.buffer_id != OFP_NO_BUFFER) {
        buf_printf(b, " buffer=0x%x", m->packet_out.buffer_id);
    }
    buf_printf(b, " ");
    print_data(b, m->packet_out.data);
}

void of_print_flow_mod(struct buf *b, const struct of_msg *m)
{
    static const char *const commands[] = {"ADD", "MOD", "MOD_STRICT", "DEL",
                                           "DEL_STRICT"};
    const struct of_flow_mod *fm = &m->flow_mod;

    buf_printf(b, ": ");
    PRINT_NAME(b, commands, fm->command);
    buf_printf(b, " ");
    of_print_table_id(b, fm->table_id);
    print_flow_key(b, fm->priority, &fm->match);
    if (fm->cookie || fm->cookie_mask) {
        buf_printf(b, " cookie=0x%llx", (unsigned long long)fm->cookie);
    }
    if (fm->cookie_mask) {
        buf_printf(b, "/0x%llx", (unsigned long long)fm->cookie_mask);
    }
    if (fm->idle_timeout) {
        buf_printf(b, " idle_timeout=%u", fm->idle_timeout);
    }
    if (fm->hard_timeout) {
        buf_printf(b, " hard_timeout=%u", fm->hard_timeout);
    }
    if (fm->buffer_id != OFP_NO_BUFFER) {
        buf_printf(b, " buffer=0x%x", fm->buffer_id);
    }
    if (fm->out_port != OFPP_ANY) {
        buf_printf(b, " out_port=");
        of_port_no_print(b, fm->out_port);
    }
    if (fm->out_group != OFPG_ANY) {
        buf_printf(b, " out_group=%u", fm->out_group);
    }
    of_print_flow_flags(b, fm->flags);
    buf_printf(b, " ");
    of_instructions_print(b, &fm->inst);
}

void of_print_group_mod(struct buf *b, const struct of_msg *m)
{
    static const char *const commands[] = {"ADD", "MOD", "DEL"};

    buf_printf(b, ": ");
    PRINT_NAME(b, commands, m->group_mod.command);
    buf_printf(b, " ");
    of_print_group_id(b, m->group_mod.group_id);
    buf_printf(b, ",");
    of_print_group_type(b, m->group_mod.type);
    of_print_buckets(b, m->group_mod.buckets);
}

void of_print_port_mod(struct buf *b, const struct of_msg *m)
{
    buf_printf(b, ": port=");
    of_port_no_print(b, m->port_mod.port_no);
    buf_printf(b, " addr=" ETH_FMT " config=", ETH_ARGS(m->port_mod.hw_addr));
    of_port_config_print(b, m->port_mod.config);
    buf_printf(b, " mask=");
    of_port_config_print(b, m->port_mod.mask);
    buf_printf(b, " advertise=0x%x", m->port_mod.advertise);
}

void of_print_table_mod(struct buf *b, const struct of_msg *m)
{
    buf_printf(b, ": ");
    of_print_table_id(b, m->table_mod.table_id);
    buf_printf(b, " config=0x%x", m->table_mod.config);
}

void of_print_queue_config(struct buf *b, const struct of_msg *m)
{
    buf_printf(b, ": port=");
    of_port_no_print(b, m->queue_config.port);
    if (m->h.type == OFPT_QUEUE_GET_CONFIG_REPLY) {
        buf_printf(b, " queues ");
        print_data(b, m->queue_config.queues);
    }
}

void of_print_role(struct buf *b, const struct of_msg *m)
{
    static const char *const roles[] = {"nochange", "equal", "master", "slave"};

    buf_printf(b, ": role=");
    PRINT_NAME(b, roles, m->role.role);
    buf_printf(b, " generation_id=%llu", (unsigned long long)m->role.generation_id);
}

void of_print_async(struct buf *b, const struct of_msg *m)
{
    const struct of_async_config *a = &m->async;

    buf_printf(b, ": packet_in=0x%x/0x%x port_status=0x%x/0x%x flow_removed=0x%x/0x%x",
               a->packet_in[0], a->packet_in[1], a->port_status[0], a->port_status[1],
               a->flow_removed[0], a->flow_removed[1]);
}

void of_print_meter_mod(struct buf *b, const struct of_msg *m)
{
    static const char *const commands[] = {"ADD", "MOD", "DEL"};

    buf_printf(b, ": ");
    PRINT_NAME(b, commands, m->meter_mod.command);
    buf_printf(b, " ");
    of_print_meter_id(b, m->meter_mod.meter_id);
    buf_printf(b, " ");
    of_print_meter_flags(b, m->meter_mod.flags);
    of_print_bands(b, m->meter_mod.bands);
}

/* Messages. */

static void print_head(struct buf *b, const struct of_header *h)
{
    const struct of_type_info *info = of_type_info(h->type);

    if (info) {
        buf_printf(b, "%s", info->name);
    } else {
        buf_printf(b, "type 0x%02x", h->type);
    }
    buf_printf(b, " (xid=0x%x)", h->xid);
    if (h->version != OFP_VERSION_13 && h->type != OFPT_HELLO) {
        buf_printf(b, " (version 0x%02x)", h->version);
    }
}

void of_msg_print(struct buf *b, const struct of_msg *m)
{
    of_print_fn *print = of_type_printer(m->h.type);

    print_head(b, &m->h);
    if (print) {
        print(b, m);
    }
}

void of_print(struct buf *b, const void *data, size_t len)
{
    struct cursor c = cursor_of(data, len);
    struct of_msg m;
    enum of_err err = of_msg_decode(c, &m);

    if (!err) {
        of_msg_print(b, &m);
        return;
    }
    if (len >= OFP_HEADER_LEN) {
        print_head(b, &m.h);
        buf_printf(b, ": ");
    }
    if (err == OF_ERR_LEN && len >= OFP_HEADER_LEN && m.h.length != len) {
        buf_printf(b, "length field %u; ", m.h.length);
    }
    buf_printf(b, "***%s*** ", of_err_text(err));
    print_data(b, c);
}
