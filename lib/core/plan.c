/* Which ports get rows, of which routers; plan_addr.c gives them addresses. */

#include "plan_impl.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Sets and maps of keys. */

struct item *item_find(struct item *set, struct map_key key)
{
    struct item *item;

    HASH_FIND(hh, set, &key, sizeof key, item);
    return item;
}

struct item *item_add(struct item **set, struct map_key key)
{
    struct item *item = item_find(*set, key);

    if (!item) {
        item = xcalloc(1, sizeof *item);
        item->key = key;
        HASH_ADD(hh, *set, key, sizeof item->key, item);
    }
    return item;
}

static void items_clear(struct item **set)
{
    struct item *item, *next;

    HASH_ITER (hh, *set, item, next) {
        HASH_DEL(*set, item);
        free(item);
    }
}

static struct map_key id_key(uint64_t id)
{
    return (struct map_key){.id = id};
}

static struct map_key datapath_key(struct dp_key dp)
{
    return (struct map_key){.id = dp.dp_id, .ct = dp.ct_id};
}

/* What is there. */

static void index_rows(struct planner *p)
{
    const struct mapping *m = p->in->mapping;

    for (size_t i = 0; i < m->n_rows; i++) {
        const struct mapping_row *row = &m->rows[i];
        item_add(&p->mapped, map_key_of_dp(row->dp))->vm = row->vm;
        item_add(&p->vm_ports, map_key_of_vm(row->vm));
        item_add(&p->homes, datapath_key(row->dp))->vm.vm_id = row->vm.vm_id;
        item_add(&p->vm_ids, id_key(row->vm.vm_id));
    }
    for (size_t i = 0; i < m->n_isls; i++) {
        const struct mapping_isl *isl = &m->isls[i];
        item_add(&p->inside, map_key_of_dp(isl->a));
        item_add(&p->inside, map_key_of_dp(isl->b));
        item_add(&p->homes, datapath_key(isl->a))->vm.vm_id = isl->vm_id;
        item_add(&p->homes, datapath_key(isl->b))->vm.vm_id = isl->vm_id;
        item_add(&p->vm_ids, id_key(isl->vm_id));
    }
}

static void index_clients(struct planner *p)
{
    const struct plan_input *in = p->in;

    for (size_t i = 0; i < in->n_clients; i++) {
        item_add(&p->clients, id_key(in->clients[i].vm_id))->index = i;
    }
    for (size_t i = 0; i < in->n_interfaces; i++) {
        item_add(&p->interfaces, map_key_of_vm(in->interfaces[i]));
    }
    for (size_t i = 0; i < in->n_addrs; i++) {
        const struct plan_addr *addr = &in->addrs[i];
        bool had = item_find(p->addrs, map_key_of_vm(addr->vm));
        struct item *item = item_add(&p->addrs, map_key_of_vm(addr->vm));
        if (!had || prefix_compare(&addr->addr, &item->addr) < 0) {
            item->addr = addr->addr;
        }
    }
}

static int link_compare(const void *a, const void *b)
{
    const struct topo_link *x = a, *y = b;
    int d = dp_key_compare(x->a, y->a);

    return d ? d : dp_key_compare(x->b, y->b);
}

/* Confirmed links, each from its lower to its higher end. */
static void index_links(struct planner *p)
{
    p->links = xmalloc((p->in->n_links + 1) * sizeof *p->links);
    for (size_t i = 0; i < p->in->n_links; i++) {
        struct topo_link link = p->in->links[i];
        int d = dp_key_compare(link.a, link.b);
        if (!link.ab || !link.ba || !d) {
            continue;
        }
        if (d > 0) {
            struct dp_key a = link.a;
            link.a = link.b;
            link.b = a;
        }
        p->links[p->n_links++] = link;
    }
    qsort(p->links, p->n_links, sizeof *p->links, link_compare);
    for (size_t i = 0; i < p->n_links; i++) {
        item_add(&p->link_ends, map_key_of_dp(p->links[i].a))->dp = p->links[i].b;
        item_add(&p->link_ends, map_key_of_dp(p->links[i].b))->dp = p->links[i].a;
    }
}

static int port_compare(const void *a, const void *b)
{
    const struct topo_port_info *x = a, *y = b;

    return dp_key_compare(x->port, y->port);
}

static void sort_ports(struct planner *p)
{
    p->up = xmalloc((p->in->n_ports + 1) * sizeof *p->up);
    if (p->in->n_ports) {
        memcpy(p->up, p->in->ports, p->in->n_ports * sizeof *p->up);
    }
    qsort(p->up, p->in->n_ports, sizeof *p->up, port_compare);
}

/* Which ports. */

static void note(struct planner *p, struct dp_key dp, const char *why)
{
    char text[KEY_STRLEN];

    buf_printf(&p->plan.notes, "%s: %s\n", dp_key_format(dp, text), why);
}

/* 06:xx:xx:xx:00:00, as plans number routers. */
static bool made_by_plan(uint64_t vm_id)
{
    return vm_id >> 40 == 6 && !(vm_id & 0xffff);
}

/* Whether the router at this end of a link is there, or will be. */
static bool can_serve(const struct planner *p, struct dp_key dp)
{
    const struct item *home = item_find(p->homes, datapath_key(dp));
    const struct item *row = item_find(p->mapped, map_key_of_dp(dp));

    if (item_find(p->inside, map_key_of_dp(dp))) {
        return false;
    }
    return !home || item_find(p->clients, id_key(home->vm.vm_id)) ||
           (row && item_find(p->addrs, map_key_of_vm(row->vm)));
}

static bool link_is_wanted(struct planner *p, struct dp_key dp, struct dp_key peer)
{
    if (can_serve(p, dp) && can_serve(p, peer)) {
        return true;
    }
    /* Once for each link. */
    if (dp_key_compare(dp, peer) < 0 || item_find(p->mapped, map_key_of_dp(peer))) {
        const struct dp_key culprit = can_serve(p, dp) ? peer : dp;
        char text[KEY_STRLEN], why[KEY_STRLEN + 80];
        snprintf(why, sizeof why, "left out: %s %s", dp_key_format(culprit, text),
                 item_find(p->inside, map_key_of_dp(culprit))
                     ? "is the end of a link inside a vm"
                     : "has a router whose client is not connected");
        note(p, dp, why);
    }
    return false;
}

static bool port_is_wanted(struct planner *p, const struct topo_port_info *up)
{
    const struct map_key key = map_key_of_dp(up->port);
    const struct item *end = item_find(p->link_ends, key);
    const struct item *home = item_find(p->homes, datapath_key(up->port));

    if (item_find(p->mapped, key) || item_find(p->inside, key)) {
        return false;
    }
    if (end) {
        return link_is_wanted(p, up->port, end->dp);
    }
    if (home && !made_by_plan(home->vm.vm_id)) {
        return false;
    }
    if (up->multi_access) {
        note(p, up->port, "left out: it is on a segment with several switches");
        return false;
    }
    if (port_class_relays(up->class)) {
        return !home || item_find(p->clients, id_key(home->vm.vm_id));
    }
    note(p, up->port,
         up->class == PORT_PROBING
             ? "left out as yet: LLDP has not had its chance there"
             : "left out: no link is confirmed where LLDP was heard");
    return false;
}

/* Of which routers. */

/* A new datapath's; each has its own. */
static struct item *new_router(struct planner *p, struct dp_key dp)
{
    uint64_t number = dp.dp_id & 0xffffff;
    struct item *router = item_find(p->routers, datapath_key(dp));

    if (router) {
        return router;
    }
    number = number ? number : 1;
    while (item_find(p->vm_ids, id_key(UINT64_C(6) << 40 | number << 16))) {
        number = number % 0xffffff + 1;
    }
    router = item_add(&p->routers, datapath_key(dp));
    router->vm.vm_id = UINT64_C(6) << 40 | number << 16;
    item_add(&p->vm_ids, id_key(router->vm.vm_id));
    item_add(&p->created, id_key(router->vm.vm_id));
    return router;
}

static uint64_t vm_of(struct planner *p, struct dp_key dp)
{
    const struct item *home = item_find(p->homes, datapath_key(dp));

    return home ? home->vm.vm_id : new_router(p, dp)->vm.vm_id;
}

static void add_port(struct planner *p, const struct plan_port *port)
{
    struct plan *plan = &p->plan;

    if (plan->n_ports == p->cap_ports) {
        p->cap_ports = p->cap_ports ? 2 * p->cap_ports : 64;
        plan->ports = xrealloc(plan->ports, p->cap_ports * sizeof *plan->ports);
    }
    plan->ports[plan->n_ports++] = *port;
}

static void choose_ports(struct planner *p)
{
    for (size_t i = 0; i < p->in->n_ports; i++) {
        const struct dp_key dp = p->up[i].port;
        const struct item *end = item_find(p->link_ends, map_key_of_dp(dp));
        if (port_is_wanted(p, &p->up[i])) {
            add_port(p, &(struct plan_port){.vm.vm_id = vm_of(p, dp),
                                            .dp = dp,
                                            .is_link = end,
                                            .peer = end ? end->dp : (struct dp_key){0},
                                            .new_row = true});
            item_add(&p->chosen, map_key_of_dp(dp));
        }
    }
}

/* The far end of a link may have its row and no address. */
static void choose_far_ends(struct planner *p)
{
    const size_t n = p->plan.n_ports;

    for (size_t i = 0; i < n; i++) {
        const struct plan_port *port = &p->plan.ports[i];
        const struct item *row = item_find(p->mapped, map_key_of_dp(port->peer));
        if (port->is_link && row && !item_find(p->chosen, map_key_of_dp(port->peer))) {
            item_add(&p->chosen, map_key_of_dp(port->peer));
            add_port(p, &(struct plan_port){.vm = row->vm,
                                            .dp = port->peer,
                                            .is_link = true,
                                            .peer = port->dp});
        }
    }
}

/* By which ports of theirs. */

#define MAX_VM_PORT 65279 /* As in a mapping (core/mapping.h). */

static bool take_vm_port(struct planner *p, struct vm_key vm)
{
    if (item_find(p->vm_ports, map_key_of_vm(vm))) {
        return false;
    }
    item_add(&p->vm_ports, map_key_of_vm(vm));
    return true;
}

static void number_port(struct planner *p, struct plan_port *port)
{
    struct vm_key vm = {port->vm.vm_id, 1};

    /* One that is there without a row is meant for the port of its number only. */
    while (item_find(p->interfaces, map_key_of_vm(vm)) || !take_vm_port(p, vm)) {
        vm.vm_port++;
    }
    port->vm = vm;
}

static void number_ports(struct planner *p)
{
    for (size_t i = 0; i < p->plan.n_ports; i++) {
        struct plan_port *port = &p->plan.ports[i];
        const struct vm_key same = {port->vm.vm_id, port->dp.dp_port};
        if (port->new_row && same.vm_port <= MAX_VM_PORT && take_vm_port(p, same)) {
            port->vm = same;
        }
    }
    for (size_t i = 0; i < p->plan.n_ports; i++) {
        struct plan_port *port = &p->plan.ports[i];
        if (!port->vm.vm_port) {
            number_port(p, port);
        }
        port->new_interface = item_find(p->created, id_key(port->vm.vm_id)) ||
                              !item_find(p->interfaces, map_key_of_vm(port->vm));
    }
}

static int plan_port_compare(const void *a, const void *b)
{
    const struct plan_port *x = a, *y = b;

    return x->vm.vm_id != y->vm.vm_id ? (x->vm.vm_id > y->vm.vm_id ? 1 : -1)
                                      : dp_key_compare(x->dp, y->dp);
}

/* What turned out to have all it needs is no part of the plan. */
static void drop_unchanged(struct plan *plan)
{
    size_t n = 0;

    for (size_t i = 0; i < plan->n_ports; i++) {
        const struct plan_port *port = &plan->ports[i];
        if (port->new_row || port->new_interface || port->new_addr) {
            plan->ports[n++] = *port;
        }
    }
    plan->n_ports = n;
}

static void group_ports(struct planner *p)
{
    struct plan *plan = &p->plan;

    drop_unchanged(plan);
    if (plan->n_ports) {
        qsort(plan->ports, plan->n_ports, sizeof *plan->ports, plan_port_compare);
    }
    plan->routers = xcalloc(plan->n_ports + 1, sizeof *plan->routers);
    for (size_t i = 0; i < plan->n_ports; i++) {
        const uint64_t vm_id = plan->ports[i].vm.vm_id;
        struct plan_router *router = &plan->routers[plan->n_routers - !!i];
        if (!i || router->vm_id != vm_id) {
            const struct item *client = item_find(p->clients, id_key(vm_id));
            router = &plan->routers[plan->n_routers++];
            *router = (struct plan_router){.vm_id = vm_id, .first = i};
            router->create = item_find(p->created, id_key(vm_id));
            if (router->create) {
                snprintf(router->name, sizeof router->name, "rfa%" PRIx64,
                         vm_id >> 16 & 0xffffff);
            } else if (client) {
                str_copy(router->name, p->in->clients[client->index].name,
                         sizeof router->name);
            } else { /* Only a row, for an interface that it has. */
                snprintf(router->name, sizeof router->name, "%012" PRIx64, vm_id);
            }
        }
        router->n++;
    }
}

static void planner_uninit(struct planner *p)
{
    struct item **sets[] = {&p->mapped,  &p->vm_ports,  &p->homes,      &p->vm_ids,
                            &p->inside,  &p->clients,   &p->interfaces, &p->addrs,
                            &p->routers, &p->link_ends, &p->chosen,     &p->created,
                            &p->given};

    for (size_t i = 0; i < ARRAY_SIZE(sets); i++) {
        items_clear(sets[i]);
    }
    free(p->links);
    free(p->up);
}

bool plan_make(const struct plan_input *in, struct plan *ret, struct buf *faults)
{
    struct planner p = {.in = in};

    index_rows(&p);
    index_clients(&p);
    index_links(&p);
    sort_ports(&p);
    choose_ports(&p);
    choose_far_ends(&p);
    number_ports(&p);
    /* Addresses go by the order of datapath ports, whatever numbers the routers have.
     */
    bool ok = plan_give_addresses(&p, faults);
    if (ok) {
        group_ports(&p);
        ok = plan_give_router_ids(&p, faults);
    }
    planner_uninit(&p);
    if (!ok) {
        plan_uninit(&p.plan);
        return false;
    }
    *ret = p.plan;
    return true;
}

void plan_uninit(struct plan *plan)
{
    free(plan->routers);
    free(plan->ports);
    buf_uninit(&plan->notes);
    *plan = (struct plan){.routers = NULL};
}

size_t plan_count_rows(const struct plan *plan)
{
    size_t n = 0;

    for (size_t i = 0; i < plan->n_ports; i++) {
        n += plan->ports[i].new_row;
    }
    return n;
}
