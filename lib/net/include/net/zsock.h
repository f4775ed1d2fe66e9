#ifndef NET_ZSOCK_H
#define NET_ZSOCK_H 1

/* A ZeroMQ socket on the loop.
 *
 * ZMQ_FD is edge-triggered and may fire for nothing, so ZMQ_EVENTS is looked at after
 * each of its edges and after each of our sends and receives (zmq_getsockopt(3)).  At
 * most ZSOCK_SLICE messages are handled in one turn of the loop; the rest waits until
 * everybody else had his.
 *
 * Options on every socket (DESIGN 6): ZMQ_MAXMSGSIZE, ZMQ_HANDSHAKE_IVL,
 * ZMQ_HEARTBEAT_*, ZMQ_SNDHWM/RCVHWM, ZMQ_LINGER, ZMQ_ROUTER_MANDATORY. */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "net/loop.h"
#include "net/zcurve.h"

/* The ZeroMQ context: one per process, destroyed after all of its sockets. */
struct zctx;
struct zctx *zctx_create(void);
void zctx_destroy(struct zctx *);

enum zsock_type {
    ZSOCK_ROUTER,
    ZSOCK_DEALER,
    ZSOCK_PUB,
    ZSOCK_SUB,
    ZSOCK_PAIR,
    ZSOCK_REP,
};

#define ZSOCK_MAX_FRAMES 8 /* A message with more is dropped and counted. */
#define ZSOCK_SLICE 64

struct zframe {
    const void *data;
    size_t n;
};

struct zsock;

/* Any of these may be NULL, and may destroy the socket.  The frames are borrowed. */
struct zsock_ops {
    void (*message)(void *aux, const struct zframe *frames, size_t n_frames);
    /* After a zsock_send() said EAGAIN: there is room again.  Not on a ROUTER, which
     * cannot tell for whom. */
    void (*writable)(void *aux);
    /* DEALER with `monitor`: the transport connection was made, or is gone. */
    void (*connected)(void *aux);
    void (*disconnected)(void *aux);
};

struct zsock_config {
    size_t max_msg; /* Bytes; a peer that sends more is cut off.  0: 1 MB. */
    int hwm;        /* Messages queued per peer and direction.  0: 1000. */
    int linger_ms;  /* Time for unsent messages after destroy. */
    bool monitor;   /* Report connected and disconnected. */
    bool watch;     /* Bound to TCP: log who leaves without a message. */
    const struct zcurve *curve; /* For tcp:// endpoints; NULL: none.  Copied. */
};

/* NULL config: defaults.  Fails only if the ZeroMQ context has no socket left (errno in
 * *ret_error). */
struct zsock *zsock_create(struct loop *, struct zctx *, enum zsock_type,
                           const struct zsock_config *, const struct zsock_ops *,
                           void *aux, int *ret_error);
void zsock_destroy(struct zsock *);

/* "tcp://127.0.0.1:25555", "ipc:///run/x", "inproc://x"; 0 or an errno, which
 * zsock_strerror() turns into text.  Port 0 or "*" is chosen by the system. */
int zsock_bind(struct zsock *, const char *endpoint);
int zsock_connect(struct zsock *, const char *endpoint);
const char *zsock_strerror(int error);
/* Endpoint last bound, with its port; valid until the next call. */
const char *zsock_last_endpoint(struct zsock *);
/* SUB: messages whose first frame begins with `topic`. */
void zsock_subscribe(struct zsock *, const char *topic);

/* Sends all frames or nothing, without waiting.  0, EAGAIN (at the high-water mark;
 * `writable` follows, see there), EHOSTUNREACH (ROUTER: frames[0] names nobody who is
 * connected), or another errno.  Never calls back. */
int zsock_send(struct zsock *, const struct zframe *frames, size_t n_frames);

/* Takes note of connections that the I/O thread has seen end, so that the next
 * zsock_send() to such a peer says EHOSTUNREACH. */
void zsock_settle(struct zsock *);

/* Of the message that is being handled: address of the sender, "" if unknown (ipc://);
 * and whether its CURVE key, by the allow-list, may name itself `id` (true without
 * CURVE). */
const char *zsock_peer_address(const struct zsock *);
bool zsock_peer_may_be(const struct zsock *, uint64_t id);

uint64_t zsock_dropped(const struct zsock *); /* Messages with too many frames. */

#endif
