#include "pipeline.h"

#include <stdlib.h>
#include <string.h>

#include "of/put.h"
#include "pipeline_item.h"

enum {
    TYPE_IPV4 = 0x0800,
    TYPE_ARP = 0x0806,
    TYPE_IPV6 = 0x86dd,
    TYPE_LLDP = 0x88cc,
    TYPE_BDDP = 0x8942, /* Our probes as broadcasts (wire/lldp.h). */
    PROTO_OSPF = 89,
    ND_FIRST = 133, /* Router solicitation ... (RFC 4861) */
    ND_LAST = 136,  /* ... neighbour advertisement. */
};

/* Where items go, and what they are made with. */
struct maker {
    const struct pipeline_config *config;
    pipeline_item_fn *fn;
    void *aux;
};

static uint32_t port_meter(const struct pipeline_config *config, uint32_t dp_port)
{
    uint32_t last = MIN(config->max_meter, PIPE_METER_LOCAL_PORT - 1);

    return dp_port <= last - PIPE_METER_PORT ? PIPE_METER_PORT + dp_port
                                             : PIPE_METER_PUNT;
}

static uint32_t local_meter(const struct pipeline_config *config, uint32_t dp_port)
{
    uint32_t last = MIN(config->max_meter, PIPELINE_METERS);

    return last > PIPE_METER_LOCAL_PORT && dp_port <= last - PIPE_METER_LOCAL_PORT
               ? PIPE_METER_LOCAL_PORT + dp_port
               : PIPE_METER_LOCAL;
}

static bool has_meters(const struct pipeline_config *config)
{
    return config->max_meter >= PIPE_METER_PORT;
}

static void make(const struct maker *m, struct buf *key, struct buf *value)
{
    struct recon_blob k = item_blob(key);

    m->fn(m->aux, item_rank(k), k, item_blob(value));
    buf_uninit(key);
    buf_uninit(value);
}

static void make_flow(const struct maker *m, uint8_t table, uint16_t priority,
                      enum pipeline_sort sort, const struct of_match *match,
                      const struct of_instructions *inst)
{
    struct buf key = {0}, value = {0};

    item_put_flow_key(&key, table, priority, match);
    item_put_flow_value(&value, pipeline_cookie(sort), inst);
    make(m, &key, &value);
}

static void make_meter(const struct maker *m, uint32_t id, uint32_t rate)
{
    struct item_meter meter = {.flags = ITEM_METER_FLAGS, .rate = rate, .burst = rate};
    struct buf key = {0}, value = {0};

    if (has_meters(m->config)) {
        item_put_meter_key(&key, id);
        item_put_meter_value(&value, &meter);
        make(m, &key, &value);
    }
}

static void make_drop(const struct maker *m, uint8_t table, uint16_t priority,
                      enum pipeline_sort sort, const struct of_match *match)
{
    struct of_instructions inst;

    of_instructions_init(&inst);
    make_flow(m, table, priority, sort, match, &inst);
}

static void make_punt(const struct maker *m, uint8_t table, uint16_t priority,
                      enum pipeline_sort sort, uint32_t meter,
                      const struct of_match *match)
{
    struct of_instructions inst;

    punt_instructions(m->config, meter, &inst);
    make_flow(m, table, priority, sort, match, &inst);
}

void punt_instructions(const struct pipeline_config *config, uint32_t meter,
                       struct of_instructions *ret)
{
    of_instructions_init(ret);
    if (has_meters(config)) {
        of_instructions_meter(ret, meter);
    }
    of_actions_controller(of_instructions_apply(ret), OFPCML_NO_BUFFER);
}

void fib_instructions(const struct pipeline_config *config,
                      const struct fib_target *target, struct of_instructions *ret)
{
    if (target->verdict == FIB_PUNT) {
        punt_instructions(config, PIPE_METER_PUNT, ret);
        return;
    }
    of_instructions_init(ret);
    if (target->verdict == FIB_GROUP && target->mtu) {
        of_actions_check_larger(of_instructions_apply(ret),
                                (uint16_t)(target->mtu + ETH_HEADER));
        of_actions_group(of_instructions_write(ret), PIPELINE_GROUP | target->group);
        of_instructions_goto(ret, PIPELINE_LENGTH);
    } else if (target->verdict == FIB_GROUP) {
        of_actions_group(of_instructions_apply(ret), PIPELINE_GROUP | target->group);
    }
}

void fib_match(const struct ip_prefix *prefix, struct of_match *ret)
{
    memset(ret, 0, sizeof *ret);
    of_match_set_eth_type(ret, prefix->addr.version == IP_V4 ? TYPE_IPV4 : TYPE_IPV6);
    of_match_set_ip_dst(ret, prefix);
}

/* Fixed entries. */

void pipeline_fixed(const struct pipeline_config *config, pipeline_item_fn *fn,
                    void *aux)
{
    static const struct eth_addr bridge = {{0x01, 0x80, 0xc2, 0, 0, 0}};
    static const struct eth_addr bridge_mask = {{0xff, 0xff, 0xff, 0xff, 0xff, 0xf0}};
    static const uint16_t families[] = {TYPE_IPV4, TYPE_IPV6};
    static const uint16_t probes[] = {TYPE_LLDP, TYPE_BDDP};
    const struct maker m = {config, fn, aux};
    struct of_match match;
    /* LLDP of all ports but edges: up to 48 links of 20 probes/s fit. */
    const uint32_t lldp_rate = 2000;

    make_meter(&m, PIPE_METER_PUNT, config->punt_rate);
    make_meter(&m, PIPE_METER_LLDP, lldp_rate);
    make_meter(&m, PIPE_METER_LOCAL, config->punt_rate);

    for (size_t i = 0; i < ARRAY_SIZE(probes); i++) {
        match = (struct of_match){0};
        of_match_set_eth_type(&match, probes[i]);
        make_punt(&m, PIPELINE_ADMIT, PRIO_LLDP, PIPE_LLDP, PIPE_METER_LLDP, &match);
    }
    match = (struct of_match){0};
    of_match_set_eth_dst_masked(&match, bridge, bridge_mask);
    make_drop(&m, PIPELINE_ADMIT, PRIO_BRIDGE, PIPE_DROP, &match);

    match = (struct of_match){0};
    make_drop(&m, PIPELINE_ADMIT, PRIO_MISS, PIPE_DROP, &match);
    make_punt(&m, PIPELINE_FIB, PRIO_MISS, PIPE_MISS, PIPE_METER_PUNT, &match);

    if (config->local_table) {
        make_punt(&m, PIPELINE_LOCAL, PRIO_MISS, PIPE_LOCAL, PIPE_METER_LOCAL, &match);
    }
    for (size_t i = 0; i < ARRAY_SIZE(families) && config->nw_ttl; i++) {
        match = (struct of_match){0};
        of_match_set_eth_type(&match, families[i]);
        of_match_set_nw_ttl(&match, 1);
        make_punt(&m, PIPELINE_FIB, PRIO_TTL, PIPE_TTL, PIPE_METER_PUNT, &match);
    }
}

/* Ports. */

static struct of_match on_port(const struct plane_port *port, uint16_t eth_type)
{
    struct of_match match = {0};

    of_match_set_in_port(&match, port->dp_port);
    if (eth_type) {
        of_match_set_eth_type(&match, eth_type);
    }
    return match;
}

static struct of_match on_port_to(const struct plane_port *port, const char *prefix)
{
    struct of_match match = on_port(port, 0);
    struct ip_prefix p;

    prefix_parse(prefix, &p);
    of_match_set_ip_dst(&match, &p);
    return match;
}

static struct of_match on_port_ospf(const struct plane_port *port, uint16_t eth_type)
{
    struct of_match match = on_port(port, eth_type);

    of_match_set_ip_proto(&match, PROTO_OSPF);
    return match;
}

static void make_local(const struct maker *m, const struct plane_port *port)
{
    const uint32_t meter = local_meter(m->config, port->dp_port);
    const struct of_match match = on_port(port, 0);

    if (m->config->local_table && meter != PIPE_METER_LOCAL) {
        make_meter(m, meter, m->config->punt_rate);
        make_punt(m, PIPELINE_LOCAL, PRIO_LOCAL_PORT, PIPE_LOCAL, meter, &match);
    }
}

static void make_edge(const struct maker *m, const struct plane_port *port)
{
    const uint32_t meter = port_meter(m->config, port->dp_port);
    const struct of_match probes[] = {on_port(port, TYPE_LLDP),
                                      on_port(port, TYPE_BDDP)};
    const struct of_match control[] = {
        on_port(port, TYPE_ARP),       on_port_ospf(port, TYPE_IPV4),
        on_port_ospf(port, TYPE_IPV6), on_port_to(port, "224.0.0.0/24"),
        on_port_to(port, "ff02::/16"),
    };

    if (meter != PIPE_METER_PUNT) {
        make_meter(m, meter, m->config->punt_rate);
    }
    for (size_t i = 0; i < ARRAY_SIZE(probes); i++) {
        make_punt(m, PIPELINE_ADMIT, PRIO_LLDP_EDGE, PIPE_LLDP, meter, &probes[i]);
    }
    for (size_t i = 0; i < ARRAY_SIZE(control); i++) {
        make_punt(m, PIPELINE_ADMIT, PRIO_CONTROL, PIPE_EDGE, meter, &control[i]);
    }
    for (uint8_t type = ND_FIRST; type <= ND_LAST; type++) {
        struct of_match match = on_port(port, TYPE_IPV6);
        of_match_set_icmpv6_type(&match, type);
        make_punt(m, PIPELINE_ADMIT, PRIO_CONTROL, PIPE_EDGE, meter, &match);
    }
}

static void make_internal(const struct maker *m, const struct plane_port *port)
{
    static const struct eth_addr group_bit = {{0x01, 0, 0, 0, 0, 0}};
    struct of_match leaks[] = {
        on_port(port, TYPE_ARP),
        on_port_ospf(port, TYPE_IPV4),
        on_port_ospf(port, TYPE_IPV6),
        on_port(port, 0),
    };

    of_match_set_eth_dst_masked(&leaks[3], group_bit, group_bit);
    for (size_t i = 0; i < ARRAY_SIZE(leaks); i++) {
        make_drop(m, PIPELINE_ADMIT, PRIO_CONTROL, PIPE_LEAK, &leaks[i]);
    }
}

static void make_admit(const struct maker *m, const struct plane_port *port)
{
    static const uint16_t families[] = {TYPE_IPV4, TYPE_IPV6};
    struct of_instructions inst;

    of_instructions_init(&inst);
    of_instructions_goto(&inst, PIPELINE_FIB);
    for (size_t i = 0; i < ARRAY_SIZE(families); i++) {
        struct of_match match = on_port(port, families[i]);
        of_match_set_eth_dst(&match, port->mac);
        make_flow(m, PIPELINE_ADMIT, PRIO_ADMIT, PIPE_ADMIT, &match, &inst);
    }
}

/* Routed by another switch of the same router. */
static void make_inside(const struct maker *m, const struct plane_port *port)
{
    const struct of_match all = on_port(port, 0);
    struct of_instructions inst;

    of_instructions_init(&inst);
    of_instructions_goto(&inst, PIPELINE_TRANSIT);
    make_flow(m, PIPELINE_ADMIT, PRIO_ADMIT, PIPE_INSIDE, &all, &inst);
}

void pipeline_port(const struct pipeline_config *config, const struct plane_port *port,
                   pipeline_item_fn *fn, void *aux)
{
    const struct maker m = {config, fn, aux};
    const struct of_match all = on_port(port, 0);

    switch (port->class) {
    case PORT_BLOCKED:
        make_drop(&m, PIPELINE_ADMIT, PRIO_BLOCKED, PIPE_DROP, &all);
        return;
    case PORT_EDGE:
    case PORT_OPEN:
        make_edge(&m, port);
        make_local(&m, port);
        break;
    case PORT_INTERNAL:
        make_internal(&m, port);
        break;
    case PORT_INSIDE:
        make_internal(&m, port);
        make_inside(&m, port);
        return;
    case PORT_PROBING:
        break;
    }
    make_admit(&m, port);
}

void pipeline_addr(const struct pipeline_config *config, const struct plane_addr *addr,
                   pipeline_item_fn *fn, void *aux)
{
    const struct maker m = {config, fn, aux};
    const struct ip_prefix host = prefix_of_host(&addr->addr);
    struct of_match match;

    fib_match(&host, &match);
    if (config->local_table) {
        struct of_instructions inst;
        of_instructions_init(&inst);
        of_instructions_goto(&inst, PIPELINE_LOCAL);
        make_flow(&m, PIPELINE_ADMIT, PRIO_LOCAL, PIPE_LOCAL, &match, &inst);
    } else {
        make_punt(&m, PIPELINE_ADMIT, PRIO_LOCAL, PIPE_LOCAL, PIPE_METER_LOCAL, &match);
    }
}

void pipeline_lengths(const struct pipeline_config *config, pipeline_item_fn *fn,
                      void *aux)
{
    const struct maker m = {config, fn, aux};
    struct of_match match = {0};
    struct of_instructions inst;

    if (!config->lengths) {
        return;
    }
    make_drop(&m, PIPELINE_LENGTH, PRIO_MISS, PIPE_LENGTH, &match);
    of_match_set_metadata(&match, 1, 1);
    punt_instructions(config, PIPE_METER_PUNT, &inst);
    inst.present |= OF_I_CLEAR;
    make_flow(&m, PIPELINE_LENGTH, PRIO_LONG, PIPE_LENGTH, &match, &inst);
}

void pipeline_transit(const struct pipeline_config *config,
                      const struct plane_transit *transit, pipeline_item_fn *fn,
                      void *aux)
{
    const struct maker m = {config, fn, aux};
    struct of_match match = {0};
    struct of_instructions inst;

    of_match_set_eth_src(&match, transit->src);
    of_match_set_eth_dst(&match, transit->dst);
    of_instructions_init(&inst);
    of_actions_output(of_instructions_apply(&inst), transit->dp_port);
    make_flow(&m, PIPELINE_TRANSIT, PIPELINE_TRANSIT_PRIORITY, PIPE_TRANSIT, &match,
              &inst);
}

/* Groups. */

static int hop_compare(const void *a_, const void *b_)
{
    const struct fib_hop *a = a_, *b = b_;

    if (a->dp_port != b->dp_port) {
        return a->dp_port < b->dp_port ? -1 : 1;
    }
    int order = memcmp(&a->dst, &b->dst, sizeof a->dst);
    if (order == 0) {
        order = memcmp(&a->src, &b->src, sizeof a->src);
    }
    return order != 0 ? order : (int)a->weight - b->weight;
}

void pipeline_canonical_group(struct fib_group *group)
{
    if (fib_hops_have_alternate(group->n_hops, group->hops)) {
        group->hops[0].weight = 1;
        return;
    }
    for (unsigned i = 0; i < group->n_hops; i++) {
        struct fib_hop *hop = &group->hops[i];
        hop->weight = group->n_hops == 1 ? 1 : MAX(hop->weight, 1);
    }
    qsort(group->hops, group->n_hops, sizeof *group->hops, hop_compare);
}

/* Rendering. */

static void put_hop(const struct fib_hop *hop, struct of_bucket *bucket)
{
    of_actions_set_eth_src(&bucket->actions, hop->src);
    of_actions_set_eth_dst(&bucket->actions, hop->dst);
    of_actions_dec_nw_ttl(&bucket->actions);
    of_actions_output(&bucket->actions, hop->dp_port);
}

static void render_group(const struct pipeline_config *config,
                         const struct recon_op *op, struct buf *out)
{
    static const uint16_t commands[] = {[RECON_ADD] = OFPGC_ADD,
                                        [RECON_MODIFY] = OFPGC_MODIFY,
                                        [RECON_DELETE] = OFPGC_DELETE};
    const unsigned n_hops = op->action == RECON_DELETE ? 0 : op->group.n_hops;
    const bool failover = fib_hops_have_alternate(n_hops, op->group.hops);
    struct of_bucket buckets[VM_MAX_HOPS];
    unsigned n = 0;

    for (; n < n_hops; n++) {
        const struct fib_hop *hop = &op->group.hops[n];
        struct of_bucket *bucket = &buckets[n];
        of_bucket_init(bucket);
        if (failover) {
            bucket->watch_port = hop->dp_port;
        } else if (n_hops > 1) {
            bucket->weight = hop->weight;
            bucket->watch_port = config->watch ? hop->dp_port : OFPP_ANY;
        }
        put_hop(hop, bucket);
    }
    if (op->group.to && op->action != RECON_DELETE) {
        of_bucket_init(&buckets[n]);
        of_actions_group(&buckets[n++].actions, PIPELINE_GROUP | op->group.to);
    } else if (n == 0 && op->action != RECON_DELETE) {
        /* An indirect group has exactly one bucket; this one drops. */
        of_bucket_init(&buckets[n++]);
    }
    of_put_group_mod(out, op->serial, commands[op->action],
                     failover ? OFPGT_FF
                     : n > 1  ? OFPGT_SELECT
                              : OFPGT_INDIRECT,
                     PIPELINE_GROUP | op->group.id, buckets, n);
}

static void render_meter(const struct recon_op *op, struct buf *out)
{
    static const uint16_t commands[] = {[RECON_ADD] = OFPMC_ADD,
                                        [RECON_MODIFY] = OFPMC_MODIFY,
                                        [RECON_DELETE] = OFPMC_DELETE};
    struct item_meter meter = {.flags = ITEM_METER_FLAGS};
    const bool delete = op->action == RECON_DELETE;

    item_get_meter(op->aux.key, delete ? (struct recon_blob){0} : op->aux.value,
                   &meter);
    const struct of_meter_band band = {
        .type = OFPMBT_DROP, .rate = meter.rate, .burst_size = meter.burst};
    of_put_meter_mod(out, op->serial, commands[op->action], meter.flags, meter.id,
                     &band, delete ? 0 : 1);
}

static void render_flow(const struct pipeline_config *config, const struct recon_op *op,
                        struct buf *out)
{
    const bool delete = op->action == RECON_DELETE;
    struct item_flow flow = {.cookie = PIPELINE_COOKIE};
    struct of_flow_mod fm;

    if (op->what == RECON_AUX) {
        item_get_flow(op->aux.key, delete ? (struct recon_blob){0} : op->aux.value,
                      &flow);
    } else {
        const struct ip_prefix *prefix = &op->fib.prefix;
        flow.table = PIPELINE_FIB;
        flow.priority = PIPELINE_FIB_PRIORITY + prefix->plen;
        fib_match(prefix, &flow.match);
        if (!delete) {
            flow.cookie = pipeline_fib_cookie(prefix);
            fib_instructions(config, &op->fib.target, &flow.inst);
        }
    }
    of_flow_mod_init(&fm, delete ? OFPFC_DELETE_STRICT : OFPFC_ADD, flow.table,
                     flow.priority);
    fm.cookie = flow.cookie;
    fm.match = flow.match;
    if (delete) {
        /* Not somebody else's entry that took the place of ours. */
        fm.cookie_mask = PIPELINE_COOKIE_MASK;
    } else {
        fm.inst = flow.inst;
        /* It may take the place of an entry that relays the same frames of an edge
         * port: those were no leaks. */
        fm.flags = flow.cookie == pipeline_cookie(PIPE_LEAK) ? OFPFF_RESET_COUNTS : 0;
    }
    of_put_flow_mod(out, op->serial, &fm);
}

void pipeline_render(const struct pipeline_config *config, const struct recon_op *op,
                     struct buf *out)
{
    if (op->what == RECON_GROUP) {
        render_group(config, op, out);
    } else if (op->what == RECON_AUX && item_is_meter(op->aux.key)) {
        render_meter(op, out);
    } else {
        render_flow(config, op, out);
    }
}
