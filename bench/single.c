#include "single.h"

#include <net/if.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/util.h"
#include "netns.h"
#include "prefixset.h"
#include "steps.h"
#include "zapi.h"

#define PREFIX "198.51.100.0/24" /* In no set. */

struct source {
    struct routes *routes; /* Or NULL, and then: */
    struct zapi *zebra;
    uint32_t ifindex[2];
};

static void put(const struct source *s, enum routes_op op,
                const struct ip_prefix *prefix, uint32_t hop)
{
    const uint32_t gateway = prefixset_gateway(hop), ifindex = s->ifindex[hop % 2];

    if (s->routes) {
        routes_put(s->routes, op, prefix, gateway, ifindex);
        routes_flush(s->routes);
        return;
    }
    if (op == ROUTES_DELETE) {
        zapi_delete(s->zebra, prefix);
    } else {
        zapi_add(s->zebra, prefix, gateway, ifindex);
    }
    zapi_run(s->zebra, 0);
}

static void print(int64_t *us[], uint32_t rounds)
{
    printf("{");
    for (size_t i = 0; i < N_STEPS; i++) {
        printf("%s", i ? ", " : "");
        steps_print(steps[i].name, us[i], rounds);
    }
    printf("}\n");
}

void single_run(const char *zebra, uint32_t rounds, uint32_t gap_us, single_fn *fn,
                void *aux)
{
    struct source s = {.ifindex = {if_nametoindex("eth1"), if_nametoindex("eth2")}};
    struct ip_prefix prefix;
    int64_t *us[N_STEPS];

    if (zebra) {
        s.zebra = zapi_open(zebra, false);
    } else {
        s.routes = routes_open();
    }
    prefix_parse(PREFIX, &prefix);
    for (size_t i = 0; i < N_STEPS; i++) {
        us[i] = xcalloc(rounds, sizeof *us[i]);
    }
    for (uint32_t n = 0; n < rounds; n++) {
        for (size_t i = 0; i < N_STEPS; i++) {
            bench_sleep_us(gap_us);
            int64_t begun = bench_now_us();
            put(&s, steps[i].op, &prefix, steps[i].hop);
            us[i][n] = fn(aux, ip_to_v4(prefix.addr)) - begun;
        }
    }
    print(us, rounds);
    for (size_t i = 0; i < N_STEPS; i++) {
        free(us[i]);
    }
    if (zebra) {
        zapi_close(s.zebra);
    } else {
        routes_close(s.routes);
    }
}
