/* `rfctl show`: tables. */

#include "ctl.h"

#include <stdio.h>
#include <stdlib.h>

#include "base/util.h"

static int compare_rows(const void *a, const void *b)
{
    return assoc_row_compare(*(const struct assoc_row *const *)a,
                             *(const struct assoc_row *const *)b);
}

static void put_row(struct table *t, const struct assoc_row *row)
{
    if (assoc_has_vm(row)) {
        table_id(t, "vm_id", row->vm.vm_id);
        table_number(t, "vm_port", row->vm.vm_port);
    } else {
        table_null(t, "vm_id");
        table_null(t, "vm_port");
    }
    if (assoc_has_dp(row)) {
        table_number(t, "ct_id", row->dp.ct_id);
        table_id(t, "dp_id", row->dp.dp_id);
        table_number(t, "dp_port", row->dp.dp_port);
    } else {
        table_null(t, "ct_id");
        table_null(t, "dp_id");
        table_null(t, "dp_port");
    }
    if (assoc_has_vs(row)) {
        table_id(t, "vs_id", row->vs.vs_id);
        table_number(t, "vs_port", row->vs.vs_port);
    } else {
        table_null(t, "vs_id");
        table_null(t, "vs_port");
    }
    table_text(t, "state", assoc_state_name(row->state));
    table_age(t, "since", row->since);
}

int show_associations(struct ctl_request *r)
{
    const struct assoc_table *assoc = r->server->assoc;
    const struct assoc_row *row = NULL, **rows;
    struct table t;
    size_t n = 0, total = 0;

    for (int state = 0; state < ASSOC_N_STATES; state++) {
        total += assoc_count(assoc, (enum assoc_state)state);
    }
    rows = xcalloc(total, sizeof *rows);
    while (n < total && (row = assoc_next(assoc, row))) {
        rows[n++] = row;
    }
    qsort(rows, n, sizeof *rows, compare_rows);
    table_begin(&t, r->doc,
                "vm_id:VM,vm_port:VM PORT,ct_id:CT,dp_id:DATAPATH,dp_port:DP PORT,"
                "vs_id:RFVS,vs_port:VS PORT,state:STATE,since:SINCE",
                r->offset);
    for (size_t i = 0; i < n; i++) {
        if (table_row(&t)) {
            put_row(&t, rows[i]);
            table_row_end(&t);
        }
    }
    table_end(&t);
    free(rows);
    return 0;
}

/* Whether RFVS carries this confirmed link, and if not, why. */
static const char *vlink_text(struct server *s, const struct topo_link *link)
{
    const struct assoc_row *a = assoc_by_dp(s->assoc, link->a);
    const struct assoc_row *b = assoc_by_dp(s->assoc, link->b);
    const struct server_isl *isl = span_isl(s, link->a);

    if (isl || span_isl(s, link->b)) {
        return isl && dp_key_equal(isl->peer, link->b)
                   ? "none: inside a vm"
                   : "none: not as in the file of inside links";
    }
    return !link->ab || !link->ba                                 ? "-"
           : !a || !b || !assoc_has_vm(a) || !assoc_has_vm(b)     ? "no association"
           : a->state != ASSOC_ACTIVE || b->state != ASSOC_ACTIVE ? "not active"
           : vplane_vlink(s, a->vs) && vplane_vlink(s, b->vs)     ? "installed"
                                                                  : "missing";
}

/* Likewise of what joins a member of a segment with the others. */
static const char *membership_text(struct server *s, const struct topo_member *member)
{
    const struct assoc_row *row = assoc_by_dp(s->assoc, member->port);
    struct dp_key peers[VLINK_MAX];
    size_t n = ports_pairs(s, member->port, peers), n_active = 0;

    if (ports_class(s, member->port) != PORT_INTERNAL) {
        return "none: treated otherwise";
    }
    if (!row || !assoc_has_vm(row)) {
        return "no association";
    }
    if (row->state != ASSOC_ACTIVE) {
        return "not active";
    }
    for (size_t i = 0; i < n; i++) {
        const struct assoc_row *other = assoc_by_dp(s->assoc, peers[i]);
        if (other && other->state == ASSOC_ACTIVE) {
            n_active++;
            if (!vplane_joins(s, row->vs, other->vs)) {
                return "missing";
            }
        }
    }
    return n_active ? "installed" : "nobody else active";
}

static void put_member(struct table *t, struct server *s,
                       const struct topo_member *member)
{
    char state[32];

    snprintf(state, sizeof state, "on segment %u", member->segment);
    table_id(t, "a_dp_id", member->port.dp_id);
    table_number(t, "a_dp_port", member->port.dp_port);
    table_null(t, "b_dp_id");
    table_null(t, "b_dp_port");
    table_number(t, "segment", member->segment);
    table_number(t, "pairs", member->n_pairs);
    table_text(t, "state", state);
    table_text(t, "virtual", membership_text(s, member));
    table_age(t, "since", member->since);
}

int show_links(struct ctl_request *r)
{
    size_t n, n_members;
    struct topo_link *links = topo_links(r->server->topo, &n);
    struct topo_member *members = topo_members(r->server->topo, &n_members);
    struct table t;

    table_begin(
        &t, r->doc,
        "a_dp_id:DATAPATH,a_dp_port:PORT,b_dp_id:DATAPATH,b_dp_port:PORT,state:STATE,"
        "virtual:VIRTUAL LINK,since:SINCE",
        r->offset);
    for (size_t i = 0; i < n; i++) {
        const struct topo_link *link = &links[i];
        if (!table_row(&t)) {
            continue;
        }
        table_id(&t, "a_dp_id", link->a.dp_id);
        table_number(&t, "a_dp_port", link->a.dp_port);
        table_id(&t, "b_dp_id", link->b.dp_id);
        table_number(&t, "b_dp_port", link->b.dp_port);
        table_text(&t, "state",
                   link->ab && link->ba ? "confirmed"
                   : link->ab           ? "one way ->"
                                        : "one way <-");
        table_bool(&t, "a_to_b", link->ab);
        table_bool(&t, "b_to_a", link->ba);
        table_text(&t, "virtual", vlink_text(r->server, link));
        table_age(&t, "since", link->since);
        table_row_end(&t);
    }
    for (size_t i = 0; i < n_members; i++) {
        if (table_row(&t)) {
            put_member(&t, r->server, &members[i]);
            table_row_end(&t);
        }
    }
    table_end(&t);
    free(links);
    free(members);
    return 0;
}

static int by_dp_id(const struct server_dp *a, const struct server_dp *b)
{
    return (a->id > b->id) - (a->id < b->id);
}

static int by_port(const struct server_dp_port *a, const struct server_dp_port *b)
{
    return (a->number > b->number) - (a->number < b->number);
}

static int by_vm_id(const struct server_vm *a, const struct server_vm *b)
{
    return (a->id > b->id) - (a->id < b->id);
}

static void put_port(struct table *t, struct server *s, const struct server_dp *dp,
                     const struct server_dp_port *port)
{
    const struct dp_key key = {dp->id, dp->ct_id, port->number};
    const struct assoc_row *row = assoc_by_dp(s->assoc, key);
    const enum port_rule rule = ports_rule(s, key);
    const bool inside = span_isl(s, key);
    enum port_class class;

    table_id(t, "dp_id", dp->id);
    table_number(t, "dp_port", port->number);
    table_text(t, "name", port->name);
    table_text(t, "state", port->up ? "up" : "down");
    table_text(t, "class",
               inside                                  ? topo_class_name(PORT_INSIDE)
               : rule != PORT_RULE_AUTO                ? port_rule_name(rule)
               : topo_port_class(s->topo, key, &class) ? topo_class_name(class)
                                                       : "-");
    table_text(t, "by", inside || rule != PORT_RULE_AUTO ? "mapping file" : "LLDP");
    table_text(t, "association", row ? assoc_state_name(row->state) : "-");
    table_age(t, "since", port->since);
}

int show_ports(struct ctl_request *r)
{
    struct server_dp *dp, *tmp;
    struct table t;

    table_begin(&t, r->doc,
                "dp_id:DATAPATH,dp_port:PORT,name:NAME,state:STATE,class:CLASS,by:BY,"
                "association:ASSOCIATION,since:SINCE",
                r->offset);
    HASH_SORT(r->server->dps, by_dp_id);
    HASH_ITER (hh, r->server->dps, dp, tmp) {
        struct server_dp_port *port, *next;
        HASH_SORT(dp->ports, by_port);
        HASH_ITER (hh, dp->ports, port, next) {
            if (table_row(&t)) {
                put_port(&t, r->server, dp, port);
                table_row_end(&t);
            }
        }
    }
    table_end(&t);
    return 0;
}

int show_datapaths(struct ctl_request *r)
{
    struct server_dp *dp, *tmp;
    struct table t;

    table_begin(&t, r->doc,
                "dp_id:DATAPATH,ct_id:CT,vm:VM,address:ADDRESS,ports:PORTS,state:STATE,"
                "desired:DESIRED,installed:INSTALLED,failed:FAILED,changes:CHANGES,"
                "punts:PUNTS,leaks:LEAKS,since:SINCE",
                r->offset);
    HASH_SORT(r->server->dps, by_dp_id);
    HASH_ITER (hh, r->server->dps, dp, tmp) {
        uint64_t vm_id = plane_vm_of(r->server, dp->id);
        if (!table_row(&t)) {
            continue;
        }
        table_id(&t, "dp_id", dp->id);
        table_number(&t, "ct_id", dp->ct_id);
        if (vm_id) {
            table_id(&t, "vm", vm_id);
        } else {
            table_null(&t, "vm");
        }
        table_text(&t, "address", dp->connected ? dp->address : dp->reason);
        table_number(&t, "ports", HASH_COUNT(dp->ports));
        table_text(&t, "state", plane_phase_text(dp));
        table_number(&t, "desired", dp->status.desired);
        table_number(&t, "installed", dp->status.installed);
        table_number(&t, "failed", dp->status.failed);
        table_number(&t, "changes", dp->status.changes);
        table_number(&t, "punts", dp->status.punts);
        table_number(&t, "leaks", dp->status.leaks);
        table_age(&t, "since", dp->since);
        table_row_end(&t);
    }
    table_end(&t);
    return 0;
}

int show_clients(struct ctl_request *r)
{
    struct server_vm *vm, *tmp;
    struct table t;

    table_begin(&t, r->doc,
                "vm_id:VM,name:CLIENT,state:STATE,ports:PORTS,routes:ROUTES,"
                "neighbors:NEIGHBORS,unresolved:UNRESOLVED,since:SINCE",
                r->offset);
    HASH_SORT(r->server->vms, by_vm_id);
    HASH_ITER (hh, r->server->vms, vm, tmp) {
        struct rib_counts counts;
        if (!table_row(&t)) {
            continue;
        }
        rib_counts(vm->ribs->rib, &counts);
        table_id(&t, "vm_id", vm->id);
        table_text(&t, "name", vm->name);
        table_text(&t, "state",
                   vm->lost     ? "lost"
                   : !vm->peer  ? "lost, its flows stay"
                   : vm->synced ? "in sync"
                                : "reporting");
        table_number(&t, "ports", counts.ports);
        table_number(&t, "routes", counts.routes);
        table_number(&t, "neighbors", counts.neighs);
        table_number(&t, "unresolved", counts.unresolved);
        table_age(&t, "since", vm->since);
        table_row_end(&t);
    }
    table_end(&t);
    return 0;
}

int show_events(struct ctl_request *r)
{
    struct server *s = r->server;
    size_t n = MIN(s->n_events, SERVER_EVENTS);
    struct table t;

    table_begin(&t, r->doc, "time:TIME,kind:KIND,text:EVENT", r->offset);
    for (size_t i = s->n_events - n; i < s->n_events; i++) {
        const struct server_event *event = &s->events[i % SERVER_EVENTS];
        if (table_row(&t)) {
            BSON_APPEND_DATE_TIME(&t.row, "time", event->wall_ms);
            table_text(&t, "kind", event->kind);
            table_text(&t, "text", event->text);
            table_row_end(&t);
        }
    }
    table_end(&t);
    return 0;
}
