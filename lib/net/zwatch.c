#include "zwatch.h"

#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include <uthash.h>
#include <zmq.h>

#include "endpoint.h"
#include "net/stream.h"

#define LOG_MODULE "zsock"
#include "base/log.h"
#include "base/util.h"

/* A connection on which no message has come yet. */
struct silent {
    int fd; /* Key. */
    char peer[STREAM_NAME_LEN];
    size_t address_len; /* Of peer, without the port. */
    UT_hash_handle hh;
};

struct zwatch {
    struct silent *silent;
    const char *failure; /* Of the handshake that ended last; its connection follows. */
    struct log_limits limits;
};

struct zwatch *zwatch_create(void)
{
    return xcalloc(1, sizeof(struct zwatch));
}

static void forget(struct zwatch *w, struct silent *c)
{
    HASH_DEL(w->silent, c);
    free(c);
}

void zwatch_destroy(struct zwatch *w)
{
    struct silent *c, *next;

    if (w) {
        HASH_ITER (hh, w->silent, c, next) {
            forget(w, c);
        }
        free(w);
    }
}

int zwatch_events(void)
{
    return ZMQ_EVENT_ACCEPTED | ZMQ_EVENT_DISCONNECTED |
           ZMQ_EVENT_HANDSHAKE_FAILED_NO_DETAIL | ZMQ_EVENT_HANDSHAKE_FAILED_PROTOCOL |
           ZMQ_EVENT_HANDSHAKE_FAILED_AUTH;
}

static struct silent *find(struct zwatch *w, int fd)
{
    struct silent *c;

    HASH_FIND_INT(w->silent, &fd, c);
    return c;
}

static void accepted(struct zwatch *w, int fd)
{
    struct sockaddr_storage sa = {.ss_family = AF_UNSPEC};
    socklen_t sa_len = sizeof sa;
    struct silent *c = find(w, fd);

    if (!c) {
        c = xcalloc(1, sizeof *c);
        c->fd = fd;
        HASH_ADD_INT(w->silent, fd, c);
    }
    if (getpeername(fd, (struct sockaddr *)&sa, &sa_len)) {
        str_copy(c->peer, "an address unknown, since it is gone", sizeof c->peer);
    } else {
        endpoint_format(&sa, "", c->peer, sizeof c->peer);
    }
    const char *port = strrchr(c->peer, ':');
    c->address_len = port ? (size_t)(port - c->peer) : strlen(c->peer);
}

static void disconnected(struct zwatch *w, int fd, const char *endpoint)
{
    struct silent *c = find(w, fd);

    if (c) {
        log_warn_limited(
            log_limit_of(&w->limits, c->peer, c->address_len),
            "%s: connection from %s ended without a message: %s", endpoint, c->peer,
            w->failure ? w->failure : "expected the handshake of ZeroMQ (ZMTP 3)");
        forget(w, c);
    }
    w->failure = NULL;
}

void zwatch_event(struct zwatch *w, unsigned event, uint32_t value,
                  const char *endpoint)
{
    if (strncmp(endpoint, "tcp:", 4)) {
        return;
    }
    switch (event) {
    case ZMQ_EVENT_ACCEPTED:
        accepted(w, (int)value);
        break;
    case ZMQ_EVENT_HANDSHAKE_FAILED_NO_DETAIL:
        w->failure = "it left during the handshake of ZeroMQ (ZMTP 3)";
        break;
    case ZMQ_EVENT_HANDSHAKE_FAILED_PROTOCOL:
        w->failure = "expected the handshake of ZeroMQ (ZMTP 3) with our sort of key";
        break;
    case ZMQ_EVENT_HANDSHAKE_FAILED_AUTH:
        w->failure = "its key was refused in the handshake of ZeroMQ";
        break;
    case ZMQ_EVENT_DISCONNECTED:
        disconnected(w, (int)value, endpoint);
        break;
    }
}

void zwatch_heard(struct zwatch *w, int fd)
{
    struct silent *c = w->silent ? find(w, fd) : NULL;

    if (c) {
        forget(w, c);
    }
}
