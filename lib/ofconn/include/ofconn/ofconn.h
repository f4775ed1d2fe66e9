#ifndef OFCONN_OFCONN_H
#define OFCONN_OFCONN_H 1

/* OpenFlow connections on the loop: listens, runs the session of each connection
 * (of/session.h), and hands it to an owner once it is known which switch it is.
 *
 * A connection owns its stream and its session.  Until its features are known it is a
 * stranger; there are at most `max_strangers` of them (a newer one displaces the
 * oldest), and each has the handshake time of the session.  Then `identified` says to
 * whom it belongs, or why it is refused. Strangers and refusals are logged here,
 * rate-limited, with the peer's address. */

#include <stdbool.h>
#include <stddef.h>

#include "net/loop.h"
#include "of/session.h"

#define OFCONN_WHY_LEN 200

struct ofconn;
struct ofconn_server;

struct ofconn_ops {
    /* Returns the owner, or NULL with the reason of the refusal in ret_why: an operator
     * reads it in the log, and the switch gets it with the end of its session. */
    void *(*identified)(void *aux, struct ofconn *, const struct of_session_up *,
                        char ret_why[static OFCONN_WHY_LEN]);
    /* Any event of the session but UP and DOWN. */
    void (*event)(void *owner, const struct of_event *);
    /* The socket took some of the output: there may be room for more. */
    void (*writable)(void *owner);
    /* The last call for this owner; the connection is freed soon after.  Not called
     * from inside ofconn_server_destroy(). */
    void (*gone)(void *owner, const char *reason);
};

/* Listens at comma-separated endpoints (net/stream.h); `what` is what a log calls those
 * who connect.  NULL after logging what is wrong.  `ops` is borrowed. */
struct ofconn_server *ofconn_listen(struct loop *, const char *endpoints,
                                    const char *what, unsigned max_strangers,
                                    const struct ofconn_ops *, void *aux);
/* Closes all connections.  NULL is allowed. */
void ofconn_server_destroy(struct ofconn_server *);

struct of_session *ofconn_session(struct ofconn *);
const char *ofconn_peer(const struct ofconn *); /* "127.0.0.1:43210". */
/* Something was put into the session's output. */
void ofconn_kick(struct ofconn *);

#endif
