/* `rfctl plan`: gathers what core/plan.h works on, and answers with its proposal.
 *
 * rfserver proposes and no more: it has given up the capabilities to write the mapping
 * file or to make a container, and what it is told by its peers must not decide about
 * either.  rfctl does that, at an operator's word. */

#include "ctl.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define LOG_MODULE "propose"
#include "base/hash.h"
#include "base/log.h"
#include "base/util.h"
#include "core/plan.h"

struct gathering {
    struct server *server;
    struct plan_input in;
    struct topo_port_info *ports;
    struct topo_link *links;
    struct plan_client *clients;
    struct vm_key *interfaces;
    struct plan_addr *addrs;
    struct plan_route *routes;
    size_t cap_interfaces, cap_addrs, cap_routes;
    uint64_t vm_id; /* Whose RIB is looked at. */
};

/* Room for one more of n items. */
static void *grown(void *items, size_t n, size_t *cap, size_t size)
{
    if (n == *cap) {
        *cap = *cap ? 2 * *cap : 64;
        items = xrealloc(items, *cap * size);
    }
    return items;
}

/* "rfvmA" of "rfclient@rfvmA:17". */
static void container_name(const struct server_vm *vm, char *ret, size_t size)
{
    const char *host = strchr(vm->name, '@');

    str_copy(ret, host ? host + 1 : vm->name, size);
    char *pid = strrchr(ret, ':');
    if (pid) {
        *pid = '\0';
    }
}

static void gather_addr(void *aux, const struct vm_addr *addr)
{
    struct gathering *g = aux;

    if (addr->addr.addr.version == IP_V4) {
        g->addrs = grown(g->addrs, g->in.n_addrs, &g->cap_addrs, sizeof *g->addrs);
        g->addrs[g->in.n_addrs++] =
            (struct plan_addr){{g->vm_id, addr->vm_port}, addr->addr};
    }
}

static void gather_routes(struct gathering *g, const struct rib *rib)
{
    struct rib_route_info info;
    uint32_t cursor = 0;

    while (rib_next_route(rib, &cursor, &info)) {
        if (plan_pools_overlap(&g->in.pools, &info.route.prefix)) {
            g->routes =
                grown(g->routes, g->in.n_routes, &g->cap_routes, sizeof *g->routes);
            g->routes[g->in.n_routes++] =
                (struct plan_route){g->vm_id, info.route.prefix};
        }
    }
}

static void gather_vm(struct gathering *g, struct server_vm *vm)
{
    struct server_vm_port *port, *tmp;

    g->vm_id = vm->id;
    if (vm->peer && vm->synced) {
        struct plan_client *client = &g->clients[g->in.n_clients++];
        client->vm_id = vm->id;
        container_name(vm, client->name, sizeof client->name);
    }
    HASH_ITER (hh, vm->ports, port, tmp) {
        g->interfaces = grown(g->interfaces, g->in.n_interfaces, &g->cap_interfaces,
                              sizeof *g->interfaces);
        g->interfaces[g->in.n_interfaces++] = (struct vm_key){vm->id, port->number};
    }
    rib_each_addr(vm->ribs->rib, gather_addr, g);
    gather_routes(g, vm->ribs->rib);
}

static void gather(struct gathering *g, struct server *s)
{
    struct server_vm *vm, *tmp;

    *g = (struct gathering){.server = s};
    g->in.pools = s->config.pools;
    g->in.mapping = &s->mapping;
    g->ports = topo_ports(s->topo, &g->in.n_ports);
    g->links = topo_links(s->topo, &g->in.n_links);
    g->clients = xcalloc(HASH_COUNT(s->vms) + 1, sizeof *g->clients);
    HASH_ITER (hh, s->vms, vm, tmp) {
        gather_vm(g, vm);
    }
    g->in.ports = g->ports;
    g->in.links = g->links;
    g->in.clients = g->clients;
    g->in.interfaces = g->interfaces;
    g->in.addrs = g->addrs;
    g->in.routes = g->routes;
}

static void gathering_uninit(struct gathering *g)
{
    free(g->ports);
    free(g->links);
    free(g->clients);
    free(g->interfaces);
    free(g->addrs);
    free(g->routes);
}

static void put_port(struct table *t, const struct plan_router *router,
                     const struct plan_port *port)
{
    char text[IP_PREFIX_STRLEN];

    table_id(t, "vm_id", router->vm_id);
    table_text(t, "name", router->name);
    table_bool(t, "create", router->create);
    table_text(t, "router_id",
               router->create ? ip_format(&router->router_id, text) : "");
    table_number(t, "vm_port", port->vm.vm_port);
    table_number(t, "ct_id", port->dp.ct_id);
    table_id(t, "dp_id", port->dp.dp_id);
    table_number(t, "dp_port", port->dp.dp_port);
    table_bool(t, "link", port->is_link);
    table_number(t, "peer_ct_id", port->peer.ct_id);
    table_id(t, "peer_dp_id", port->peer.dp_id);
    table_number(t, "peer_dp_port", port->peer.dp_port);
    table_text(t, "address", prefix_format(&port->addr, text));
    table_bool(t, "new_row", port->new_row);
    table_bool(t, "new_interface", port->new_interface);
    table_bool(t, "new_address", port->new_addr);
}

/* Names a plan, so that an operator may apply the very one that was looked at. */
static uint64_t plan_id(const struct plan *plan)
{
    struct buf text = {0};
    char addr[IP_PREFIX_STRLEN];

    for (size_t i = 0; i < plan->n_ports; i++) {
        const struct plan_port *p = &plan->ports[i];
        buf_printf(
            &text, "%llx %u %llx %u %u %s %d%d%d\n", (unsigned long long)p->vm.vm_id,
            p->vm.vm_port, (unsigned long long)p->dp.dp_id, p->dp.ct_id, p->dp.dp_port,
            prefix_format(&p->addr, addr), p->new_row, p->new_interface, p->new_addr);
    }
    for (size_t i = 0; i < plan->n_routers; i++) {
        buf_printf(&text, "%s %s\n", plan->routers[i].name,
                   ip_format(&plan->routers[i].router_id, addr));
    }
    const uint64_t id = hash_bytes(buf_cstr(&text), text.len, 1) & 0xffffffff;
    buf_uninit(&text);
    return id;
}

static void put_plan(struct ctl_request *r, struct plan *plan)
{
    char id[16];
    struct table t;

    table_begin(&t, r->doc, "vm_id:VM,name:CONTAINER", r->offset);
    for (size_t i = 0; i < plan->n_routers; i++) {
        const struct plan_router *router = &plan->routers[i];
        for (size_t k = router->first; k < router->first + router->n; k++) {
            if (table_row(&t)) {
                put_port(&t, router, &plan->ports[k]);
                table_row_end(&t);
            }
        }
    }
    table_end(&t);
    snprintf(id, sizeof id, "%08llx", (unsigned long long)plan_id(plan));
    BSON_APPEND_UTF8(r->doc, "id", id);
    BSON_APPEND_UTF8(r->doc, "mapping", r->server->config.mapping_path);
    if (!r->offset) {
        BSON_APPEND_UTF8(r->doc, "notes", buf_cstr(&plan->notes));
    }
}

int ctl_plan(struct ctl_request *r)
{
    struct buf faults = {0};
    struct gathering g;
    struct plan plan;
    int status = 0;

    if (!r->server->config.mapping_auto) {
        return ctl_error(r, "nothing is proposed: option mapping-auto of rfserver is "
                            "off");
    }
    gather(&g, r->server);
    if (plan_make(&g.in, &plan, &faults)) {
        put_plan(r, &plan);
        plan_uninit(&plan);
    } else {
        faults.len--; /* The last line end. */
        status = ctl_error(r, "%s", buf_cstr(&faults));
    }
    gathering_uninit(&g);
    buf_uninit(&faults);
    return status;
}

bool propose_options(struct server *s, const struct options *o)
{
    struct plan_pools *pools = &s->config.pools;
    const struct {
        const char *key;
        uint8_t plen, min, max;
        struct plan_pool *pool;
    } keys[] = {{"mapping-auto-links", 30, 8, 31, &pools->links},
                {"mapping-auto-hosts", 24, 8, 30, &pools->hosts},
                {"mapping-auto-loopbacks", 32, 32, 32, &pools->loopbacks}};

    s->config.mapping_auto = options_flag(o, "mapping-auto");
    for (size_t i = 0; i < ARRAY_SIZE(keys); i++) {
        const char *text = options_get(o, keys[i].key);
        if (!plan_pool_parse(text, keys[i].plen, keys[i].min, keys[i].max,
                             keys[i].pool)) {
            log_err("option %s: \"%s\": expected an IPv4 network and the length of "
                    "those that are taken from it, %u to %u, such as 10.128.0.0/16:%u",
                    keys[i].key, text, keys[i].min, keys[i].max, keys[i].plen);
            return false;
        }
    }
    if (!plan_pools_are_apart(pools)) {
        log_err("options mapping-auto-links, mapping-auto-hosts and "
                "mapping-auto-loopbacks: expected networks that do not overlap");
        return false;
    }
    return true;
}

void propose_datapath(struct server *s, const struct server_dp *dp)
{
    if (s->config.mapping_auto && !plane_vm_of(s, dp->id)) {
        journal_event(s, "mapping",
                      "datapath 0x%016llx is in no row of %s: rfctl plan proposes some",
                      (unsigned long long)dp->id, s->config.mapping_path);
    }
}
