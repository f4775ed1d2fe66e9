#include "net/stream.h"

#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/util.h"
#include "endpoint.h"

struct stream {
    struct loop *loop;
    int fd;
    bool connecting;
    bool paused;
    bool blocked; /* The socket takes no more for now. */
    bool closed;
    const struct stream_ops *ops;
    void *aux;
    struct loop_fd *watch;
    struct loop_defer *work; /* Writes what was queued in this turn. */
    bool *destroyed;         /* Set by stream_destroy() while a callback runs. */
    char name[STREAM_NAME_LEN];
};

struct stream_listener {
    struct loop *loop;
    int fd;
    struct loop_fd *watch;
    struct loop_timer *retry; /* After accept() ran out of descriptors. */
    void (*accept)(void *aux, struct stream *);
    void *aux;
    char path[sizeof(((struct endpoint *)0)->path)]; /* UNIX socket, or "". */
    char name[STREAM_NAME_LEN];
};

static const struct stream_ops no_ops;

/* A thousand switches come back at once after a restart; what does not fit is tried
 * again by the peer's kernel a second later.  The system bounds it (somaxconn). */
#define BACKLOG 4096

static void update_events(struct stream *s)
{
    bool reading = !s->closed && !s->connecting && !s->paused && s->ops->readable;
    bool writing = !s->closed && (s->connecting || s->blocked);

    loop_fd_set_events(s->watch,
                       (reading ? LOOP_READ : 0) | (writing ? LOOP_WRITE : 0));
}

static void stream_close(struct stream *s, const char *reason)
{
    if (!s->closed) {
        s->closed = true;
        update_events(s);
        if (s->ops->closed) {
            s->ops->closed(s->aux, reason);
        }
    }
}

/* Writes what the user has.  Callbacks may destroy the stream. */
static void write_output(struct stream *s)
{
    bool destroyed = false;
    const uint8_t *data;
    size_t n;

    s->destroyed = &destroyed;
    s->blocked = false;
    while (!s->closed && s->ops->output && (n = s->ops->output(s->aux, &data)) > 0) {
        ssize_t sent = send(s->fd, data, n, MSG_NOSIGNAL | MSG_DONTWAIT);
        if (sent >= 0) {
            s->ops->written(s->aux, (size_t)sent);
        } else if (errno == EAGAIN) {
            s->blocked = true;
            break;
        } else if (errno != EINTR) {
            stream_close(s, strerror(errno));
        }
        if (destroyed) {
            return;
        }
    }
    s->destroyed = NULL;
    update_events(s);
}

static void read_input(struct stream *s)
{
    uint8_t data[STREAM_READ_MAX];

    /* One read a turn: a peer that sends without end leaves room for the others. */
    ssize_t n = recv(s->fd, data, sizeof data, MSG_DONTWAIT);
    if (n > 0) {
        s->ops->readable(s->aux, data, (size_t)n);
    } else if (!n) {
        stream_close(s, "closed by peer");
    } else if (errno != EAGAIN && errno != EINTR) {
        stream_close(s, strerror(errno));
    }
}

static void finish_connect(struct stream *s)
{
    int error = 0;
    socklen_t size = sizeof error;

    getsockopt(s->fd, SOL_SOCKET, SO_ERROR, &error, &size);
    if (error) {
        stream_close(s, strerror(error));
        return;
    }
    s->connecting = false;
    update_events(s);
    stream_kick(s);
}

static void fd_ready(void *aux, int events)
{
    struct stream *s = aux;

    if (s->connecting) {
        finish_connect(s);
        return;
    }
    if (events & LOOP_WRITE) {
        s->blocked = false;
        update_events(s);
        stream_kick(s);
    }
    if (events & LOOP_READ && !s->closed && !s->paused && s->ops->readable) {
        read_input(s); /* Last, because it may destroy the stream. */
    }
}

static void do_work(void *aux)
{
    struct stream *s = aux;

    if (!s->connecting && !s->blocked && !s->closed) {
        write_output(s);
    }
}

static struct stream *stream_create(struct loop *loop, int fd, bool connecting,
                                    const char *name, const struct stream_ops *ops,
                                    void *aux)
{
    struct stream *s = xcalloc(1, sizeof *s);

    s->loop = loop;
    s->fd = fd;
    s->connecting = connecting;
    s->ops = ops;
    s->aux = aux;
    str_copy(s->name, name, sizeof s->name);
    s->watch = loop_fd_create(loop, fd, 0, fd_ready, s);
    s->work = loop_defer_create(loop, do_work, s);
    update_events(s);
    return s;
}

/* OpenFlow is small requests and answers: nothing may wait for Nagle's timer. */
static void set_nodelay(int fd)
{
    int on = 1;
    setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
}

int stream_connect(struct loop *loop, const char *endpoint,
                   const struct stream_ops *ops, void *aux, struct stream **ret)
{
    struct endpoint e;

    if (!endpoint_parse(endpoint, false, &e)) {
        return EINVAL;
    }
    int fd = socket(e.sa.ss_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (fd < 0) {
        return errno;
    }
    set_nodelay(fd);
    if (connect(fd, (struct sockaddr *)&e.sa, e.sa_len) && errno != EINPROGRESS) {
        int error = errno;
        close(fd);
        return error;
    }
    char name[STREAM_NAME_LEN];
    endpoint_format(&e.sa, e.path, name, sizeof name);
    *ret = stream_create(loop, fd, true, name, ops, aux);
    return 0;
}

void stream_destroy(struct stream *s)
{
    if (s) {
        if (s->destroyed) {
            *s->destroyed = true;
        }
        loop_defer_destroy(s->work);
        loop_fd_destroy(s->watch);
        close(s->fd);
        free(s);
    }
}

void stream_set_ops(struct stream *s, const struct stream_ops *ops, void *aux)
{
    s->ops = ops;
    s->aux = aux;
    update_events(s);
    stream_kick(s);
}

void stream_kick(struct stream *s)
{
    loop_defer_schedule(s->work);
}

void stream_pause(struct stream *s, bool paused)
{
    s->paused = paused;
    update_events(s);
}

const char *stream_name(const struct stream *s)
{
    return s->name;
}

/* Listening. */

static void accept_ready(void *aux, int events)
{
    struct stream_listener *l = aux;
    struct sockaddr_storage sa;
    socklen_t sa_len = sizeof sa;
    char name[STREAM_NAME_LEN];

    int fd =
        accept4(l->fd, (struct sockaddr *)&sa, &sa_len, SOCK_NONBLOCK | SOCK_CLOEXEC);
    if (fd < 0) {
        if (errno == EMFILE || errno == ENFILE || errno == ENOBUFS || errno == ENOMEM) {
            /* The connection stays in the queue: do not spin on it. */
            loop_fd_set_events(l->watch, 0);
            loop_timer_once(l->retry, 1000);
        }
        return;
    }
    if (!l->path[0]) {
        set_nodelay(fd);
    }
    endpoint_format(&sa, l->path, name, sizeof name);
    l->accept(l->aux, stream_create(l->loop, fd, false, name, &no_ops, NULL));
}

static void retry_accept(void *aux)
{
    struct stream_listener *l = aux;
    loop_fd_set_events(l->watch, LOOP_READ);
}

static int open_listener(const struct endpoint *e)
{
    int on = 1;
    int fd = socket(e->sa.ss_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);

    if (fd < 0) {
        return -errno;
    }
    if (e->path[0]) {
        unlink(e->path);
    }
    if (setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on) ||
        bind(fd, (const struct sockaddr *)&e->sa, e->sa_len) || listen(fd, BACKLOG)) {
        int error = errno;
        close(fd);
        return -error;
    }
    return fd;
}

int stream_listen(struct loop *loop, const char *endpoint,
                  void (*accept)(void *aux, struct stream *), void *aux,
                  struct stream_listener **ret)
{
    struct endpoint e;
    struct sockaddr_storage sa;
    socklen_t sa_len = sizeof sa;

    if (!endpoint_parse(endpoint, true, &e)) {
        return EINVAL;
    }
    int fd = open_listener(&e);
    if (fd < 0) {
        return -fd;
    }
    struct stream_listener *l = xcalloc(1, sizeof *l);
    l->loop = loop;
    l->fd = fd;
    l->accept = accept;
    l->aux = aux;
    str_copy(l->path, e.path, sizeof l->path);
    getsockname(fd, (struct sockaddr *)&sa, &sa_len);
    endpoint_format(&sa, e.path, l->name, sizeof l->name);
    l->watch = loop_fd_create(loop, fd, LOOP_READ, accept_ready, l);
    l->retry = loop_timer_create(loop, retry_accept, l);
    *ret = l;
    return 0;
}

void stream_listener_destroy(struct stream_listener *l)
{
    if (l) {
        loop_fd_destroy(l->watch);
        loop_timer_destroy(l->retry);
        close(l->fd);
        if (l->path[0]) {
            unlink(l->path);
        }
        free(l);
    }
}

const char *stream_listener_name(const struct stream_listener *l)
{
    return l->name;
}
