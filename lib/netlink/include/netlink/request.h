#ifndef NETLINK_REQUEST_H
#define NETLINK_REQUEST_H 1

/* Requests to the kernel: to resolve a neighbour, or to check one that it knows.  The
 * kernel's own ARP and ND do the work; the outcome arrives as a neighbour event.
 *
 * Found to work on Linux 6.18 (and documented for every one since 2.6.24): NTF_USE acts
 * like a packet to that neighbour, so that an unknown or FAILED entry becomes
 * INCOMPLETE and is asked for up to mcast_solicit times, 1 s apart, then FAILED, which
 * is told. Setting NUD_PROBE on an entry with an address asks its holder by unicast at
 * once; it ends REACHABLE, or FAILED after some 3 s. */

#include <stdint.h>

#include "base/addr.h"

enum nl_probe {
    NL_PROBE_RESOLVE,  /* Unknown or FAILED: NTF_USE. */
    NL_PROBE_VALIDATE, /* Known, but STALE: NUD_PROBE. */
};

struct nl_request;

int nl_request_create(struct nl_request **ret); /* 0 or an errno. */
void nl_request_destroy(struct nl_request *);

/* Returns 0 or the kernel's errno: ENOENT if there is nothing to validate, ENETDOWN,
 * ENODEV, EPERM...  Never blocks. */
int nl_request_probe(struct nl_request *, uint32_t ifindex, const struct ip_addr *,
                     enum nl_probe);

#endif
