#ifndef IPC_CLIENT_H
#define IPC_CLIENT_H 1

/* The other end of the bus: rfclient, rfproxy, rfvs and rfctl towards rfserver.
 *
 * Connects and reconnects for ever with back-off.  Each up() is the start of a session:
 * resync (BEGIN ... END or SYNC_BEGIN ... SYNC_END).  A session ends when rfserver says
 * BYE, its connection breaks, it is silent for the dead time, or it is another process
 * (epoch).  All calls are made from the loop. */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/buf.h"
#include "ipc/timing.h"
#include "net/loop.h"
#include "net/zsock.h"
#include "wire/msg.h"

struct ipc_client;

/* Any may be NULL. */
struct ipc_client_ops {
    /* server_restarted: its epoch is not that of the session before (false the first
     * time). */
    void (*up)(void *aux, const struct msg_welcome *, bool server_restarted);
    void (*down)(void *aux, const char *reason);
    /* Everything but session messages: BATCH too, acknowledged some time after this
     * returned.  The message is borrowed. */
    void (*message)(void *aux, const struct msg *);
    /* ipc_client_batch_room() was 0, and now there is room, if only for what is urgent.
     */
    void (*window_open)(void *aux);
};

struct ipc_client_config {
    const char *endpoint; /* "tcp://192.169.1.1:25555", copied. */
    enum wire_role role;
    uint64_t id;
    uint64_t epoch;   /* Random, chosen once per process (ipc_random_epoch()). */
    const char *name; /* NULL: ipc_process_name(role). */
    struct ipc_timing timing;   /* {0}: defaults. */
    const struct zcurve *curve; /* NULL: plain.  Copied. */
};

struct ipc_client *ipc_client_create(struct loop *, struct zctx *,
                                     const struct ipc_client_config *,
                                     const struct ipc_client_ops *, void *aux);
/* Says BYE; down() is not called.  Not from inside a callback of this client. */
void ipc_client_destroy(struct ipc_client *);

bool ipc_client_is_up(const struct ipc_client *);
/* What it is doing: "up", "connecting to tcp://…", "refused: …". */
const char *ipc_client_state(const struct ipc_client *);

/* Sends a message that is not a BATCH; dropped when there is no session (the resync
 * after up() says it again).  If rfserver does not take it, the session ends shortly
 * after, by down(), never from inside. */
void ipc_client_send(struct ipc_client *, const struct msg *);

/* As their namesakes of ipc/server.h; without a session there is no room.  A batch of
 * `urgent` records has some where others have none. */
unsigned ipc_client_batch_room(const struct ipc_client *);
bool ipc_client_batch_room_urgent(const struct ipc_client *);
int ipc_client_batch_send(struct ipc_client *, uint64_t id, const struct buf *records,
                          bool urgent);
unsigned ipc_client_batch_pending(const struct ipc_client *);

uint64_t ipc_random_epoch(void); /* From getrandom(2); never 0. */
/* "rfclient@host:pid"; caller frees. */
char *ipc_process_name(enum wire_role);

/* Events, for `rfctl watch`. */
struct ipc_subscriber;
struct ipc_subscriber *
ipc_subscriber_create(struct loop *, struct zctx *, const char *endpoint,
                      const struct zcurve *,
                      void (*event)(void *aux, const struct msg_event *), void *aux);
void ipc_subscriber_destroy(struct ipc_subscriber *);

/* One question to rfserver, for command-line tools: has its own loop, waits.
 *
 * `args` are n strings, n <= WIRE_MAX_STRS.  0 and the answer: *ret_status (0 is
 * success) and its BSON document appended to ret_body.  ETIMEDOUT if no answer came in
 * time; ret_state then says how far it got (ipc_client_state()). */
#define IPC_STATE_LEN 256
int ipc_request(const char *endpoint, const struct zcurve *, const char *cmd,
                const char *const *args, unsigned n, int64_t timeout_ms,
                struct buf *ret_body, int64_t *ret_status,
                char ret_state[static IPC_STATE_LEN]);

#endif
