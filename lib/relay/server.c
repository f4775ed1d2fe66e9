#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/util.h"
#include "conn.h"

struct relay_server {
    const struct relay_ops *ops;
    void *aux;
    struct stream_listener *listener;
    struct relay_conn *peers[RELAY_MAX_PEERS]; /* Oldest first. */
    size_t n_peers;
};

static void peer_remove(struct relay_server *s, struct relay_conn *conn,
                        const char *reason)
{
    size_t i = 0;

    while (s->peers[i] != conn) {
        i++;
    }
    s->n_peers--;
    memmove(&s->peers[i], &s->peers[i + 1], (s->n_peers - i) * sizeof *s->peers);
    relay_conn_destroy(conn);
    s->ops->disconnected(s->aux, reason);
}

static void on_frame(void *server_, const struct relay_frame *f)
{
    struct relay_server *s = server_;
    s->ops->frame(s->aux, f);
}

static void on_closed(void *server_, struct relay_conn *conn, const char *reason)
{
    peer_remove(server_, conn, reason);
}

static void on_accept(void *server_, struct stream *stream)
{
    static const struct relay_conn_ops ops = {.frame = on_frame, .closed = on_closed};
    struct relay_server *s = server_;

    if (s->n_peers == RELAY_MAX_PEERS) {
        peer_remove(s, s->peers[0], "there are too many of them");
    }
    s->peers[s->n_peers++] = relay_conn_accept(stream, &ops, s);
    s->ops->connected(s->aux);
}

int relay_server_create(struct loop *loop, const char *endpoint,
                        const struct relay_ops *ops, void *aux,
                        struct relay_server **ret)
{
    char text[STREAM_NAME_LEN];

    if (!relay_endpoint(endpoint, true, text)) {
        return EINVAL;
    }
    struct relay_server *s = xcalloc(1, sizeof *s);
    s->ops = ops;
    s->aux = aux;
    const int error = stream_listen(loop, text, NULL, on_accept, s, &s->listener);
    if (error) {
        free(s);
        return error;
    }
    *ret = s;
    return 0;
}

void relay_server_destroy(struct relay_server *s)
{
    if (s) {
        stream_listener_destroy(s->listener);
        for (size_t i = 0; i < s->n_peers; i++) {
            relay_conn_destroy(s->peers[i]);
        }
        free(s);
    }
}

const char *relay_server_name(const struct relay_server *s)
{
    return stream_listener_name(s->listener);
}

size_t relay_server_peers(const struct relay_server *s)
{
    return s->n_peers;
}

size_t relay_server_put(struct relay_server *s, const struct relay_frame *f)
{
    size_t n = 0;

    for (size_t i = 0; i < s->n_peers; i++) {
        n += relay_conn_put(s->peers[i], f);
    }
    return n;
}
