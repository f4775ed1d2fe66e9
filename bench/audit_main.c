/* Whether the switch holds exactly what the kernel of the VM says.
 *
 *     bench-audit VM-NETNS BRIDGE
 *
 * An audit of its own: it shares nothing with rfclient, rfserver and rfproxy but the
 * codec.  Expected in the FIB table: for each route of the kernel's table main over
 * ethN an entry of the prefix, priority 0x100 + length, that sends to a group whose
 * bucket writes the MAC address of the gateway and outputs to port N, or to the
 * controller when the route is connected; for each neighbour on such an interface a
 * host entry.  Nothing else but the fixed entries.  Prints what differs, and how many
 * entries there are; exit status 1 if anything differs. */

#include <net/if.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "netns.h"
#include "ofconn.h"
#include "routes.h"

enum { FIB_TABLE = 1, FIB_PRIORITY = 0x100, MAX_PORTS = 4096, SHOWN = 10 };

struct entry {
    uint32_t addr;
    uint8_t plen;
    uint32_t port; /* 0: to the controller. */
    struct eth_addr dst;
    uint32_t gateway; /* While the kernel's table is read. */
};

struct table {
    struct entry *all;
    size_t n, cap;
};

struct group {
    uint32_t id, port;
    uint32_t to; /* Sends to another group. */
    struct eth_addr dst;
};

struct audit {
    struct table want, have, neighs;
    struct group *groups;
    size_t n_groups, n_fixed;
};

static struct entry *add(struct table *t)
{
    if (t->n == t->cap) {
        t->cap = t->cap ? 2 * t->cap : 1024;
        t->all = xrealloc(t->all, t->cap * sizeof *t->all);
    }
    memset(&t->all[t->n], 0, sizeof *t->all);
    return &t->all[t->n++];
}

/* The number N of the interface ethN; 0 for others. */
static uint32_t port_of(uint32_t ifindex)
{
    static uint32_t known[MAX_PORTS];
    char name[IF_NAMESIZE] = "";
    unsigned port = 0;

    if (ifindex < MAX_PORTS && known[ifindex]) {
        return known[ifindex] - 1;
    }
    if (if_indextoname(ifindex, name)) {
        sscanf(name, "eth%u", &port);
    }
    if (ifindex < MAX_PORTS) {
        known[ifindex] = port + 1;
    }
    return port;
}

static void on_route(void *a_, const struct ip_prefix *prefix, uint32_t gateway,
                     uint32_t ifindex)
{
    struct audit *a = a_;

    if (port_of(ifindex)) {
        struct entry *e = add(&a->want);
        e->addr = ip_to_v4(prefix->addr);
        e->plen = prefix->plen;
        e->gateway = gateway;
        e->port = port_of(ifindex);
    }
}

static void on_neigh(void *a_, uint32_t addr, struct eth_addr hwaddr, uint32_t ifindex)
{
    struct audit *a = a_;

    if (port_of(ifindex)) {
        struct entry *e = add(&a->neighs);
        e->addr = addr;
        e->plen = 32;
        e->port = port_of(ifindex);
        e->dst = hwaddr;
    }
}

static int compare(const void *a_, const void *b_)
{
    const struct entry *a = a_, *b = b_;

    return a->addr != b->addr ? (a->addr < b->addr ? -1 : 1) : (int)a->plen - b->plen;
}

static void sort(struct table *t)
{
    if (t->n) {
        qsort(t->all, t->n, sizeof *t->all, compare);
    }
}

/* Gateways become MAC addresses; neighbours become host routes. */
static void resolve(struct audit *a)
{
    sort(&a->neighs);
    for (size_t i = 0; i < a->want.n; i++) {
        struct entry *e = &a->want.all[i];
        struct entry key = {.addr = e->gateway, .plen = 32};
        struct entry *neigh =
            e->gateway && a->neighs.n
                ? bsearch(&key, a->neighs.all, a->neighs.n, sizeof key, compare)
                : NULL;
        if (!e->gateway) {
            e->port = 0;
        } else if (neigh) {
            e->dst = neigh->dst;
        }
    }
    for (size_t i = 0; i < a->neighs.n; i++) {
        *add(&a->want) = a->neighs.all[i];
    }
    sort(&a->want);
}

/* The switch. */

static bool on_groups(void *a_, const struct of_event *ev)
{
    struct audit *a = a_;
    struct of_group_desc desc;
    struct of_bucket bucket;
    enum of_err err;

    if (ev->type != OF_EV_MESSAGE || ev->msg->h.type != OFPT_MULTIPART_REPLY ||
        ev->msg->multipart.type != OFPMP_GROUP_DESC) {
        return false;
    }
    struct cursor body = ev->msg->multipart.body;
    while (of_group_desc_next(&body, &desc, &err)) {
        struct group g = {.id = desc.group_id};
        while (of_bucket_next(&desc.buckets, &bucket, &err)) {
            if (g.port && desc.type == OFPGT_FF) {
                break; /* An alternate. */
            }
            for (unsigned i = 0; i < bucket.actions.n; i++) {
                const struct of_action *action = &bucket.actions.a[i];
                if (action->kind == OF_A_OUTPUT) {
                    g.port = action->output.port;
                } else if (action->kind == OF_A_SET_ETH_DST) {
                    g.dst = action->eth;
                } else if (action->kind == OF_A_GROUP) {
                    g.to = action->group_id;
                }
            }
        }
        a->groups = xrealloc(a->groups, (a->n_groups + 1) * sizeof *a->groups);
        a->groups[a->n_groups++] = g;
    }
    return !(ev->msg->multipart.flags & OFPMPF_MORE);
}

static int compare_groups(const void *a_, const void *b_)
{
    const struct group *a = a_, *b = b_;

    return a->id < b->id ? -1 : a->id > b->id;
}

static const struct group *find_group(const struct audit *a, uint32_t id)
{
    const struct group key = {.id = id};
    const struct group *g =
        bsearch(&key, a->groups, a->n_groups, sizeof key, compare_groups);

    return g && g->to ? find_group(a, g->to) : g;
}

static void on_flows(void *a_, struct cursor flows)
{
    struct audit *a = a_;
    struct of_flow_stats fs;
    enum of_err err;

    while (of_flow_stats_next(&flows, &fs, &err)) {
        if (!of_match_has(&fs.match, OF_F_IPV4_DST)) {
            a->n_fixed++;
            continue;
        }
        struct entry *e = add(&a->have);
        uint32_t mask = fs.match.masked & OF_BIT(OF_F_IPV4_DST) ? fs.match.ipv4_dst_mask
                                                                : UINT32_MAX;
        e->addr = fs.match.ipv4_dst;
        e->plen = (uint8_t)__builtin_popcount(mask);
        if (fs.priority != FIB_PRIORITY + e->plen) {
            e->plen = 255; /* Equal to nothing that is expected. */
        }
        for (unsigned i = 0; i < fs.inst.apply.n; i++) {
            const struct of_action *action = &fs.inst.apply.a[i];
            const struct group *g =
                action->kind == OF_A_GROUP ? find_group(a, action->group_id) : NULL;
            if (g) {
                e->port = g->port;
                e->dst = g->dst;
            }
        }
    }
}

/* Comparison. */

static void show(const char *what, const struct entry *e, size_t *n)
{
    struct ip_prefix p = {.addr = ip_from_v4(e->addr), .plen = e->plen};
    char text[IP_PREFIX_STRLEN];

    if (++*n <= SHOWN) {
        printf("%s %s port %u " ETH_FMT "\n", what, prefix_format(&p, text), e->port,
               ETH_ARGS(e->dst));
    }
}

static size_t differences(const struct audit *a)
{
    size_t n = 0, i = 0, j = 0;

    while (i < a->want.n || j < a->have.n) {
        const struct entry *want = &a->want.all[i], *have = &a->have.all[j];
        int order = i == a->want.n ? 1 : j == a->have.n ? -1 : compare(want, have);
        if (order < 0) {
            show("missing", want, &n);
        } else if (order > 0) {
            show("surplus", have, &n);
        } else if (want->port != have->port || !eth_equal(want->dst, have->dst)) {
            show("wanted", want, &n);
            show("instead", have, &n);
        }
        i += order <= 0;
        j += order >= 0;
    }
    return n;
}

int main(int argc, char **argv)
{
    struct audit a = {0};

    if (argc != 3) {
        bench_fail("see the top of bench/audit_main.c for what to say");
    }
    netns_enter(argv[1]);
    struct routes *routes = routes_open();
    routes_dump(routes, on_route, &a);
    routes_dump_neighs(routes, on_neigh, &a);
    routes_close(routes);
    resolve(&a);

    struct ofconn *bridge = ofconn_open(argv[2]);
    of_put_multipart_request(of_session_output(ofconn_session(bridge)),
                             of_session_xid(ofconn_session(bridge)), OFPMP_GROUP_DESC);
    ofconn_run(bridge, on_groups, &a, 30000);
    if (a.n_groups) {
        qsort(a.groups, a.n_groups, sizeof *a.groups, compare_groups);
    }
    ofconn_dump(bridge, FIB_TABLE, on_flows, &a);
    ofconn_close(bridge);
    sort(&a.have);

    size_t n = differences(&a);
    printf("%zu entries, %zu expected, %zu differences\n", a.have.n, a.want.n, n);
    free(a.want.all);
    free(a.have.all);
    free(a.neighs.all);
    free(a.groups);
    return n != 0;
}
