#ifndef RELAY_RELAY_H
#define RELAY_RELAY_H 1

/* The slow path between rfproxy and rfvs: frames as records of wire/relay.h, in a byte
 * stream each way.  rfvs listens (relay_server), each rfproxy connects (relay_client).
 *
 * It is no ZeroMQ socket, because somebody waits for every single frame: ZeroMQ hands
 * each to its I/O thread, that to the I/O thread of the peer, and that to the peer's
 * loop, and each of the three wakes a thread up, which takes tens of microseconds.
 * From loop to loop it is one.
 *
 * Nothing waits for the other side: frames are queued for each peer, up to
 * RELAY_QUEUE_MAX bytes, and are sent at the end of the turn of the loop; what does not
 * fit is refused, whole frames only.  Queued frames end with their connection.
 *
 * Endpoints are written as those of ZeroMQ: ipc://PATH is a UNIX socket (an old file of
 * it is replaced), tcp://ADDRESS:PORT has a numeric address, IPv6 in brackets, and "*"
 * for all of IPv4 where one listens.  As ZeroMQ's heartbeats did, 6 s of silence of the
 * other machine end a TCP connection; and so does whoever reads nothing for as long. */

#include <stdbool.h>
#include <stddef.h>

#include "net/loop.h"
#include "wire/relay.h"

#define RELAY_QUEUE_MAX (8 << 20)
#define RELAY_MAX_PEERS 8

/* None of these may destroy the end that calls. */
struct relay_ops {
    /* The frame is borrowed, and of any peer. */
    void (*frame)(void *aux, const struct relay_frame *);
    void (*connected)(void *aux);
    /* Of who was connected; the reason in words.  A record with a length that cannot be
     * ends the connection, too. */
    void (*disconnected)(void *aux, const char *reason);
};

/* 0, or an errno of the socket, or EINVAL for a malformed endpoint. */
struct relay_client;
int relay_client_create(struct loop *, const char *endpoint, const struct relay_ops *,
                        void *aux, struct relay_client **ret);
struct relay_server;
int relay_server_create(struct loop *, const char *endpoint, const struct relay_ops *,
                        void *aux, struct relay_server **ret);
/* The error of these in words, which for EINVAL say what was expected. */
const char *relay_strerror(int error);

/* The connecting end.  It tries until it is connected, and again when it is no longer:
 * after 50 ms first, then twice as long each time, at most 1 s. */
void relay_client_destroy(struct relay_client *);
bool relay_client_is_connected(const struct relay_client *);
/* False: not connected, the queue is full, or it is no frame. */
bool relay_client_put(struct relay_client *, const struct relay_frame *);

/* The listening end, of RELAY_MAX_PEERS at most: when another one comes, whoever has
 * been there longest has to go. */
void relay_server_destroy(struct relay_server *);
/* Where it listens: "127.0.0.1:7000", with the port that the system chose for port 0,
 * or "unix:PATH". */
const char *relay_server_name(const struct relay_server *);
size_t relay_server_peers(const struct relay_server *);
/* To all peers.  Returns for how many there was room; for the others it is lost. */
size_t relay_server_put(struct relay_server *, const struct relay_frame *);

#endif
