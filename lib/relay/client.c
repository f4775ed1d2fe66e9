#define LOG_MODULE "relay"

#include <errno.h>
#include <stdlib.h>

#include "base/log.h"
#include "base/util.h"
#include "conn.h"
#include "core/backoff.h"

#define RETRY_MIN_MS 50
#define RETRY_MAX_MS 1000
#define CONNECT_TIMEOUT_MS 3000
/* Whoever sends us away sooner was not there in earnest. */
#define STEADY_MS RETRY_MAX_MS

struct relay_client {
    struct loop *loop;
    char *endpoint;
    const struct relay_ops *ops;
    void *aux;
    struct relay_conn *conn; /* NULL: waiting for the next attempt. */
    bool connected;
    int64_t since;            /* When it was. */
    struct loop_timer *timer; /* The next attempt, or the end of patience with one. */
    struct backoff backoff;
};

static void failed(struct relay_client *c, const char *reason)
{
    const int64_t now = loop_now();
    const bool was_connected = c->connected;

    relay_conn_destroy(c->conn);
    c->conn = NULL;
    c->connected = false;
    if (was_connected && now - c->since >= STEADY_MS) {
        backoff_succeeded(&c->backoff);
    }
    backoff_failed(&c->backoff, now);
    loop_timer_at(c->timer, c->backoff.retry_at);
    log_debug("%s: %s, the next attempt in %lld ms", c->endpoint, reason,
              (long long)(c->backoff.retry_at - now));
    if (was_connected) {
        c->ops->disconnected(c->aux, reason);
    }
}

static void on_frame(void *client_, const struct relay_frame *f)
{
    struct relay_client *c = client_;
    c->ops->frame(c->aux, f);
}

static void on_opened(void *client_)
{
    struct relay_client *c = client_;

    c->connected = true;
    c->since = loop_now();
    loop_timer_cancel(c->timer);
    c->ops->connected(c->aux);
}

static void on_closed(void *client_, struct relay_conn *conn, const char *reason)
{
    failed(client_, reason);
}

/* Only EINVAL is the endpoint's fault and not of the moment. */
static int attempt(struct relay_client *c)
{
    static const struct relay_conn_ops ops = {
        .frame = on_frame, .opened = on_opened, .closed = on_closed};
    const int error = relay_conn_connect(c->loop, c->endpoint, &ops, c, &c->conn);

    if (error) {
        failed(c, relay_strerror(error));
    } else {
        loop_timer_once(c->timer, CONNECT_TIMEOUT_MS);
    }
    return error;
}

static void on_timer(void *client_)
{
    struct relay_client *c = client_;

    if (c->conn) {
        failed(c, "no answer");
    } else {
        attempt(c);
    }
}

int relay_client_create(struct loop *loop, const char *endpoint,
                        const struct relay_ops *ops, void *aux,
                        struct relay_client **ret)
{
    struct relay_client *c = xcalloc(1, sizeof *c);

    c->loop = loop;
    c->endpoint = xstrdup(endpoint);
    c->ops = ops;
    c->aux = aux;
    c->timer = loop_timer_create(loop, on_timer, c);
    c->backoff = backoff_make(RETRY_MIN_MS, RETRY_MAX_MS);
    if (attempt(c) == EINVAL) {
        relay_client_destroy(c);
        return EINVAL;
    }
    *ret = c;
    return 0;
}

void relay_client_destroy(struct relay_client *c)
{
    if (c) {
        relay_conn_destroy(c->conn);
        loop_timer_destroy(c->timer);
        free(c->endpoint);
        free(c);
    }
}

bool relay_client_is_connected(const struct relay_client *c)
{
    return c->connected;
}

bool relay_client_put(struct relay_client *c, const struct relay_frame *f)
{
    return c->connected && relay_conn_put(c->conn, f);
}
