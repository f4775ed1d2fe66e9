#include "conn.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/buf.h"
#include "base/util.h"

#define TIMEOUT_MS 6000
#define KEEP_CAPACITY (256 << 10) /* An empty queue keeps no more memory. */

struct relay_conn {
    struct stream *stream;
    struct buf in; /* A record that has not come to its end. */
    struct buf out;
    size_t sent; /* Bytes at the front of `out` that are done with. */
    const struct relay_conn_ops *ops;
    void *aux;
};

bool relay_endpoint(const char *text, bool listening, char ret[static STREAM_NAME_LEN])
{
    const char *colon = strrchr(text, ':');
    int n;

    if (!strncmp(text, "ipc://", 6)) {
        n = snprintf(ret, STREAM_NAME_LEN, "%s:%s", listening ? "punix" : "unix",
                     text + 6);
    } else if (strncmp(text, "tcp://", 6) || colon < text + 6) {
        return false;
    } else if (!listening) {
        n = snprintf(ret, STREAM_NAME_LEN, "tcp:%s", text + 6);
    } else if (colon == text + 7 && text[6] == '*') {
        n = snprintf(ret, STREAM_NAME_LEN, "ptcp:%s:0.0.0.0", colon + 1);
    } else {
        n = snprintf(ret, STREAM_NAME_LEN, "ptcp:%s:%.*s", colon + 1,
                     (int)(colon - text - 6), text + 6);
    }
    return n < STREAM_NAME_LEN;
}

/* Out. */

static size_t pending(const struct relay_conn *conn)
{
    return conn->out.len - conn->sent;
}

bool relay_conn_put(struct relay_conn *conn, const struct relay_frame *f)
{
    if (pending(conn) + RELAY_HEADER_LEN + f->n > RELAY_QUEUE_MAX ||
        !relay_put(&conn->out, f)) {
        return false;
    }
    stream_kick(conn->stream);
    return true;
}

static size_t output(void *conn_, const uint8_t **ret)
{
    const struct relay_conn *conn = conn_;

    *ret = conn->out.data ? conn->out.data + conn->sent : NULL;
    return pending(conn);
}

static void written(void *conn_, size_t n)
{
    struct relay_conn *conn = conn_;

    conn->sent += n;
    if (!pending(conn)) {
        conn->sent = 0;
        buf_clear(&conn->out);
        if (conn->out.cap > KEEP_CAPACITY) {
            buf_uninit(&conn->out);
        }
    } else if (conn->sent > pending(conn) / 4) {
        /* Not for each write, since all that is left has to move. */
        buf_pull(&conn->out, conn->sent);
        conn->sent = 0;
    }
}

/* In. */

/* False: malformed. */
static bool take_frames(struct relay_conn *conn, struct cursor *c)
{
    struct relay_frame f;
    enum relay_got got;

    while ((got = relay_get(c, &f)) == RELAY_FRAME) {
        conn->ops->frame(conn->aux, &f);
    }
    return got == RELAY_PARTIAL;
}

static void readable(void *conn_, const uint8_t *data, size_t n)
{
    struct relay_conn *conn = conn_;
    struct buf *in = &conn->in;
    struct cursor c = cursor_of(data, n);
    const bool held = in->len > 0;

    if (held) {
        buf_put(in, data, n);
        c = cursor_of(in->data, in->len);
    }
    if (!take_frames(conn, &c)) {
        conn->ops->closed(conn->aux, conn, "malformed record");
    } else if (held) {
        buf_pull(in, in->len - c.n);
    } else {
        buf_put(in, c.p, c.n);
    }
}

/* Coming and going. */

static void opened(void *conn_)
{
    struct relay_conn *conn = conn_;

    if (conn->ops->opened) {
        conn->ops->opened(conn->aux);
    }
}

static void closed(void *conn_, const char *reason)
{
    struct relay_conn *conn = conn_;
    conn->ops->closed(conn->aux, conn, reason);
}

static const struct stream_ops stream_ops = {.readable = readable,
                                             .output = output,
                                             .written = written,
                                             .closed = closed,
                                             .opened = opened};

static struct relay_conn *conn_create(const struct relay_conn_ops *ops, void *aux)
{
    struct relay_conn *conn = xcalloc(1, sizeof *conn);

    conn->ops = ops;
    conn->aux = aux;
    return conn;
}

int relay_conn_connect(struct loop *loop, const char *endpoint,
                       const struct relay_conn_ops *ops, void *aux,
                       struct relay_conn **ret)
{
    char text[STREAM_NAME_LEN];

    if (!relay_endpoint(endpoint, false, text)) {
        return EINVAL;
    }
    struct relay_conn *conn = conn_create(ops, aux);
    const int error =
        stream_connect(loop, text, NULL, &stream_ops, conn, &conn->stream);
    if (error) {
        free(conn);
        return error;
    }
    stream_set_timeout(conn->stream, TIMEOUT_MS);
    *ret = conn;
    return 0;
}

struct relay_conn *relay_conn_accept(struct stream *stream,
                                     const struct relay_conn_ops *ops, void *aux)
{
    struct relay_conn *conn = conn_create(ops, aux);

    conn->stream = stream;
    stream_set_timeout(stream, TIMEOUT_MS);
    stream_set_ops(stream, &stream_ops, conn);
    return conn;
}

void relay_conn_destroy(struct relay_conn *conn)
{
    if (conn) {
        stream_destroy(conn->stream);
        buf_uninit(&conn->in);
        buf_uninit(&conn->out);
        free(conn);
    }
}

const char *relay_strerror(int error)
{
    return error == EINVAL ? "expected ipc://PATH or tcp://ADDRESS:PORT with a numeric "
                             "address"
                           : strerror(error);
}
