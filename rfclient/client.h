#ifndef RFCLIENT_CLIENT_H
#define RFCLIENT_CLIENT_H 1

/* rfclient: the eyes of one VM.  It reads interfaces, addresses, neighbours and routes
 * of its container from the kernel (lib/netlink), keeps them (state.h), and tells
 * rfserver (lib/ipc) what changed, or everything at the start of a session.
 *
 *     kernel ── nl_watch ──> vm_state ── records ──> ipc_client ──> rfserver
 *        ^── nl_request <── prober ┘                    │ PORT_CONFIG
 *     VM port <── mapping frames ── mapping <───────────┘
 *
 * One thread, one loop: the kernel is read in bounded slices, and what changed is sent
 * at the end of the same turn, if rfserver's window has room; otherwise it stays marked
 * until there is. */

#include <stdint.h>

#include "base/buf.h"
#include "ipc/timing.h"
#include "net/loop.h"
#include "net/zsock.h"
#include "ports.h"
#include "prober.h"

struct client_config {
    struct loop *loop;
    struct zctx *zctx;
    const char *server;         /* Endpoint. */
    const struct zcurve *curve; /* NULL: plain. */
    uint64_t vm_id;
    struct port_pattern ports;
    struct buf key;     /* Of mapping frames; taken over on success. */
    int netlink_buffer; /* Bytes. */
    struct prober_config prober;
};

struct client;

/* Returns NULL after logging why not. */
struct client *client_create(const struct client_config *);
void client_destroy(struct client *);

#endif
