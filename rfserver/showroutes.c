/* `rfctl show routes|neighbors|flows`: what is in the RIBs, and what came of it.
 * All take an optional VM (flows: or datapath) and an optional prefix. */

#include "ctl.h"

#include <stdio.h>

#include "base/buf.h"

struct filter {
    uint64_t vm_id; /* 0: all. */
    uint64_t dp_id; /* 0: all of the VM. */
    bool has_prefix;
    struct ip_prefix prefix; /* This prefix and those inside. */
};

static bool parse_filter(struct ctl_request *r, struct filter *ret)
{
    *ret = (struct filter){0};
    for (unsigned i = 0; i < r->args->n; i++) {
        const char *arg = r->args->s[i];
        uint64_t dp_id;
        struct ip_addr addr;

        if (prefix_parse(arg, &ret->prefix)) {
            ret->has_prefix = true;
        } else if (ip_parse(arg, &addr)) {
            ret->prefix = prefix_of_host(&addr);
            ret->has_prefix = true;
        } else if (ctl_dp_parse(arg, &dp_id) && dp_find(r->server, dp_id)) {
            ret->dp_id = dp_id;
            ret->vm_id = plane_vm_of(r->server, dp_id);
            if (!ret->vm_id) {
                ctl_error(r, "datapath %s is in no line of %s: it gets no routes", arg,
                          r->server->config.mapping_path);
                return false;
            }
        } else if (!ctl_vm_parse(r->server, arg, &ret->vm_id) ||
                   !vm_find(r->server, ret->vm_id)) {
            ctl_error(r,
                      "\"%s\" is no prefix, and no VM or datapath known here "
                      "(rfctl show clients, rfctl show datapaths)",
                      arg);
            return false;
        }
    }
    return true;
}

static bool wanted(const struct filter *f, const struct ip_prefix *prefix)
{
    return !f->has_prefix || (prefix->plen >= f->prefix.plen &&
                              prefix_contains(&f->prefix, &prefix->addr));
}

static const char *protocol_name(uint8_t protocol)
{
    static const struct {
        uint8_t number;
        const char *name;
    } names[] = {{2, "kernel"},   {3, "boot"},    {4, "static"}, {11, "zebra"},
                 {16, "dhcp"},    {186, "bgp"},   {187, "isis"}, {188, "ospf"},
                 {189, "rip"},    {190, "ripng"}, {191, "nhrp"}, {192, "eigrp"},
                 {196, "static"}, {9, "ra"}};

    for (size_t i = 0; i < ARRAY_SIZE(names); i++) {
        if (names[i].number == protocol) {
            return names[i].name;
        }
    }
    return "other";
}

static void put_hops(struct table *t, const struct vm_route *route)
{
    struct buf text = {0};
    char ip[IP_STRLEN];

    for (unsigned i = 0; i < route->n_hops; i++) {
        const struct vm_hop *hop = &route->hops[i];
        buf_printf(&text, "%s", i ? ", " : "");
        if (hop->gateway.version) {
            buf_printf(&text, "%s port %u", ip_format(&hop->gateway, ip), hop->vm_port);
        } else {
            buf_printf(&text, "connected port %u", hop->vm_port);
        }
    }
    if (!route->n_hops) {
        buf_printf(&text, "%s",
                   route->kind == VM_ROUTE_BLACKHOLE     ? "blackhole"
                   : route->kind == VM_ROUTE_UNREACHABLE ? "unreachable"
                                                         : "the neighbor itself");
    }
    table_text(t, "next_hops", buf_cstr(&text));
    buf_uninit(&text);
}

static void put_target(struct table *t, const char *key,
                       const struct fib_target *target)
{
    switch (target->verdict) {
    case FIB_GROUP:
        table_format(t, key, "group:%u", target->group);
        break;
    case FIB_PUNT:
        table_text(t, key, "punt");
        break;
    case FIB_DROP:
        table_text(t, key, "drop");
        break;
    default:
        table_text(t, key, "-");
    }
}

static void put_verdict(struct table *t, const char *key, const struct rib_verdict *v)
{
    char text[RIB_VERDICT_STRLEN];
    table_text(t, key, v->reason == RIB_OK ? "ok" : rib_verdict_format(v, text));
}

/* Of a VM that spans several datapaths: that of the first one where it is not so well.
 */
static void put_route_state(struct table *t, const struct server_vm *vm,
                            const struct rib_route_info *info)
{
    char text[RIB_VERDICT_STRLEN];
    const struct server_rib *r = vm->ribs;
    struct rib_route_info other = *info;

    while (other.verdict.reason == RIB_OK && (r = r->next)) {
        rib_explain(r->rib, &info->route.prefix, &other);
    }
    if (!r || r == vm->ribs) {
        put_verdict(t, "state", &info->verdict);
    } else {
        table_format(t, "state", "at datapath 0x%016llx: %s",
                     (unsigned long long)r->dp_id,
                     rib_verdict_format(&other.verdict, text));
    }
}

static void put_route(struct table *t, const struct server_vm *vm,
                      const struct rib_route_info *info)
{
    char prefix[IP_PREFIX_STRLEN];

    table_id(t, "vm_id", vm->id);
    table_text(t, "prefix", prefix_format(&info->route.prefix, prefix));
    table_text(t, "protocol",
               info->route.kind ? protocol_name(info->route.protocol) : "neighbor");
    put_hops(t, &info->route);
    put_target(t, "fib", &info->target);
    put_route_state(t, vm, info);
}

int show_routes(struct ctl_request *r)
{
    struct server_vm *vm, *tmp;
    struct rib_route_info info;
    struct filter f;
    struct table t;

    if (!parse_filter(r, &f)) {
        return 1;
    }
    table_begin(&t, r->doc,
                "vm_id:VM,prefix:PREFIX,protocol:FROM,next_hops:NEXT HOPS,fib:FIB,"
                "state:STATE",
                r->offset);
    HASH_ITER (hh, r->server->vms, vm, tmp) {
        uint32_t cursor = 0;
        while ((!f.vm_id || f.vm_id == vm->id) && !t.full &&
               rib_next_route(vm->ribs->rib, &cursor, &info)) {
            if (wanted(&f, &info.route.prefix) && table_row(&t)) {
                put_route(&t, vm, &info);
                table_row_end(&t);
            }
        }
    }
    table_end(&t);
    return 0;
}

struct neigh_walk {
    struct table *t;
    const struct filter *f;
    const struct server_vm *vm;
};

static void put_neigh(void *aux, const struct rib_neigh_info *info)
{
    struct neigh_walk *w = aux;
    struct ip_prefix host = prefix_of_host(&info->neigh.addr);
    char ip[IP_STRLEN], mac[ETH_STRLEN];

    if (wanted(w->f, &host) && table_row(w->t)) {
        table_id(w->t, "vm_id", w->vm->id);
        table_number(w->t, "vm_port", info->neigh.vm_port);
        table_text(w->t, "address", ip_format(&info->neigh.addr, ip));
        table_text(w->t, "mac", eth_format(info->neigh.hwaddr, mac));
        put_verdict(w->t, "state", &info->verdict);
        table_row_end(w->t);
    }
}

int show_neighbors(struct ctl_request *r)
{
    struct server_vm *vm, *tmp;
    struct filter f;
    struct table t;

    if (!parse_filter(r, &f)) {
        return 1;
    }
    table_begin(&t, r->doc, "vm_id:VM,vm_port:PORT,address:ADDRESS,mac:MAC,state:STATE",
                r->offset);
    HASH_ITER (hh, r->server->vms, vm, tmp) {
        if (!f.vm_id || f.vm_id == vm->id) {
            struct neigh_walk w = {&t, &f, vm};
            rib_each_neigh(vm->ribs->rib, put_neigh, &w);
        }
    }
    table_end(&t);
    return 0;
}

static void put_flow_state(struct table *t, const struct server_dp *dp)
{
    table_text(t, "state",
               !dp->connected       ? "datapath not connected"
               : !dp->has_status    ? "sent"
               : dp->status.in_sync ? "installed"
               : dp->status.failed  ? "sent; the datapath refuses some entries"
                                    : "sent, not confirmed yet");
    table_text(t, "error", dp->has_status ? dp->last_error : "");
}

static void put_flow(struct table *t, struct server_dp *dp,
                     const struct rib_route_info *info)
{
    char prefix[IP_PREFIX_STRLEN];

    table_id(t, "dp_id", dp->id);
    table_text(t, "prefix", prefix_format(&info->route.prefix, prefix));
    put_target(t, "target", &info->target);
    put_flow_state(t, dp);
}

struct transit_walk {
    struct table *t;
    struct server_dp *dp;
};

/* What other datapaths of the same VM have routed already. */
static void put_transit(void *aux, const struct plane_transit *transit)
{
    struct transit_walk *w = aux;
    char src[ETH_STRLEN], dst[ETH_STRLEN];

    if (table_row(w->t)) {
        table_id(w->t, "dp_id", w->dp->id);
        table_format(w->t, "prefix", "transit %s > %s", eth_format(transit->src, src),
                     eth_format(transit->dst, dst));
        table_format(w->t, "target", "port:%u", transit->dp_port);
        put_flow_state(w->t, w->dp);
        table_row_end(w->t);
    }
}

/* The desired FIB of each datapath, as its proxy was told. */
int show_flows(struct ctl_request *r)
{
    struct server_dp *dp, *tmp;
    struct rib_route_info info;
    struct filter f;
    struct table t;

    if (!parse_filter(r, &f)) {
        return 1;
    }
    table_begin(
        &t, r->doc,
        "dp_id:DATAPATH,prefix:PREFIX,target:TARGET,state:STATE,error:LAST ERROR",
        r->offset);
    HASH_ITER (hh, r->server->dps, dp, tmp) {
        uint64_t vm_id = plane_vm_of(r->server, dp->id);
        struct server_vm *vm = vm_find(r->server, vm_id);
        const struct server_rib *rib = vm ? vm_rib(vm, dp->id) : NULL;
        uint32_t cursor = 0;
        while (rib && (!f.vm_id || f.vm_id == vm_id) &&
               (!f.dp_id || f.dp_id == dp->id) && !t.full &&
               rib_next_route(rib->rib, &cursor, &info)) {
            if (info.target.verdict && wanted(&f, &info.route.prefix) &&
                table_row(&t)) {
                put_flow(&t, dp, &info);
                table_row_end(&t);
            }
        }
        if (rib && (!f.vm_id || f.vm_id == vm_id) && (!f.dp_id || f.dp_id == dp->id) &&
            !f.has_prefix) {
            rib_each_transit(rib->rib, put_transit, &(struct transit_walk){&t, dp});
        }
    }
    table_end(&t);
    return 0;
}
