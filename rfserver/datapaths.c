/* What proxies report: datapaths and their ports, the directions of links, the state of
 * reconciliation. */

#include "server.h"

#include <stdlib.h>

#define LOG_MODULE "datapath"
#include "base/log.h"
#include "base/util.h"

struct server_dp *dp_find(struct server *s, uint64_t dp_id)
{
    struct server_dp *dp;
    HASH_FIND(hh, s->dps, &dp_id, sizeof dp_id, dp);
    return dp;
}

static struct server_dp_port *port_find(struct server_dp *dp, uint32_t number)
{
    struct server_dp_port *port;
    HASH_FIND(hh, dp->ports, &number, sizeof number, port);
    return port;
}

struct server_dp_port *dp_port_find(struct server *s, struct dp_key key)
{
    struct server_dp *dp = dp_find(s, key.dp_id);
    return dp && dp->ct_id == key.ct_id ? port_find(dp, key.dp_port) : NULL;
}

static struct dp_key key_of(const struct server_dp *dp, uint32_t number)
{
    return (struct dp_key){.dp_id = dp->id, .ct_id = dp->ct_id, .dp_port = number};
}

static void port_set_up(struct server_dp *dp, struct server_dp_port *port, bool up,
                        int64_t since)
{
    struct server *s = dp->server;
    struct dp_key key = key_of(dp, port->number);

    if (up == port->up) {
        return;
    }
    port->up = up;
    port->since = loop_now();
    port->link_lost = false;
    if (up) {
        topo_port_up(s->topo, key, since);
    } else {
        topo_port_down(s->topo, key);
    }
    server_topology(s);
    if (!span_isl(s, key)) { /* That is no port of a VM. */
        server_assoc(
            s, &(struct assoc_event){.kind = up ? ASSOC_DP_PORT : ASSOC_DP_PORT_GONE,
                                     .now = loop_now(),
                                     .dp = key});
    }
    if (!dp->ports_pending) { /* Else the list is summed up at its end. */
        journal_event(s, "datapath", "datapath 0x%016llx port %u (%s) is %s",
                      (unsigned long long)dp->id, port->number, port->name,
                      up ? "up" : "down");
    }
    vplane_refresh(s, key);
    span_refresh(s, key);
}

static void port_gone(struct server_dp *dp, struct server_dp_port *port)
{
    port_set_up(dp, port, false, 0);
    HASH_DEL(dp->ports, port);
    free(port);
}

static void dp_destroy(struct server_dp *dp)
{
    struct server_dp_port *port, *tmp;

    HASH_ITER (hh, dp->ports, port, tmp) {
        HASH_DEL(dp->ports, port);
        free(port);
    }
    plane_not_due(dp);
    HASH_DEL(dp->server->dps, dp);
    loop_timer_destroy(dp->hold);
    free(dp);
}

/* The datapath is gone for good, or its proxy is. */
static void dp_lost(struct server_dp *dp)
{
    struct server_dp_port *port, *tmp;

    HASH_ITER (hh, dp->ports, port, tmp) {
        port_gone(dp, port);
    }
    journal_event(dp->server, "datapath",
                  "datapath 0x%016llx stays away: its ports are given up",
                  (unsigned long long)dp->id);
    journal_datapath(dp->server, dp);
    proxy_listen(dp->server, dp->ct_id);
    server_wake(dp->server);
    if (!plane_vm_of(dp->server, dp->id)) { /* Nobody waits for it. */
        journal_forget_datapath(dp->server, dp->id);
        dp_destroy(dp);
    }
}

static void hold_over(void *aux)
{
    dp_lost(aux);
}

static struct server_dp *dp_create(struct server *s, uint64_t dp_id, uint32_t ct_id)
{
    struct server_dp *dp = xcalloc(1, sizeof *dp);

    dp->id = dp_id;
    dp->server = s;
    dp->ct_id = ct_id;
    dp->hold = loop_timer_create(s->loop, hold_over, dp);
    HASH_ADD(hh, s->dps, id, sizeof dp->id, dp);
    return dp;
}

void dp_destroy_all(struct server *s)
{
    struct server_dp *dp, *tmp;

    HASH_ITER (hh, s->dps, dp, tmp) {
        dp_destroy(dp);
    }
}

/* A switch that is not connected keeps its rows and flows for `ms`: it may only be
 * reconnecting. */
static void dp_away(struct server_dp *dp, int64_t ms, const char *reason)
{
    dp->connected = false;
    dp->since = loop_now();
    dp->phase = PLANE_IDLE;
    dp->has_status = false;
    str_copy(dp->reason, reason, sizeof dp->reason);
    loop_timer_once(dp->hold, ms);
    journal_event(dp->server, "datapath",
                  "datapath 0x%016llx lost: %s; kept for %lld s",
                  (unsigned long long)dp->id, reason, (long long)ms / 1000);
    journal_datapath(dp->server, dp);
}

void dp_proxy_lost(struct server *s, struct ipc_peer *peer)
{
    struct server_dp *dp, *tmp;

    HASH_ITER (hh, s->dps, dp, tmp) {
        if (dp->peer == peer) {
            dp->peer = NULL;
            dp_away(dp, s->config.hold_ms, "its rfproxy is lost");
        }
    }
}

static void handle_sync_begin(struct server *s, struct ipc_peer *peer)
{
    struct server_dp *dp, *tmp;

    HASH_ITER (hh, s->dps, dp, tmp) {
        dp->seen = false;
    }
}

/* A restarted rfproxy may still be waiting for its switches, so that those it did not
 * name are not given up at once. */
static void handle_sync_end(struct server *s, struct ipc_peer *peer)
{
    struct server_proxy *proxy = proxy_find(s, (uint32_t)ipc_peer_id(peer));
    struct server_dp *dp, *tmp;

    if (proxy) {
        proxy->synced = true;
        server_topology(s);
    }
    HASH_ITER (hh, s->dps, dp, tmp) {
        if (!dp->seen && !dp->peer && dp->ct_id == (uint32_t)ipc_peer_id(peer) &&
            HASH_COUNT(dp->ports)) {
            loop_timer_once(dp->hold, s->config.dp_hold_ms);
        }
    }
}

static void handle_dp_up(struct server *s, struct ipc_peer *peer,
                         const struct msg_dp_up *up)
{
    struct server_dp *dp = dp_find(s, up->dp_id);
    struct server_dp_port *port, *tmp;

    if (!up->dp_id || dpid_is_virtual(up->dp_id) || up->ct_id != ipc_peer_id(peer)) {
        log_warn_limited(&s->strange,
                         "%s reports a datapath 0x%016llx of controller %u: expected a "
                         "real switch (not 0, not under 0x72667673) of its own",
                         ipc_peer_name(peer), (unsigned long long)up->dp_id, up->ct_id);
        return;
    }
    if (dp && dp->peer && dp->peer != peer) {
        log_warn_limited(
            &s->strange,
            "datapath 0x%016llx reported by %s is connected through %s already",
            (unsigned long long)dp->id, ipc_peer_name(peer), ipc_peer_name(dp->peer));
        return;
    }
    if (!dp) {
        dp = dp_create(s, up->dp_id, up->ct_id);
    }
    if (dp->ct_id != up->ct_id) {
        HASH_ITER (hh, dp->ports, port, tmp) {
            port_gone(dp, port);
        }
        dp->ct_id = up->ct_id;
    }
    HASH_ITER (hh, dp->ports, port, tmp) {
        port->seen = false;
    }
    dp->ports_pending = true;
    dp->has_status = false;
    dp->peer = peer;
    dp->seen = true;
    dp->connected = true;
    dp->since = loop_now();
    dp->reason[0] = '\0';
    str_copy(dp->address, up->peer, sizeof dp->address);
    str_copy(dp->description, up->description, sizeof dp->description);
    loop_timer_cancel(dp->hold);
    journal_event(s, "datapath", "datapath 0x%016llx connected from %s",
                  (unsigned long long)dp->id, dp->address);
    journal_datapath(s, dp);
    proxy_listen(s, dp->ct_id);
    plane_start(dp);
}

static void handle_dp_port(struct server *s, struct server_dp *dp,
                           const struct msg_dp_port *m)
{
    struct server_dp_port *port = port_find(dp, m->dp.dp_port);
    int64_t now = loop_now();

    if (m->gone) {
        if (port) {
            port_gone(dp, port);
        }
        return;
    }
    if (!port) {
        port = xcalloc(1, sizeof *port);
        port->number = m->dp.dp_port;
        HASH_ADD(hh, dp->ports, number, sizeof port->number, port);
    }
    port->seen = true;
    port->hwaddr = m->hwaddr;
    str_copy(port->name, m->name, sizeof port->name);
    port_set_up(dp, port, m->up,
                m->age_ms > 0 && m->age_ms < now ? now - m->age_ms : now);
}

static void handle_dp_status(struct server *s, struct server_dp *dp,
                             const struct msg_dp_status *m)
{
    struct server_dp_port *port, *tmp;
    bool was_in_sync = dp->has_status && dp->status.in_sync;

    if (dp->ports_pending) {
        unsigned n_up = 0;
        dp->ports_pending = false;
        HASH_ITER (hh, dp->ports, port, tmp) {
            if (!port->seen) {
                port_gone(dp, port);
            } else {
                n_up += port->up;
            }
        }
        journal_event(s, "datapath", "datapath 0x%016llx has %u ports, %u of them up",
                      (unsigned long long)dp->id, HASH_COUNT(dp->ports), n_up);
        propose_datapath(s, dp);
    }
    if (m->leaks && (!dp->has_status || m->leaks != dp->status.leaks)) {
        journal_event(
            s, "leak",
            "datapath 0x%016llx: %llu frames of the virtual plane on its real "
            "inter-switch links",
            (unsigned long long)dp->id, (unsigned long long)m->leaks);
    }
    dp->status = *m;
    str_copy(dp->last_error, m->last_error, sizeof dp->last_error);
    dp->status.last_error = dp->last_error;
    dp->has_status = true;
    if (m->in_sync != was_in_sync) {
        journal_datapath(s, dp);
    }
}

/* A switch that refuses one entry may refuse thousands; the history is for more. */
static void handle_flow_error(struct server *s, const struct msg_flow_error *m)
{
    struct log_limit *limit = &s->flow_refusals;
    unsigned before = limit->suppressed;

    log_warn_limited(limit, "datapath 0x%016llx refuses %s: %s",
                     (unsigned long long)m->dp_id, m->what, m->error);
    if (limit->suppressed <= before) {
        journal_event(s, "error", "datapath 0x%016llx refuses %s: %s",
                      (unsigned long long)m->dp_id, m->what, m->error);
    }
}

void dp_message(struct server *s, struct ipc_peer *peer, const struct msg *m)
{
    bool of_one = m->type == MSG_DP_DOWN || m->type == MSG_DP_PORT ||
                  m->type == MSG_DP_STATUS || m->type == MSG_FLOW_ERROR;
    uint64_t dp_id = m->type == MSG_DP_DOWN      ? m->dp_down.dp_id
                     : m->type == MSG_DP_PORT    ? m->dp_port.dp.dp_id
                     : m->type == MSG_DP_STATUS  ? m->dp_status.dp_id
                     : m->type == MSG_FLOW_ERROR ? m->flow_error.dp_id
                                                 : 0;
    struct server_dp *dp = dp_find(s, dp_id);

    if (of_one && (!dp || dp->peer != peer)) {
        return; /* About a datapath that this proxy does not have. */
    }
    switch ((int)m->type) {
    case MSG_SYNC_BEGIN:
        handle_sync_begin(s, peer);
        break;
    case MSG_SYNC_END:
        handle_sync_end(s, peer);
        break;
    case MSG_DP_UP:
        handle_dp_up(s, peer, &m->dp_up);
        break;
    case MSG_DP_DOWN:
        dp->peer = NULL;
        dp_away(dp, s->config.dp_hold_ms, m->dp_down.reason);
        break;
    case MSG_DP_PORT:
        handle_dp_port(s, dp, &m->dp_port);
        break;
    case MSG_LINK_DIR:
        links_report(s, peer, &m->link_dir);
        break;
    case MSG_DP_STATUS:
        handle_dp_status(s, dp, &m->dp_status);
        break;
    case MSG_FLOW_ERROR:
        handle_flow_error(s, &m->flow_error);
        break;
    }
    plane_due(dp); /* END waits for its ports. */
    if (dp) {
        plane_due_vm(s, plane_vm_of(s, dp->id));
    }
    server_wake(s);
}
