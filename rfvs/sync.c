/* What is desired of an RFVS, on its way there, and what the switch says to that.
 *
 * Carriers first: a lost carrier is what makes routing protocols react, and takes the
 * switch longest.  Then flow entries, then a barrier.  While the session has no room
 * changes wait, and meanwhile coalesce. */

#include <stdlib.h>
#include <string.h>

#include "of/print.h"
#include "of/put.h"
#include "vswitch.h"

#define LOG_MODULE "sync"
#include "base/log.h"

#define AUDIT_PATIENCE_MS 10000

/* The next audit: at once if it costs little, so that the containers' adjacencies
 * outlive somebody who empties the table; what takes long is done for 2 % of the time.
 */
#define AUDIT_MIN_MS 1000
#define AUDIT_FACTOR 50
#define MOD_PATIENCE_MS 3000 /* For a port to show what a PORT_MOD did. */

/* Carriers. */

static void send_port_mod(struct vswitch *vs, struct vs_port *port, bool down)
{
    port->mod_xid = of_session_xid(vs->session);
    port->mod_down = down;
    port->mod_at = loop_now();
    of_put_port_mod(of_session_output(vs->session), port->mod_xid,
                    &(struct of_port_mod){.port_no = port->no,
                                          .hw_addr = port->hwaddr,
                                          .config = down ? OFPPC_PORT_DOWN : 0,
                                          .mask = OFPPC_PORT_DOWN});
    log_info("rfvs %s: port %u (%s): carrier %s", vs->name, port->no, port->name,
             down ? "off" : "on");
}

static bool carrier_is_wrong(const struct vswitch *vs, const struct vs_port *port)
{
    const enum wiring_carrier wanted = wiring_carrier(vs->wiring, port->no);
    const bool down = port->mod_xid ? port->mod_down : port->config & OFPPC_PORT_DOWN;

    return !port->gone && wanted != CARRIER_AS_IS && down != (wanted == CARRIER_OFF);
}

static void sync_carriers(struct vswitch *vs, int64_t now)
{
    for (struct vs_port *port = vs->ports; port; port = port->hh.next) {
        if (carrier_is_wrong(vs, port) && backoff_due(&port->mod_backoff, now)) {
            send_port_mod(vs, port,
                          wiring_carrier(vs->wiring, port->no) == CARRIER_OFF);
        }
    }
}

void sync_port_changed(struct vswitch *vs, struct vs_port *port)
{
    if (port->replaced) {
        port->mod_xid = 0; /* It was sent to another address. */
        backoff_succeeded(&port->mod_backoff);
    }
    if (port->mod_xid && port->mod_down == !!(port->config & OFPPC_PORT_DOWN)) {
        port->mod_xid = 0;
        backoff_succeeded(&port->mod_backoff);
    }
    sync_schedule(vs);
}

/* Flow entries. */

static uint32_t emit(void *vs_, const struct of_flow_mod *mod,
                     const struct entry *entry)
{
    struct vswitch *vs = vs_;

    if (!of_session_room(vs->session)) {
        vs->blocked = true;
        return 0;
    }
    const uint32_t xid = of_session_xid(vs->session);
    of_put_flow_mod(of_session_output(vs->session), xid, mod);
    return xid;
}

static int64_t next_retry(const struct vswitch *vs)
{
    int64_t at = entries_next_retry(vs->entries);

    for (const struct vs_port *port = vs->ports; port; port = port->hh.next) {
        if (port->mod_backoff.failures && carrier_is_wrong(vs, port)) {
            at = MIN(at, port->mod_backoff.retry_at);
        }
    }
    return at;
}

/* Only between the events of the connection: it may be what sends them. */
void sync_run(struct vswitch *vs)
{
    const int64_t now = loop_now();

    if (!vs->conn) {
        return;
    }
    vs->blocked = false;
    sync_carriers(vs, now);
    entries_pump(vs->entries, now, emit, vs);
    if (entries_needs_barrier(vs->entries)) {
        entries_barrier_sent(vs->entries, of_session_barrier(vs->session));
    }
    loop_timer_at(vs->retry, next_retry(vs));
    ofconn_kick(vs->conn);
    const bool in_sync = entries_in_sync(vs->entries);
    if (in_sync && !vs->was_in_sync) {
        log_info("rfvs %s: in sync: %zu virtual link entries, %zu relay entries, "
                 "%llu flow-mods so far",
                 vs->name, entries_installed(vs->entries, ENTRY_VLINK),
                 entries_installed(vs->entries, ENTRY_RELAY),
                 (unsigned long long)entries_changes(vs->entries));
    }
    vs->was_in_sync = in_sync;
}

static void run(void *vs)
{
    sync_run(vs);
}

void sync_schedule(struct vswitch *vs)
{
    loop_defer_schedule(vs->sync);
}

void sync_init(struct vswitch *vs)
{
    vs->sync = loop_defer_create(vs->rfvs->loop, run, vs);
    vs->retry = loop_timer_create(vs->rfvs->loop, run, vs);
    vs->repairs = (struct log_limit){.burst = 10, .period_ms = 600000};
}

void sync_uninit(struct vswitch *vs)
{
    loop_defer_destroy(vs->sync);
    loop_timer_destroy(vs->retry);
}

/* Audit. */

static void audit_start(struct vswitch *vs)
{
    struct of_flow_request request;

    of_flow_request_init(&request); /* All: foreign entries that flood, too. */
    vs->audit_xid = of_session_xid(vs->session);
    vs->audit_started_at = loop_now();
    vs->audit_at = vs->audit_started_at + AUDIT_PATIENCE_MS;
    entries_audit_begin(vs->entries);
    of_put_flow_stats_request(of_session_output(vs->session), vs->audit_xid, &request);
}

static void audit_abort(struct vswitch *vs, const char *why)
{
    log_warn_limited(&vs->faults, "rfvs %s: reading its flow entries failed: %s",
                     vs->name, why);
    vs->audit_xid = 0;
    vs->audit_at = loop_now() + MIN(vs->rfvs->config.audit_ms, 1000);
}

static void audit_end(struct vswitch *vs)
{
    const size_t n = entries_audit_end(vs->entries);

    if (n && !vs->first_audit) {
        log_warn_limited(
            &vs->repairs,
            "rfvs %s: %zu flow entries were not as they should be; repaired", vs->name,
            n);
    }
    vs->first_audit = false;
    vs->audit_xid = 0;
    const int64_t now = loop_now();
    vs->audit_at =
        now + MIN(vs->rfvs->config.audit_ms,
                  MAX(AUDIT_MIN_MS, AUDIT_FACTOR * (now - vs->audit_started_at)));
    sync_schedule(vs);
    vswitch_status_changed(vs);
}

static void warn_of_flood(struct vswitch *vs, const struct of_flow_stats *flow)
{
    if (!vs->flood_told) {
        struct buf match = {0};
        of_match_print(&match, &flow->match);
        log_warn("rfvs %s has a flow entry of somebody else that floods (priority %u "
                 "%s): remove it, and set fail_mode=secure on the bridge",
                 vs->name, flow->priority, buf_cstr(&match));
        buf_uninit(&match);
        vs->flood_told = true;
    }
}

void sync_reply(struct vswitch *vs, uint32_t xid, const struct of_multipart *mp)
{
    struct cursor body = mp->body;
    struct of_flow_stats flow;
    enum of_err err = OF_OK;

    if (!xid || xid != vs->audit_xid || mp->type != OFPMP_FLOW) {
        return;
    }
    vs->audit_at = loop_now() + AUDIT_PATIENCE_MS;
    while (of_flow_stats_next(&body, &flow, &err)) {
        if (entries_seen(vs->entries, &flow) == SEEN_FOREIGN_FLOOD) {
            warn_of_flood(vs, &flow);
        }
    }
    if (err) {
        audit_abort(vs, of_err_text(err));
    } else if (!(mp->flags & OFPMPF_MORE)) {
        audit_end(vs);
    }
}

/* A PORT_MOD without effect is sent again: the port may have been renewed meanwhile. */
static void forget_old_mods(struct vswitch *vs, int64_t now)
{
    for (struct vs_port *port = vs->ports; port; port = port->hh.next) {
        if (port->mod_xid && now - port->mod_at >= MOD_PATIENCE_MS) {
            port->mod_xid = 0;
            sync_schedule(vs);
        }
    }
}

void sync_tick(struct vswitch *vs, int64_t now)
{
    forget_old_mods(vs, now);
    if (now < vs->audit_at) {
        return;
    }
    if (vs->audit_xid) {
        audit_abort(vs, "no answer");
    } else {
        audit_start(vs);
        ofconn_kick(vs->conn);
    }
}

/* The connection. */

void sync_connected(struct vswitch *vs)
{
    vs->first_audit = true;
    vs->flood_told = false;
    audit_start(vs);
}

void sync_disconnected(struct vswitch *vs)
{
    entries_disconnected(vs->entries);
    for (struct vs_port *port = vs->ports; port; port = port->hh.next) {
        port->mod_xid = 0;
        backoff_succeeded(&port->mod_backoff);
    }
    vs->audit_xid = 0;
    vs->was_in_sync = vs->blocked = false;
    loop_timer_cancel(vs->retry);
}

void sync_barrier(struct vswitch *vs, uint32_t xid)
{
    entries_barrier_done(vs->entries, xid);
    vswitch_status_changed(vs);
    sync_schedule(vs);
}

static bool port_mod_failed(struct vswitch *vs, uint32_t xid, const char *error)
{
    for (struct vs_port *port = vs->ports; port; port = port->hh.next) {
        if (port->mod_xid == xid) {
            port->mod_xid = 0;
            backoff_failed(&port->mod_backoff, loop_now());
            log_warn_limited(
                &vs->refusals,
                "rfvs %s refuses to change the carrier of port %u (%s): %s", vs->name,
                port->no, port->name, error);
            return true;
        }
    }
    return false;
}

static bool entry_failed(struct vswitch *vs, uint32_t xid, const char *error)
{
    struct entry entry;

    if (!entries_failed(vs->entries, xid, loop_now(), &entry)) {
        return false;
    }
    struct buf what = {0};
    entry_describe(&entry, &what);
    log_warn_limited(&vs->refusals, "rfvs %s refuses the %s: %s", vs->name,
                     buf_cstr(&what), error);
    buf_uninit(&what);
    return true;
}

bool sync_error(struct vswitch *vs, uint32_t xid, uint16_t type, uint16_t code)
{
    struct buf error = {0};
    bool ours = true;

    of_error_print(&error, type, code);
    if (xid && xid == vs->audit_xid) {
        audit_abort(vs, buf_cstr(&error));
    } else {
        ours = xid && (port_mod_failed(vs, xid, buf_cstr(&error)) ||
                       entry_failed(vs, xid, buf_cstr(&error)));
    }
    if (ours) {
        sync_schedule(vs);
    }
    buf_uninit(&error);
    return ours;
}
