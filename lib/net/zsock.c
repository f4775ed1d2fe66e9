#define LOG_MODULE "zsock"

#include "net/zsock.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <zmq.h>

#include "base/addr.h"
#include "base/log.h"
#include "base/util.h"
#include "zctx.h"
#include "zwatch.h"

#define DEFAULT_MAX_MSG (1 << 20)
#define DEFAULT_HWM 1000
#define HANDSHAKE_MS 5000
#define HEARTBEAT_MS 2000
#define HEARTBEAT_TIMEOUT_MS 6000
#define CONNECT_TIMEOUT_MS 3000
#define RECONNECT_MIN_MS 50
#define RECONNECT_MAX_MS 1000

struct zsock {
    struct loop *loop;
    struct zctx *ctx;
    enum zsock_type type;
    void *s;
    struct zsock_ops ops;
    void *aux;
    struct loop_fd *fd;
    struct loop_defer *work; /* Looks at ZMQ_EVENTS. */
    struct zsock *monitor;   /* PAIR with the events of s, or NULL. */
    struct zwatch *watch;    /* NULL: none. */
    bool want_write;
    bool *destroyed; /* Set by zsock_destroy() while a callback runs. */
    uint64_t dropped;
    bool has_curve;
    struct zcurve curve;
    zmq_msg_t *current; /* Last frame of the message being handled, or NULL. */
    char endpoint[256];
};

struct zctx *zctx_create(void)
{
    struct zctx *ctx = xcalloc(1, sizeof *ctx);

    ctx->zmq = zmq_ctx_new();
    if (!ctx->zmq) {
        abort();
    }
    zmq_ctx_set(ctx->zmq, ZMQ_BLOCKY, 0);
    return ctx;
}

void zctx_destroy(struct zctx *ctx)
{
    if (ctx) {
        zmq_ctx_term(ctx->zmq);
        free(ctx);
    }
}

const char *zsock_strerror(int error)
{
    return zmq_strerror(error);
}

uint64_t zsock_dropped(const struct zsock *zs)
{
    return zs->dropped;
}

static void set_int(struct zsock *zs, int option, int value)
{
    zmq_setsockopt(zs->s, option, &value, sizeof value);
}

/* Options of a connection are taken from the socket at bind and connect: TCP has CURVE,
 * and a UNIX socket is protected by its directory.
 *
 * ZMQ_ZAP_DOMAIN stays empty: once set it cannot be cleared again, and the allow-list
 * would be asked, and refuse, for peers on UNIX sockets too. */
static void set_curve(struct zsock *zs, const struct zcurve *curve)
{
    if (!curve) {
        set_int(zs, ZMQ_CURVE_SERVER, 0);
        return;
    }
    zmq_setsockopt(zs->s, ZMQ_CURVE_PUBLICKEY, curve->public_key, ZCURVE_KEY_LEN);
    zmq_setsockopt(zs->s, ZMQ_CURVE_SECRETKEY, curve->secret_key, ZCURVE_KEY_LEN);
    if (curve->server) {
        set_int(zs, ZMQ_CURVE_SERVER, 1);
    } else {
        zmq_setsockopt(zs->s, ZMQ_CURVE_SERVERKEY, curve->server_key, ZCURVE_KEY_LEN);
    }
}

static void set_options(struct zsock *zs, const struct zsock_config *config)
{
    int64_t max_msg = config->max_msg ? (int64_t)config->max_msg : DEFAULT_MAX_MSG;
    int hwm = config->hwm ? config->hwm : DEFAULT_HWM;

    zmq_setsockopt(zs->s, ZMQ_MAXMSGSIZE, &max_msg, sizeof max_msg);
    set_int(zs, ZMQ_SNDHWM, hwm);
    set_int(zs, ZMQ_RCVHWM, hwm);
    set_int(zs, ZMQ_LINGER, config->linger_ms);
    set_int(zs, ZMQ_HANDSHAKE_IVL, HANDSHAKE_MS);
    set_int(zs, ZMQ_HEARTBEAT_IVL, HEARTBEAT_MS);
    set_int(zs, ZMQ_HEARTBEAT_TIMEOUT, HEARTBEAT_TIMEOUT_MS);
    set_int(zs, ZMQ_HEARTBEAT_TTL, HEARTBEAT_TIMEOUT_MS);
    set_int(zs, ZMQ_CONNECT_TIMEOUT, CONNECT_TIMEOUT_MS);
    set_int(zs, ZMQ_RECONNECT_IVL, RECONNECT_MIN_MS);
    set_int(zs, ZMQ_RECONNECT_IVL_MAX, RECONNECT_MAX_MS);
    if (zs->type == ZSOCK_ROUTER) {
        set_int(zs, ZMQ_ROUTER_MANDATORY, 1);
    }
    if ((zs->has_curve = config->curve != NULL)) {
        zs->curve = *config->curve;
    }
}

const char *zsock_peer_address(const struct zsock *zs)
{
    const char *address =
        zs->current ? zmq_msg_gets(zs->current, "Peer-Address") : NULL;
    return address ? address : "";
}

bool zsock_peer_may_be(const struct zsock *zs, uint64_t id)
{
    const char *user = zs->current ? zmq_msg_gets(zs->current, "User-Id") : NULL;
    uint64_t bound;

    return !user || !id_parse(user, &bound) || bound == id;
}

static int get_events(struct zsock *zs)
{
    int events = 0;
    size_t size = sizeof events;

    return zmq_getsockopt(zs->s, ZMQ_EVENTS, &events, &size) ? 0 : events;
}

void zsock_settle(struct zsock *zs)
{
    /* Reading ZMQ_EVENTS runs the commands that the I/O thread has queued for us. */
    get_events(zs);
    loop_defer_schedule(zs->work);
}

/* Receives one message and hands it on.  False if there was none. */
static bool receive_one(struct zsock *zs)
{
    zmq_msg_t parts[ZSOCK_MAX_FRAMES];
    struct zframe frames[ZSOCK_MAX_FRAMES];
    size_t n = 0, n_parts = 0;
    int more = 1;

    while (more) {
        zmq_msg_t extra;
        zmq_msg_t *part = n < ZSOCK_MAX_FRAMES ? &parts[n] : &extra;
        zmq_msg_init(part);
        if (zmq_msg_recv(part, zs->s, ZMQ_DONTWAIT) < 0) {
            zmq_msg_close(part);
            break;
        }
        more = zmq_msg_more(part);
        if (!n_parts++ && zs->watch) {
            zwatch_heard(zs->watch, zmq_msg_get(part, ZMQ_SRCFD));
        }
        if (part == &extra) {
            zmq_msg_close(part);
        } else {
            frames[n++] = (struct zframe){zmq_msg_data(part), zmq_msg_size(part)};
        }
    }
    if (n_parts > ZSOCK_MAX_FRAMES) {
        zs->dropped++;
    } else if (n && zs->ops.message) {
        bool *destroyed = zs->destroyed;
        zs->current = &parts[n - 1];
        zs->ops.message(zs->aux, frames, n);
        if (!*destroyed) {
            zs->current = NULL;
        }
    }
    for (size_t i = 0; i < n; i++) {
        zmq_msg_close(&parts[i]);
    }
    return n_parts > 0;
}

static void do_work(void *aux)
{
    struct zsock *zs = aux;
    bool destroyed = false;

    zs->destroyed = &destroyed;
    for (int i = 0; i < ZSOCK_SLICE && receive_one(zs); i++) {
        if (destroyed) {
            return;
        }
    }
    int events = get_events(zs);
    if (zs->want_write && events & ZMQ_POLLOUT) {
        zs->want_write = false;
        if (zs->ops.writable) {
            zs->ops.writable(zs->aux);
            if (destroyed) {
                return;
            }
        }
        events = get_events(zs);
    }
    zs->destroyed = NULL;
    if (events & ZMQ_POLLIN) {
        /* No edge will tell of these: come again after everybody else. */
        loop_defer_schedule(zs->work);
    }
}

static void fd_ready(void *aux, int events)
{
    struct zsock *zs = aux;

    /* The descriptor stays readable until ZMQ_EVENTS is read. */
    get_events(zs);
    loop_defer_schedule(zs->work);
}

static struct zsock *zsock_open(struct loop *loop, struct zctx *ctx,
                                enum zsock_type type, const struct zsock_config *config,
                                const struct zsock_ops *ops, void *aux, int *ret_error)
{
    static const int types[] = {ZMQ_ROUTER, ZMQ_DEALER, ZMQ_PUB,
                                ZMQ_SUB,    ZMQ_PAIR,   ZMQ_REP};
    void *s = zmq_socket(ctx->zmq, types[type]);

    if (!s) {
        *ret_error = errno;
        return NULL;
    }
    struct zsock *zs = xcalloc(1, sizeof *zs);
    zs->loop = loop;
    zs->ctx = ctx;
    zs->type = type;
    zs->s = s;
    zs->ops = ops ? *ops : (struct zsock_ops){0};
    zs->aux = aux;
    set_options(zs, config);

    int fd;
    size_t size = sizeof fd;
    zmq_getsockopt(s, ZMQ_FD, &fd, &size);
    zs->work = loop_defer_create(loop, do_work, zs);
    zs->fd = loop_fd_create(loop, fd, LOOP_READ, fd_ready, zs);
    loop_defer_schedule(zs->work);
    return zs;
}

/* A monitor message: u16 event and u32 value in host order, then the endpoint. */
static void monitor_message(void *aux, const struct zframe *frames, size_t n_frames)
{
    struct zsock *zs = aux;
    char endpoint[sizeof zs->endpoint] = "";
    uint16_t event;
    uint32_t value;

    if (!n_frames || frames[0].n < sizeof event + sizeof value) {
        return;
    }
    memcpy(&event, frames[0].data, sizeof event);
    memcpy(&value, (const char *)frames[0].data + sizeof event, sizeof value);
    if (zs->watch) {
        if (n_frames > 1) {
            snprintf(endpoint, sizeof endpoint, "%.*s", (int)frames[1].n,
                     (const char *)frames[1].data);
        }
        zwatch_event(zs->watch, event, value, endpoint);
        return;
    }
    switch (event) {
    case ZMQ_EVENT_HANDSHAKE_SUCCEEDED:
        if (zs->ops.connected) {
            zs->ops.connected(zs->aux);
        }
        break;
    case ZMQ_EVENT_HANDSHAKE_FAILED_AUTH:
        log_warn("%s: our key was refused", zs->endpoint);
        break;
    case ZMQ_EVENT_DISCONNECTED:
        if (zs->ops.disconnected) {
            zs->ops.disconnected(zs->aux);
        }
        break;
    }
}

static int start_monitor(struct zsock *zs)
{
    static const struct zsock_ops ops = {.message = monitor_message};
    /* No limit: the sender is ZeroMQ's I/O thread, and it would wait. */
    static const struct zsock_config config = {.hwm = 1 << 30};
    const int events = zs->watch
                           ? zwatch_events()
                           : ZMQ_EVENT_HANDSHAKE_SUCCEEDED | ZMQ_EVENT_DISCONNECTED |
                                 ZMQ_EVENT_HANDSHAKE_FAILED_AUTH;
    char name[64];
    int error = 0;

    snprintf(name, sizeof name, "inproc://monitor-%" PRIu64, ++zs->ctx->n_monitors);
    if (zmq_socket_monitor(zs->s, name, events)) {
        return errno;
    }
    zs->monitor = zsock_open(zs->loop, zs->ctx, ZSOCK_PAIR, &config, &ops, zs, &error);
    return zs->monitor ? zsock_connect(zs->monitor, name) : error;
}

struct zsock *zsock_create(struct loop *loop, struct zctx *ctx, enum zsock_type type,
                           const struct zsock_config *config,
                           const struct zsock_ops *ops, void *aux, int *ret_error)
{
    static const struct zsock_config defaults = {0};
    int error;

    config = config ? config : &defaults;
    struct zsock *zs = zsock_open(loop, ctx, type, config, ops, aux, ret_error);
    if (zs && config->watch) {
        zs->watch = zwatch_create();
    }
    if (zs && (config->monitor || config->watch) && (error = start_monitor(zs))) {
        *ret_error = error;
        zsock_destroy(zs);
        return NULL;
    }
    return zs;
}

void zsock_destroy(struct zsock *zs)
{
    if (!zs) {
        return;
    }
    if (zs->destroyed) {
        *zs->destroyed = true;
    }
    if (zs->monitor) {
        zmq_socket_monitor(zs->s, NULL, 0);
        zsock_destroy(zs->monitor);
    }
    zwatch_destroy(zs->watch);
    loop_fd_destroy(zs->fd);
    loop_defer_destroy(zs->work);
    zmq_close(zs->s);
    free(zs);
}

static void prepare_endpoint(struct zsock *zs, const char *endpoint)
{
    set_int(zs, ZMQ_IPV6, strchr(endpoint, '[') != NULL);
    set_curve(zs, zs->has_curve && !strncmp(endpoint, "tcp:", 4) ? &zs->curve : NULL);
    str_copy(zs->endpoint, endpoint, sizeof zs->endpoint);
}

int zsock_bind(struct zsock *zs, const char *endpoint)
{
    prepare_endpoint(zs, endpoint);
    if (zmq_bind(zs->s, endpoint)) {
        return errno;
    }
    loop_defer_schedule(zs->work);
    return 0;
}

int zsock_connect(struct zsock *zs, const char *endpoint)
{
    prepare_endpoint(zs, endpoint);
    if (zmq_connect(zs->s, endpoint)) {
        return errno;
    }
    loop_defer_schedule(zs->work);
    return 0;
}

const char *zsock_last_endpoint(struct zsock *zs)
{
    size_t size = sizeof zs->endpoint;

    if (zmq_getsockopt(zs->s, ZMQ_LAST_ENDPOINT, zs->endpoint, &size)) {
        zs->endpoint[0] = '\0';
    }
    return zs->endpoint;
}

void zsock_subscribe(struct zsock *zs, const char *topic)
{
    zmq_setsockopt(zs->s, ZMQ_SUBSCRIBE, topic, strlen(topic));
}

int zsock_send(struct zsock *zs, const struct zframe *frames, size_t n_frames)
{
    int error = 0;

    for (size_t i = 0; i < n_frames && !error; i++) {
        int flags = ZMQ_DONTWAIT | (i + 1 < n_frames ? ZMQ_SNDMORE : 0);
        while (zmq_send(zs->s, frames[i].data, frames[i].n, flags) < 0) {
            if (errno != EINTR) {
                error = errno;
                break;
            }
        }
    }
    zs->want_write |= error == EAGAIN && zs->type != ZSOCK_ROUTER;
    /* A send may have swallowed the edge of something received. */
    loop_defer_schedule(zs->work);
    return error;
}
