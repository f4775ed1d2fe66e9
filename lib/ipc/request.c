#define LOG_MODULE "ipc"

#include "ipc/client.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/log.h"
#include "base/util.h"
#include "ipc_limits.h"

/* Events. */

struct ipc_subscriber {
    struct zsock *socket;
    void (*event)(void *aux, const struct msg_event *);
    void *aux;
    struct log_limit limit;
};

static void on_event(void *aux, const struct zframe *frames, size_t n_frames)
{
    struct ipc_subscriber *s = aux;
    char error[MSG_ERR_LEN] = "not two frames";
    struct msg m;

    if (n_frames != 2 || !msg_decode(frames[1].data, frames[1].n, &m, error)) {
        log_warn_limited(&s->limit, "bad event: %s", error);
    } else if (m.type == MSG_EVENT) {
        s->event(s->aux, &m.event);
    }
}

struct ipc_subscriber *
ipc_subscriber_create(struct loop *loop, struct zctx *ctx, const char *endpoint,
                      const struct zcurve *curve,
                      void (*event)(void *aux, const struct msg_event *), void *aux)
{
    static const struct zsock_ops ops = {.message = on_event};
    struct zsock_config config = {.max_msg = WIRE_MSG_MAX, .curve = curve};
    struct ipc_subscriber *s = xcalloc(1, sizeof *s);
    int error = 0;

    s->event = event;
    s->aux = aux;
    s->socket = zsock_create(loop, ctx, ZSOCK_SUB, &config, &ops, s, &error);
    if (s->socket) {
        zsock_subscribe(s->socket, IPC_EVENT_TOPIC);
        error = zsock_connect(s->socket, endpoint);
    }
    if (error) {
        log_err("cannot subscribe to %s: %s", endpoint, zsock_strerror(error));
        ipc_subscriber_destroy(s);
        return NULL;
    }
    return s;
}

void ipc_subscriber_destroy(struct ipc_subscriber *s)
{
    if (s) {
        zsock_destroy(s->socket);
        free(s);
    }
}

/* One question. */

struct question {
    struct ipc_client *client;
    struct msg request;
    struct buf *body;
    int64_t status;
    bool answered;
};

static void on_up(void *aux, const struct msg_welcome *welcome, bool restarted)
{
    struct question *q = aux;

    /* Asked again after a lost connection, so commands are such that this is safe. */
    ipc_client_send(q->client, &q->request);
}

static void on_message(void *aux, const struct msg *m)
{
    struct question *q = aux;

    if (m->type == MSG_REPLY && !q->answered) {
        q->status = m->reply.status;
        buf_put(q->body, m->reply.body.data, m->reply.body.n);
        q->answered = true;
    }
}

static bool is_answered(void *aux)
{
    return ((struct question *)aux)->answered;
}

int ipc_request(const char *endpoint, const struct zcurve *curve, const char *cmd,
                const char *const *args, unsigned n, int64_t timeout_ms,
                struct buf *ret_body, int64_t *ret_status,
                char ret_state[static IPC_STATE_LEN])
{
    static const struct ipc_client_ops ops = {.up = on_up, .message = on_message};
    struct ipc_client_config config = {
        .endpoint = endpoint, .role = ROLE_CTL, .curve = curve};
    struct question q = {.request = {.type = MSG_REQUEST, .request.cmd = cmd},
                         .body = ret_body};

    if (n > WIRE_MAX_STRS) {
        return EINVAL;
    }
    q.request.request.args.n = n;
    for (unsigned i = 0; i < n; i++) {
        q.request.request.args.s[i] = args[i];
    }
    struct loop *loop = loop_create();
    struct zctx *ctx = zctx_create();
    q.client = ipc_client_create(loop, ctx, &config, &ops, &q);
    bool ok = loop_run_until(loop, is_answered, &q, timeout_ms);
    if (ok) {
        *ret_status = q.status;
    }
    str_copy(ret_state, ipc_client_state(q.client), IPC_STATE_LEN);
    ipc_client_destroy(q.client);
    zctx_destroy(ctx);
    loop_destroy(loop);
    return ok ? 0 : ETIMEDOUT;
}
