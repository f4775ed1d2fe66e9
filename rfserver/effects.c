/* Carries out what the association table and the topology decide. */

#include "server.h"

#include <string.h>

#define LOG_MODULE "server"
#include "base/buf.h"
#include "base/log.h"
#include "base/util.h"

void server_wake(struct server *s)
{
    loop_defer_schedule(s->flush);
}

/* Whatever depends on a row is derived again from the tables as they are now, so that
 * the order of effects does not matter to it. */
static void row_changed(struct server *s, const struct assoc_row *row)
{
    if (assoc_has_vm(row)) {
        vm_map_port(s, row->vm);
    }
    if (assoc_has_dp(row)) {
        plane_due(dp_find(s, row->dp.dp_id));
        relay_refresh(s, row->dp);
        vplane_refresh(s, row->dp);
    }
}

static void row_left_rfvs_port(struct server *s, const struct assoc_row *before)
{
    if (assoc_has_vs(before)) {
        vplane_release(s, before->vs);
    }
}

static void carry_out(struct server *s, const struct assoc_effect *e)
{
    switch (e->kind) {
    case ASSOC_ROW:
        s->transitions++;
        journal_row(s, e);
        row_left_rfvs_port(s, &e->before);
        row_changed(s, &e->before);
        row_changed(s, &e->after);
        break;
    case ASSOC_ASK_MAPPING:
    case ASSOC_SEND_PORT_CONFIG:
        vm_send_port_config(s, e->vm);
        break;
    case ASSOC_CARRIER:
        vplane_carrier(s, e->vs, e->on);
        break;
    case ASSOC_ACTIVATED:
    case ASSOC_DEACTIVATED:
    case ASSOC_RELAY_ADD:
    case ASSOC_RELAY_DEL:
        break; /* Derived in row_changed(). */
    }
}

void server_assoc(struct server *s, const struct assoc_event *event)
{
    if (!assoc_apply(s->assoc, event, &s->effects)) {
        log_warn_limited(&s->refusals, "%s", s->effects.reason);
        return;
    }
    struct buf asked = {0}; /* Keys: to be replayed when the effects are done with. */
    for (size_t i = 0; i < s->effects.n; i++) {
        carry_out(s, &s->effects.v[i]);
        if (s->effects.v[i].kind == ASSOC_ASK_MAPPING && s->early_ports) {
            buf_put(&asked, &s->effects.v[i].vm, sizeof s->effects.v[i].vm);
        }
    }
    for (size_t ofs = 0; ofs < asked.len; ofs += sizeof(struct vm_key)) {
        struct vm_key vm;
        memcpy(&vm, asked.data + ofs, sizeof vm);
        vs_replay_early(s, vm);
    }
    buf_uninit(&asked);
    server_wake(s);
}

void server_class_changed(struct server *s, struct dp_key port)
{
    const struct assoc_row *row = assoc_by_dp(s->assoc, port);

    if (row && assoc_has_vm(row)) {
        vm_map_port(s, row->vm);
    }
    relay_refresh(s, port);
    vplane_refresh(s, port);
    span_refresh(s, port);
}

static void link_changed(struct server *s, const struct topo_effect *e)
{
    const struct dp_key ends[] = {e->a, e->b};

    for (int i = 0; i < 2; i++) {
        struct server_dp_port *port = dp_port_find(s, ends[i]);
        const struct assoc_row *row = assoc_by_dp(s->assoc, ends[i]);
        if (port) {
            port->link_lost = e->kind == TOPO_LINK_DOWN && port->up;
        }
        if (row && assoc_has_vm(row)) {
            vm_map_port(s, row->vm);
        }
    }
    backup_changed(s, e->kind == TOPO_LINK_DOWN);
    journal_link(s, e->a, e->b, e->kind == TOPO_LINK_UP);
    vplane_refresh(s, e->a);
    vplane_refresh(s, e->b);
    span_refresh(s, e->a);
    span_refresh(s, e->b);
}

/* What a link lost is over with it: there is something else now. */
static void segment_changed(struct server *s, const struct topo_effect *e)
{
    struct server_dp_port *port = dp_port_find(s, e->a);
    const struct assoc_row *row = assoc_by_dp(s->assoc, e->a);

    if (port && e->segment) {
        port->link_lost = false;
    }
    if (row && assoc_has_vm(row)) {
        vm_map_port(s, row->vm);
    }
    backup_changed(s, false);
    journal_segment(s, e->a, e->segment);
    vplane_refresh(s, e->a);
}

static void topology_effect(struct server *s, const struct topo_effect *e)
{
    switch (e->kind) {
    case TOPO_CLASS:
        server_class_changed(s, e->a);
        break;
    case TOPO_LINK_UP:
    case TOPO_LINK_DOWN:
        link_changed(s, e);
        break;
    case TOPO_PAIR_UP:
    case TOPO_PAIR_DOWN:
        vplane_refresh(s, e->a);
        vplane_refresh(s, e->b);
        break;
    case TOPO_SEGMENT:
        segment_changed(s, e);
        break;
    case TOPO_MULTI_ACCESS: /* A proxy that hears so reports no link there. */
    case TOPO_DIR_UP:
    case TOPO_DIR_DOWN:
        break;
    }
}

/* While a proxy is telling what it has, a port whose link it has not come to must not
 * be taken for an edge port: control traffic is let out there. */
static int64_t tick(struct server *s)
{
    struct server_proxy *proxy, *tmp;
    int64_t now = loop_now();
    int64_t wait = now;

    HASH_ITER (hh, s->proxies, proxy, tmp) {
        if (!proxy->synced) {
            wait = MAX(wait, proxy->since + s->config.classify_ms);
        }
    }
    return wait > now ? wait : topo_tick(s->topo, now);
}

void server_topology(struct server *s)
{
    struct topo_effect e;
    int64_t next = tick(s);

    while (topo_next_effect(s->topo, &e)) {
        topology_effect(s, &e);
    }
    loop_timer_at(s->topo_timer, next);
    server_wake(s);
}

static bool hold_time_over(struct server *s)
{
    return loop_now() - s->started >= s->config.hold_ms;
}

/* A switch that is away may only be slow to come back, but not for ever. */
static bool patient(struct server *s)
{
    return loop_now() - s->started < MAX(s->config.classify_ms, s->config.dp_hold_ms);
}

static bool rows_settled(struct server *s, const struct server_dp *dp)
{
    const struct assoc_row *row = NULL;

    while ((row = assoc_next_of_dp(s->assoc, dp->ct_id, dp->id, row))) {
        if (row->state == ASSOC_ASSOCIATED) {
            return false;
        }
    }
    return !dp->ports_pending;
}

/* Routes lead through the other datapaths of the VM, too. */
bool server_dp_settled(struct server *s, uint64_t dp_id)
{
    uint64_t vm_id = plane_vm_of(s, dp_id);
    struct server_vm *vm = vm_find(s, vm_id);
    const struct server_pair *pair = plane_dps_of(s, vm_id);

    if (hold_time_over(s) || !vm_id) {
        return true;
    }
    if (!vm || !vm->synced || !dp_find(s, dp_id)) {
        return false;
    }
    for (; pair; pair = pair->next) {
        const struct server_dp *dp = dp_find(s, pair->dp_id);
        bool here = dp && (dp->connected || dp->id == dp_id);
        if (here ? !rows_settled(s, dp) : patient(s)) {
            return false;
        }
    }
    return true;
}

static bool pair_settled(struct server *s, const struct server_pair *pair)
{
    const struct server_dp *dp = dp_find(s, pair->dp_id);

    return dp && dp->connected ? server_dp_settled(s, pair->dp_id) : !patient(s);
}

bool server_settled(struct server *s)
{
    struct server_proxy *proxy, *next_proxy;

    if (hold_time_over(s)) {
        return true;
    }
    HASH_ITER (hh, s->proxies, proxy, next_proxy) {
        if (!proxy->synced) {
            return false;
        }
    }
    /* From the one that was waited for last: it is asked often, and this is nearly
     * always the answer. */
    const struct server_pair *pair = plane_pair(s, s->unsettled);
    for (unsigned i = 0; i < HASH_COUNT(s->pairs); i++) {
        pair = pair ? pair : s->pairs;
        if (!pair_settled(s, pair)) {
            s->unsettled = pair->dp_id;
            return false;
        }
        pair = pair->hh.next;
    }
    return s->proxies != NULL;
}
