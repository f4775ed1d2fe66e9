#ifndef ROUTES_H
#define ROUTES_H 1

/* Writes routes into the kernel of the network namespace that this process is in when
 * routes_open() is called: batches of RTM_NEWROUTE or RTM_DELROUTE, the last message of
 * each batch acknowledged. */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/addr.h"

#define ROUTES_BATCH 200

struct routes;

struct routes *routes_open(void);
void routes_close(struct routes *);

/* rtm_protocol of all that follows; RTPROT_BGP if this is not called. */
void routes_set_protocol(struct routes *, uint8_t);

/* Appends to the batch, and writes it when it is full.  `gateway` in host order, on
 * interface `ifindex`; neither matters for a deletion. */
enum routes_op { ROUTES_ADD, ROUTES_REPLACE, ROUTES_DELETE };
void routes_put(struct routes *, enum routes_op, const struct ip_prefix *,
                uint32_t gateway, uint32_t ifindex);
/* Writes what there is; ends the process if the kernel refused anything. */
void routes_flush(struct routes *);

/* A permanent neighbour, new or changed. */
void routes_put_neigh(struct routes *, uint32_t addr, struct eth_addr,
                      uint32_t ifindex);

/* All IPv4 routes of table main by gateways: fn(aux, prefix, gateway or 0, ifindex),
 * and all usable IPv4 neighbours. */
typedef void routes_fn(void *aux, const struct ip_prefix *, uint32_t gateway,
                       uint32_t ifindex);
void routes_dump(struct routes *, routes_fn *, void *aux);
typedef void routes_neigh_fn(void *aux, uint32_t addr, struct eth_addr,
                             uint32_t ifindex);
void routes_dump_neighs(struct routes *, routes_neigh_fn *, void *aux);

#endif
