#ifndef ENDPOINT_H
#define ENDPOINT_H 1

/* Endpoints of net/stream.h as text and as socket addresses. */

#include <stdbool.h>
#include <stddef.h>
#include <sys/socket.h>

struct endpoint {
    struct sockaddr_storage sa;
    socklen_t sa_len;
    char path[108]; /* Of a UNIX socket, or "". */
    bool tls;
};

/* "ptcp:PORT[:ADDRESS]", "pssl:PORT[:ADDRESS]", "punix:PATH" if listening, else
 * "tcp:ADDRESS:PORT", "ssl:ADDRESS:PORT", "unix:PATH". */
bool endpoint_parse(const char *text, bool listening, struct endpoint *ret);

/* "127.0.0.1:6653", "[::1]:6653", "unix:PATH". */
void endpoint_format(const struct sockaddr_storage *, const char *path, char *ret,
                     size_t size);

#endif
