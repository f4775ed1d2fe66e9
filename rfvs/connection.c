/* OpenFlow connections: from accept to the RFVS that they turn out to belong to.
 *
 * A connection owns its stream and its session.  Until its datapath id is known it is a
 * stranger; there are at most MAX_STRANGERS of them, and each has the handshake time of
 * the session. */

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <utlist.h>

#include "net/stream.h"
#include "vswitch.h"

#define LOG_MODULE "connection"
#include "base/log.h"

#define MAX_STRANGERS 64
#define LAST_WORDS_MS 500 /* For what is left to be written to a session's end. */

struct conn {
    struct rfvs *rfvs;
    struct stream *stream;
    struct of_session *session;
    struct loop_timer *timer;
    struct vswitch *vs; /* NULL: a stranger, or refused. */
    bool stranger;
    bool ending;
    char peer[STREAM_NAME_LEN];
    struct conn *prev, *next;
};

static void conn_destroy(struct conn *conn)
{
    conn->rfvs->n_strangers -= conn->stranger;
    DL_DELETE(conn->rfvs->conns, conn);
    stream_destroy(conn->stream);
    of_session_destroy(conn->session);
    loop_timer_destroy(conn->timer);
    free(conn);
}

void connection_kick(struct conn *conn)
{
    stream_kick(conn->stream);
}

/* Who it is. */

static void refuse(struct conn *conn, struct log_limit *limit, uint64_t id,
                   const char *why)
{
    char text[ID_STRLEN];

    log_warn_limited(limit, "datapath %s from %s refused: %s", id_format(id, text),
                     conn->peer, why);
    of_session_close(conn->session, why);
}

static void identified(struct conn *conn, const struct of_session_up *up)
{
    struct rfvs *rfvs = conn->rfvs;
    const uint64_t id = up->datapath_id;
    char text[ID_STRLEN], why[160];

    conn->stranger = false;
    rfvs->n_strangers--;
    if (!dpid_is_virtual(id)) {
        snprintf(why, sizeof why,
                 "datapath %s is a real switch: it belongs to rfproxy, port 6653",
                 id_format(id, text));
        refuse(conn, &rfvs->strangers, id, why);
        return;
    }
    if (up->auxiliary_id) {
        refuse(conn, &rfvs->strangers, id, "auxiliary connections are not used here");
        return;
    }
    struct vswitch *vs = vswitch_get(rfvs, id);
    if (!vs) {
        refuse(conn, &rfvs->strangers, id, "too many virtual switches");
    } else if (vs->conn) {
        snprintf(why, sizeof why,
                 "a virtual switch with this id is connected from %s; ids must be "
                 "unique",
                 vs->peer);
        refuse(conn, &vs->refused, id, why);
    } else {
        conn->vs = vs;
        vswitch_attach(vs, conn, conn->session, conn->peer, up);
    }
}

/* The session. */

static void leave(struct conn *conn, const char *reason)
{
    struct vswitch *vs = conn->vs;

    if (vs) {
        conn->vs = NULL;
        vswitch_detach(vs, reason);
    } else if (conn->stranger && !conn->ending) {
        log_warn_limited(&conn->rfvs->strangers, "connection from %s: %s", conn->peer,
                         reason);
    }
}

static void session_down(struct conn *conn, const char *reason)
{
    leave(conn, reason);
    conn->ending = true;
    stream_pause(conn->stream, true);
    stream_kick(conn->stream);
    loop_timer_once(conn->timer,
                    of_session_pending(conn->session).n ? LAST_WORDS_MS : 0);
}

static void run(struct conn *conn)
{
    struct of_event ev;

    while (of_session_next(conn->session, &ev)) {
        if (ev.type == OF_EV_DOWN) {
            session_down(conn, ev.text);
            return;
        }
        if (ev.type == OF_EV_UP) {
            identified(conn, &ev.up);
        } else if (conn->vs) {
            vswitch_event(conn->vs, &ev);
        } else if (ev.type == OF_EV_FAULT) {
            log_warn_limited(&conn->rfvs->strangers, "connection from %s: %s",
                             conn->peer, ev.text);
        }
    }
    stream_kick(conn->stream);
}

static void on_timer(void *conn_)
{
    struct conn *conn = conn_;

    if (conn->ending) {
        conn_destroy(conn);
        return;
    }
    loop_timer_at(conn->timer, of_session_tick(conn->session, loop_now()));
    run(conn);
}

static void on_readable(void *conn_, const uint8_t *data, size_t n)
{
    struct conn *conn = conn_;

    if (!conn->ending) {
        of_session_input(conn->session, data, n, loop_now());
        run(conn);
    }
}

static size_t on_output(void *conn_, const uint8_t **ret)
{
    const struct conn *conn = conn_;
    const struct cursor pending = of_session_pending(conn->session);

    *ret = pending.p;
    return pending.n;
}

static void on_written(void *conn_, size_t n)
{
    struct conn *conn = conn_;

    of_session_sent(conn->session, n);
    if (conn->ending) {
        if (!of_session_pending(conn->session).n) {
            loop_timer_once(conn->timer, 0);
        }
    } else if (conn->vs && conn->vs->blocked) {
        sync_schedule(conn->vs);
    }
}

static void on_closed(void *conn_, const char *reason)
{
    leave(conn_, reason);
    conn_destroy(conn_);
}

static void on_accept(void *rfvs_, struct stream *stream)
{
    static const struct stream_ops ops = {.readable = on_readable,
                                          .output = on_output,
                                          .written = on_written,
                                          .closed = on_closed};
    struct rfvs *rfvs = rfvs_;
    struct of_session_config config;

    if (rfvs->n_strangers >= MAX_STRANGERS) {
        log_warn_limited(&rfvs->strangers,
                         "connection from %s refused: %u others have not said yet "
                         "which switch they are",
                         stream_name(stream), rfvs->n_strangers);
        stream_destroy(stream);
        return;
    }
    of_session_config_init(&config);
    struct conn *conn = xcalloc(1, sizeof *conn);
    conn->rfvs = rfvs;
    conn->stream = stream;
    conn->stranger = true;
    rfvs->n_strangers++;
    str_copy(conn->peer, stream_name(stream), sizeof conn->peer);
    conn->session = of_session_create(&config, loop_now());
    conn->timer = loop_timer_create(rfvs->loop, on_timer, conn);
    DL_APPEND(rfvs->conns, conn);
    log_debug("connection from %s", conn->peer);
    stream_set_ops(stream, &ops, conn);
    loop_timer_once(conn->timer, 0);
}

/* Listening. */

static bool listen_at(struct rfvs *rfvs, const char *endpoint)
{
    struct stream_listener *listener;
    const int error = stream_listen(rfvs->loop, endpoint, on_accept, rfvs, &listener);

    if (error) {
        log_err("cannot listen at %s: %s", endpoint, strerror(error));
        return false;
    }
    log_info("listening for RFVS at %s", stream_listener_name(listener));
    rfvs->listeners =
        xrealloc(rfvs->listeners, (rfvs->n_listeners + 1) * sizeof *rfvs->listeners);
    rfvs->listeners[rfvs->n_listeners++] = listener;
    return true;
}

bool connection_listen(struct rfvs *rfvs)
{
    char *list = xstrdup(rfvs->config.listen);
    char *rest = list;
    const char *endpoint;
    bool ok = true;

    while (ok && (endpoint = strsep(&rest, ", "))) {
        ok = !*endpoint || listen_at(rfvs, endpoint);
    }
    free(list);
    if (ok && !rfvs->n_listeners) {
        log_err("option listen: expected at least one endpoint");
        return false;
    }
    return ok;
}

void connection_close_all(struct rfvs *rfvs)
{
    struct conn *conn, *next;

    for (size_t i = 0; i < rfvs->n_listeners; i++) {
        stream_listener_destroy(rfvs->listeners[i]);
    }
    free(rfvs->listeners);
    rfvs->listeners = NULL;
    rfvs->n_listeners = 0;
    DL_FOREACH_SAFE (rfvs->conns, conn, next) {
        if (conn->vs) {
            conn->vs->conn = NULL;
            conn->vs->session = NULL;
        }
        conn_destroy(conn);
    }
}
