#include "net/stream.h"

#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/util.h"
#include "endpoint.h"
#include "tls_conn.h"

enum state { CONNECTING, HANDSHAKE, OPEN, CLOSED };

struct stream {
    struct loop *loop;
    int fd;
    struct tls_conn *tls; /* NULL: plain. */
    enum state state;
    bool paused;
    int read_wants;  /* What reading waits for: LOOP_READ, but for odd turns of TLS. */
    int write_wants; /* The same of writing; 0: the socket is not known to be full. */
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
    struct tls *tls; /* NULL: plain. */
    struct loop_fd *watch;
    struct loop_timer *retry; /* After accept() ran out of descriptors. */
    void (*accept)(void *aux, struct stream *);
    void *aux;
    char path[sizeof(((struct endpoint *)0)->path)]; /* UNIX socket, or "". */
    struct stat file;                                /* Of that path: ours. */
    char name[STREAM_NAME_LEN];
};

static const struct stream_ops no_ops;

/* A thousand switches come back at once after a restart; what does not fit is tried
 * again by the peer's kernel a second later.  The system bounds it (somaxconn). */
#define BACKLOG 4096

static bool may_read(const struct stream *s)
{
    return s->state == OPEN && !s->paused && s->ops->readable;
}

static void update_events(struct stream *s)
{
    int events = 0;

    if (s->state == CONNECTING) {
        events = LOOP_WRITE;
    } else if (s->state == HANDSHAKE) {
        events = tls_conn_wants(s->tls);
    } else if (s->state == OPEN) {
        events = s->write_wants | (may_read(s) ? s->read_wants : 0);
    }
    loop_fd_set_events(s->watch, events);
}

static void set_read_wants(struct stream *s, int events)
{
    if (s->read_wants != events) {
        s->read_wants = events;
        update_events(s);
    }
}

static void stream_close(struct stream *s, int error)
{
    if (s->state != CLOSED) {
        s->state = CLOSED;
        update_events(s);
        if (s->ops->closed) {
            s->ops->closed(s->aux, !error                      ? "closed by peer"
                                   : error == EPROTO && s->tls ? tls_conn_error(s->tls)
                                                               : strerror(error));
        }
    }
}

static ssize_t send_some(struct stream *s, const uint8_t *data, size_t n)
{
    return s->tls ? tls_conn_send(s->tls, data, n)
                  : send(s->fd, data, n, MSG_NOSIGNAL | MSG_DONTWAIT);
}

/* Writes what the user has.  False: a callback has destroyed the stream. */
static bool write_output(struct stream *s)
{
    bool destroyed = false;
    const uint8_t *data;
    size_t n;

    s->destroyed = &destroyed;
    while (s->state == OPEN && s->ops->output &&
           (n = s->ops->output(s->aux, &data)) > 0) {
        ssize_t sent = send_some(s, data, n);
        if (sent >= 0) {
            s->ops->written(s->aux, (size_t)sent);
        } else if (errno == EAGAIN) {
            s->write_wants = s->tls ? tls_conn_wants(s->tls) : LOOP_WRITE;
            break;
        } else if (errno != EINTR) {
            stream_close(s, errno);
        }
        if (destroyed) {
            return false;
        }
    }
    s->destroyed = NULL;
    update_events(s);
    return true;
}

/* May destroy the stream. */
static void read_input(struct stream *s)
{
    uint8_t data[STREAM_READ_MAX];

    /* One read a turn: a peer that sends without end leaves room for the others. */
    ssize_t n = s->tls ? tls_conn_recv(s->tls, data, sizeof data)
                       : recv(s->fd, data, sizeof data, MSG_DONTWAIT);
    if (s->tls && tls_conn_more(s->tls)) {
        stream_kick(s);
    }
    if (n > 0) {
        s->ops->readable(s->aux, data, (size_t)n);
    } else if (!n) {
        stream_close(s, 0);
    } else if (errno == EAGAIN && s->tls) {
        set_read_wants(s, tls_conn_wants(s->tls));
    } else if (errno != EAGAIN && errno != EINTR) {
        stream_close(s, errno);
    }
}

static void opened(struct stream *s)
{
    s->state = OPEN;
    update_events(s);
    stream_kick(s);
    if (s->ops->opened) {
        s->ops->opened(s->aux); /* Last, because it may destroy the stream. */
    }
}

static void shake_hands(struct stream *s)
{
    const int error = tls_conn_handshake(s->tls);

    if (!error) {
        opened(s);
    } else if (error == EAGAIN) {
        update_events(s);
    } else {
        stream_close(s, error);
    }
}

static void finish_connect(struct stream *s)
{
    int error = 0;
    socklen_t size = sizeof error;

    getsockopt(s->fd, SOL_SOCKET, SO_ERROR, &error, &size);
    if (error) {
        stream_close(s, error);
    } else if (s->tls) {
        s->state = HANDSHAKE;
        shake_hands(s);
    } else {
        opened(s);
    }
}

static void fd_ready(void *aux, int events)
{
    struct stream *s = aux;

    if (s->state == CONNECTING) {
        finish_connect(s);
        return;
    }
    if (s->state == HANDSHAKE) {
        shake_hands(s);
        return;
    }
    if (events & s->write_wants) {
        s->write_wants = 0;
        update_events(s);
        stream_kick(s);
    }
    if (events & s->read_wants && may_read(s)) {
        set_read_wants(s, LOOP_READ);
        read_input(s); /* Last, because it may destroy the stream. */
    }
}

static void do_work(void *aux)
{
    struct stream *s = aux;

    if (s->state == OPEN && !s->write_wants && !write_output(s)) {
        return;
    }
    if (s->tls && tls_conn_more(s->tls) && may_read(s)) {
        read_input(s); /* Last, as above. */
    }
}

static struct stream *stream_create(struct loop *loop, int fd, struct tls_conn *tls,
                                    enum state state, const char *name,
                                    const struct stream_ops *ops, void *aux)
{
    struct stream *s = xcalloc(1, sizeof *s);

    s->loop = loop;
    s->fd = fd;
    s->tls = tls;
    s->state = state;
    s->read_wants = LOOP_READ;
    s->ops = ops;
    s->aux = aux;
    snprintf(s->name, sizeof s->name, "%s%s", tls ? "ssl:" : "", name);
    s->watch = loop_fd_create(loop, fd, 0, fd_ready, s);
    s->work = loop_defer_create(loop, do_work, s);
    update_events(s);
    return s;
}

/* OpenFlow is small requests and answers, the slow path single frames: nothing may wait
 * for Nagle's timer. */
static void set_nodelay(int fd)
{
    int on = 1;
    setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
}

/* 0, or why an endpoint cannot be used. */
static int check_endpoint(const char *text, bool listening, struct tls **tls,
                          struct endpoint *ret)
{
    if (!endpoint_parse(text, listening, ret)) {
        return EINVAL;
    }
    if (!ret->tls) {
        *tls = NULL;
    }
    return ret->tls && !*tls ? ENOKEY : 0;
}

int stream_connect(struct loop *loop, const char *endpoint, struct tls *tls,
                   const struct stream_ops *ops, void *aux, struct stream **ret)
{
    struct endpoint e;
    int error = check_endpoint(endpoint, false, &tls, &e);

    if (error) {
        return error;
    }
    int fd = socket(e.sa.ss_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (fd < 0) {
        return errno;
    }
    set_nodelay(fd);
    if (connect(fd, (struct sockaddr *)&e.sa, e.sa_len) && errno != EINPROGRESS) {
        error = errno;
        close(fd);
        return error;
    }
    char name[STREAM_NAME_LEN];
    endpoint_format(&e.sa, e.path, name, sizeof name);
    *ret = stream_create(loop, fd, tls ? tls_conn_create(tls, fd, false) : NULL,
                         CONNECTING, name, ops, aux);
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
        tls_conn_destroy(s->tls);
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

void stream_set_timeout(struct stream *s, int ms)
{
    const int on = 1, third_s = MAX(ms / 3000, 1);

    /* One for while nothing is sent, one for while something is.  Both fail on a UNIX
     * socket, which needs neither. */
    setsockopt(s->fd, SOL_SOCKET, SO_KEEPALIVE, &on, sizeof on);
    setsockopt(s->fd, IPPROTO_TCP, TCP_KEEPIDLE, &third_s, sizeof third_s);
    setsockopt(s->fd, IPPROTO_TCP, TCP_KEEPINTVL, &third_s, sizeof third_s);
    setsockopt(s->fd, IPPROTO_TCP, TCP_USER_TIMEOUT, &ms, sizeof ms);
}

const char *stream_name(const struct stream *s)
{
    return s->name;
}

bool stream_is_open(const struct stream *s)
{
    return s->state == OPEN;
}

bool stream_is_tls(const struct stream *s)
{
    return s->tls;
}

void stream_tls_fingerprint(const struct stream *s, uint8_t ret[TLS_FINGERPRINT_LEN])
{
    tls_conn_fingerprint(s->tls, ret);
}

void stream_tls_names(const struct stream *s, void (*name)(void *aux, const char *name),
                      void *aux)
{
    tls_conn_names(s->tls, name, aux);
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
    struct tls_conn *tls = l->tls ? tls_conn_create(l->tls, fd, true) : NULL;
    l->accept(l->aux, stream_create(l->loop, fd, tls, tls ? HANDSHAKE : OPEN, name,
                                    &no_ops, NULL));
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

int stream_listen(struct loop *loop, const char *endpoint, struct tls *tls,
                  void (*accept)(void *aux, struct stream *), void *aux,
                  struct stream_listener **ret)
{
    struct endpoint e;
    struct sockaddr_storage sa;
    socklen_t sa_len = sizeof sa;

    const int error = check_endpoint(endpoint, true, &tls, &e);
    if (error) {
        return error;
    }
    int fd = open_listener(&e);
    if (fd < 0) {
        return -fd;
    }
    struct stream_listener *l = xcalloc(1, sizeof *l);
    l->loop = loop;
    l->fd = fd;
    l->tls = tls;
    l->accept = accept;
    l->aux = aux;
    str_copy(l->path, e.path, sizeof l->path);
    if (l->path[0]) {
        stat(l->path, &l->file);
    }
    getsockname(fd, (struct sockaddr *)&sa, &sa_len);
    const size_t n = (size_t)snprintf(l->name, sizeof l->name, tls ? "ssl:" : "");
    endpoint_format(&sa, e.path, l->name + n, sizeof l->name - n);
    l->watch = loop_fd_create(loop, fd, LOOP_READ, accept_ready, l);
    l->retry = loop_timer_create(loop, retry_accept, l);
    *ret = l;
    return 0;
}

/* A successor that listens there already has replaced it. */
static void remove_file(const struct stream_listener *l)
{
    struct stat now;

    if (l->path[0] && !stat(l->path, &now) && now.st_dev == l->file.st_dev &&
        now.st_ino == l->file.st_ino) {
        unlink(l->path);
    }
}

void stream_listener_destroy(struct stream_listener *l)
{
    if (l) {
        remove_file(l);
        loop_fd_destroy(l->watch);
        loop_timer_destroy(l->retry);
        close(l->fd);
        free(l);
    }
}

const char *stream_listener_name(const struct stream_listener *l)
{
    return l->name;
}
