#ifndef NET_STREAM_H
#define NET_STREAM_H 1

/* Byte streams: listening sockets and their connections, non-blocking, on the loop.
 *
 * Endpoints are written as in Open vSwitch:
 *     ptcp:PORT[:ADDRESS]   listen; ADDRESS default 127.0.0.1, all: "0.0.0.0" or "[::]"
 *     pssl:PORT[:ADDRESS]   the same with TLS (net/tls.h)
 *     punix:PATH            listen on a UNIX socket (an old file of it is replaced)
 *     tcp:ADDRESS:PORT      connect
 *     ssl:ADDRESS:PORT      connect, with TLS
 *     unix:PATH             connect
 * Numeric addresses only; IPv6 ones in brackets.
 *
 * Writing is by pull: the user keeps the output where it is produced (a session's
 * queue), says stream_kick() when there is some, and the stream takes as much as the
 * socket accepts.  So there is one queue, and its owner bounds it. */

#include <stddef.h>
#include <stdint.h>

#include "net/loop.h"
#include "net/tls.h"

#define STREAM_READ_MAX 65536
#define STREAM_NAME_LEN 128

struct stream;

struct stream_ops {
    /* Bytes have come, 1..STREAM_READ_MAX.  May destroy the stream. */
    void (*readable)(void *aux, const uint8_t *data, size_t n);
    /* Points *ret at bytes to send and returns how many there are, 0 for none. */
    size_t (*output)(void *aux, const uint8_t **ret);
    /* The first n bytes of that were written. */
    void (*written)(void *aux, size_t n);
    /* Over: "closed by peer", or the error in words.  Called once, never from inside
     * stream_destroy(); nothing else is called afterwards.  The user still has to
     * destroy the stream, and may do so here. */
    void (*closed)(void *aux, const char *reason);
    /* May be NULL.  What stream_connect() began is open: called once, before anything
     * is written or read.  May destroy the stream. */
    void (*opened)(void *aux);
};

/* Starts to connect.  0 or an errno for a bad endpoint (EINVAL), TLS without `tls`
 * (ENOKEY; it is borrowed, and NULL is fine for others), or no socket; failures to
 * connect arrive as closed(). */
int stream_connect(struct loop *, const char *endpoint, struct tls *,
                   const struct stream_ops *, void *aux, struct stream **ret);
void stream_destroy(struct stream *); /* Closes at once; NULL is allowed. */
/* Sets who is called: an accepted stream is silent until then. */
void stream_set_ops(struct stream *, const struct stream_ops *, void *aux);
/* There is output: it is written at the end of this turn of the loop, or when the
 * socket takes it.  Cheap; call it whenever something was queued. */
void stream_kick(struct stream *);
/* Stops or resumes reading: back-pressure on the peer. */
void stream_pause(struct stream *, bool paused);
/* TCP: the stream is over when for `ms` (1000...) the machine of the peer has answered
 * nothing, or the peer has read nothing of what waits for it.  Without, it takes TCP a
 * quarter of an hour to give up a machine that is off, or for ever if there is nothing
 * to send.  The kernel itself tells of the end of a UNIX socket's peer. */
void stream_set_timeout(struct stream *, int ms);
/* "127.0.0.1:43210", "unix:PATH", "ssl:127.0.0.1:43210". */
const char *stream_name(const struct stream *);
/* Connected, and with TLS, both sides have accepted each other. */
bool stream_is_open(const struct stream *);

/* The peer's certificate, if the stream is TLS and open. */
bool stream_is_tls(const struct stream *);
void stream_tls_fingerprint(const struct stream *, uint8_t ret[TLS_FINGERPRINT_LEN]);
/* Its common name ("" if it has none) first, then its DNS names. */
void stream_tls_names(const struct stream *, void (*name)(void *aux, const char *name),
                      void *aux);

/* Listening. */
struct stream_listener;
/* 0 or errno: EINVAL for a malformed endpoint, ENOKEY for TLS without `tls` (it is
 * borrowed), else of bind(2) or listen(2).  `accept` owns the stream it is given; a TLS
 * one is not open yet. */
int stream_listen(struct loop *, const char *endpoint, struct tls *,
                  void (*accept)(void *aux, struct stream *), void *aux,
                  struct stream_listener **ret);
/* Removes the file of a UNIX socket, unless another listener has replaced it. */
void stream_listener_destroy(struct stream_listener *);
/* "127.0.0.1:6653", "ssl:127.0.0.1:6653", with the port that the system chose for port
 * 0. */
const char *stream_listener_name(const struct stream_listener *);

#endif
