/* What clients report: ports become association events, the rest goes into the VM's
 * RIB. */

#include "server.h"

#include <stdlib.h>

#define LOG_MODULE "vm"
#include "base/log.h"
#include "base/util.h"
#include "wire/record.h"

struct server_vm *vm_find(struct server *s, uint64_t vm_id)
{
    struct server_vm *vm;
    HASH_FIND(hh, s->vms, &vm_id, sizeof vm_id, vm);
    return vm;
}

static void rib_free(struct server_rib *r)
{
    rib_destroy(r->rib);
    free(r->paths);
    free(r);
}

static void vm_destroy(struct server_vm *vm)
{
    struct server_vm_port *port, *tmp;

    HASH_ITER (hh, vm->ports, port, tmp) {
        HASH_DEL(vm->ports, port);
        free(port);
    }
    HASH_DEL(vm->server->vms, vm);
    while (vm->ribs) {
        struct server_rib *r = vm->ribs;
        vm->ribs = r->next;
        rib_free(r);
    }
    loop_timer_destroy(vm->hold);
    free(vm);
}

static void hold_over(void *aux)
{
    struct server_vm *vm = aux;
    struct server *s = vm->server;

    vm->lost = true;
    vm->synced = false;
    journal_event(s, "client", "vm " ETH_FMT " (%s) stays away: its hold time is over",
                  ETH_ARGS(eth_from_u64(vm->id)), vm->name);
    server_assoc(s, &(struct assoc_event){.kind = ASSOC_CLIENT_LOST,
                                          .now = loop_now(),
                                          .vm = {.vm_id = vm->id}});
    for (struct server_rib *r = vm->ribs; r; r = r->next) {
        rib_begin(r->rib);
        rib_end(r->rib);
    }
    plane_due_vm(s, vm->id);
    struct server_vm_port *port, *tmp;
    HASH_ITER (hh, vm->ports, port, tmp) {
        HASH_DEL(vm->ports, port);
        free(port);
    }
    journal_client(s, vm);
    server_wake(s);
    if (!plane_dps_of(s, vm->id)) { /* Nobody waits for it: it may never come again. */
        journal_forget_client(s, vm->id);
        vm_destroy(vm);
    }
}

struct server_vm *vm_get(struct server *s, uint64_t vm_id)
{
    struct server_vm *vm = vm_find(s, vm_id);

    if (!vm) {
        vm = xcalloc(1, sizeof *vm);
        vm->id = vm_id;
        vm->server = s;
        vm->since = loop_now();
        vm->ribs = xcalloc(1, sizeof *vm->ribs);
        vm->ribs->rib = rib_create();
        vm->hold = loop_timer_create(s->loop, hold_over, vm);
        HASH_ADD(hh, s->vms, id, sizeof vm->id, vm);
        vm_remap(vm);
        span_vm_created(vm);
    }
    return vm;
}

void vm_destroy_all(struct server *s)
{
    struct server_vm *vm, *tmp;

    HASH_ITER (hh, s->vms, vm, tmp) {
        vm_destroy(vm);
    }
}

void vm_age_all(struct server *s)
{
    const int64_t now = loop_now();

    for (struct server_vm *vm = s->vms; vm; vm = vm->hh.next) {
        for (struct server_rib *r = vm->ribs; r; r = r->next) {
            rib_age(r->rib, now);
        }
    }
}

void vm_peer_up(struct server *s, struct ipc_peer *peer)
{
    struct server_vm *vm = vm_get(s, ipc_peer_id(peer));

    vm->peer = peer;
    vm->lost = false;
    vm->synced = false;
    vm->since = loop_now();
    str_copy(vm->name, ipc_peer_name(peer), sizeof vm->name);
    loop_timer_cancel(vm->hold);
    ipc_peer_set_aux(peer, vm);
    journal_event(s, "client", "vm " ETH_FMT " connected (%s)",
                  ETH_ARGS(eth_from_u64(vm->id)), vm->name);
    journal_client(s, vm);
}

void vm_peer_down(struct server *s, struct ipc_peer *peer, const char *reason)
{
    struct server_vm *vm = ipc_peer_aux(peer);

    if (vm->peer != peer) {
        return; /* A newer session took its place. */
    }
    vm->peer = NULL;
    vm->synced = false;
    vm->since = loop_now();
    loop_timer_once(vm->hold, s->config.hold_ms);
    journal_event(s, "client",
                  "vm " ETH_FMT " (%s) lost: %s; its flows stay for %lld s",
                  ETH_ARGS(eth_from_u64(vm->id)), vm->name, reason,
                  (long long)s->config.hold_ms / 1000);
    journal_client(s, vm);
}

static struct server_vm_port *port_find(struct server_vm *vm, uint32_t number)
{
    struct server_vm_port *port;
    HASH_FIND(hh, vm->ports, &number, sizeof number, port);
    return port;
}

static void port_gone(struct server_vm *vm, struct server_vm_port *port)
{
    struct server *s = vm->server;

    journal_event(s, "client", "vm " ETH_FMT " port %u is gone",
                  ETH_ARGS(eth_from_u64(vm->id)), port->number);
    server_assoc(
        s, &(struct assoc_event){.kind = ASSOC_CLIENT_PORT_GONE,
                                 .now = loop_now(),
                                 .vm = {.vm_id = vm->id, .vm_port = port->number}});
    for (struct server_rib *r = vm->ribs; r; r = r->next) {
        rib_port_gone(r->rib, port->number);
    }
    HASH_DEL(vm->ports, port);
    free(port);
}

static void port_report(struct server_vm *vm, const struct vm_port *info)
{
    struct server *s = vm->server;
    struct server_vm_port *port = port_find(vm, info->vm_port);
    bool known = port && port->seen;

    if (!port) {
        port = xcalloc(1, sizeof *port);
        port->number = info->vm_port;
        HASH_ADD(hh, vm->ports, number, sizeof port->number, port);
    }
    port->info = *info;
    port->seen = true;
    for (struct server_rib *r = vm->ribs; r; r = r->next) {
        rib_port_set(r->rib, info);
    }
    if (!known) {
        server_assoc(
            s, &(struct assoc_event){.kind = ASSOC_CLIENT_PORT,
                                     .now = loop_now(),
                                     .vm = {.vm_id = vm->id, .vm_port = port->number}});
    }
}

static void resync_begin(struct server_vm *vm)
{
    struct server_vm_port *port, *tmp;

    HASH_ITER (hh, vm->ports, port, tmp) {
        port->seen = false;
    }
    for (struct server_rib *r = vm->ribs; r; r = r->next) {
        rib_begin(r->rib);
    }
}

static void resync_end(struct server_vm *vm)
{
    struct server_vm_port *port, *tmp;
    struct rib_counts counts;

    HASH_ITER (hh, vm->ports, port, tmp) {
        if (!port->seen) {
            port_gone(vm, port);
        }
    }
    for (struct server_rib *r = vm->ribs; r; r = r->next) {
        rib_end(r->rib);
    }
    vm->synced = true;
    rib_counts(vm->ribs->rib, &counts);
    journal_event(vm->server, "client",
                  "vm " ETH_FMT " in sync: %u ports, %zu routes, %zu neighbours",
                  ETH_ARGS(eth_from_u64(vm->id)), HASH_COUNT(vm->ports), counts.routes,
                  counts.neighs);
    journal_client(vm->server, vm);
}

static bool apply_route(struct rib *rib, const struct record *r)
{
    const struct vm_route *route = &r->vm_route;
    const bool ok = r->remove || rib_route_set(rib, route);

    if (r->remove) {
        rib_route_del(rib, &route->prefix);
    }
    if (r->urgent) {
        rib_hurry(rib, &route->prefix);
    }
    return ok;
}

/* Returns false for a value out of range, which a peer of ours does not send. */
static bool apply_to_rib(struct rib *rib, const struct record *r)
{
    switch ((int)r->kind) {
    case REC_VM_ADDR:
        return r->remove ? (rib_addr_del(rib, &r->vm_addr), true)
                         : rib_addr_set(rib, &r->vm_addr);
    case REC_VM_ROUTE:
        return apply_route(rib, r);
    case REC_VM_NEIGH:
        return r->remove
                   ? (rib_neigh_del(rib, r->vm_neigh.vm_port, &r->vm_neigh.addr), true)
                   : rib_neigh_set(rib, &r->vm_neigh);
    }
    return false;
}

/* The same. */
static bool apply_record(struct server_vm *vm, const struct record *r)
{
    switch (r->kind) {
    case REC_BEGIN:
        resync_begin(vm);
        return true;
    case REC_END:
        resync_end(vm);
        return true;
    case REC_VM_PORT:
        if (!r->remove) {
            port_report(vm, &r->vm_port);
        } else if (port_find(vm, r->vm_port.vm_port)) {
            port_gone(vm, port_find(vm, r->vm_port.vm_port));
        }
        return true;
    case REC_VM_ADDR:
    case REC_VM_ROUTE:
    case REC_VM_NEIGH: {
        bool ok = true;
        for (struct server_rib *rib = vm->ribs; rib; rib = rib->next) {
            ok = apply_to_rib(rib->rib, r);
        }
        return ok;
    }
    default:
        return false;
    }
}

/* What is wrong with the batch, or NULL.  Memory for its routes is waited for here, for
 * many of them at the same time. */
static const char *check_batch(const struct server_vm *vm, const struct msg_batch *m)
{
    struct cursor c = cursor_of(m->records.data, m->records.n);
    const char *error = m->id != vm->id ? "the batch is of another VM" : NULL;
    struct record r;

    while (!error && c.n) {
        error = record_get(&c, &r);
        if (!error && r.kind == REC_VM_ROUTE) {
            for (const struct server_rib *rib = vm->ribs; rib; rib = rib->next) {
                rib_prefetch(rib->rib, &r.vm_route.prefix);
            }
        }
    }
    return error;
}

void vm_message(struct server *s, struct ipc_peer *peer, const struct msg *m)
{
    struct server_vm *vm = ipc_peer_aux(peer);
    struct record r;

    if (m->type != MSG_BATCH) {
        return;
    }
    const char *error = check_batch(vm, &m->batch);
    struct cursor c = cursor_of(m->batch.records.data, m->batch.records.n);
    while (!error && c.n) {
        error = record_get(&c, &r);
        if (!error && !apply_record(vm, &r)) {
            error = "a record that a client does not send, or a value out of range";
        }
    }
    if (error) {
        log_warn_limited(&s->strange, "%s: batch refused: %s", vm->name, error);
        ipc_peer_drop(peer, error);
    }
    vm->batches++;
    plane_due_vm(s, vm->id);
    backup_changed(s, false);
    server_wake(s);
}

void vm_send_port_config(struct server *s, struct vm_key key)
{
    struct server_vm *vm = vm_find(s, key.vm_id);
    const struct assoc_row *row = assoc_by_vm(s->assoc, key);
    struct msg m = {.type = MSG_PORT_CONFIG, .port_config = {.vm_port = key.vm_port}};

    if (vm && vm->peer && row) {
        assoc_port_config(row, &m.port_config.mapping, &m.port_config.active);
        ipc_peer_send(vm->peer, &m);
    }
}

/* Of a VM with one datapath, every port that is mapped is there. */
static void map_port(struct server_vm *vm, struct server_rib *r, uint32_t vm_port,
                     const struct assoc_row *row)
{
    const bool active = row->state == ASSOC_ACTIVE;
    const struct isl_path *path = isl_find(r->paths, r->n_paths, row->dp.dp_id);

    if (!vm->ribs->next || row->dp.dp_id == r->dp_id) {
        rib_map_port(r->rib, vm_port, row->dp.dp_port, ports_class(vm->server, row->dp),
                     active);
    } else if (path) {
        rib_map_remote(r->rib, vm_port, path->dp_port, active);
    } else {
        rib_unmap_port(r->rib, vm_port);
    }
}

void vm_map_port(struct server *s, struct vm_key key)
{
    struct server_vm *vm = vm_find(s, key.vm_id);
    const struct assoc_row *row = assoc_by_vm(s->assoc, key);

    const struct server_dp_port *port =
        row && assoc_has_dp(row) ? dp_port_find(s, row->dp) : NULL;
    /* Not on an edge port: there LLDP decides nothing. */
    const bool lost =
        port && port->link_lost && ports_class(s, row->dp) == PORT_INTERNAL;

    if (!vm) {
        return;
    }
    backup_changed(s, false);
    for (struct server_rib *r = vm->ribs; r; r = r->next) {
        if (!row || !assoc_has_dp(row)) {
            rib_unmap_port(r->rib, key.vm_port);
        } else {
            map_port(vm, r, key.vm_port, row);
            rib_port_link(r->rib, key.vm_port, lost);
        }
    }
    plane_due_vm(s, key.vm_id);
}

void vm_map_ports(struct server_vm *vm)
{
    struct server_vm_port *port, *tmp;

    HASH_ITER (hh, vm->ports, port, tmp) {
        vm_map_port(vm->server, (struct vm_key){vm->id, port->number});
    }
}

struct server_rib *vm_rib(struct server_vm *vm, uint64_t dp_id)
{
    struct server_rib *r = vm->ribs;

    while (r && r->dp_id != dp_id) {
        r = r->next;
    }
    return r;
}

/* One that is of no datapath of this VM any more, or NULL. */
static struct server_rib *unneeded_rib(struct server_vm *vm)
{
    struct server_rib *r = vm->ribs;

    while (r && r->dp_id && plane_vm_of(vm->server, r->dp_id) == vm->id) {
        r = r->next;
    }
    return r;
}

static void give_rib(struct server_vm *vm, uint64_t dp_id)
{
    struct server_dp *dp = dp_find(vm->server, dp_id);
    struct server_rib *r = unneeded_rib(vm);

    if (!r) {
        r = xcalloc(1, sizeof *r);
        r->rib = rib_copy(vm->ribs->rib);
        r->next = vm->ribs->next;
        vm->ribs->next = r;
    }
    r->dp_id = dp_id;
    if (dp && dp->connected) {
        plane_start(dp);
    }
}

void vm_remap(struct server_vm *vm)
{
    const struct server_pair *pair = plane_dps_of(vm->server, vm->id);
    struct server_rib *r;
    bool changed = false;

    for (; pair; pair = pair->next) {
        if (!vm_rib(vm, pair->dp_id)) {
            give_rib(vm, pair->dp_id);
            changed = true;
        }
    }
    while ((r = unneeded_rib(vm)) && vm->ribs->next) {
        struct server_rib **at = &vm->ribs;
        while (*at != r) {
            at = &(*at)->next;
        }
        *at = r->next;
        rib_free(r);
        changed = true;
    }
    if (r) {
        r->dp_id = 0;
    }
    if (changed) {
        vm_map_ports(vm);
    }
}
