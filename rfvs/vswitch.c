#include "vswitch.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "wire/mapping_frame.h"

#define LOG_MODULE "vswitch"
#include "base/log.h"

#define MAX_VSWITCHES 256
#define STATUS_MIN_MS 500  /* Between two VS_STATUS, if something changed ... */
#define STATUS_MAX_MS 3000 /* ... and if nothing did. */

/* What the wiring tells. */

static void vlink_changed(void *vs_, uint32_t a, uint32_t b, bool added)
{
    const struct vswitch *vs = vs_;
    char ta[PORT_TEXT_LEN], tb[PORT_TEXT_LEN];

    log_info("rfvs %s: virtual link %s <-> %s %s", vs->name,
             vswitch_port_text(vs, MIN(a, b), ta), vswitch_port_text(vs, MAX(a, b), tb),
             added ? "added" : "removed");
}

static void carrier_changed(void *vs_, uint32_t no)
{
    struct vswitch *vs = vs_;

    for (struct vs_port *port = vs->ports; port; port = port->hh.next) {
        if (!no || port->no == no) {
            backoff_succeeded(&port->mod_backoff);
        }
    }
    sync_schedule(vs);
}

static const struct wiring_ops wiring_ops = {.vlink = vlink_changed,
                                             .carrier = carrier_changed};

/* Lifetime. */

static void send_status(void *vs_);

struct vswitch *vswitch_find(struct rfvs *rfvs, uint64_t id)
{
    struct vswitch *vs;
    HASH_FIND(hh, rfvs->vswitches, &id, sizeof id, vs);
    return vs;
}

struct vswitch *vswitch_get(struct rfvs *rfvs, uint64_t id)
{
    struct vswitch *vs = vswitch_find(rfvs, id);

    if (vs || HASH_COUNT(rfvs->vswitches) >= MAX_VSWITCHES) {
        return vs;
    }
    vs = xcalloc(1, sizeof *vs);
    vs->rfvs = rfvs;
    vs->id = id;
    id_format(id, vs->name);
    vs->lost_at = loop_now();
    vs->status = loop_timer_create(rfvs->loop, send_status, vs);
    vs->entries = entries_create(1000, 60000);
    vs->wiring = wiring_create(vs->entries, &wiring_ops, vs);
    sync_init(vs);
    HASH_ADD(hh, rfvs->vswitches, id, sizeof vs->id, vs);
    return vs;
}

static void port_free(struct vswitch *vs, struct vs_port *port)
{
    HASH_DEL(vs->ports, port);
    free(port);
}

void vswitch_destroy(struct vswitch *vs)
{
    struct vs_port *port, *next;

    HASH_DEL(vs->rfvs->vswitches, vs);
    HASH_ITER (hh, vs->ports, port, next) {
        port_free(vs, port);
    }
    sync_uninit(vs);
    loop_timer_destroy(vs->status);
    wiring_destroy(vs->wiring);
    entries_destroy(vs->entries);
    free(vs);
}

/* What rfserver is told. */

static struct vs_key key_of(const struct vswitch *vs, const struct vs_port *port)
{
    return (struct vs_key){.vs_id = vs->id, .vs_port = port->no};
}

static void tell_port(const struct vswitch *vs, const struct vs_port *port, bool gone)
{
    server_send(vs->rfvs->server, &(struct msg){.type = MSG_VS_PORT,
                                                .vs_port = {.vs = key_of(vs, port),
                                                            .name = port->name,
                                                            .up = port->up && !gone,
                                                            .gone = gone}});
}

/* May free the port. */
static void report_port(struct vswitch *vs, struct vs_port *port)
{
    if (!vs->conn || !server_is_up(vs->rfvs->server)) {
        return;
    }
    if (port->gone || port->replaced) {
        tell_port(vs, port, true);
        port->replaced = false;
    }
    if (port->gone) {
        port_free(vs, port);
    } else {
        tell_port(vs, port, false);
    }
}

static void send_status(void *vs_)
{
    struct vswitch *vs = vs_;

    if (!vs->conn) {
        return;
    }
    vs->told = (struct msg_vs_status){
        .vs_id = vs->id,
        .vlinks = entries_installed(vs->entries, ENTRY_VLINK),
        .relay_in = vs->counters.relay_in,
        .relay_out = vs->counters.relay_out,
        .dropped = vs->counters.dropped,
        .mapping_forged = vs->counters.mapping_forged,
    };
    vs->told_at = loop_now();
    server_send(vs->rfvs->server,
                &(struct msg){.type = MSG_VS_STATUS, .vs_status = vs->told});
}

void vswitch_status_changed(struct vswitch *vs)
{
    if (vs->conn && !loop_timer_is_set(vs->status)) {
        loop_timer_at(vs->status, vs->told_at + STATUS_MIN_MS);
    }
}

void vswitch_report(struct vswitch *vs)
{
    struct vs_port *port, *next;

    if (!vs->conn) {
        return;
    }
    server_send(
        vs->rfvs->server,
        &(struct msg){.type = MSG_VS_UP, .vs_up = {.vs_id = vs->id, .peer = vs->peer}});
    HASH_ITER (hh, vs->ports, port, next) {
        report_port(vs, port);
    }
    for (port = vs->ports; port; port = port->hh.next) {
        if (port->mapped && !port->gone) {
            server_send(vs->rfvs->server,
                        &(struct msg){
                            .type = MSG_MAPPING_SEEN,
                            .mapping_seen = {.vm = port->vm, .vs = key_of(vs, port)}});
        }
    }
    /* The first status says that all ports were named. */
    send_status(vs);
}

/* Ports. */

static struct vs_port *port_find(const struct vswitch *vs, uint32_t no)
{
    struct vs_port *port;
    HASH_FIND(hh, vs->ports, &no, sizeof no, port);
    return port;
}

struct vs_port *vswitch_port(const struct vswitch *vs, uint32_t no)
{
    struct vs_port *port = port_find(vs, no);
    return port && !port->gone ? port : NULL;
}

const char *vswitch_port_text(const struct vswitch *vs, uint32_t no,
                              char buf[static PORT_TEXT_LEN])
{
    const struct vs_port *port = vswitch_port(vs, no);

    if (port) {
        snprintf(buf, PORT_TEXT_LEN, "%u (%s)", no, port->name);
    } else {
        snprintf(buf, PORT_TEXT_LEN, "%u", no);
    }
    return buf;
}

/* What plugged-in interface it is decides name and address: another one proves anew
 * which VM it belongs to. */
static bool is_another(const struct vs_port *port, const struct of_port *p)
{
    return port->gone || strcmp(port->name, p->name) ||
           !eth_equal(port->hwaddr, p->hw_addr);
}

static void port_set(struct vswitch *vs, const struct of_port *p)
{
    struct vs_port *port = port_find(vs, p->port_no);
    const bool up = of_port_up(p);
    bool changed = !port || port->up != up;

    if (!p->port_no || p->port_no >= OFPP_MAX) {
        return; /* LOCAL is the host's own end. */
    }
    if (!port) {
        port = xcalloc(1, sizeof *port);
        port->no = p->port_no;
        port->mod_backoff = backoff_make(100, 10000);
        HASH_ADD(hh, vs->ports, no, sizeof port->no, port);
        log_info("rfvs %s: port %u (%s) is there, %s", vs->name, port->no, p->name,
                 up ? "up" : "down");
    } else if (is_another(port, p)) {
        log_info("rfvs %s: port %u is another one, %s", vs->name, port->no, p->name);
        port->gone = port->mapped = false;
        port->replaced = changed = true;
    } else if (changed) {
        log_info("rfvs %s: port %u (%s) is %s", vs->name, port->no, p->name,
                 up ? "up" : "down");
    }
    str_copy(port->name, p->name, sizeof port->name);
    port->hwaddr = p->hw_addr;
    port->config = p->config;
    port->up = up;
    sync_port_changed(vs, port);
    if (changed) {
        report_port(vs, port);
    }
}

static void port_gone(struct vswitch *vs, struct vs_port *port)
{
    log_info("rfvs %s: port %u (%s) is gone", vs->name, port->no, port->name);
    port->gone = true;
    port->mapped = port->up = false;
    report_port(vs, port);
}

/* The ports of a new connection, perhaps those of the one before. */
static void ports_set(struct vswitch *vs, const struct of_port *ports, size_t n)
{
    struct vs_port *port, *next;

    HASH_ITER (hh, vs->ports, port, next) {
        size_t i = 0;
        while (i < n && ports[i].port_no != port->no) {
            i++;
        }
        if (i == n && !port->gone) {
            port_gone(vs, port);
        }
    }
    for (size_t i = 0; i < n; i++) {
        port_set(vs, &ports[i]);
    }
}

static size_t count_ports(const struct vswitch *vs)
{
    size_t n = 0;

    for (const struct vs_port *port = vs->ports; port; port = port->hh.next) {
        n += !port->gone;
    }
    return n;
}

/* Coming and going. */

void vswitch_attach(struct vswitch *vs, struct ofconn *conn,
                    const struct of_session_up *up)
{
    const bool known = vs->ports != NULL;

    str_copy(vs->peer, ofconn_peer(conn), sizeof vs->peer);
    ports_set(vs, up->ports, up->n_ports);
    vs->session = ofconn_session(conn);
    vs->conn = conn;
    sync_connected(vs);
    log_info("rfvs %s %s from %s, %zu ports", vs->name, known ? "is back" : "connected",
             vs->peer, count_ports(vs));
    vswitch_report(vs);
    sync_schedule(vs);
}

void vswitch_detach(struct vswitch *vs, const char *reason)
{
    log_warn("rfvs %s (%s) lost: %s", vs->name, vs->peer, reason);
    vs->conn = NULL;
    vs->session = NULL;
    vs->lost_at = loop_now();
    loop_timer_cancel(vs->status);
    sync_disconnected(vs);
    server_send(vs->rfvs->server,
                &(struct msg){.type = MSG_VS_DOWN,
                              .vs_down = {.vs_id = vs->id, .reason = reason}});
}

void vswitch_housekeeping(struct vswitch *vs, int64_t now)
{
    if (vs->conn) {
        sync_tick(vs, now);
        if (now - vs->told_at >= STATUS_MAX_MS) {
            send_status(vs);
        }
    } else if (now - vs->lost_at >= vs->rfvs->config.hold_ms) {
        log_warn("rfvs %s did not come back in %lld s: forgotten", vs->name,
                 (long long)(now - vs->lost_at) / 1000);
        vswitch_destroy(vs);
    }
}

/* Events of the session. */

static void packet_in(struct vswitch *vs, const struct of_packet_in *pi)
{
    struct vs_port *port = of_match_has(&pi->match, OF_F_IN_PORT)
                               ? vswitch_port(vs, pi->match.in_port)
                               : NULL;
    struct cursor c = pi->data;
    uint16_t ethertype;

    if (!port || pi->data.n < pi->total_len || !cursor_skip(&c, 12) ||
        !cursor_u16(&c, &ethertype)) {
        vs->counters.dropped++;
        vswitch_status_changed(vs);
    } else if (ethertype == MAPPING_ETHERTYPE) {
        mapping_frame(vs, port, pi->data);
    } else {
        relay_frame_in(vs, port, pi->data);
    }
}

static void message(struct vswitch *vs, const struct of_msg *msg)
{
    if (msg->h.type == OFPT_PACKET_IN) {
        packet_in(vs, &msg->packet_in);
    } else if (msg->h.type == OFPT_MULTIPART_REPLY) {
        sync_reply(vs, msg->h.xid, &msg->multipart);
    }
}

void vswitch_event(struct vswitch *vs, const struct of_event *ev)
{
    struct vs_port *port;

    switch (ev->type) {
    case OF_EV_PORT_ADD:
    case OF_EV_PORT_MODIFY:
        port_set(vs, ev->port);
        break;
    case OF_EV_PORT_DELETE:
        port = vswitch_port(vs, ev->port->port_no);
        if (port) {
            port_gone(vs, port);
        }
        break;
    case OF_EV_BARRIER:
        sync_barrier(vs, ev->xid);
        break;
    case OF_EV_ERROR:
        if (!sync_error(vs, ev->xid, ev->msg->error.type, ev->msg->error.code)) {
            log_warn_limited(&vs->faults, "rfvs %s (%s): %s", vs->name, vs->peer,
                             ev->text);
        }
        break;
    case OF_EV_FAULT:
        log_warn_limited(&vs->faults, "rfvs %s (%s): %s", vs->name, vs->peer, ev->text);
        break;
    case OF_EV_MESSAGE:
        message(vs, ev->msg);
        break;
    case OF_EV_UP:
    case OF_EV_DOWN:
    case OF_EV_ROLE:
        break; /* The connection's. */
    }
}
