#ifndef RELAY_CONN_H
#define RELAY_CONN_H 1

/* One connection of either end: its stream, the queue towards the peer, and the records
 * that come from it. */

#include "net/stream.h"
#include "relay/relay.h"

struct relay_conn;

struct relay_conn_ops {
    void (*frame)(void *aux, const struct relay_frame *); /* Destroys nothing. */
    /* Of relay_conn_connect() only. */
    void (*opened)(void *aux);
    /* Called once, and nothing afterwards.  It is still to be destroyed, by or after
     * this. */
    void (*closed)(void *aux, struct relay_conn *, const char *reason);
};

/* EINVAL: malformed endpoint; or an errno of the socket. */
int relay_conn_connect(struct loop *, const char *endpoint,
                       const struct relay_conn_ops *, void *aux,
                       struct relay_conn **ret);
/* Owns the stream. */
struct relay_conn *relay_conn_accept(struct stream *, const struct relay_conn_ops *,
                                     void *aux);
void relay_conn_destroy(struct relay_conn *); /* Calls nobody.  NULL is allowed. */
/* False: no frame, or no room. */
bool relay_conn_put(struct relay_conn *, const struct relay_frame *);

/* "ipc://PATH", "tcp://ADDRESS:PORT" as net/stream.h writes it. */
bool relay_endpoint(const char *text, bool listening, char ret[static STREAM_NAME_LEN]);

#endif
