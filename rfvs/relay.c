/* The slow path: what the containers send out of edge ports goes to rfproxy, and what
 * the real switches punt comes from there.
 *
 * rfvs binds a ROUTER, each rfproxy connects a DEALER and says something first, if only
 * an empty message, so that it is known.  With several of them each gets all frames,
 * and sends out those for its own datapaths.
 *
 * Frames of one turn of the loop travel in one message.  Nothing waits for long: what
 * does not fit into one message while rfproxy does not read is dropped and counted, as
 * a router does whose processor is busy. */

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "of/put.h"
#include "vswitch.h"
#include "wire/mapping_frame.h"

#define LOG_MODULE "relay"
#include "base/log.h"

#define QUEUE_MESSAGES 256
#define RETRY_MS 5
#define MAX_PROXIES 8
#define MAX_IDENTITY 64

struct peer {
    uint8_t identity[MAX_IDENTITY];
    size_t n;
};

struct relay {
    struct rfvs *rfvs;
    struct zsock *sock; /* NULL: no slow path. */
    struct loop_defer *flush;
    struct loop_timer *retry;
    struct buf out;
    struct peer peers[MAX_PROXIES]; /* Oldest first. */
    size_t n_peers;
    struct log_limit limit;
};

/* Who is there. */

static void peer_remove(struct relay *relay, size_t i)
{
    relay->n_peers--;
    memmove(&relay->peers[i], &relay->peers[i + 1],
            (relay->n_peers - i) * sizeof *relay->peers);
}

static void peer_heard(struct relay *relay, const struct zframe *identity)
{
    for (size_t i = 0; i < relay->n_peers; i++) {
        if (relay->peers[i].n == identity->n &&
            !memcmp(relay->peers[i].identity, identity->data, identity->n)) {
            return;
        }
    }
    if (identity->n > MAX_IDENTITY) {
        return;
    }
    if (relay->n_peers == MAX_PROXIES) {
        peer_remove(relay, 0);
    }
    struct peer *peer = &relay->peers[relay->n_peers++];
    memcpy(peer->identity, identity->data, identity->n);
    peer->n = identity->n;
    log_info("rfproxy is there");
}

/* To rfproxy. */

static int send_to(struct relay *relay, const struct peer *peer)
{
    const struct zframe frames[] = {{.data = peer->identity, .n = peer->n},
                                    {.data = relay->out.data, .n = relay->out.len}};

    return zsock_send(relay->sock, frames, ARRAY_SIZE(frames));
}

static void flush(void *relay_)
{
    struct relay *relay = relay_;
    bool sent = false, busy = false;

    if (!relay->out.len) {
        return;
    }
    for (size_t i = relay->n_peers; i-- > 0;) {
        const int error = send_to(relay, &relay->peers[i]);
        sent |= !error;
        busy |= error == EAGAIN;
        if (error && error != EAGAIN) {
            log_warn("rfproxy is gone");
            peer_remove(relay, i);
        }
    }
    if (busy && !sent) {
        loop_timer_once(relay->retry, RETRY_MS);
    } else {
        buf_clear(&relay->out);
    }
}

static void drop(struct vswitch *vs, const char *why)
{
    vs->counters.dropped++;
    vswitch_status_changed(vs);
    log_info_limited(&vs->drops, "rfvs %s: frames dropped: %s (%llu so far)", vs->name,
                     why, (unsigned long long)vs->counters.dropped);
}

/* What bridges keep to themselves (IEEE 802.1D, 7.12.6), and our own probes. */
static bool is_link_local(struct cursor frame)
{
    static const uint8_t reserved[] = {0x01, 0x80, 0xc2, 0x00, 0x00};
    const uint16_t ethertype = (uint16_t)(frame.p[12] << 8 | frame.p[13]);

    return ethertype == MAPPING_ETHERTYPE ||
           (!memcmp(frame.p, reserved, sizeof reserved) && frame.p[5] < 0x10);
}

void relay_frame_in(struct vswitch *vs, struct vs_port *port, struct cursor frame)
{
    struct relay *relay = vs->rfvs->relay;
    struct relay_frame f = {.data = frame.p, .n = frame.n};
    struct dp_key dp;

    if (!wiring_relay(vs->wiring, port->no, &dp)) {
        drop(vs, "their port has no edge port in the real plane");
        return;
    }
    if (frame.n < RELAY_FRAME_MIN || is_link_local(frame)) {
        vs->counters.dropped++;
        vswitch_status_changed(vs);
        return;
    }
    if (!relay->n_peers) {
        drop(vs, "rfproxy is not there");
        return;
    }
    f.id = dp.dp_id;
    f.port = dp.dp_port;
    if (!relay_put(&relay->out, &f)) {
        flush(relay);
        if (!relay_put(&relay->out, &f)) {
            drop(vs, "too long, or rfproxy does not keep up");
            return;
        }
    }
    vs->counters.relay_in++;
    vswitch_status_changed(vs);
    loop_defer_schedule(relay->flush);
}

/* From rfproxy. */

static void frame_out(struct relay *relay, const struct relay_frame *f)
{
    struct vswitch *vs = vswitch_find(relay->rfvs, f->id);
    struct of_actions actions;
    char id[ID_STRLEN];

    if (!vs || !vs->conn) {
        log_warn_limited(&relay->limit,
                         "frame from rfproxy for rfvs %s, which is not connected",
                         id_format(f->id, id));
        return;
    }
    if (!vswitch_port(vs, f->port)) {
        drop(vs, "rfproxy names a port that is not there");
        return;
    }
    if (is_link_local(cursor_of(f->data, f->n))) {
        vs->counters.dropped++;
        vswitch_status_changed(vs);
        return;
    }
    if (!of_session_room(vs->session)) {
        drop(vs, "RFVS does not take them fast enough");
        return;
    }
    of_actions_init(&actions);
    of_actions_output(&actions, f->port);
    of_put_packet_out(of_session_output(vs->session), of_session_xid(vs->session),
                      OFPP_CONTROLLER, &actions, f->data, f->n);
    vs->counters.relay_out++;
    vswitch_status_changed(vs);
    ofconn_kick(vs->conn);
}

static void on_message(void *relay_, const struct zframe *frames, size_t n)
{
    struct relay *relay = relay_;
    struct cursor c = cursor_of(frames[n - 1].data, frames[n - 1].n);
    struct relay_frame frame;

    if (n < 2) {
        return; /* A ROUTER always names the sender. */
    }
    peer_heard(relay, &frames[0]);
    while (c.n) {
        if (!relay_get(&c, &frame)) {
            log_warn_limited(&relay->limit, "malformed message from rfproxy");
            return;
        }
        frame_out(relay, &frame);
    }
}

struct relay *relay_create(struct rfvs *rfvs)
{
    static const struct zsock_ops ops = {.message = on_message};
    const struct zsock_config config = {.max_msg = RELAY_MSG_MAX,
                                        .hwm = QUEUE_MESSAGES};
    struct relay *relay = xcalloc(1, sizeof *relay);
    int error = 0;

    relay->rfvs = rfvs;
    relay->flush = loop_defer_create(rfvs->loop, flush, relay);
    relay->retry = loop_timer_create(rfvs->loop, flush, relay);
    if (!rfvs->config.relay) {
        log_warn("no relay: the containers reach no host");
        return relay;
    }
    relay->sock = zsock_create(rfvs->loop, rfvs->zctx, ZSOCK_ROUTER, &config, &ops,
                               relay, &error);
    if (relay->sock) {
        error = zsock_bind(relay->sock, rfvs->config.relay);
    }
    if (error) {
        log_err("relay %s: %s", rfvs->config.relay, zsock_strerror(error));
        relay_destroy(relay);
        return NULL;
    }
    return relay;
}

void relay_destroy(struct relay *relay)
{
    if (relay) {
        loop_defer_destroy(relay->flush);
        loop_timer_destroy(relay->retry);
        if (relay->sock) {
            zsock_destroy(relay->sock);
        }
        buf_uninit(&relay->out);
        free(relay);
    }
}
