#ifndef IPC_SERVER_H
#define IPC_SERVER_H 1

/* rfserver's end of the message bus: a ROUTER for the peers (rfclient, rfproxy, rfvs,
 * rfctl) and a PUB for events.
 *
 * A peer exists from its accepted HELLO to peer_down().  Each peer_up() is the start of
 * a session: both sides resync (BEGIN ... END), whatever the epochs are; `epoch` tells
 * a restarted process from a lost connection.
 *
 * One session per (role, id), except rfctl.  When a HELLO names an id in use, the old
 * session ends if it is of the same process (name and epoch), if its connection is
 * gone, which ROUTER_MANDATORY tells at once, or if nothing was heard for the dead
 * time. Otherwise the newer one is refused, and the log names both: so a restarted
 * daemon gets in at once, and two containers with the same id are reported.
 *
 * A peer that sends what it may not (malformed, wrong role, wrong sequence) loses its
 * session and nobody else notices.  All calls are made from the loop. */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/buf.h"
#include "ipc/timing.h"
#include "net/loop.h"
#include "net/zsock.h"
#include "wire/msg.h"

struct ipc_server;
struct ipc_peer;

/* All but window_open are required. */
struct ipc_server_ops {
    void (*peer_up)(void *aux, struct ipc_peer *);
    /* The last call for this peer, which is freed afterwards. */
    void (*peer_down)(void *aux, struct ipc_peer *, const char *reason);
    /* Everything but session messages: BATCH too, acknowledged some time after this
     * returned.  The message is borrowed.  Only messages that the peer's role may send
     * arrive. */
    void (*message)(void *aux, struct ipc_peer *, const struct msg *);
    /* ipc_peer_batch_room() was 0, and batches were acknowledged. */
    void (*window_open)(void *aux, struct ipc_peer *);
};

struct ipc_server_config {
    struct ipc_timing timing; /* {0}: defaults. */
    uint64_t epoch;  /* Random, chosen once per process (ipc_random_epoch()). */
    int64_t hold_ms; /* Told to the peers. */
    const struct zcurve *curve; /* For tcp:// endpoints; NULL: plain. */
};

struct ipc_server *ipc_server_create(struct loop *, struct zctx *,
                                     const struct ipc_server_config *,
                                     const struct ipc_server_ops *, void *aux);
/* No peer_down() is called; peers get BYE. */
void ipc_server_destroy(struct ipc_server *);

/* Comma-separated endpoints.  0, or an errno of zsock_bind() with the endpoint that
 * failed in the log. */
int ipc_server_bind(struct ipc_server *, const char *endpoints);
int ipc_server_bind_events(struct ipc_server *, const char *endpoints);
/* Endpoint last bound by either, with the port chosen for port 0. */
const char *ipc_server_last_endpoint(struct ipc_server *);
const char *ipc_server_last_events_endpoint(struct ipc_server *);

/* Publishes to whoever listens; never waits. */
void ipc_server_publish(struct ipc_server *, const struct msg_event *);

/* Peers. */
enum wire_role ipc_peer_role(const struct ipc_peer *);
uint64_t ipc_peer_id(const struct ipc_peer *);
uint64_t ipc_peer_epoch(const struct ipc_peer *);
const char *ipc_peer_name(const struct ipc_peer *); /* "rfclient@vm1:17". */
int64_t ipc_peer_since(const struct ipc_peer *);    /* loop_now() of peer_up(). */
void ipc_peer_set_aux(struct ipc_peer *, void *);   /* For the user; NULL at first. */
void *ipc_peer_aux(const struct ipc_peer *);
/* The session of (role, id), or NULL. */
struct ipc_peer *ipc_server_find(struct ipc_server *, enum wire_role, uint64_t id);
/* Iterates over all sessions: first with NULL, then with the one before. */
struct ipc_peer *ipc_server_next(struct ipc_server *, struct ipc_peer *);

/* Sends a message that is not a BATCH.  A peer that cannot take it (it does not read,
 * or is gone) loses its session shortly after, by peer_down(), never from inside. */
void ipc_peer_send(struct ipc_peer *, const struct msg *);

/* How many batches may be sent now. */
unsigned ipc_peer_batch_room(const struct ipc_peer *);
/* Sends records, 1..WIRE_BATCH_MAX bytes of them.  EAGAIN if there is no room, then
 * window_open() follows; EMSGSIZE; ENOTCONN if the session is about to end. */
int ipc_peer_batch_send(struct ipc_peer *, uint64_t id, const struct buf *records);
/* Batches sent and not acknowledged: 0 means the peer has handled everything. */
unsigned ipc_peer_batch_pending(const struct ipc_peer *);

/* Ends the session; BYE with `reason` goes to the peer, which says HELLO again.
 * peer_down() follows, never from inside. */
void ipc_peer_drop(struct ipc_peer *, const char *reason);

#endif
