#include "plan_impl.h"

#include <stdlib.h>

#include "plan_pool.h"

#define LOOKED_AT 1024 /* Addresses of a network that is there, for a free one. */

/* What a router that is yet to be made is said to have does not count: its container is
 * left over from a plan that was taken back. */
static bool is_leftover(const struct planner *p, uint64_t vm_id)
{
    return item_find(p->created, (struct map_key){.id = vm_id});
}

static struct ip_prefix *used_prefixes(const struct planner *p, size_t *ret_n)
{
    const struct plan_input *in = p->in;
    struct ip_prefix *used = xmalloc((in->n_addrs + in->n_routes + 1) * sizeof *used);
    size_t n = 0;

    for (size_t i = 0; i < in->n_addrs; i++) {
        if (!is_leftover(p, in->addrs[i].vm.vm_id)) {
            used[n++] = in->addrs[i].addr;
        }
    }
    for (size_t i = 0; i < in->n_routes; i++) {
        if (!is_leftover(p, in->routes[i].vm_id)) {
            used[n++] = in->routes[i].prefix;
        }
    }
    *ret_n = n;
    return used;
}

static struct map_key addr_key(uint32_t addr)
{
    return (struct map_key){.id = addr};
}

static void give(struct planner *p, struct plan_port *port, uint32_t addr, uint8_t plen)
{
    port->addr = (struct ip_prefix){ip_from_v4(addr), plen};
    port->new_addr = true;
    item_add(&p->given, addr_key(addr));
}

/* The address that a port has already: of a port in no plan, that of its row. */
static bool present_address(const struct planner *p, const struct plan_port *port,
                            struct ip_prefix *ret)
{
    const struct item *addr = item_find(p->addrs, map_key_of_vm(port->vm));

    if (!addr || port->new_interface) {
        return false;
    }
    *ret = addr->addr;
    return true;
}

/* A free address in the network of `other`. */
static bool join_network(struct planner *p, struct plan_port *port,
                         const struct ip_prefix *other)
{
    const uint32_t size = other->plen ? UINT32_C(1) << (32 - other->plen) : UINT32_MAX;
    const uint32_t first = ip_to_v4(other->addr) & ~(size - 1);
    const bool pair = other->plen == 31; /* RFC 3021: both are addresses of hosts. */

    if (other->plen < 8 || other->plen > 31) {
        return false;
    }
    for (uint32_t i = !pair; i < size - !pair && i < LOOKED_AT; i++) {
        if (!item_find(p->given, addr_key(first + i))) {
            give(p, port, first + i, other->plen);
            return true;
        }
    }
    return false;
}

static void fresh_network(struct planner *p, struct pool_cursor *pool,
                          struct plan_port *a, struct plan_port *b)
{
    const uint8_t plen = pool->pool->plen;
    uint32_t first;

    if (pool_take(pool, &first)) {
        first += plen < 31;
        give(p, a, first, plen);
        if (b) {
            give(p, b, first + 1, plen);
        }
    }
}

static void address_link(struct planner *p, struct pool_cursor *pool,
                         struct plan_port *a, struct plan_port *b)
{
    struct ip_prefix at_a, at_b;
    const bool has_a = present_address(p, a, &at_a),
               has_b = present_address(p, b, &at_b);

    if (has_a) {
        a->addr = at_a;
    }
    if (has_b) {
        b->addr = at_b;
    }
    if (has_a && has_b) {
        return;
    }
    if (has_a ? !join_network(p, b, &at_a) : !has_b || !join_network(p, a, &at_b)) {
        fresh_network(p, pool, a, b);
    }
}

static struct plan_port *find_port(struct planner *p, struct dp_key dp)
{
    const struct item *item = item_find(p->chosen, map_key_of_dp(dp));

    return item ? &p->plan.ports[item->index] : NULL;
}

static void address_links(struct planner *p, struct pool_cursor *pool)
{
    for (size_t i = 0; i < p->n_links; i++) {
        struct plan_port *a = find_port(p, p->links[i].a);
        struct plan_port *b = find_port(p, p->links[i].b);
        if (a && b) {
            address_link(p, pool, a, b);
        }
    }
}

static void address_hosts(struct planner *p, struct pool_cursor *pool)
{
    for (size_t i = 0; i < p->plan.n_ports; i++) {
        struct plan_port *port = &p->plan.ports[i];
        if (!port->is_link && !present_address(p, port, &port->addr)) {
            fresh_network(p, pool, port, NULL);
        }
    }
}

static bool judge(const struct pool_cursor *pool, const char *option, const char *what,
                  struct buf *faults)
{
    char text[PLAN_POOL_STRLEN];

    if (pool->missing) {
        buf_printf(faults,
                   "option %s: %s: used up, %zu %s more are needed: give a larger "
                   "prefix, or another\n",
                   option, plan_pool_format(pool->pool, text), pool->missing, what);
    }
    return !pool->missing;
}

bool plan_give_addresses(struct planner *p, struct buf *faults)
{
    struct pool_cursor links, hosts;
    size_t n;
    struct ip_prefix *used = used_prefixes(p, &n);

    for (size_t i = 0; i < p->in->n_addrs; i++) {
        if (!is_leftover(p, p->in->addrs[i].vm.vm_id)) {
            item_add(&p->given, addr_key(ip_to_v4(p->in->addrs[i].addr.addr)));
        }
    }
    for (size_t i = 0; i < p->plan.n_ports; i++) {
        item_add(&p->chosen, map_key_of_dp(p->plan.ports[i].dp))->index = i;
    }
    pool_open(&links, &p->in->pools.links, used, n);
    pool_open(&hosts, &p->in->pools.hosts, used, n);
    address_links(p, &links);
    address_hosts(p, &hosts);
    bool ok = judge(&links, "mapping-auto-links", "networks", faults);
    ok = judge(&hosts, "mapping-auto-hosts", "networks", faults) && ok;
    pool_close(&links);
    pool_close(&hosts);
    free(used);
    return ok;
}

bool plan_give_router_ids(struct planner *p, struct buf *faults)
{
    struct pool_cursor pool;
    uint32_t addr;
    size_t n;
    struct ip_prefix *used = used_prefixes(p, &n);

    pool_open(&pool, &p->in->pools.loopbacks, used, n);
    for (size_t i = 0; i < p->plan.n_routers; i++) {
        struct plan_router *router = &p->plan.routers[i];
        if (router->create && pool_take(&pool, &addr)) {
            router->router_id = ip_from_v4(addr);
        }
    }
    bool ok = judge(&pool, "mapping-auto-loopbacks", "addresses", faults);
    pool_close(&pool);
    free(used);
    return ok;
}
