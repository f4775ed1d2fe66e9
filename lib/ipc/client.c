#define LOG_MODULE "ipc"

#include "ipc/client.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <unistd.h>

#include "base/log.h"
#include "base/util.h"
#include "ipc/session.h"
#include "ipc/window.h"
#include "ipc_limits.h"

struct ipc_client {
    struct loop *loop;
    struct zctx *ctx;
    struct ipc_client_ops ops;
    void *aux;
    char *endpoint;
    struct ipc_identity self;
    struct zcurve curve;
    bool has_curve;
    struct ipc_timing timing;
    struct ipc_session session;
    struct ipc_window window;
    struct zsock *socket; /* In HELLO and UP. */
    struct loop_timer *timer;
    struct loop_defer *work; /* Runs the session after events, never inside a call. */
    struct loop_timer *ack;
    struct buf out;
    struct log_limit limit;
    char state[IPC_STATE_LEN];
};

uint64_t ipc_random_epoch(void)
{
    uint64_t epoch = 0;

    while (!epoch) {
        if (getrandom(&epoch, sizeof epoch, 0) != sizeof epoch) {
            epoch = (uint64_t)loop_wall_now() << 20 ^ (uint64_t)getpid();
        }
    }
    return epoch;
}

char *ipc_process_name(enum wire_role role)
{
    char host[40] = "";

    gethostname(host, sizeof host - 1);
    return xasprintf("%s@%s:%ld", wire_role_name(role), host, (long)getpid());
}

static void lose(struct ipc_client *c, const char *reason)
{
    ipc_session_lose(&c->session, reason);
    loop_defer_schedule(c->work);
}

static void send_msg(struct ipc_client *c, const struct msg *m)
{
    buf_clear(&c->out);
    msg_encode(m, &c->out);
    int error = zsock_send(c->socket, &(struct zframe){c->out.data, c->out.len}, 1);
    if (error) {
        lose(c, error == EAGAIN ? "rfserver does not take our messages"
                                : zsock_strerror(error));
    } else {
        ipc_session_sent(&c->session, loop_now());
    }
}

/* Incoming. */

static void on_welcome(struct ipc_client *c, const struct msg_welcome *m)
{
    bool restarted;

    if (!ipc_session_welcome(&c->session, m, loop_now(), &restarted)) {
        loop_defer_schedule(c->work);
        return;
    }
    ipc_window_reset(&c->window, c->timing.window);
    loop_timer_at(c->timer, ipc_session_wakeup(&c->session));
    str_copy(c->state, "up", sizeof c->state);
    log_info("session with rfserver at %s is up%s", c->endpoint,
             restarted ? ", it has restarted" : "");
    if (c->ops.up) {
        c->ops.up(c->aux, m, restarted);
    }
}

static void on_ack(struct ipc_client *c, uint64_t seq)
{
    bool opened;

    if (!ipc_window_ack(&c->window, seq, &opened)) {
        lose(c, "rfserver acknowledged what was not sent");
    } else if (opened && c->ops.window_open) {
        c->ops.window_open(c->aux);
    }
}

static void on_batch(struct ipc_client *c, const struct msg *m)
{
    if (m->batch.records.n > WIRE_BATCH_MAX ||
        !ipc_window_receive(&c->window, m->batch.seq)) {
        lose(c, "batch out of sequence");
        return;
    }
    if (c->ops.message) {
        c->ops.message(c->aux, m);
    }
    const int64_t delay = ipc_window_ack_delay(&c->window);
    if (!delay || !loop_timer_is_set(c->ack)) {
        loop_timer_once(c->ack, delay);
    }
}

static void send_ack(void *aux)
{
    struct ipc_client *c = aux;

    if (ipc_client_is_up(c)) {
        send_msg(c, &(struct msg){.type = MSG_ACK,
                                  .ack.seq = ipc_window_answer(&c->window)});
    }
}

static void on_msg(struct ipc_client *c, const struct msg *m)
{
    bool up = c->session.state == SESSION_UP;

    switch (m->type) {
    case MSG_WELCOME:
        on_welcome(c, &m->welcome);
        break;
    case MSG_REFUSED:
        snprintf(c->state, sizeof c->state, "refused: %s", m->refused.reason);
        log_warn_limited(&c->limit, "rfserver at %s refuses us: %s", c->endpoint,
                         m->refused.reason);
        lose(c, m->refused.reason);
        break;
    case MSG_BYE:
        lose(c, m->bye.reason);
        break;
    case MSG_HEARTBEAT:
        break;
    case MSG_ACK:
        if (up) {
            on_ack(c, m->ack.seq);
        }
        break;
    case MSG_BATCH:
        if (up) {
            on_batch(c, m);
        }
        break;
    default:
        if (up && c->ops.message) {
            c->ops.message(c->aux, m);
        }
        break;
    }
}

static void on_frames(void *aux, const struct zframe *frames, size_t n_frames)
{
    struct ipc_client *c = aux;
    char error[MSG_ERR_LEN] = "not one frame";
    struct msg m;

    if (c->session.lost || c->session.state == SESSION_IDLE) {
        return;
    }
    if (n_frames != 1 || !msg_decode(frames[0].data, frames[0].n, &m, error)) {
        log_warn_limited(&c->limit, "bad message from rfserver at %s: %s", c->endpoint,
                         error);
        lose(c, "bad message from rfserver");
        return;
    }
    if (!(msg_type_senders(m.type) & FROM_SERVER)) {
        log_warn_limited(&c->limit, "rfserver at %s sent %s, which it may not",
                         c->endpoint, msg_type_name(m.type));
        lose(c, "unexpected message from rfserver");
        return;
    }
    ipc_session_heard(&c->session, loop_now());
    on_msg(c, &m);
}

static void on_disconnected(void *aux)
{
    lose(aux, "connection lost");
}

/* The session. */

static void open_session(struct ipc_client *c)
{
    static const struct zsock_ops ops = {.message = on_frames,
                                         .disconnected = on_disconnected};
    struct zsock_config config = {
        .max_msg = c->self.role == ROLE_CTL ? IPC_REPLY_MAX : WIRE_MSG_MAX,
        .hwm = IPC_HWM,
        .linger_ms = IPC_LINGER_MS,
        .monitor = true,
        .curve = c->has_curve ? &c->curve : NULL,
    };
    int error = 0;

    c->socket = zsock_create(c->loop, c->ctx, ZSOCK_DEALER, &config, &ops, c, &error);
    if (!c->socket || (error = zsock_connect(c->socket, c->endpoint))) {
        snprintf(c->state, sizeof c->state, "cannot connect to %s: %s", c->endpoint,
                 zsock_strerror(error));
        log_warn_limited(&c->limit, "%s", c->state);
        lose(c, zsock_strerror(error));
        return;
    }
    send_msg(c, &(struct msg){.type = MSG_HELLO,
                              .hello = {.version = WIRE_VERSION,
                                        .role = c->self.role,
                                        .id = c->self.id,
                                        .epoch = c->self.epoch,
                                        .name = c->self.name}});
}

static void close_session(struct ipc_client *c)
{
    bool was_up = c->session.was_up;

    c->session.was_up = false;
    zsock_destroy(c->socket);
    c->socket = NULL;
    loop_timer_cancel(c->ack);
    if (was_up) {
        snprintf(c->state, sizeof c->state, "connecting to %s", c->endpoint);
        log_warn_limited(&c->limit, "session with rfserver at %s is over: %s",
                         c->endpoint, c->session.reason);
        if (c->ops.down) {
            c->ops.down(c->aux, c->session.reason);
        }
    }
}

static void run(void *aux)
{
    struct ipc_client *c = aux;
    enum ipc_session_action action;

    while ((action = ipc_session_run(&c->session, loop_now())) != SESSION_NOTHING) {
        switch (action) {
        case SESSION_OPEN:
            open_session(c);
            break;
        case SESSION_SEND_HEARTBEAT:
            send_msg(c, &(struct msg){.type = MSG_HEARTBEAT});
            break;
        case SESSION_CLOSE:
            close_session(c);
            break;
        case SESSION_NOTHING:
            break;
        }
    }
    loop_timer_at(c->timer, ipc_session_wakeup(&c->session));
}

struct ipc_client *ipc_client_create(struct loop *loop, struct zctx *ctx,
                                     const struct ipc_client_config *config,
                                     const struct ipc_client_ops *ops, void *aux)
{
    struct ipc_client *c = xcalloc(1, sizeof *c);
    char *name = config->name ? xstrdup(config->name) : ipc_process_name(config->role);

    c->loop = loop;
    c->ctx = ctx;
    c->ops = *ops;
    c->aux = aux;
    c->endpoint = xstrdup(config->endpoint);
    c->self.role = config->role;
    c->self.id = config->id;
    c->self.epoch = config->epoch ? config->epoch : ipc_random_epoch();
    str_copy(c->self.name, name, sizeof c->self.name);
    free(name);
    if ((c->has_curve = config->curve != NULL)) {
        c->curve = *config->curve;
    }
    c->timing = ipc_timing_complete(config->timing);
    ipc_session_init(&c->session, &c->timing, loop_now());
    c->timer = loop_timer_create(loop, run, c);
    c->work = loop_defer_create(loop, run, c);
    c->ack = loop_timer_create(loop, send_ack, c);
    loop_defer_schedule(c->work);
    snprintf(c->state, sizeof c->state, "connecting to %s", c->endpoint);
    return c;
}

void ipc_client_destroy(struct ipc_client *c)
{
    if (!c) {
        return;
    }
    if (c->session.state == SESSION_UP && !c->session.lost) {
        send_msg(c, &(struct msg){.type = MSG_BYE, .bye.reason = "stopped"});
    }
    zsock_destroy(c->socket);
    loop_timer_destroy(c->timer);
    loop_timer_destroy(c->ack);
    loop_defer_destroy(c->work);
    buf_uninit(&c->out);
    free(c->endpoint);
    free(c);
}

bool ipc_client_is_up(const struct ipc_client *c)
{
    return c->session.state == SESSION_UP && !c->session.lost;
}

const char *ipc_client_state(const struct ipc_client *c)
{
    return c->state;
}

void ipc_client_send(struct ipc_client *c, const struct msg *m)
{
    if (ipc_client_is_up(c)) {
        send_msg(c, m);
    }
}

unsigned ipc_client_batch_room(const struct ipc_client *c)
{
    return ipc_client_is_up(c) ? ipc_window_room(&c->window) : 0;
}

bool ipc_client_batch_room_urgent(const struct ipc_client *c)
{
    return ipc_client_is_up(c) && ipc_window_room_urgent(&c->window);
}

unsigned ipc_client_batch_pending(const struct ipc_client *c)
{
    return ipc_client_is_up(c) ? ipc_window_pending(&c->window) : 0;
}

int ipc_client_batch_send(struct ipc_client *c, uint64_t id, const struct buf *records,
                          bool urgent)
{
    if (!ipc_client_is_up(c)) {
        return ENOTCONN;
    }
    if (!(urgent ? ipc_window_room_urgent(&c->window) : ipc_window_room(&c->window))) {
        return EAGAIN;
    }
    if (!records->len || records->len > WIRE_BATCH_MAX) {
        return EMSGSIZE;
    }
    send_msg(c, &(struct msg){.type = MSG_BATCH,
                              .batch = {.seq = ipc_window_next(&c->window),
                                        .id = id,
                                        .records = {records->data, records->len}}});
    return 0;
}
