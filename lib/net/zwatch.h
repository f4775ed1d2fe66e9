#ifndef ZWATCH_H
#define ZWATCH_H 1

/* Who connects to a bound ZeroMQ socket and leaves without a message: a program that
 * speaks something else, a wrong key, a port scan.  ZeroMQ itself drops these silently.
 *
 * Fed with the events of the socket's monitor.  The address of a peer is read from its
 * descriptor when the acceptance is told, which happens in another thread than it, so
 * that one who is dropped within microseconds may remain nameless.  Of TCP only: what
 * may connect to a UNIX socket is a matter of its directory. */

#include <stdint.h>

struct zwatch;

struct zwatch *zwatch_create(void);
void zwatch_destroy(struct zwatch *); /* NULL is allowed. */

/* What zmq_socket_monitor() has to be asked for. */
int zwatch_events(void);
/* `endpoint`: the one that was bound, as the event says it. */
void zwatch_event(struct zwatch *, unsigned event, uint32_t value,
                  const char *endpoint);
/* A message came by this descriptor: its peer is one of ours. */
void zwatch_heard(struct zwatch *, int fd);

#endif
