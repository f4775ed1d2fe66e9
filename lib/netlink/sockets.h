#ifndef SOCKETS_H
#define SOCKETS_H 1

/* The sockets of watch.c, non-blocking: 0 or an errno.  nl_socket_free() them.
 * `rcvbuf`: see nl_watch_create(). */

struct nl_sock;

int socket_events(int rcvbuf, struct nl_sock **ret); /* Everything, subscribed to. */
int socket_express(int rcvbuf,
                   struct nl_sock **ret); /* The express protocols' routes. */
int socket_dumps(struct nl_sock **ret);

#endif
