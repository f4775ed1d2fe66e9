#define LOG_MODULE "ipc"

#include "ipc/server.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <uthash.h>
#include <utlist.h>

#include "base/log.h"
#include "base/util.h"
#include "ipc/session.h"
#include "ipc/window.h"
#include "ipc_limits.h"

struct ipc_peer {
    UT_hash_handle hh;            /* In by_route, by routing id; not when dying. */
    struct ipc_peer *prev, *next; /* In peers. */
    struct ipc_server *server;
    struct ipc_identity who;
    struct ipc_liveness live;
    struct ipc_window window;
    int64_t since;
    bool dying; /* peer_down() is due. */
    char reason[IPC_REASON_LEN];
    void *aux;
    size_t route_len;
    uint8_t route[255];
};

struct ipc_server {
    struct loop *loop;
    struct ipc_server_config config;
    struct ipc_server_ops ops;
    void *aux;
    struct zsock *router, *pub;
    struct ipc_peer *by_route;
    struct ipc_peer *peers; /* The dying ones too, until peer_down(). */
    struct loop_timer *tick, *ack;
    struct loop_defer *bury; /* Tells of peers that died, outside of all calls. */
    struct buf out;
    struct log_limits bad_limits, refused_limits; /* By the peer's name or address. */
    char text[IPC_REASON_LEN];
};

/* Sending. */

static int send_to(struct ipc_server *s, const void *route, size_t route_len,
                   const struct msg *m)
{
    buf_clear(&s->out);
    msg_encode(m, &s->out);
    struct zframe frames[] = {{route, route_len}, {s->out.data, s->out.len}};
    return zsock_send(s->router, frames, ARRAY_SIZE(frames));
}

/* The peer is out at once; peer_down() follows from bury_peers(). */
static void kill_peer(struct ipc_peer *p, const char *reason)
{
    struct ipc_server *s = p->server;

    if (!p->dying) {
        p->dying = true;
        str_copy(p->reason, reason, sizeof p->reason);
        HASH_DEL(s->by_route, p);
        loop_defer_schedule(s->bury);
    }
}

static void send_to_peer(struct ipc_peer *p, const struct msg *m)
{
    if (p->dying) {
        return;
    }
    int error = send_to(p->server, p->route, p->route_len, m);
    if (error) {
        kill_peer(p, error == EHOSTUNREACH ? "connection lost"
                     : error == EAGAIN     ? "it does not read"
                                           : zsock_strerror(error));
    } else {
        p->live.sent = loop_now();
    }
}

static void say_bye(struct ipc_server *s, const struct zframe *route,
                    const char *reason)
{
    send_to(s, route->data, route->n,
            &(struct msg){.type = MSG_BYE, .bye.reason = reason});
}

static void bury_peers(void *aux)
{
    struct ipc_server *s = aux;
    struct ipc_peer *p = s->peers;

    while (p) {
        if (!p->dying) {
            p = p->next;
            continue;
        }
        if (p->who.role != ROLE_CTL) {
            log_info("%s (%s 0x%" PRIx64 ") is gone: %s", p->who.name,
                     wire_role_name(p->who.role), p->who.id, p->reason);
        }
        s->ops.peer_down(s->aux, p, p->reason);
        struct ipc_peer *next = p->next;
        DL_DELETE(s->peers, p);
        free(p);
        p = next;
    }
}

/* HELLO. */

/* Of the message that is being handled. */
static const char *sender(const struct ipc_server *s)
{
    const char *address = zsock_peer_address(s->router);

    return *address ? address : "a UNIX socket or an address unknown";
}

static void refuse(struct ipc_server *s, const struct zframe *route, const char *name,
                   const char *reason)
{
    log_warn_limited(log_limit_of(&s->refused_limits, name, strlen(name)),
                     "%s at %s is refused: %s", name, sender(s), reason);
    send_to(s, route->data, route->n,
            &(struct msg){.type = MSG_REFUSED, .refused.reason = reason});
}

/* Whether `old` stands in the way of a HELLO of the same id. */
static bool is_in_the_way(struct ipc_peer *old, const struct ipc_identity *new)
{
    struct ipc_server *s = old->server;
    enum ipc_hello_verdict verdict = ipc_hello_against(&old->who, old->live.heard, new,
                                                       &s->config.timing, loop_now());

    if (verdict == HELLO_PROBE) {
        /* A process that was killed left a closed connection behind: sending tells. */
        zsock_settle(s->router);
        send_to_peer(old, &(struct msg){.type = MSG_HEARTBEAT});
        if (!old->dying) {
            return true;
        }
    }
    kill_peer(old, "replaced by a new session");
    return false;
}

static void admit(struct ipc_server *s, const struct zframe *route,
                  const struct ipc_identity *who)
{
    struct ipc_peer *p = xcalloc(1, sizeof *p);
    int64_t now = loop_now();

    p->server = s;
    p->who = *who;
    p->since = now;
    p->live = (struct ipc_liveness){.heard = now, .sent = now};
    ipc_window_reset(&p->window, s->config.timing.window);
    p->route_len = route->n;
    memcpy(p->route, route->data, route->n);
    HASH_ADD(hh, s->by_route, route, p->route_len, p);
    DL_APPEND(s->peers, p);
    if (p->who.role != ROLE_CTL) {
        log_info("%s (%s 0x%" PRIx64 ") is up", p->who.name,
                 wire_role_name(p->who.role), p->who.id);
    }
    send_to_peer(p, &(struct msg){.type = MSG_WELCOME,
                                  .welcome = {.version = WIRE_VERSION,
                                              .epoch = s->config.epoch,
                                              .hold_ms = s->config.hold_ms}});
    s->ops.peer_up(s->aux, p);
}

static void on_hello(struct ipc_server *s, const struct zframe *route,
                     const struct msg_hello *m)
{
    struct ipc_identity who;
    const char *error = ipc_hello_check(m, &who);

    if (!error && !zsock_peer_may_be(s->router, who.id)) {
        error = "this key belongs to another id";
    }
    if (error) {
        refuse(s, route, m->name, error);
        return;
    }
    struct ipc_peer *old =
        who.role == ROLE_CTL ? NULL : ipc_server_find(s, who.role, who.id);
    if (old && is_in_the_way(old, &who)) {
        snprintf(s->text, sizeof s->text, "id 0x%" PRIx64 " is in use by %s", who.id,
                 old->who.name);
        refuse(s, route, m->name, s->text);
        return;
    }
    bury_peers(s); /* The old session is over before the new one begins. */
    admit(s, route, &who);
}

/* Other messages. */

static void drop_bad(struct ipc_peer *p, const char *what)
{
    log_warn_limited(log_limit_of(&p->server->bad_limits, &p->who.id, sizeof p->who.id),
                     "bad message from %s (%s 0x%" PRIx64 "): %s", p->who.name,
                     wire_role_name(p->who.role), p->who.id, what);
    ipc_peer_drop(p, what);
}

static void on_batch(struct ipc_peer *p, const struct msg *m)
{
    if (m->batch.records.n > WIRE_BATCH_MAX ||
        !ipc_window_receive(&p->window, m->batch.seq)) {
        drop_bad(p, "BATCH out of sequence or too long");
        return;
    }
    p->server->ops.message(p->server->aux, p, m);
    const int64_t delay = ipc_window_ack_delay(&p->window);
    if (!delay || !loop_timer_is_set(p->server->ack)) {
        loop_timer_once(p->server->ack, delay);
    }
}

static void send_acks(void *aux)
{
    struct ipc_server *s = aux;
    struct ipc_peer *p;

    DL_FOREACH (s->peers, p) {
        if (ipc_window_ack_delay(&p->window) != INT64_MAX) {
            send_to_peer(p, &(struct msg){.type = MSG_ACK,
                                          .ack.seq = ipc_window_answer(&p->window)});
        }
    }
}

static void on_ack(struct ipc_peer *p, uint64_t seq)
{
    bool opened;

    if (!ipc_window_ack(&p->window, seq, &opened)) {
        drop_bad(p, "ACK of a batch that was not sent");
    } else if (opened && p->server->ops.window_open) {
        p->server->ops.window_open(p->server->aux, p);
    }
}

static void on_msg(struct ipc_peer *p, const struct msg *m)
{
    if (!(msg_type_senders(m->type) & wire_from(p->who.role))) {
        char what[80];
        snprintf(what, sizeof what, "%s may not send %s", wire_role_name(p->who.role),
                 msg_type_name(m->type));
        drop_bad(p, what);
        return;
    }
    p->live.heard = loop_now();
    switch (m->type) {
    case MSG_HELLO:
        drop_bad(p, "a second HELLO");
        break;
    case MSG_HEARTBEAT:
        break;
    case MSG_BYE:
        kill_peer(p, m->bye.reason);
        break;
    case MSG_ACK:
        on_ack(p, m->ack.seq);
        break;
    case MSG_BATCH:
        on_batch(p, m);
        break;
    default:
        p->server->ops.message(p->server->aux, p, m);
        break;
    }
}

/* Somebody without a session. */
static void on_stranger(struct ipc_server *s, const struct zframe *route,
                        const struct msg *m)
{
    if (m->type == MSG_HELLO) {
        on_hello(s, route, &m->hello);
    } else if (m->type != MSG_BYE) {
        say_bye(s, route, "no session: say HELLO");
    }
}

static void on_frames(void *aux, const struct zframe *frames, size_t n_frames)
{
    struct ipc_server *s = aux;
    char error[MSG_ERR_LEN] = "not one frame";
    struct ipc_peer *p;
    struct msg m;

    HASH_FIND(hh, s->by_route, frames[0].data, frames[0].n, p);
    if (n_frames != 2 || !msg_decode(frames[1].data, frames[1].n, &m, error)) {
        if (p) {
            drop_bad(p, error);
        } else {
            const char *from = sender(s);
            log_warn_limited(log_limit_of(&s->bad_limits, from, strlen(from)),
                             "bad message from %s, no peer of ours: %s", from, error);
        }
    } else if (p) {
        on_msg(p, &m);
    } else {
        on_stranger(s, &frames[0], &m);
    }
}

static void tick(void *aux)
{
    struct ipc_server *s = aux;
    struct ipc_peer *p, *next;
    int64_t now = loop_now();

    DL_FOREACH_SAFE (s->peers, p, next) {
        if (p->dying) {
            continue;
        }
        switch (ipc_liveness_check(&p->live, &s->config.timing, now)) {
        case LIVENESS_DEAD:
            ipc_peer_drop(p, "it is silent");
            break;
        case LIVENESS_HEARTBEAT:
            send_to_peer(p, &(struct msg){.type = MSG_HEARTBEAT});
            break;
        case LIVENESS_OK:
            break;
        }
    }
}

/* Public functions. */

struct ipc_server *ipc_server_create(struct loop *loop, struct zctx *ctx,
                                     const struct ipc_server_config *config,
                                     const struct ipc_server_ops *ops, void *aux)
{
    static const struct zsock_ops router_ops = {.message = on_frames};
    struct zsock_config zconfig = {.max_msg = WIRE_MSG_MAX,
                                   .hwm = IPC_HWM,
                                   .linger_ms = IPC_LINGER_MS,
                                   .curve = config->curve};
    struct ipc_server *s = xcalloc(1, sizeof *s);
    int error;

    s->loop = loop;
    s->config = *config;
    s->config.timing = ipc_timing_complete(config->timing);
    s->config.curve = NULL; /* It was needed for the sockets only. */
    s->config.epoch = config->epoch ? config->epoch : (uint64_t)loop_wall_now();
    s->ops = *ops;
    s->aux = aux;
    zconfig.watch = true;
    s->router = zsock_create(loop, ctx, ZSOCK_ROUTER, &zconfig, &router_ops, s, &error);
    zconfig.watch = false; /* Its subscribers have nothing to say. */
    s->pub = zsock_create(loop, ctx, ZSOCK_PUB, &zconfig, NULL, NULL, &error);
    if (!s->router || !s->pub) {
        abort(); /* A fresh context has sockets, unless descriptors ran out. */
    }
    s->tick = loop_timer_create(loop, tick, s);
    loop_timer_every(s->tick, MAX(s->config.timing.heartbeat_ms / 4, 1));
    s->ack = loop_timer_create(loop, send_acks, s);
    s->bury = loop_defer_create(loop, bury_peers, s);
    return s;
}

void ipc_server_destroy(struct ipc_server *s)
{
    struct ipc_peer *p, *next;

    if (!s) {
        return;
    }
    DL_FOREACH_SAFE (s->peers, p, next) {
        ipc_peer_drop(p, "rfserver stopped");
        free(p);
    }
    loop_timer_destroy(s->tick);
    loop_timer_destroy(s->ack);
    loop_defer_destroy(s->bury);
    zsock_destroy(s->router);
    zsock_destroy(s->pub);
    buf_uninit(&s->out);
    free(s);
}

static int bind_list(struct zsock *socket, const char *endpoints)
{
    char *list = xstrdup(endpoints), *save = NULL;
    int error = 0;

    for (char *e = strtok_r(list, ", ", &save); e && !error;
         e = strtok_r(NULL, ", ", &save)) {
        if ((error = zsock_bind(socket, e))) {
            log_err("cannot listen on %s: %s", e, zsock_strerror(error));
        }
    }
    free(list);
    return error;
}

int ipc_server_bind(struct ipc_server *s, const char *endpoints)
{
    return bind_list(s->router, endpoints);
}

int ipc_server_bind_events(struct ipc_server *s, const char *endpoints)
{
    return bind_list(s->pub, endpoints);
}

const char *ipc_server_last_endpoint(struct ipc_server *s)
{
    return zsock_last_endpoint(s->router);
}

const char *ipc_server_last_events_endpoint(struct ipc_server *s)
{
    return zsock_last_endpoint(s->pub);
}

void ipc_server_publish(struct ipc_server *s, const struct msg_event *event)
{
    buf_clear(&s->out);
    msg_encode(&(struct msg){.type = MSG_EVENT, .event = *event}, &s->out);
    struct zframe frames[] = {{IPC_EVENT_TOPIC, strlen(IPC_EVENT_TOPIC)},
                              {s->out.data, s->out.len}};
    zsock_send(s->pub, frames, ARRAY_SIZE(frames));
}

enum wire_role ipc_peer_role(const struct ipc_peer *p)
{
    return p->who.role;
}

uint64_t ipc_peer_id(const struct ipc_peer *p)
{
    return p->who.id;
}

uint64_t ipc_peer_epoch(const struct ipc_peer *p)
{
    return p->who.epoch;
}

const char *ipc_peer_name(const struct ipc_peer *p)
{
    return p->who.name;
}

int64_t ipc_peer_since(const struct ipc_peer *p)
{
    return p->since;
}

void ipc_peer_set_aux(struct ipc_peer *p, void *aux)
{
    p->aux = aux;
}

void *ipc_peer_aux(const struct ipc_peer *p)
{
    return p->aux;
}

struct ipc_peer *ipc_server_find(struct ipc_server *s, enum wire_role role, uint64_t id)
{
    struct ipc_peer *p;

    DL_FOREACH (s->peers, p) {
        if (!p->dying && p->who.role == role && p->who.id == id) {
            return p;
        }
    }
    return NULL;
}

struct ipc_peer *ipc_server_next(struct ipc_server *s, struct ipc_peer *p)
{
    for (p = p ? p->next : s->peers; p && p->dying; p = p->next) {
    }
    return p;
}

void ipc_peer_send(struct ipc_peer *p, const struct msg *m)
{
    send_to_peer(p, m);
}

unsigned ipc_peer_batch_room(const struct ipc_peer *p)
{
    return p->dying ? 0 : ipc_window_room(&p->window);
}

unsigned ipc_peer_batch_pending(const struct ipc_peer *p)
{
    return ipc_window_pending(&p->window);
}

int ipc_peer_batch_send(struct ipc_peer *p, uint64_t id, const struct buf *records)
{
    if (p->dying) {
        return ENOTCONN;
    }
    if (!ipc_window_room(&p->window)) {
        return EAGAIN;
    }
    if (!records->len || records->len > WIRE_BATCH_MAX) {
        return EMSGSIZE;
    }
    send_to_peer(p, &(struct msg){.type = MSG_BATCH,
                                  .batch = {.seq = ipc_window_next(&p->window),
                                            .id = id,
                                            .records = {records->data, records->len}}});
    return p->dying ? ENOTCONN : 0;
}

void ipc_peer_drop(struct ipc_peer *p, const char *reason)
{
    send_to_peer(p, &(struct msg){.type = MSG_BYE, .bye.reason = reason});
    kill_peer(p, reason);
}
