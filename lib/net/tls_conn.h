#ifndef TLS_CONN_H
#define TLS_CONN_H 1

/* TLS on a connected non-blocking socket, in calls like those of a socket.  EPROTO
 * means that the connection is over and tls_conn_error() says why.  After EAGAIN,
 * tls_conn_wants() says what to wait for, LOOP_READ or LOOP_WRITE: TLS may have to read
 * before it can write, and the other way round. */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "net/tls.h"

struct tls_conn;

struct tls_conn *tls_conn_create(const struct tls *, int fd, bool server);
/* Tells the peer that it is over, if that is possible at once.  Does not close the
 * descriptor.  NULL is allowed. */
void tls_conn_destroy(struct tls_conn *);

int tls_conn_handshake(struct tls_conn *); /* 0, EAGAIN or EPROTO. */
/* As recv(2), but fills the buffer as far as it can. */
ssize_t tls_conn_recv(struct tls_conn *, void *data, size_t size);
/* As send(2).  After EAGAIN, the next call must offer the same octets again; there may
 * be more of them, and elsewhere in memory. */
ssize_t tls_conn_send(struct tls_conn *, const void *data, size_t n);

int tls_conn_wants(const struct tls_conn *);
/* There may be something to receive of which the descriptor does not tell. */
bool tls_conn_more(const struct tls_conn *);
const char *tls_conn_error(const struct tls_conn *);

void tls_conn_fingerprint(const struct tls_conn *, uint8_t ret[TLS_FINGERPRINT_LEN]);
void tls_conn_names(const struct tls_conn *, void (*name)(void *aux, const char *name),
                    void *aux);

#endif
