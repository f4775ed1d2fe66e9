#ifndef RFCLIENT_MAPPING_H
#define RFCLIENT_MAPPING_H 1

/* Sends mapping frames out of VM ports, so that RFVS sees which of its ports each one
 * is plugged into: one at once when rfserver asks, then again after 100 ms, 200 ms, ...
 * up to every second, until it says that the port is active. */

#include <stdbool.h>
#include <stdint.h>

#include "base/buf.h"
#include "net/loop.h"
#include "netlink/rtnl.h"

struct mapping;

struct mapping_config {
    struct loop *loop;
    uint64_t vm_id;
    const struct buf *key; /* Borrowed for as long as the mapping lives. */
    /* The interface of a VM port now; false if there is none. */
    bool (*port)(void *aux, uint32_t vm_port, struct rtnl_link *ret);
    void *aux;
};

/* Opens the packet socket (CAP_NET_RAW).  Returns 0 or an errno. */
int mapping_create(const struct mapping_config *, struct mapping **ret);
void mapping_destroy(struct mapping *);

/* What rfserver wants.  Wanting it again sends one at once again. */
void mapping_want(struct mapping *, uint32_t vm_port, bool wanted);
void mapping_want_none(struct mapping *); /* The session is over. */
/* The port came up or has another MAC: do not wait for the next turn. */
void mapping_hurry(struct mapping *, uint32_t vm_port);

#endif
