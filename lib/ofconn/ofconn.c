#include "ofconn/ofconn.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <utlist.h>

#include "base/util.h"
#include "net/stream.h"
#include "ofconn/binding.h"

#define LOG_MODULE "connection"
#include "base/log.h"

#define LAST_WORDS_MS 500 /* For what is left to be written at a session's end. */

struct ofconn {
    struct ofconn_server *server;
    struct stream *stream;
    struct of_session *session;
    struct loop_timer *timer;
    void *owner; /* NULL: a stranger, or refused. */
    uint64_t dp_id;
    bool stranger;
    bool ending;
    char peer[STREAM_NAME_LEN];
    struct ofconn *prev, *next;
};

struct ofconn_server {
    struct loop *loop;
    struct ofconn_config config;
    const struct ofconn_ops *ops;
    void *aux;
    struct tls *tls;            /* NULL: plain TCP only. */
    struct binding_list *allow; /* NULL: the names in certificates decide. */
    unsigned n_strangers;
    struct log_limits strangers, refused; /* By the peer's address. */
    struct log_limit crowded;
    struct stream_listener **listeners;
    size_t n_listeners;
    struct ofconn *conns;
};

struct of_session *ofconn_session(struct ofconn *conn)
{
    return conn->session;
}

const char *ofconn_peer(const struct ofconn *conn)
{
    return conn->peer;
}

void ofconn_kick(struct ofconn *conn)
{
    stream_kick(conn->stream);
}

/* By the address alone: each connection of a peer has another port. */
static struct log_limit *limit_of(struct log_limits *limits, const struct ofconn *conn)
{
    const char *port = strrchr(conn->peer, ':');

    return log_limit_of(limits, conn->peer,
                        port ? (size_t)(port - conn->peer) : strlen(conn->peer));
}

static void conn_destroy(struct ofconn *conn)
{
    conn->server->n_strangers -= conn->stranger;
    DL_DELETE(conn->server->conns, conn);
    stream_destroy(conn->stream);
    of_session_destroy(conn->session);
    loop_timer_destroy(conn->timer);
    free(conn);
}

/* Certificates. */

struct naming {
    uint64_t dp_id;
    bool named;
    char first[80]; /* A name that the certificate has, for people. */
};

static void on_name(void *naming_, const char *name)
{
    struct naming *naming = naming_;

    naming->named |= binding_name_is(name, naming->dp_id);
    if (!naming->first[0]) {
        str_copy(naming->first, name, sizeof naming->first);
    }
}

static bool is_named(const struct ofconn *conn, char ret_why[static OFCONN_WHY_LEN])
{
    struct naming naming = {.dp_id = conn->dp_id};

    stream_tls_names(conn->stream, on_name, &naming);
    if (!naming.named) {
        snprintf(ret_why, OFCONN_WHY_LEN,
                 "its certificate names \"%s\", expected \"dpid-%016llx\"",
                 naming.first, (unsigned long long)conn->dp_id);
    }
    return naming.named;
}

static bool is_listed(const struct ofconn *conn, char ret_why[static OFCONN_WHY_LEN])
{
    char hex[2 * TLS_FINGERPRINT_LEN + 1];
    uint8_t fingerprint[TLS_FINGERPRINT_LEN];

    stream_tls_fingerprint(conn->stream, fingerprint);
    if (binding_list_has(conn->server->allow, fingerprint, conn->dp_id)) {
        return true;
    }
    for (size_t i = 0; i < sizeof fingerprint; i++) {
        snprintf(hex + 2 * i, 3, "%02x", fingerprint[i]);
    }
    snprintf(ret_why, OFCONN_WHY_LEN,
             "the file of --tls-allow does not have \"%s %llx\"", hex,
             (unsigned long long)conn->dp_id);
    return false;
}

static bool is_bound(const struct ofconn *conn, char ret_why[static OFCONN_WHY_LEN])
{
    return !stream_is_tls(conn->stream) ||
           (conn->server->allow ? is_listed(conn, ret_why) : is_named(conn, ret_why));
}

static void identified(struct ofconn *conn, const struct of_session_up *up)
{
    struct ofconn_server *server = conn->server;
    char why[OFCONN_WHY_LEN] = "", id[ID_STRLEN];

    conn->stranger = false;
    server->n_strangers--;
    loop_timer_once(conn->timer, 0); /* From now on the session looks for life. */
    conn->dp_id = up->datapath_id;
    if (is_bound(conn, why)) {
        conn->owner = server->ops->identified(server->aux, conn, up, why);
    }
    if (!conn->owner) {
        log_warn_limited(limit_of(&server->refused, conn),
                         "datapath %s from %s refused: %s",
                         id_format(up->datapath_id, id), conn->peer, why);
        of_session_close(conn->session, why);
    }
}

static void leave(struct ofconn *conn, const char *reason)
{
    void *owner = conn->owner;

    if (owner) {
        conn->owner = NULL;
        conn->server->ops->gone(owner, reason);
    } else if (conn->stranger && !conn->ending) {
        log_warn_limited(limit_of(&conn->server->strangers, conn),
                         "connection from %s: %s", conn->peer, reason);
    }
}

static void session_down(struct ofconn *conn, const char *reason)
{
    leave(conn,
          stream_is_open(conn->stream) ? reason : "the TLS handshake takes too long");
    conn->ending = true;
    stream_pause(conn->stream, true);
    stream_kick(conn->stream);
    loop_timer_once(conn->timer,
                    of_session_pending(conn->session).n ? LAST_WORDS_MS : 0);
}

static void run(struct ofconn *conn)
{
    struct of_event ev;

    while (of_session_next(conn->session, &ev)) {
        if (ev.type == OF_EV_DOWN) {
            session_down(conn, ev.text);
            return;
        }
        if (ev.type == OF_EV_UP) {
            identified(conn, &ev.up);
        } else if (conn->owner) {
            conn->server->ops->event(conn->owner, &ev);
        } else if (ev.type == OF_EV_FAULT) {
            log_warn_limited(limit_of(&conn->server->strangers, conn),
                             "connection from %s: %s", conn->peer, ev.text);
        }
    }
    stream_kick(conn->stream);
}

static void on_timer(void *conn_)
{
    struct ofconn *conn = conn_;

    if (conn->ending) {
        conn_destroy(conn);
        return;
    }
    loop_timer_at(conn->timer, of_session_tick(conn->session, loop_now()));
    run(conn);
}

static void on_readable(void *conn_, const uint8_t *data, size_t n)
{
    struct ofconn *conn = conn_;

    if (!conn->ending) {
        of_session_input(conn->session, data, n, loop_now());
        run(conn);
    }
}

static size_t on_output(void *conn_, const uint8_t **ret)
{
    const struct ofconn *conn = conn_;
    const struct cursor pending = of_session_pending(conn->session);

    *ret = pending.p;
    return pending.n;
}

static void on_written(void *conn_, size_t n)
{
    struct ofconn *conn = conn_;

    of_session_sent(conn->session, n);
    if (conn->ending) {
        if (!of_session_pending(conn->session).n) {
            loop_timer_once(conn->timer, 0);
        }
    } else if (conn->owner) {
        conn->server->ops->writable(conn->owner);
    }
}

static void on_closed(void *conn_, const char *reason)
{
    leave(conn_, reason);
    conn_destroy(conn_);
}

/* Room for one more: whoever has had the most time to say which switch it is goes.  So
 * connections that say nothing, however many, do not keep a switch out. */
static void make_room(struct ofconn_server *server)
{
    struct ofconn *conn = server->conns;

    if (server->n_strangers < server->config.max_strangers) {
        return;
    }
    while (!conn->stranger) {
        conn = conn->next;
    }
    log_warn_limited(&server->crowded,
                     "connection from %s given up for a newer one: with it %u have not "
                     "said which switch they are",
                     conn->peer, server->n_strangers);
    conn_destroy(conn);
}

static void on_accept(void *server_, struct stream *stream)
{
    static const struct stream_ops ops = {.readable = on_readable,
                                          .output = on_output,
                                          .written = on_written,
                                          .closed = on_closed};
    struct ofconn_server *server = server_;
    struct of_session_config config;

    make_room(server);
    of_session_config_init(&config);
    struct ofconn *conn = xcalloc(1, sizeof *conn);
    conn->server = server;
    conn->stream = stream;
    conn->stranger = true;
    server->n_strangers++;
    str_copy(conn->peer, stream_name(stream), sizeof conn->peer);
    conn->session = of_session_create(&config, loop_now());
    conn->timer = loop_timer_create(server->loop, on_timer, conn);
    DL_APPEND(server->conns, conn);
    log_debug("connection from %s", conn->peer);
    stream_set_ops(stream, &ops, conn);
    loop_timer_once(conn->timer, 0);
}

static bool listen_at(struct ofconn_server *server, const char *endpoint)
{
    struct stream_listener *listener;
    const int error = stream_listen(server->loop, endpoint, server->tls, on_accept,
                                    server, &listener);

    if (error) {
        log_err("cannot listen at %s: %s", endpoint,
                error == ENOKEY ? "options certificate, private-key and ca-cert are "
                                  "not set"
                                : strerror(error));
        return false;
    }
    log_info("listening for %s at %s", server->config.what,
             stream_listener_name(listener));
    server->listeners = xrealloc(server->listeners,
                                 (server->n_listeners + 1) * sizeof *server->listeners);
    server->listeners[server->n_listeners++] = listener;
    return true;
}

static bool open_tls(struct ofconn_server *server)
{
    char error[MAX(TLS_ERR_LEN, BINDING_ERR_LEN)];

    if ((server->config.tls.certificate &&
         tls_create(&server->config.tls, &server->tls, error)) ||
        (server->config.tls_allow &&
         binding_list_read(server->config.tls_allow, &server->allow, error))) {
        log_err("%s", error);
        return false;
    }
    return true;
}

static bool listen_at_all(struct ofconn_server *server)
{
    char *list = xstrdup(server->config.endpoints), *rest = list;
    const char *endpoint;
    bool ok = true;

    while (ok && (endpoint = strsep(&rest, ", "))) {
        ok = !*endpoint || listen_at(server, endpoint);
    }
    free(list);
    if (ok && !server->n_listeners) {
        log_err("option listen: expected at least one endpoint");
        ok = false;
    }
    return ok;
}

struct ofconn_server *ofconn_listen(struct loop *loop,
                                    const struct ofconn_config *config,
                                    const struct ofconn_ops *ops, void *aux)
{
    struct ofconn_server *server = xcalloc(1, sizeof *server);

    server->loop = loop;
    server->config = *config;
    server->ops = ops;
    server->aux = aux;
    if (!open_tls(server) || !listen_at_all(server)) {
        ofconn_server_destroy(server);
        return NULL;
    }
    return server;
}

void ofconn_reload(struct ofconn_server *server)
{
    char error[MAX(TLS_ERR_LEN, BINDING_ERR_LEN)], why[OFCONN_WHY_LEN];
    struct binding_list *allow;
    struct ofconn *conn, *next;

    if (server->tls && tls_reload(server->tls, error)) {
        log_err("%s; what was in force stays", error);
    }
    if (!server->config.tls_allow) {
        return;
    }
    if (binding_list_read(server->config.tls_allow, &allow, error)) {
        log_err("%s; what was in force stays", error);
        return;
    }
    binding_list_destroy(server->allow);
    server->allow = allow;
    DL_FOREACH_SAFE (server->conns, conn, next) {
        if (conn->owner && !is_bound(conn, why)) {
            of_session_close(conn->session, why);
            run(conn);
        }
    }
}

void ofconn_server_destroy(struct ofconn_server *server)
{
    struct ofconn *conn, *next;

    if (!server) {
        return;
    }
    for (size_t i = 0; i < server->n_listeners; i++) {
        stream_listener_destroy(server->listeners[i]);
    }
    free(server->listeners);
    DL_FOREACH_SAFE (server->conns, conn, next) {
        conn_destroy(conn);
    }
    tls_destroy(server->tls);
    binding_list_destroy(server->allow);
    free(server);
}
