#ifndef NETLINK_EXPRESS_H
#define NETLINK_EXPRESS_H 1

/* Events of routes that overtake others (pure).
 *
 * A netlink socket is a queue: behind a full table of BGP's, the way round a lost link
 * would wait until all of that was read.  So there is a second socket, the express one,
 * to which the kernel passes the routes of some protocols only, and which is read
 * first. The other one has all events, those included.
 *
 * Both have the events of a prefix in the same order.  So it is enough to count, of
 * each prefix, by how many of these events the express socket is ahead of the other
 * (or, below zero, behind it): each is told by the socket that has it first.
 *
 * When in doubt, the count is too low: then the other socket tells events once more, or
 * alone, in their order, which is slower and never wrong.  A count that is too high
 * would have it leave out what nobody has told; it arises when events were lost, and
 * lasts until the dump that this leads to.
 *
 * There are never more counts than events that one of the sockets still has, but for
 * those of prefixes of which two protocols dispute; they go when all is quiet. */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/addr.h"

enum { EXPRESS_FORGET_MS = 1000 }; /* Quiet so long. */

/* All zero is how it begins. */
struct express {
    struct express_count *counts; /* None is zero. */
    int64_t changed;              /* ms, monotonic. */
};

/* Those of interior protocols, and an operator's own: they repair a network, and come
 * by the dozen.  The protocols of linux/rtnetlink.h and, where that has none, of FRR.
 */
size_t express_protocols(const uint8_t **ret);

/* An event was read from the express socket; from the other one, which has those of
 * other protocols too.  Returns whether to tell it. */
bool express_overtakes(struct express *, const struct ip_prefix *, int64_t now);
bool express_in_turn(struct express *, const struct ip_prefix *, uint8_t protocol,
                     int64_t now);

/* No event is left. */
void express_rest(struct express *, int64_t now);

/* A dump begins, and the express socket was emptied, untold, after the other one; and
 * at the end. */
void express_clear(struct express *);

#endif
