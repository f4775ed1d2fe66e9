#ifndef OFCONN_OFCONN_H
#define OFCONN_OFCONN_H 1

/* OpenFlow connections on the loop: listens, runs the session of each connection
 * (of/session.h), and hands it to an owner once it is known which switch it is.
 *
 * A connection owns its stream and its session.  Until its features are known it is a
 * stranger; there are at most `max_strangers` of them (a newer one displaces the
 * oldest), and each has the handshake time of the session.  Then `identified` says to
 * whom it belongs, or why it is refused. Strangers and refusals are logged here,
 * rate-limited, with the peer's address.
 *
 * Who comes by TLS must show a certificate that may be this datapath
 * (ofconn/binding.h). */

#include <stdbool.h>
#include <stddef.h>

#include "net/loop.h"
#include "net/tls.h"
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

struct ofconn_config {
    const char *endpoints; /* Where to listen, comma-separated (net/stream.h). */
    const char *what;      /* What a log calls those who connect. */
    unsigned max_strangers;
    struct tls_files tls;  /* For pssl: endpoints; or all NULL. */
    const char *tls_allow; /* File of ofconn/binding.h; NULL: names decide. */
};

/* NULL after logging what is wrong.  `ops` and all texts are borrowed. */
struct ofconn_server *ofconn_listen(struct loop *, const struct ofconn_config *,
                                    const struct ofconn_ops *, void *aux);
/* Reads the files of TLS again.  Who is connected and may not be any more is thrown
 * out, as far as the allow file says so. */
void ofconn_reload(struct ofconn_server *);
/* Closes all connections.  NULL is allowed. */
void ofconn_server_destroy(struct ofconn_server *);

struct of_session *ofconn_session(struct ofconn *);
const char *ofconn_peer(const struct ofconn *); /* "127.0.0.1:43210". */
/* Something was put into the session's output. */
void ofconn_kick(struct ofconn *);

#endif
