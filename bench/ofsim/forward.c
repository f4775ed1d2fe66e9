/* Frames: OpenFlow 1.3.5, 5.1 to 5.10, as far as routing needs it. */

#include "ofsim.h"

#include <string.h>

#define FRAME_MAX 9216
#define LINKS_MAX 64 /* A frame that has crossed more goes in circles. */
#define PACKET_IN_QUEUE_MAX (8 * 1024 * 1024)

struct packet {
    struct sim_switch *sw;
    uint32_t in_port;
    uint8_t table;
    uint64_t cookie; /* Of the entry that acts. */
    uint8_t reason;
    size_t n;
    uint8_t data[FRAME_MAX];
};

enum { ETH_LLDP = 0x88cc, ETH_ARP = 0x0806, ETH_IPV4 = 0x0800, ETH_IPV6 = 0x86dd };

static uint16_t eth_type_of(const struct packet *p)
{
    return (uint16_t)(p->data[12] << 8 | p->data[13]);
}

/* What a flow entry can match in it. */

static void set_transport(struct of_match *m, uint8_t proto, struct cursor c)
{
    uint16_t src, dst;

    if (proto == 1 && c.n) {
        of_match_set_icmpv4_type(m, c.p[0]);
    } else if (proto == 58 && c.n) {
        of_match_set_icmpv6_type(m, c.p[0]);
    } else if ((proto == 6 || proto == 17) && cursor_u16(&c, &src) &&
               cursor_u16(&c, &dst)) {
        if (proto == 6) {
            of_match_set_tcp_src(m, src);
            of_match_set_tcp_dst(m, dst);
        } else {
            of_match_set_udp_src(m, src);
            of_match_set_udp_dst(m, dst);
        }
    }
}

static void set_ip(struct of_match *m, struct cursor c, enum ip_version version)
{
    const bool v4 = version == IP_V4;
    const size_t min = v4 ? 20 : 40;

    if (c.n < min) {
        return;
    }
    const size_t header = v4 ? (size_t)(c.p[0] & 15) * 4 : 40;
    const uint8_t proto = c.p[v4 ? 9 : 6];
    const struct ip_prefix src = {ip_from_bytes(version, c.p + (v4 ? 12 : 8)),
                                  v4 ? 32 : 128};
    const struct ip_prefix dst = {ip_from_bytes(version, c.p + (v4 ? 16 : 24)),
                                  v4 ? 32 : 128};
    of_match_set_ip_src(m, &src);
    of_match_set_ip_dst(m, &dst);
    of_match_set_ip_proto(m, proto);
    of_match_set_nw_ttl(m, c.p[v4 ? 8 : 7]);
    if (header >= min && cursor_skip(&c, header)) {
        set_transport(m, proto, c);
    }
}

static void set_arp(struct of_match *m, struct cursor c)
{
    uint16_t op;
    uint32_t spa, tpa;

    if (cursor_skip(&c, 6) && cursor_u16(&c, &op) && cursor_skip(&c, 6) &&
        cursor_u32(&c, &spa) && cursor_skip(&c, 6) && cursor_u32(&c, &tpa)) {
        of_match_set_arp_op(m, op);
        of_match_set_arp_spa(m, spa);
        of_match_set_arp_tpa(m, tpa);
    }
}

static void parse(const struct packet *p, struct of_match *ret)
{
    struct cursor c = cursor_of(p->data, p->n);
    struct eth_addr dst, src;
    uint16_t type;

    *ret = (struct of_match){0};
    of_match_set_in_port(ret, p->in_port);
    cursor_eth(&c, &dst);
    cursor_eth(&c, &src);
    cursor_u16(&c, &type);
    of_match_set_eth_dst(ret, dst);
    of_match_set_eth_src(ret, src);
    of_match_set_eth_type(ret, type);
    of_match_set_vlan_none(ret);
    if (type == ETH_IPV4) {
        set_ip(ret, c, IP_V4);
    } else if (type == ETH_IPV6) {
        set_ip(ret, c, IP_V6);
    } else if (type == ETH_ARP) {
        set_arp(ret, c);
    }
}

static struct flow *look_up(struct sim_switch *sw, uint8_t table,
                            const struct of_match *packet)
{
    struct flow *best = NULL;

    for (struct flow *flow = sw->flows; flow; flow = flow->hh.next) {
        if (flow->table == table && (!best || flow->priority > best->priority) &&
            of_match_covers(&flow->match, packet)) {
            best = flow;
        }
    }
    return best;
}

/* LLDP is nearly all that an idle network carries: it is looked up once. */
static struct flow *look_up_first(struct packet *p)
{
    struct sim_port *port = switch_port(p->sw, p->in_port);
    const bool lldp = port && eth_type_of(p) == ETH_LLDP;
    struct of_match match;

    if (lldp && port->lldp_generation == p->sw->generation &&
        !memcmp(port->lldp_header, p->data, LLDP_HEADER_LEN)) {
        return port->lldp_flow;
    }
    parse(p, &match);
    struct flow *flow = look_up(p->sw, 0, &match);
    if (lldp) {
        memcpy(port->lldp_header, p->data, LLDP_HEADER_LEN);
        port->lldp_generation = p->sw->generation;
        port->lldp_flow = flow;
    }
    return flow;
}

/* Actions. */

static void to_controller(const struct packet *p, uint16_t max_len)
{
    struct sim_switch *sw = p->sw;
    const size_t n = max_len == OFPCML_NO_BUFFER ? p->n : MIN(p->n, max_len);
    struct of_packet_in pi = {.buffer_id = OFP_NO_BUFFER,
                              .total_len = (uint16_t)p->n,
                              .reason = p->reason,
                              .table_id = p->table,
                              .cookie = p->cookie,
                              .data = cursor_of(p->data, n)};

    if (!sw->up || sw->out.len - sw->out_head > PACKET_IN_QUEUE_MAX) {
        sw->sim->counters.dropped++;
        return;
    }
    of_match_set_in_port(&pi.match, p->in_port);
    of_put_packet_in(switch_output(sw), 0, &pi);
    sw->sim->counters.packet_ins++;
    switch_kick(sw);
}

static void to_port(struct packet *p, uint32_t no)
{
    struct sim_switch *sw = p->sw;
    struct sim_port *port = switch_port(sw, no);

    if (!port || !port_is_up(port) || port->config & OFPPC_NO_FWD) {
        sw->sim->counters.dropped++;
        return;
    }
    port->tx_packets++;
    port->tx_bytes += p->n;
    if (port->peer && !port->cut && sw->sim->depth < LINKS_MAX) {
        sw->sim->depth++;
        forward_receive(port->peer, port->peer_port, p->data, p->n);
        sw->sim->depth--;
    }
}

static void through_tables(struct packet *);

static void output(struct packet *p, uint32_t no, uint16_t max_len)
{
    switch (no) {
    case OFPP_CONTROLLER:
        to_controller(p, max_len);
        break;
    case OFPP_IN_PORT:
        to_port(p, p->in_port);
        break;
    case OFPP_TABLE:
        through_tables(p);
        break;
    case OFPP_ALL:
    case OFPP_FLOOD:
        for (uint32_t i = 1; i <= p->sw->sim->n_ports; i++) {
            if (i != p->in_port) {
                to_port(p, i);
            }
        }
        break;
    default:
        if (no != p->in_port) {
            to_port(p, no);
        }
        break;
    }
}

static void sum_add(uint16_t *sum, uint16_t more)
{
    const uint32_t s = (uint32_t)*sum + more;
    *sum = (uint16_t)(s + (s >> 16));
}

/* False: it is over with this frame (5.9, 7.2.5). */
static bool dec_ttl(struct packet *p)
{
    const bool v4 = eth_type_of(p) == ETH_IPV4 && p->n >= 34;
    const bool v6 = eth_type_of(p) == ETH_IPV6 && p->n >= 54;
    uint8_t *ttl = v4 ? &p->data[22] : v6 ? &p->data[21] : NULL;

    if (!ttl) {
        return true;
    }
    if (*ttl <= 1) {
        return false;
    }
    --*ttl;
    if (v4) { /* RFC 1624. */
        uint16_t sum = (uint16_t)(p->data[24] << 8 | p->data[25]);
        sum_add(&sum, 0x0100);
        p->data[24] = (uint8_t)(sum >> 8);
        p->data[25] = (uint8_t)sum;
    }
    return true;
}

static void apply(struct packet *, const struct of_actions *);

/* A bucket that can carry: the watched port, or any output port, is up. */
static bool bucket_lives(struct sim_switch *sw, const struct of_bucket *bucket)
{
    const struct sim_port *port = switch_port(sw, bucket->watch_port);

    return bucket->watch_port == OFPP_ANY || (port && port_is_up(port));
}

static void to_group(struct packet *p, uint32_t id)
{
    struct group *group = tables_group(p->sw, id);
    struct of_bucket bucket;
    struct cursor c;
    enum of_err err;

    if (!group) {
        return;
    }
    group->packets++;
    group->bytes += p->n;
    c = cursor_of(group->buckets, group->len);
    while (of_bucket_next(&c, &bucket, &err)) {
        if (group->type == OFPGT_ALL || bucket_lives(p->sw, &bucket)) {
            struct packet copy = *p;
            apply(&copy, &bucket.actions);
            if (group->type != OFPGT_ALL) {
                return; /* Of a select group the first: a hash like any other. */
            }
        }
    }
}

static void apply(struct packet *p, const struct of_actions *list)
{
    for (unsigned i = 0; i < list->n; i++) {
        const struct of_action *a = &list->a[i];
        switch (a->kind) {
        case OF_A_OUTPUT:
            output(p, a->output.port, a->output.max_len);
            break;
        case OF_A_GROUP:
            to_group(p, a->group_id);
            break;
        case OF_A_SET_ETH_DST:
            memcpy(p->data, a->eth.ea, 6);
            break;
        case OF_A_SET_ETH_SRC:
            memcpy(p->data + 6, a->eth.ea, 6);
            break;
        case OF_A_DEC_NW_TTL:
            if (!dec_ttl(p)) {
                return;
            }
            break;
        }
    }
}

static void through_tables(struct packet *p)
{
    struct flow *flow = look_up_first(p);
    struct of_instructions inst;
    struct of_match match;

    while (flow) {
        flow->packets++;
        flow->bytes += p->n;
        p->table = flow->table;
        p->cookie = flow->cookie;
        p->reason = flow->priority ? OFPR_ACTION : OFPR_NO_MATCH;
        flow_instructions(flow, &inst);
        if (inst.present & OF_I_METER) {
            struct meter *meter = tables_meter(p->sw, inst.meter_id);
            meter->packets++;
            meter->bytes += p->n;
        }
        apply(p, &inst.apply);
        if (!(inst.present & OF_I_GOTO_TABLE)) {
            apply(p, &inst.write);
            return;
        }
        parse(p, &match);
        flow = look_up(p->sw, inst.goto_table, &match);
    }
}

void forward_receive(struct sim_switch *sw, uint32_t in_port, const uint8_t *frame,
                     size_t n)
{
    struct sim_port *port = switch_port(sw, in_port);
    struct packet p;

    if (!port_is_up(port) || port->config & OFPPC_NO_RECV || n < LLDP_HEADER_LEN ||
        n > FRAME_MAX) {
        sw->sim->counters.dropped++;
        return;
    }
    port->rx_packets++;
    port->rx_bytes += n;
    p.sw = sw;
    p.in_port = in_port;
    p.n = n;
    memcpy(p.data, frame, n);
    through_tables(&p);
}

void forward_packet_out(struct sim_switch *sw, const struct of_packet_out *out)
{
    struct packet p;

    sw->sim->counters.packet_outs++;
    if (out->buffer_id != OFP_NO_BUFFER) {
        switch_error(sw, OFPET_BAD_REQUEST, OFPBRC_BUFFER_UNKNOWN);
        return;
    }
    if (out->data.n < LLDP_HEADER_LEN || out->data.n > FRAME_MAX) {
        switch_error(sw, OFPET_BAD_REQUEST, OFPBRC_BAD_PACKET);
        return;
    }
    p.sw = sw;
    p.in_port = out->in_port;
    p.table = 0;
    p.cookie = UINT64_MAX; /* 7.4.1: no entry. */
    p.reason = OFPR_ACTION;
    p.n = out->data.n;
    memcpy(p.data, out->data.p, p.n);
    apply(&p, &out->actions);
}
