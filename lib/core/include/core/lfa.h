#ifndef CORE_LFA_H
#define CORE_LFA_H 1

/* Loop-free alternates: for each next-hop set of a VM that hangs on one port, another
 * router that has a way of its own, so that a lost link costs one group change and no
 * routing protocol (in the manner of RFC 5286, but without its arithmetic).
 *
 * Nobody's metrics are needed, since the RIBs of all VMs are here: a neighbour is an
 * alternate for a set when, for every prefix routed by the set, the way that packets
 * would take from there, hop by hop through the RIBs, ends at a connected prefix or
 * leaves the network, and never comes back.  A way that does not come back does not use
 * the lost link either.
 *
 * The work is done beforehand, in passes over the routes of a VM that the caller cuts
 * into slices.  What a pass has found goes into the VM's RIB when it is complete, and
 * holds until the next one.  If routes have changed since, or if it is not the link
 * that failed but the router behind it, a packet may meet a loop of the alternates of
 * two routers until the routing suite has answered: as with RFC 5286.
 *
 * A set without any hop on a port that forwards loses its alternate in a pass: local
 * repair is not for ever. */

#include <stdbool.h>
#include <stdint.h>

#include "core/keys.h"
#include "core/rib.h"

struct lfa;

struct lfa_ops {
    struct rib *(*rib)(void *aux, uint64_t vm_id); /* NULL: there is none. */
    /* The port at the other end of a VM port's link; false: it has no link. */
    bool (*peer)(void *aux, struct vm_key port, struct vm_key *ret);
};

struct lfa *lfa_create(const struct lfa_ops *, void *aux);
void lfa_destroy(struct lfa *);

/* Begins a pass over the routes of a VM; one that was under way is given up. */
void lfa_begin(struct lfa *, uint64_t vm_id);
/* Looks at up to n routes.  False: the pass is complete. */
bool lfa_run(struct lfa *, unsigned n);

#endif
