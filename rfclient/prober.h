#ifndef RFCLIENT_PROBER_H
#define RFCLIENT_PROBER_H 1

/* Which neighbours the kernel should be asked to resolve or to check, and when.  Pure:
 * it is told of gateways and neighbours, and names probes.
 *
 * Traffic is forwarded by the switch, so the kernel of the container never sees a
 * packet that would make it resolve a gateway, or find out that a neighbour has gone.
 * So:
 *  - a gateway of a route without a usable neighbour is resolved, first at once, then
 *    after 1 s, 2 s, 4 s ... 30 s, for as long as the route exists;
 *  - a usable neighbour, gateway or host, that turned STALE is checked every 30 s; one
 *    that fails is told by the kernel's event, and resolved anew if it is a gateway.
 *  - a neighbour that the kernel forgets without having asked it (its table was full,
 *    somebody deleted the entry) is in doubt: it is resolved at once, and stays a
 *    neighbour until that fails, or for DOUBT_MS.
 * At most `max_in_flight` probes are unanswered at any time; the rest waits its turn.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/addr.h"
#include "netlink/request.h"

struct prober_config {
    unsigned max_in_flight;
    int64_t backoff_min_ms, backoff_max_ms;
    int64_t validate_ms;
};

#define DOUBT_MS 5000 /* The kernel takes 3 s to find that nobody answers. */

#define PROBER_DEFAULTS                                                       \
    {                                                                         \
        .max_in_flight = 64, .backoff_min_ms = 1000, .backoff_max_ms = 30000, \
        .validate_ms = 30000                                                  \
    }

struct prober;

struct prober *prober_create(const struct prober_config *);
void prober_destroy(struct prober *);

/* Tells all gateways: begin, each, end.  Those that were not named are none any more.
 */
void prober_gateways_begin(struct prober *);
void prober_gateway(struct prober *, uint32_t ifindex, const struct ip_addr *,
                    int64_t now);
void prober_gateways_end(struct prober *);

/* A neighbour as the kernel has it (linux/neighbour.h); nud_state 0: it has none.
 * Whether it is to be taken for a neighbour: it is usable, or in doubt. */
bool prober_neigh(struct prober *, uint32_t ifindex, const struct ip_addr *,
                  bool usable, uint16_t nud_state, int64_t now);
/* Gone with its interface: beyond doubt. */
void prober_neigh_gone(struct prober *, uint32_t ifindex, const struct ip_addr *,
                       int64_t now);

/* The interface came up: its gateways are resolved now, back-off or not. */
void prober_interface_up(struct prober *, uint32_t ifindex, int64_t now);

struct prober_ops {
    /* Whether to probe there at all: a VM port that is up. */
    bool (*wanted)(void *aux, uint32_t ifindex);
    /* 0 if it is on its way, or an errno. */
    int (*probe)(void *aux, uint32_t ifindex, const struct ip_addr *, enum nl_probe);
    /* One that was in doubt is no neighbour any more. */
    void (*lost)(void *aux, uint32_t ifindex, const struct ip_addr *);
};

void prober_run(struct prober *, int64_t now, const struct prober_ops *, void *aux);
int64_t prober_wakeup(const struct prober *); /* INT64_MAX: nothing to do. */

unsigned prober_in_flight(const struct prober *);
size_t prober_unresolved(const struct prober *); /* Gateways without a neighbour. */

#endif
