/* The slow path: what the containers send out of edge ports goes to rfproxy, and what
 * the real switches punt comes from there.
 *
 * rfvs listens, each rfproxy connects.  With several of them each gets all frames, and
 * sends out those for its own datapaths.
 *
 * Nothing waits for rfproxy: what it does not keep up with is dropped and counted, as a
 * router does whose processor is busy. */

#include <stdlib.h>
#include <string.h>

#include "of/put.h"
#include "relay/relay.h"
#include "vswitch.h"
#include "wire/mapping_frame.h"

#define LOG_MODULE "relay"
#include "base/log.h"

struct relay {
    struct rfvs *rfvs;
    struct relay_server *server; /* NULL: no slow path. */
    struct log_limit limit, there, gone;
};

/* Who is there. */

static void on_connected(void *relay_)
{
    struct relay *relay = relay_;
    log_info_limited(&relay->there, "rfproxy is there");
}

static void on_disconnected(void *relay_, const char *reason)
{
    struct relay *relay = relay_;
    log_warn_limited(&relay->gone, "rfproxy is gone: %s", reason);
}

/* To rfproxy. */

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
    const size_t n_peers = relay->server ? relay_server_peers(relay->server) : 0;
    if (!n_peers) {
        drop(vs, "rfproxy is not there");
        return;
    }
    f.id = dp.dp_id;
    f.port = dp.dp_port;
    const size_t n_takers = relay_server_put(relay->server, &f);
    if (n_takers < n_peers) {
        drop(vs, "too long, or rfproxy does not keep up");
    }
    if (n_takers) {
        vs->counters.relay_in++;
        vswitch_status_changed(vs);
    }
}

/* From rfproxy. */

static void on_frame(void *relay_, const struct relay_frame *f)
{
    struct relay *relay = relay_;
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

struct relay *relay_create(struct rfvs *rfvs)
{
    static const struct relay_ops ops = {
        .frame = on_frame, .connected = on_connected, .disconnected = on_disconnected};
    struct relay *relay = xcalloc(1, sizeof *relay);

    relay->rfvs = rfvs;
    if (!rfvs->config.relay) {
        log_warn("no relay: the containers reach no host");
        return relay;
    }
    const int error = relay_server_create(rfvs->loop, rfvs->config.relay, &ops, relay,
                                          &relay->server);
    if (error) {
        log_err("relay %s: %s", rfvs->config.relay, relay_strerror(error));
        relay_destroy(relay);
        return NULL;
    }
    return relay;
}

void relay_destroy(struct relay *relay)
{
    if (relay) {
        relay_server_destroy(relay->server);
        free(relay);
    }
}
