#include "datapath.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define LOG_MODULE "datapath"
#include "base/log.h"

#define MAX_DATAPATHS 4096
#define STATUS_GAP_MS 50

/* Lifetime. */

struct datapath *datapath_find(struct proxy *proxy, uint64_t dp_id)
{
    struct datapath *dp;

    HASH_FIND(hh, proxy->datapaths, &dp_id, sizeof dp_id, dp);
    return dp;
}

static void status_timer(void *dp)
{
    datapath_report_status(dp, false);
}

struct datapath *datapath_get(struct proxy *proxy, uint64_t dp_id)
{
    struct datapath *dp = datapath_find(proxy, dp_id);

    if (dp || HASH_COUNT(proxy->datapaths) >= MAX_DATAPATHS) {
        return dp;
    }
    dp = xcalloc(1, sizeof *dp);
    dp->proxy = proxy;
    dp->id = dp_id;
    id_format(dp_id, dp->name);
    dp->lost_at = loop_now();
    dp->repairs = (struct log_limit){.burst = 10, .period_ms = 600000};
    dp->probe_timer = loop_timer_create(proxy->loop, probe_timer, dp);
    dp->status_timer = loop_timer_create(proxy->loop, status_timer, dp);
    dp->judge = loop_defer_create(proxy->loop, audit_judge, dp);
    dp->rest = loop_timer_create(proxy->loop, audit_rested, dp);
    sync_init(dp);
    plane_init(dp);
    HASH_ADD(hh, proxy->datapaths, id, sizeof dp->id, dp);
    return dp;
}

static void forget_ports(struct datapath *dp)
{
    struct dp_port *port, *next;

    HASH_ITER (hh, dp->ports, port, next) {
        HASH_DEL(dp->ports, port);
        free(port);
    }
}

void datapath_destroy(struct datapath *dp)
{
    HASH_DEL(dp->proxy->datapaths, dp);
    forget_ports(dp);
    loop_timer_destroy(dp->probe_timer);
    loop_timer_destroy(dp->status_timer);
    loop_defer_destroy(dp->judge);
    loop_timer_destroy(dp->rest);
    sync_uninit(dp);
    plane_uninit(dp);
    free(dp);
}

void datapath_kick(struct datapath *dp)
{
    if (dp->conn) {
        ofconn_kick(dp->conn);
    }
}

/* Ports. */

struct dp_port *datapath_port(struct datapath *dp, uint32_t no)
{
    struct dp_port *port;

    HASH_FIND(hh, dp->ports, &no, sizeof no, port);
    return port;
}

static struct dp_key port_key(const struct datapath *dp, const struct dp_port *port)
{
    return (struct dp_key){
        .dp_id = dp->id, .ct_id = dp->proxy->config.ct_id, .dp_port = port->no};
}

/* In a full report too, a port is told with the time when it came up: rfserver, if it
 * was restarted, need not wait again to know an edge port. */
static void report_port(struct datapath *dp, const struct dp_port *port, bool gone)
{
    if (dp->reported) {
        server_send(dp->proxy->server,
                    &(struct msg){.type = MSG_DP_PORT,
                                  .dp_port = {.dp = port_key(dp, port),
                                              .name = port->name,
                                              .hwaddr = port->hwaddr,
                                              .up = port->up && !gone,
                                              .gone = gone,
                                              .age_ms = loop_now() - port->since}});
    }
}

/* The port is as it says now; was_up: and before. */
static void port_changed(struct datapath *dp, struct dp_port *port, bool was_up)
{
    const struct dp_key key = port_key(dp, port);

    if (port->up && !was_up) {
        port->class = PORT_PROBING;
        port->host_seen_at = HOST_NEVER;
        topo_port_up(dp->proxy->topology, key, loop_now());
    } else if (!port->up && was_up) {
        topo_port_down(dp->proxy->topology, key);
    }
    probe_port_changed(dp, port, was_up);
    topology_effects(dp->proxy);
}

static void port_set(struct datapath *dp, const struct of_port *p)
{
    struct dp_port *port = datapath_port(dp, p->port_no);
    const bool up = of_port_up(p);
    const bool was_up = port && port->up;

    if (p->port_no == 0 || p->port_no >= OFPP_MAX) {
        return; /* LOCAL is the switch's own. */
    }
    if (!port) {
        port = xcalloc(1, sizeof *port);
        port->no = p->port_no;
        port->host_seen_at = HOST_NEVER;
        HASH_ADD(hh, dp->ports, no, sizeof port->no, port);
    } else if (up == was_up && eth_equal(port->hwaddr, p->hw_addr) &&
               !strcmp(port->name, p->name)) {
        return;
    }
    str_copy(port->name, p->name, sizeof port->name);
    port->hwaddr = p->hw_addr;
    if (up != was_up || !port->since) {
        port->since = loop_now();
    }
    port->up = up;
    if (dp->reported && up != was_up) {
        log_info("datapath %s port %u (%s) is %s", dp->name, port->no, port->name,
                 up ? "up" : "down");
    }
    report_port(dp, port, false);
    port_changed(dp, port, was_up);
}

static void port_gone(struct datapath *dp, uint32_t no)
{
    struct dp_port *port = datapath_port(dp, no);

    if (port) {
        const bool was_up = port->up;
        log_info("datapath %s port %u (%s) is gone", dp->name, port->no, port->name);
        port->up = false;
        report_port(dp, port, true);
        port_changed(dp, port, was_up);
        HASH_DEL(dp->ports, port);
        free(port);
    }
}

/* Ports of a connection, which may be the same as before. */
static void ports_set(struct datapath *dp, const struct of_port *ports, size_t n)
{
    struct dp_port *port, *next;

    HASH_ITER (hh, dp->ports, port, next) {
        size_t i = 0;
        while (i < n && ports[i].port_no != port->no) {
            i++;
        }
        if (i == n) {
            port_gone(dp, port->no);
        }
    }
    for (size_t i = 0; i < n; i++) {
        port_set(dp, &ports[i]);
    }
}

/* Coming and going. */

void datapath_attach(struct datapath *dp, struct ofconn *conn,
                     const struct of_session_up *up)
{
    const bool returned = dp->reported;
    unsigned n_up = 0;

    dp->conn = conn;
    dp->session = ofconn_session(conn);
    dp->n_tables = up->n_tables;
    str_copy(dp->peer, ofconn_peer(conn), sizeof dp->peer);
    for (size_t i = 0; i < up->n_ports; i++) {
        n_up += up->ports[i].port_no < OFPP_MAX && of_port_up(&up->ports[i]);
    }
    log_info("datapath %s %s from %s: %zu ports, %u of them up, %u tables", dp->name,
             returned ? "is back" : "connected", dp->peer, up->n_ports, n_up,
             up->n_tables);
    if (up->n_tables < PIPELINE_N_TABLES) {
        log_warn("datapath %s has %u tables, %u are needed: it will not route",
                 dp->name, up->n_tables, PIPELINE_N_TABLES);
    }
    sync_connected(dp);
    audit_connected(dp);
    ports_set(dp, up->ports, up->n_ports);
    probe_connected(dp);
    datapath_report_status(dp, true);
    datapath_kick(dp);
}

void datapath_described(struct datapath *dp)
{
    log_info("datapath %s is %s", dp->name,
             *dp->description ? dp->description : "of unknown make");
    if (!dp->reported) {
        dp->reported = true;
        datapath_report(dp);
    }
}

uint32_t datapath_xid(struct datapath *dp)
{
    return 0x80000000u | of_session_xid(dp->session);
}

void datapath_detach(struct datapath *dp, const char *reason)
{
    log_warn("datapath %s (%s) lost: %s", dp->name, dp->peer, reason);
    dp->conn = NULL;
    dp->session = NULL;
    dp->lost_at = loop_now();
    str_copy(dp->lost_why, reason, sizeof dp->lost_why);
    recon_disconnected(dp->recon);
    sync_disconnected(dp);
    audit_disconnected(dp);
    probe_disconnected(dp);
    datapath_report_status(dp, true);
}

/* It did not come back in time. */
static void datapath_gone(struct datapath *dp)
{
    log_warn("datapath %s is gone: %s", dp->name, dp->lost_why);
    server_send(dp->proxy->server,
                &(struct msg){.type = MSG_DP_DOWN,
                              .dp_down = {.dp_id = dp->id,
                                          .ct_id = dp->proxy->config.ct_id,
                                          .reason = dp->lost_why}});
    dp->reported = false;
    forget_ports(dp);
    topo_dp_lost(dp->proxy->topology, dp->proxy->config.ct_id, dp->id);
    topology_effects(dp->proxy);
}

void datapath_housekeeping(struct datapath *dp, int64_t now)
{
    const struct proxy_config *config = &dp->proxy->config;

    if (dp->conn) {
        audit_tick(dp, now);
        datapath_report_status(dp, false);
        return;
    }
    if (dp->reported && now - dp->lost_at >= config->grace_ms) {
        datapath_gone(dp);
    }
    if (!dp->reported && now - dp->lost_at >= config->hold_ms) {
        log_info("datapath %s: forgotten after %lld s", dp->name,
                 (long long)(now - dp->lost_at) / 1000);
        datapath_destroy(dp);
    }
}

/* Events of the session. */

static void packet_in(struct datapath *dp, const struct of_packet_in *pi)
{
    const enum pipeline_sort sort = pipeline_sort_of(pi->cookie);

    switch (sort) {
    case PIPE_LLDP:
        if (of_match_has(&pi->match, OF_F_IN_PORT)) {
            probe_heard(dp, pi->match.in_port, pi->data);
        }
        break;
    case PIPE_EDGE:
    case PIPE_LOCAL:
    case PIPE_TTL:
    case PIPE_FIB:
    case PIPE_MISS:
    case PIPE_LENGTH:
        slowpath_punt(dp, pi, sort);
        break;
    default:
        break; /* Of an entry that is not ours. */
    }
}

static void error_reply(struct datapath *dp, const struct of_event *ev)
{
    const struct of_error_msg *error = &ev->msg->error;

    if (!sync_error(dp, ev->xid, error->type, error->code) &&
        !audit_error(dp, ev->xid)) {
        log_warn_limited(&dp->faults, "datapath %s (%s): %s", dp->name, dp->peer,
                         ev->text);
    }
}

void datapath_event(struct datapath *dp, const struct of_event *ev)
{
    switch (ev->type) {
    case OF_EV_PORT_ADD:
    case OF_EV_PORT_MODIFY:
        port_set(dp, ev->port);
        break;
    case OF_EV_PORT_DELETE:
        port_gone(dp, ev->port->port_no);
        break;
    case OF_EV_BARRIER:
        sync_barrier(dp, ev->xid);
        break;
    case OF_EV_ERROR:
        error_reply(dp, ev);
        break;
    case OF_EV_FAULT:
        log_warn_limited(&dp->faults, "datapath %s (%s): %s", dp->name, dp->peer,
                         ev->text);
        break;
    case OF_EV_MESSAGE:
        if (ev->msg->h.type == OFPT_PACKET_IN) {
            packet_in(dp, &ev->msg->packet_in);
        } else if (ev->msg->h.type == OFPT_MULTIPART_REPLY) {
            audit_reply(dp, ev->msg->h.xid, &ev->msg->multipart);
        }
        break;
    case OF_EV_UP:
    case OF_EV_DOWN:
    case OF_EV_ROLE:
        break; /* The connection's. */
    }
}

/* What rfserver is told. */

void datapath_report(struct datapath *dp)
{
    if (!dp->reported) {
        return;
    }
    server_send(dp->proxy->server,
                &(struct msg){.type = MSG_DP_UP,
                              .dp_up = {.dp_id = dp->id,
                                        .ct_id = dp->proxy->config.ct_id,
                                        .n_tables = dp->n_tables,
                                        .peer = dp->peer,
                                        .description = dp->description}});
    for (const struct dp_port *port = dp->ports; port; port = port->hh.next) {
        report_port(dp, port, false);
    }
    datapath_report_status(dp, true); /* Ends the list of ports. */
}

static void status_make(const struct datapath *dp, struct msg_dp_status *ret)
{
    static const enum recon_what sorts[] = {RECON_AUX, RECON_GROUP, RECON_FIB};

    memset(ret, 0, sizeof *ret); /* It is compared with memcmp(). */
    ret->dp_id = dp->id;
    ret->ct_id = dp->proxy->config.ct_id;
    ret->in_sync = dp->conn && recon_in_sync(dp->recon);
    for (size_t i = 0; i < ARRAY_SIZE(sorts); i++) {
        struct recon_counts counts;
        recon_counts(dp->recon, sorts[i], &counts);
        ret->desired += counts.desired;
        ret->installed += counts.installed;
        ret->pending += counts.pending;
        ret->failed += counts.failed;
    }
    ret->changes = recon_changes(dp->recon);
    ret->audits = dp->counters.audits;
    ret->leaks = dp->counters.leaks;
    ret->punts = dp->counters.punts;
    ret->relay_in = dp->counters.relay_in;
    ret->relay_out = dp->counters.relay_out;
    ret->lldp_forged = dp->counters.lldp_forged;
}

void datapath_report_status(struct datapath *dp, bool always)
{
    struct msg msg = {.type = MSG_DP_STATUS};

    if (!dp->reported) {
        return;
    }
    status_make(dp, &msg.dp_status);
    if (!always && dp->status_told &&
        !memcmp(&msg.dp_status, &dp->status, sizeof dp->status)) {
        return;
    }
    dp->status = msg.dp_status;
    dp->status_told = true;
    dp->status_at = loop_now();
    msg.dp_status.last_error = dp->last_error;
    server_send(dp->proxy->server, &msg);
}

void datapath_status_changed(struct datapath *dp)
{
    if (!loop_timer_is_set(dp->status_timer)) {
        loop_timer_at(dp->status_timer, dp->status_at + STATUS_GAP_MS);
    }
}
