/* What rfvs reports: RFVS switches, their ports, and the mapping frames seen there. */

#include "server.h"

#include <stdlib.h>
#include <string.h>

#define LOG_MODULE "rfvs"
#include "base/log.h"
#include "base/util.h"

struct server_vs *vs_find(struct server *s, uint64_t vs_id)
{
    struct server_vs *vs;
    HASH_FIND(hh, s->vss, &vs_id, sizeof vs_id, vs);
    return vs;
}

static struct server_vs_port *port_find(struct server_vs *vs, uint32_t number)
{
    struct server_vs_port *port;
    HASH_FIND(hh, vs->ports, &number, sizeof number, port);
    return port;
}

/* What was seen early: of each VM port the last place. */

static struct server_vs_port *early_find(struct server *s, struct vm_key vm)
{
    struct server_vs_port *port;
    struct vm_key key;

    memset(&key, 0, sizeof key); /* It is hashed as octets. */
    key.vm_id = vm.vm_id;
    key.vm_port = vm.vm_port;
    HASH_FIND(hh_early, s->early_ports, &key, sizeof key, port);
    return port;
}

static void early_clear(struct server_vs_port *port)
{
    if (port && port->early.vm_id) {
        HASH_DELETE(hh_early, port->vs->server->early_ports, port);
        memset(&port->early, 0, sizeof port->early);
    }
}

static void early_set(struct server_vs_port *port, struct vm_key vm)
{
    struct server *s = port->vs->server;

    early_clear(port);
    early_clear(early_find(s, vm));
    port->early.vm_id = vm.vm_id;
    port->early.vm_port = vm.vm_port;
    HASH_ADD(hh_early, s->early_ports, early, sizeof port->early, port);
}

static void port_free(struct server_vs_port *port)
{
    early_clear(port);
    HASH_DEL(port->vs->ports, port);
    free(port);
}

static void port_gone(struct server_vs *vs, struct server_vs_port *port)
{
    struct server *s = vs->server;
    struct vs_key key = {.vs_id = vs->id, .vs_port = port->number};

    journal_event(s, "rfvs", "rfvs 0x%016llx port %u (%s) is gone",
                  (unsigned long long)vs->id, port->number, port->name);
    server_assoc(s, &(struct assoc_event){
                        .kind = ASSOC_VS_PORT_GONE, .now = loop_now(), .vs = key});
    vplane_port_gone(s, key);
    port_free(port);
}

static void hold_over(void *aux)
{
    struct server_vs *vs = aux;
    struct server *s = vs->server;
    struct server_vs_port *port, *tmp;

    journal_event(s, "rfvs", "rfvs 0x%016llx stays away: its associations are given up",
                  (unsigned long long)vs->id);
    HASH_ITER (hh, vs->ports, port, tmp) {
        port_free(port);
    }
    server_assoc(s, &(struct assoc_event){.kind = ASSOC_VS_LOST,
                                          .now = loop_now(),
                                          .vs = {.vs_id = vs->id}});
    vplane_clear(vs); /* Its wires have ended: every port has carrier again. */
}

static struct server_vs *vs_get(struct server *s, uint64_t vs_id)
{
    struct server_vs *vs = vs_find(s, vs_id);

    if (!vs) {
        vs = xcalloc(1, sizeof *vs);
        vs->id = vs_id;
        vs->server = s;
        vs->hold = loop_timer_create(s->loop, hold_over, vs);
        HASH_ADD(hh, s->vss, id, sizeof vs->id, vs);
    }
    return vs;
}

void vs_destroy_all(struct server *s)
{
    struct server_vs *vs, *tmp;

    HASH_ITER (hh, s->vss, vs, tmp) {
        struct server_vs_port *port, *next;
        HASH_ITER (hh, vs->ports, port, next) {
            port_free(port);
        }
        HASH_DEL(s->vss, vs);
        vplane_clear(vs);
        loop_timer_destroy(vs->hold);
        buf_uninit(&vs->outbox);
        free(vs);
    }
}

static void vs_away(struct server_vs *vs, int64_t ms, const char *reason)
{
    vs->connected = false;
    vs->peer = NULL;
    vs->since = loop_now();
    vs->phase = PLANE_IDLE;
    vs->has_status = false;
    buf_clear(&vs->outbox);
    str_copy(vs->reason, reason, sizeof vs->reason);
    loop_timer_once(vs->hold, ms);
    journal_event(vs->server, "rfvs", "rfvs 0x%016llx lost: %s; kept for %lld s",
                  (unsigned long long)vs->id, reason, (long long)ms / 1000);
}

void vs_peer_up(struct server *s, struct ipc_peer *peer)
{
    journal_event(s, "rfvs", "%s connected", ipc_peer_name(peer));
}

void vs_peer_down(struct server *s, struct ipc_peer *peer, const char *reason)
{
    struct server_vs *vs, *tmp;

    journal_event(s, "rfvs", "%s lost: %s", ipc_peer_name(peer), reason);
    HASH_ITER (hh, s->vss, vs, tmp) {
        if (vs->peer == peer) {
            vs_away(vs, s->config.hold_ms, "rfvs is lost");
        }
    }
}

static void handle_vs_up(struct server *s, struct ipc_peer *peer,
                         const struct msg_vs_up *m)
{
    if (!dpid_is_virtual(m->vs_id)) {
        log_warn_limited(
            &s->strange,
            "%s reports an RFVS 0x%016llx: expected an id under 0x72667673",
            ipc_peer_name(peer), (unsigned long long)m->vs_id);
        return;
    }
    struct server_vs *vs = vs_get(s, m->vs_id);
    struct server_vs_port *port, *tmp;

    HASH_ITER (hh, vs->ports, port, tmp) {
        port->seen = false;
    }
    vs->ports_pending = true;
    vs->peer = peer;
    vs->seen = true;
    vs->connected = true;
    vs->since = loop_now();
    vs->reason[0] = '\0';
    str_copy(vs->address, m->peer, sizeof vs->address);
    loop_timer_cancel(vs->hold);
    journal_event(s, "rfvs", "rfvs 0x%016llx connected from %s",
                  (unsigned long long)vs->id, vs->address);
    vplane_start(vs);
}

static void handle_vs_port(struct server_vs *vs, const struct msg_vs_port *m)
{
    struct server_vs_port *port = port_find(vs, m->vs.vs_port);

    if (m->gone) {
        if (port) {
            port_gone(vs, port);
        }
        return;
    }
    if (!port) {
        port = xcalloc(1, sizeof *port);
        port->number = m->vs.vs_port;
        port->vs = vs;
        HASH_ADD(hh, vs->ports, number, sizeof port->number, port);
    }
    port->seen = true;
    port->up = m->up;
    str_copy(port->name, m->name, sizeof port->name);
}

static void handle_mapping_seen(struct server *s, struct server_vs *vs,
                                const struct msg_mapping_seen *m)
{
    const struct assoc_row *row = assoc_by_vm(s->assoc, m->vm);
    struct server_vs_port *port = port_find(vs, m->vs.vs_port);
    char vm_text[KEY_STRLEN], vs_text[KEY_STRLEN];

    if (!port) {
        log_warn_limited(&s->strange,
                         "mapping frame of %s at %s, which has no such port",
                         vm_key_format(m->vm, vm_text), vs_key_format(m->vs, vs_text));
    } else if (!row || row->state == ASSOC_IDLE_CLIENT) {
        /* rfvs reports what it knows as soon as it is connected: after a restart of
         * rfserver that is before clients and switches are back, and nobody else could
         * tell of a port that has no carrier. */
        log_info_limited(&s->early,
                         "mapping frame of %s at %s is kept until its ports "
                         "are associated",
                         vm_key_format(m->vm, vm_text), vs_key_format(m->vs, vs_text));
        early_set(port, m->vm);
    } else {
        server_assoc(
            s, &(struct assoc_event){
                   .kind = ASSOC_MAPPING, .now = loop_now(), .vm = m->vm, .vs = m->vs});
    }
}

void vs_replay_early(struct server *s, struct vm_key vm)
{
    struct server_vs_port *port = early_find(s, vm);
    const struct assoc_row *row = port ? assoc_by_vm(s->assoc, vm) : NULL;

    if (row && row->state == ASSOC_ASSOCIATED) {
        const struct vs_key vs = {.vs_id = port->vs->id, .vs_port = port->number};
        early_clear(port);
        server_assoc(s,
                     &(struct assoc_event){
                         .kind = ASSOC_MAPPING, .now = loop_now(), .vm = vm, .vs = vs});
    }
}

static void handle_vs_status(struct server_vs *vs, const struct msg_vs_status *m)
{
    struct server_vs_port *port, *tmp;

    vs->status = *m;
    vs->has_status = true;
    if (vs->ports_pending) {
        vs->ports_pending = false;
        HASH_ITER (hh, vs->ports, port, tmp) {
            if (!port->seen) {
                port_gone(vs, port);
            }
        }
    }
}

static void handle_sync(struct server *s, struct ipc_peer *peer, bool end)
{
    struct server_vs *vs, *tmp;

    HASH_ITER (hh, s->vss, vs, tmp) {
        if (!end) {
            vs->seen = false;
        } else if (!vs->seen && !vs->peer && HASH_COUNT(vs->ports)) {
            loop_timer_once(vs->hold, s->config.dp_hold_ms); /* May be reconnecting. */
        }
    }
}

void vs_message(struct server *s, struct ipc_peer *peer, const struct msg *m)
{
    bool of_one = m->type == MSG_VS_DOWN || m->type == MSG_VS_PORT ||
                  m->type == MSG_VS_STATUS || m->type == MSG_MAPPING_SEEN;
    uint64_t vs_id = m->type == MSG_VS_DOWN     ? m->vs_down.vs_id
                     : m->type == MSG_VS_PORT   ? m->vs_port.vs.vs_id
                     : m->type == MSG_VS_STATUS ? m->vs_status.vs_id
                     : of_one                   ? m->mapping_seen.vs.vs_id
                                                : 0;
    struct server_vs *vs = vs_find(s, vs_id);

    if (of_one && (!vs || vs->peer != peer)) {
        return; /* About an RFVS that is not connected here. */
    }
    switch ((int)m->type) {
    case MSG_SYNC_BEGIN:
    case MSG_SYNC_END:
        handle_sync(s, peer, m->type == MSG_SYNC_END);
        break;
    case MSG_VS_UP:
        handle_vs_up(s, peer, &m->vs_up);
        break;
    case MSG_VS_DOWN:
        vs_away(vs, s->config.dp_hold_ms, m->vs_down.reason);
        break;
    case MSG_VS_PORT:
        handle_vs_port(vs, &m->vs_port);
        break;
    case MSG_VS_STATUS:
        handle_vs_status(vs, &m->vs_status);
        break;
    case MSG_MAPPING_SEEN:
        handle_mapping_seen(s, vs, &m->mapping_seen);
        break;
    }
    server_wake(s);
}
