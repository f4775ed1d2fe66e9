/* OpenFlow connections: from accept to the datapath that they turn out to belong to.
 *
 * A connection owns its stream and its session.  Until its features are known it is a
 * stranger; there are at most MAX_STRANGERS of them, and each has the handshake time of
 * the session. */

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <utlist.h>

#include "datapath.h"
#include "net/stream.h"

#define LOG_MODULE "connection"
#include "base/log.h"

#define MAX_STRANGERS 256
#define FLUSH_MS 500 /* For the last words of a session that is down. */

struct conn {
    struct proxy *proxy;
    struct stream *stream;
    struct of_session *session;
    struct loop_timer *timer;
    struct datapath *dp; /* NULL: a stranger, or one that was refused. */
    bool stranger;
    bool closing;
    char peer[STREAM_NAME_LEN];
    struct conn *prev, *next;
};

static void conn_destroy(struct conn *conn)
{
    struct proxy *proxy = conn->proxy;

    if (conn->stranger) {
        proxy->n_strangers--;
    }
    DL_DELETE(proxy->conns, conn);
    stream_destroy(conn->stream);
    of_session_destroy(conn->session);
    loop_timer_destroy(conn->timer);
    free(conn);
}

void conn_kick(struct conn *conn)
{
    stream_kick(conn->stream);
}

static void leave_datapath(struct conn *conn, const char *reason)
{
    struct datapath *dp = conn->dp;

    if (dp) {
        conn->dp = NULL;
        datapath_detach(dp, reason);
    }
}

/* Which datapath it is, or why it is refused. */

static const char *refusal(const struct of_session_up *up)
{
    if (up->auxiliary_id != 0) {
        return "auxiliary connections are not used: disable them in the switch";
    }
    if (up->datapath_id == 0) {
        return "datapath id 0 is not allowed: set one in the switch";
    }
    if (dpid_is_virtual(up->datapath_id)) {
        return "that is a virtual switch: it belongs to rfvs, port 6654";
    }
    return NULL;
}

static void refuse(struct conn *conn, uint64_t dp_id, struct log_limit *limit,
                   const char *why)
{
    char id[ID_STRLEN];

    log_warn_limited(limit, "datapath %s from %s refused: %s", id_format(dp_id, id),
                     conn->peer, why);
    of_session_close(conn->session, why);
}

static void identified(struct conn *conn, const struct of_session_up *up)
{
    struct proxy *proxy = conn->proxy;
    const char *why = refusal(up);

    conn->stranger = false;
    proxy->n_strangers--;
    loop_timer_once(conn->timer, 0); /* From now on the session looks for life. */
    if (why) {
        refuse(conn, up->datapath_id, &proxy->strangers, why);
        return;
    }
    struct datapath *dp = datapath_get(proxy, up->datapath_id);
    if (!dp) {
        refuse(conn, up->datapath_id, &proxy->strangers, "too many datapaths");
    } else if (dp->conn) {
        char text[160];
        snprintf(text, sizeof text,
                 "a switch with this id is connected from %s; ids must be unique",
                 dp->peer);
        refuse(conn, up->datapath_id, &dp->refused, text);
    } else {
        conn->dp = dp;
        datapath_attach(dp, conn, conn->session, conn->peer, up);
    }
}

/* The session. */

static void went_down(struct conn *conn, const char *reason)
{
    if (conn->stranger) {
        log_warn_limited(&conn->proxy->strangers, "connection from %s: %s", conn->peer,
                         reason);
    }
    leave_datapath(conn, reason);
    conn->closing = true;
    stream_pause(conn->stream, true);
    stream_kick(conn->stream);
    loop_timer_once(conn->timer, of_session_pending(conn->session).n ? FLUSH_MS : 0);
}

static void run(struct conn *conn)
{
    struct of_event ev;

    while (of_session_next(conn->session, &ev)) {
        if (ev.type == OF_EV_UP) {
            identified(conn, &ev.up);
        } else if (ev.type == OF_EV_DOWN) {
            went_down(conn, ev.text);
            return;
        } else if (conn->dp) {
            datapath_event(conn->dp, &ev);
        } else if (ev.type == OF_EV_FAULT) {
            log_warn_limited(&conn->proxy->strangers, "connection from %s: %s",
                             conn->peer, ev.text);
        }
    }
    stream_kick(conn->stream);
}

static void on_timer(void *conn_)
{
    struct conn *conn = conn_;

    if (conn->closing) {
        conn_destroy(conn);
        return;
    }
    const int64_t deadline = of_session_tick(conn->session, loop_now());
    loop_timer_at(conn->timer, deadline);
    run(conn);
}

static void on_readable(void *conn_, const uint8_t *data, size_t n)
{
    struct conn *conn = conn_;

    if (!conn->closing) {
        of_session_input(conn->session, data, n, loop_now());
        run(conn);
    }
}

static size_t on_output(void *conn_, const uint8_t **ret)
{
    struct conn *conn = conn_;
    const struct cursor pending = of_session_pending(conn->session);

    *ret = pending.p;
    return pending.n;
}

static void on_written(void *conn_, size_t n)
{
    struct conn *conn = conn_;

    of_session_sent(conn->session, n);
    if (conn->closing) {
        if (!of_session_pending(conn->session).n) {
            loop_timer_once(conn->timer, 0);
        }
    } else if (conn->dp) {
        sync_kick(conn->dp);
    }
}

static void on_closed(void *conn_, const char *reason)
{
    struct conn *conn = conn_;

    if (conn->stranger) {
        log_info_limited(&conn->proxy->strangers, "connection from %s: %s", conn->peer,
                         reason);
    }
    leave_datapath(conn, reason);
    conn_destroy(conn);
}

static void on_accept(void *proxy_, struct stream *stream)
{
    static const struct stream_ops ops = {.readable = on_readable,
                                          .output = on_output,
                                          .written = on_written,
                                          .closed = on_closed};
    struct proxy *proxy = proxy_;
    struct of_session_config config;

    if (proxy->n_strangers >= MAX_STRANGERS) {
        log_warn_limited(&proxy->strangers,
                         "connection from %s refused: %u others have not said yet "
                         "which switch they are",
                         stream_name(stream), proxy->n_strangers);
        stream_destroy(stream);
        return;
    }
    of_session_config_init(&config);
    struct conn *conn = xcalloc(1, sizeof *conn);
    conn->proxy = proxy;
    conn->stream = stream;
    conn->stranger = true;
    proxy->n_strangers++;
    str_copy(conn->peer, stream_name(stream), sizeof conn->peer);
    conn->session = of_session_create(&config, loop_now());
    conn->timer = loop_timer_create(proxy->loop, on_timer, conn);
    DL_APPEND(proxy->conns, conn);
    log_debug("connection from %s", conn->peer);
    stream_set_ops(stream, &ops, conn);
    loop_timer_once(conn->timer, 0);
}

/* Listening. */

static bool listen_at(struct proxy *proxy, const char *endpoint)
{
    struct stream_listener *listener;
    int error = stream_listen(proxy->loop, endpoint, on_accept, proxy, &listener);

    if (error) {
        log_err("cannot listen at %s: %s", endpoint, strerror(error));
        return false;
    }
    log_info("listening for switches at %s", stream_listener_name(listener));
    proxy->listeners =
        xrealloc(proxy->listeners, (proxy->n_listeners + 1) * sizeof *proxy->listeners);
    proxy->listeners[proxy->n_listeners++] = listener;
    return true;
}

bool proxy_listen(struct proxy *proxy)
{
    char *list = xstrdup(proxy->config.listen);
    char *rest = list;
    const char *endpoint;
    bool ok = true;

    while (ok && (endpoint = strsep(&rest, ", "))) {
        ok = !*endpoint || listen_at(proxy, endpoint);
    }
    free(list);
    if (ok && !proxy->n_listeners) {
        log_err("option listen: no endpoint given");
        return false;
    }
    return ok;
}

void proxy_unlisten(struct proxy *proxy)
{
    struct conn *conn, *next;

    for (size_t i = 0; i < proxy->n_listeners; i++) {
        stream_listener_destroy(proxy->listeners[i]);
    }
    free(proxy->listeners);
    proxy->listeners = NULL;
    proxy->n_listeners = 0;
    DL_FOREACH_SAFE (proxy->conns, conn, next) {
        if (conn->dp) {
            conn->dp->conn = NULL;
            conn->dp->session = NULL;
        }
        conn_destroy(conn);
    }
}
