#ifndef RFCLIENT_STATE_H
#define RFCLIENT_STATE_H 1

/* What rfclient knows of its VM, and what of it rfserver has not been told.  Pure:
 * netlink messages come in, packed records (wire/record.h) go out.
 *
 * Interfaces named by the pattern ("eth%": ethN, N >= 1, is VM port N) are VM ports; of
 * all others, the management interface included, nothing is told.  They may come, go
 * and change their names at any time.
 *
 * A change is a mark on its key (port, address, neighbour, prefix), and a record is
 * made from the state at the time of sending: so memory is bounded by what exists,
 * however long rfserver does not listen, and many changes of a key are sent as one.
 * Of routes, the changes of a protocol that brings few go before the others
 * (urgency.h), and are sent as urgent. */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/addr.h"
#include "base/buf.h"
#include "netlink/rtnl.h"
#include "ports.h"
#include "prober.h"

struct vm_state;

struct vm_state *vm_state_create(const struct port_pattern *,
                                 const struct prober_config *);
void vm_state_destroy(struct vm_state *);

/* From nl_watch.  vm_state_message() returns the kinds that need a verifying dump. */
unsigned vm_state_message(struct vm_state *, const struct rtnl_msg *, bool in_dump,
                          int64_t now);
/* This message comes soon: what is needed for it is fetched from memory meanwhile. */
void vm_state_prefetch(const struct vm_state *, const struct rtnl_msg *);
void vm_state_dump_begin(struct vm_state *, enum rtnl_kind);
void vm_state_dump_end(struct vm_state *, enum rtnl_kind, bool complete, int64_t now);

/* A new session: BEGIN, everything, END are next. */
void vm_state_resync(struct vm_state *);
/* Appends the next record to tell: ports first, then addresses, neighbours, routes.
 * False if there is none. */
bool vm_state_put_next(struct vm_state *, int64_t now, struct buf *ret);
size_t vm_state_pending(const struct vm_state *); /* About so many records. */
bool vm_state_hurries(const struct vm_state *);   /* Something urgent is to be told. */
/* When there will be one that waits now (withdrawals.h). */
int64_t vm_state_due(const struct vm_state *);

/* Asks for the probes that are due. */
void vm_state_probe(struct vm_state *, int64_t now,
                    int (*probe)(void *aux, uint32_t ifindex, const struct ip_addr *,
                                 enum nl_probe),
                    void *aux);
int64_t vm_state_wakeup(const struct vm_state *);

/* The interface of a VM port; false if there is none. */
bool vm_state_port(const struct vm_state *, uint32_t vm_port, struct rtnl_link *ret);
/* The VM port of an interface; 0 if it is none. */
uint32_t vm_state_port_of(const struct vm_state *, uint32_t ifindex);

struct vm_state_counts {
    size_t ports, addrs, neighs, routes;
    size_t unresolved; /* Gateways without a usable neighbour. */
};
void vm_state_counts(const struct vm_state *, struct vm_state_counts *ret);

#endif
