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

static void vm_destroy(struct server_vm *vm)
{
    struct server_vm_port *port, *tmp;

    HASH_ITER (hh, vm->ports, port, tmp) {
        HASH_DEL(vm->ports, port);
        free(port);
    }
    HASH_DEL(vm->server->vms, vm);
    rib_destroy(vm->rib);
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
    rib_begin(vm->rib);
    rib_end(vm->rib);
    plane_due(dp_find(s, plane_dp_of(s, vm->id)));
    struct server_vm_port *port, *tmp;
    HASH_ITER (hh, vm->ports, port, tmp) {
        HASH_DEL(vm->ports, port);
        free(port);
    }
    journal_client(s, vm);
    server_wake(s);
    if (!plane_dp_of(s, vm->id)) { /* Nobody waits for it: it may never come again. */
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
        vm->rib = rib_create();
        vm->hold = loop_timer_create(s->loop, hold_over, vm);
        HASH_ADD(hh, s->vms, id, sizeof vm->id, vm);
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
    rib_port_gone(vm->rib, port->number);
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
    rib_port_set(vm->rib, info);
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
    rib_begin(vm->rib);
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
    rib_end(vm->rib);
    vm->synced = true;
    rib_counts(vm->rib, &counts);
    journal_event(vm->server, "client",
                  "vm " ETH_FMT " in sync: %u ports, %zu routes, %zu neighbours",
                  ETH_ARGS(eth_from_u64(vm->id)), HASH_COUNT(vm->ports), counts.routes,
                  counts.neighs);
    journal_client(vm->server, vm);
}

/* Returns false for a value out of range, which a peer of ours does not send. */
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
        return r->remove ? (rib_addr_del(vm->rib, &r->vm_addr), true)
                         : rib_addr_set(vm->rib, &r->vm_addr);
    case REC_VM_ROUTE:
        return r->remove ? (rib_route_del(vm->rib, &r->vm_route.prefix), true)
                         : rib_route_set(vm->rib, &r->vm_route);
    case REC_VM_NEIGH:
        return r->remove
                   ? (rib_neigh_del(vm->rib, r->vm_neigh.vm_port, &r->vm_neigh.addr),
                      true)
                   : rib_neigh_set(vm->rib, &r->vm_neigh);
    default:
        return false;
    }
}

void vm_message(struct server *s, struct ipc_peer *peer, const struct msg *m)
{
    struct server_vm *vm = ipc_peer_aux(peer);
    struct record r;
    const char *error;

    if (m->type != MSG_BATCH) {
        return;
    }
    error = m->batch.id != vm->id
                ? "the batch is of another VM"
                : record_check(m->batch.records.data, m->batch.records.n);
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
    plane_due(dp_find(s, plane_dp_of(s, vm->id)));
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

void vm_map_port(struct server *s, struct vm_key key)
{
    struct server_vm *vm = vm_find(s, key.vm_id);
    const struct assoc_row *row = assoc_by_vm(s->assoc, key);

    if (!vm) {
        return;
    }
    const struct server_dp_port *port =
        row && assoc_has_dp(row) ? dp_port_find(s, row->dp) : NULL;
    backup_changed(s, false);
    if (!row || !assoc_has_dp(row)) {
        rib_unmap_port(vm->rib, key.vm_port);
    } else {
        rib_map_port(vm->rib, key.vm_port, row->dp.dp_port, ports_class(s, row->dp),
                     row->state == ASSOC_ACTIVE);
        /* Not on an edge port: there LLDP decides nothing. */
        rib_port_link(vm->rib, key.vm_port,
                      port && port->link_lost &&
                          ports_class(s, row->dp) == PORT_INTERNAL);
    }
    plane_due(dp_find(s, plane_dp_of(s, vm->id)));
}
