/* `rfctl why VM PORT` and `rfctl why PREFIX [VM]`: which of the six steps from switch
 * to flow entry is missing, and what to do about it.
 *
 *   ① the switch is connected and its port up       ④ RFVS carries the link (or relays)
 *   ② the port has an active association            ⑤ the container has told its routes
 *   ③ LLDP has found what is at the other end       ⑥ the flow entries are installed
 *
 * The answer is {steps: [{step, name, ok, text, fix}], verdict, ok}.  A step's ok is
 * null where it cannot be judged before an earlier one is done.  The verdict is the
 * first step that is missing. */

#include "ctl.h"

#include <stdio.h>
#include <string.h>

#include "base/util.h"

struct walk {
    struct server *s;
    bson_t steps;
    unsigned n;
    char missing[600]; /* The first step that is. */
    char open[600];    /* The first that cannot be judged yet. */
};

enum outcome { STEP_OK, STEP_MISSING, STEP_OPEN };

enum { STEP_SWITCH, STEP_ASSOCIATION, STEP_LINK, STEP_VPLANE, STEP_ROUTES, STEP_FLOWS };

static void step(struct walk *w, int number, const char *name, enum outcome outcome,
                 const char *fix, const char *format, ...)
    __attribute__((format(printf, 6, 7)));

static void step(struct walk *w, int number, const char *name, enum outcome outcome,
                 const char *fix, const char *format, ...)
{
    static const char *const numbers[] = {"①", "②", "③", "④", "⑤", "⑥"};
    char text[400], index[8];
    va_list args;
    bson_t doc;

    va_start(args, format);
    vsnprintf(text, sizeof text, format, args);
    va_end(args);
    if (outcome != STEP_OK) {
        char *first = outcome == STEP_MISSING ? w->missing : w->open;
        if (!*first) {
            snprintf(first, sizeof w->missing, "%s %s: %s", numbers[number], name,
                     text);
        }
    }
    snprintf(index, sizeof index, "%u", w->n);
    BSON_APPEND_DOCUMENT_BEGIN(&w->steps, index, &doc);
    BSON_APPEND_UTF8(&doc, "step", numbers[number]);
    BSON_APPEND_UTF8(&doc, "name", name);
    if (outcome == STEP_OPEN) {
        BSON_APPEND_NULL(&doc, "ok");
    } else {
        BSON_APPEND_BOOL(&doc, "ok", outcome == STEP_OK);
    }
    BSON_APPEND_UTF8(&doc, "text", text);
    BSON_APPEND_UTF8(&doc, "fix", outcome == STEP_MISSING ? fix : "");
    bson_append_document_end(&w->steps, &doc);
    w->n++;
}

static bool why_switch(struct walk *w, struct dp_key dp)
{
    static const char name[] = "switch";
    struct server_dp *d = dp_find(w->s, dp.dp_id);
    struct server_dp_port *port = dp_port_find(w->s, dp);
    char id[ID_STRLEN];

    id_format(dp.dp_id, id);
    if (!d) {
        step(
            w, STEP_SWITCH, name, STEP_MISSING,
            "point the switch at rfproxy: ovs-vsctl set-controller BRIDGE "
            "tcp:ADDRESS:6653; compare its id: ovs-vsctl get bridge BRIDGE datapath_id",
            "datapath %s has never connected", id);
    } else if (!d->connected) {
        step(w, STEP_SWITCH, name, STEP_MISSING,
             "see that the switch and rfproxy run and reach each other",
             "datapath %s is not connected: %s", id, d->reason);
    } else if (!port) {
        step(w, STEP_SWITCH, name, STEP_MISSING,
             "correct the dp_port of the mapping, or add the port to the switch "
             "(rfctl show ports)",
             "datapath %s is connected, but has no port %u", id, dp.dp_port);
    } else if (!port->up) {
        step(w, STEP_SWITCH, name, STEP_MISSING,
             "plug in the cable, or set the interface up",
             "datapath %s is connected, but its port %u (%s) is down", id, dp.dp_port,
             port->name);
    } else {
        step(w, STEP_SWITCH, name, STEP_OK, "",
             "datapath %s is connected, port %u (%s) is up", id, dp.dp_port,
             port->name);
        return true;
    }
    return false;
}

static bool why_association(struct walk *w, struct vm_key vm, bool dp_ok)
{
    static const char name[] = "association";
    struct server_vm *v = vm_find(w->s, vm.vm_id);
    const struct assoc_row *row = assoc_by_vm(w->s->assoc, vm);

    if (!v || !v->peer) {
        step(w, STEP_ASSOCIATION, name, STEP_MISSING,
             "see that the container runs, that rfclient runs in it, and that it "
             "reaches "
             "rfserver over the management bridge",
             v ? "the client of this VM was lost"
               : "no client of this VM has connected");
        return false;
    }
    if (!row) {
        step(w, STEP_ASSOCIATION, name, STEP_MISSING,
             "give the container an interface ethN for port N (lxc.net.N.name)",
             "client %s is connected, but has no port %u", v->name, vm.vm_port);
        return false;
    }
    switch (row->state) {
    case ASSOC_ACTIVE:
        step(w, STEP_ASSOCIATION, name, STEP_OK, "", "active, at RFVS port %u",
             row->vs.vs_port);
        return true;
    case ASSOC_ASSOCIATED:
        step(w, STEP_ASSOCIATION, name, STEP_MISSING,
             "see that RFVS is connected to rfvs (rfctl show status), that the "
             "container's interface is up and plugged into RFVS, and that rfclient and "
             "rfvs use the same key file",
             "associated, but no mapping frame was seen at RFVS");
        return false;
    default:
        step(w, STEP_ASSOCIATION, name, dp_ok ? STEP_MISSING : STEP_OPEN,
             "see rfctl show associations and rfctl show events", "%s",
             assoc_state_name(row->state));
        return false;
    }
}

static bool on_segment(struct walk *w, struct dp_key dp)
{
    struct dp_key peers[VLINK_MAX];
    const size_t n = ports_pairs(w->s, dp, peers);
    char names[300] = "";

    if (!n) {
        return false;
    }
    for (size_t i = 0; i < n; i++) {
        const size_t used = strlen(names);
        char key[KEY_STRLEN];
        snprintf(names + used, sizeof names - used, "%s%s", i ? ", " : "",
                 dp_key_format(peers[i], key));
    }
    step(w, STEP_LINK, "link", STEP_OK, "",
         "on segment %u, hears and is heard by %zu: %s",
         topo_segment_of(w->s->topo, dp), n, names);
    return true;
}

/* Returns whether the port is one that frames may pass by now. */
static bool why_link(struct walk *w, struct dp_key dp, enum port_class *ret_class)
{
    static const char name[] = "link";
    char key[KEY_STRLEN];
    struct dp_key peer;

    if (!topo_port_class(w->s->topo, dp, ret_class)) {
        step(w, STEP_LINK, name, STEP_OPEN, "", "the port is not up");
        return false;
    }
    *ret_class = ports_class(w->s, dp);
    if (ports_link(w->s, dp, &peer)) {
        step(w, STEP_LINK, name, STEP_OK, "",
             "confirmed by LLDP in both directions: %s", dp_key_format(peer, key));
        return true;
    }
    if (on_segment(w, dp)) {
        return true;
    }
    switch (*ret_class) {
    case PORT_EDGE:
    case PORT_OPEN:
        step(w, STEP_LINK, name, STEP_OK, "", "%s",
             ports_rule(w->s, dp) != PORT_RULE_AUTO ? "an edge port by the mapping file"
             : w->s->config.plane == PLANE_PASSTHROUGH
                 ? "pass-through: routing packets travel over the real port"
                 : "an edge port: no LLDP of ours was heard");
        return true;
    case PORT_PROBING:
        step(w, STEP_LINK, name, STEP_MISSING, "wait a few seconds",
             "the port has just come up; whether it is an edge port is not known yet");
        return false;
    case PORT_BLOCKED:
        step(w, STEP_LINK, name, STEP_MISSING, "change its class in the mapping file",
             "the port is blocked by the mapping file");
        return false;
    case PORT_INTERNAL:
    case PORT_INSIDE: /* Not of a port that is mapped. */
        break;
    }
    step(w, STEP_LINK, name, STEP_MISSING,
         "see that both switches are connected and that the cable carries frames in "
         "both "
         "directions (rfctl show links); a switch between them must pass broadcasts.  "
         "On a segment with hosts or other routers, too, write \"external\" in the "
         "mapping file",
         "an inter-switch port whose link is not confirmed in both directions");
    return false;
}

/* Whether the other datapaths of a VM that spans several reach this port. */
static void why_inside(struct walk *w, uint64_t vm_id, uint64_t dp_id)
{
    static const char name[] = "inside links";
    struct server_vm *vm = vm_find(w->s, vm_id);
    const struct server_rib *here = vm ? vm_rib(vm, dp_id) : NULL;
    size_t n_others = 0;

    if (!here || !vm->ribs->next) {
        return;
    }
    for (const struct server_rib *r = vm->ribs; r; r = r->next) {
        n_others += r != here;
    }
    if (here->n_paths < n_others) {
        step(w, STEP_LINK, name, STEP_MISSING,
             "compare rfctl show links with the file of inside links (rfisl.csv): each "
             "link must be confirmed between these two ports",
             "%zu of the %zu other datapaths of this VM reach this one", here->n_paths,
             n_others);
    } else {
        step(w, STEP_LINK, name, STEP_OK, "",
             "all %zu other datapaths of this VM reach this one", n_others);
    }
}

static bool why_rfvs(struct walk *w, const struct assoc_row *row, enum port_class class)
{
    static const char name[] = "virtual plane";
    const struct server_vlink *vlink;
    struct server_vs *vs;

    if (!row || row->state != ASSOC_ACTIVE) {
        step(w, STEP_VPLANE, name, STEP_OPEN, "", "waits for the association");
        return false;
    }
    vs = vs_find(w->s, row->vs.vs_id);
    if (!vs || !vs->connected) {
        step(w, STEP_VPLANE, name, STEP_MISSING,
             "see that rfvs and RFVS run and are connected",
             "RFVS is not connected: %s", vs ? vs->reason : "unknown");
        return false;
    }
    if (port_class_relays(class)) {
        step(w, STEP_VPLANE, name, STEP_OK, "",
             "control frames are relayed between switch and VM");
        return true;
    }
    vlink = vplane_vlink(w->s, row->vs);
    if (!vlink) {
        step(w, STEP_VPLANE, name, STEP_MISSING,
             "look for the port at the other end: rfctl show links, then rfctl why for "
             "it",
             "RFVS has no virtual link from port %u: the association at the other end "
             "of "
             "the real link is not active",
             row->vs.vs_port);
        return false;
    }
    if (vlink->n == 1) {
        step(w, STEP_VPLANE, name, STEP_OK, "", "RFVS port %u is linked with port %u",
             row->vs.vs_port, vlink->to[0]);
    } else {
        step(w, STEP_VPLANE, name, STEP_OK, "",
             "frames of RFVS port %u go to %zu others of the segment", row->vs.vs_port,
             vlink->n);
    }
    return true;
}

static void why_routes(struct walk *w, uint64_t vm_id)
{
    static const char name[] = "routes";
    struct server_vm *vm = vm_find(w->s, vm_id);
    struct rib_counts counts;

    if (!vm || !vm->synced) {
        step(w, STEP_ROUTES, name, STEP_OPEN, "", "the client has not reported yet");
        return;
    }
    rib_counts(vm->ribs->rib, &counts);
    if (counts.unresolved) {
        step(w, STEP_ROUTES, name, STEP_MISSING,
             "rfctl show routes names them; ping the gateway from within the container",
             "%zu routes told, but %zu gateways do not answer ARP or ND", counts.routes,
             counts.unresolved);
    } else if (counts.routes) {
        step(w, STEP_ROUTES, name, STEP_OK, "", "%zu routes and %zu neighbours told",
             counts.routes, counts.neighs);
    } else {
        step(w, STEP_ROUTES, name, STEP_MISSING,
             "look into the container: vtysh -c 'show ip route', ip route",
             "the container has no routes");
    }
}

static void why_flows(struct walk *w, uint64_t dp_id)
{
    static const char name[] = "flows";
    struct server_dp *dp = dp_find(w->s, dp_id);

    if (!dp || !dp->connected) {
        step(w, STEP_FLOWS, name, STEP_OPEN, "", "the datapath is not connected");
    } else if (dp->phase != PLANE_DONE) {
        step(w, STEP_FLOWS, name, STEP_OPEN, "",
             "sent as known so far; complete once the VM and its ports have settled");
    } else if (!dp->has_status) {
        step(w, STEP_FLOWS, name, STEP_OPEN, "", "rfproxy has not reported yet");
    } else if (dp->status.failed) {
        step(w, STEP_FLOWS, name, STEP_MISSING,
             "see rfctl show events; rfproxy tries again by itself",
             "%llu entries are refused by the switch: %s",
             (unsigned long long)dp->status.failed, dp->last_error);
    } else if (!dp->status.in_sync) {
        step(w, STEP_FLOWS, name, STEP_OPEN, "", "%llu changes are under way",
             (unsigned long long)dp->status.pending);
    } else {
        step(w, STEP_FLOWS, name, STEP_OK, "", "%llu entries installed and confirmed",
             (unsigned long long)dp->status.installed);
    }
}

static void walk_begin(struct walk *w, struct ctl_request *r)
{
    *w = (struct walk){.s = r->server};
    BSON_APPEND_ARRAY_BEGIN(r->doc, "steps", &w->steps);
}

static int walk_end(struct walk *w, struct ctl_request *r, const char *good)
{
    bson_append_array_end(r->doc, &w->steps);
    const char *verdict = *w->missing ? w->missing : *w->open ? w->open : good;
    BSON_APPEND_UTF8(r->doc, "verdict", verdict);
    BSON_APPEND_BOOL(r->doc, "ok", verdict == good);
    return verdict == good ? 0 : 2;
}

static int why_port(struct ctl_request *r, struct vm_key vm)
{
    const struct assoc_row *row = assoc_by_vm(r->server->assoc, vm);
    enum port_class class = PORT_PROBING;
    struct dp_key dp;
    struct walk w;

    if (!assoc_configured_dp(r->server->assoc, vm, &dp)) {
        char mac[ETH_STRLEN];
        return ctl_error(
            r,
            "vm %s port %u is in no line of %s: add \"%llx,%u,CT,DP,DP_PORT\" "
            "(it takes effect when the file is saved)",
            eth_format(eth_from_u64(vm.vm_id), mac), vm.vm_port,
            r->server->config.mapping_path, (unsigned long long)vm.vm_id, vm.vm_port);
    }
    walk_begin(&w, r);
    bool dp_ok = why_switch(&w, dp);
    why_association(&w, vm, dp_ok);
    why_link(&w, dp, &class);
    why_inside(&w, vm.vm_id, dp.dp_id);
    why_rfvs(&w, row, class);
    why_routes(&w, vm.vm_id);
    why_flows(&w, dp.dp_id);
    return walk_end(&w, r, "nothing is missing: this port routes");
}

/* At one datapath; `where` names it, "" if it is the only one. */
static void why_prefix_at(struct walk *w, struct server_vm *vm,
                          const struct server_rib *r, const struct ip_prefix *prefix,
                          const char *where)
{
    char text[RIB_VERDICT_STRLEN], p[IP_PREFIX_STRLEN], mac[ETH_STRLEN];
    struct rib_route_info info;
    struct ip_prefix match = *prefix;

    eth_format(eth_from_u64(vm->id), mac);
    rib_explain(r->rib, prefix, &info);
    if (info.verdict.reason == RIB_NO_ROUTE &&
        rib_match(r->rib, &prefix->addr, &match)) {
        rib_explain(r->rib, &match, &info);
    }
    prefix_format(&match, p);
    switch (info.verdict.reason) {
    case RIB_OK:
        step(w, STEP_ROUTES, vm->name, STEP_OK, "", "vm %s%s forwards by %s", mac,
             where, p);
        break;
    case RIB_NO_ROUTE:
        step(w, STEP_ROUTES, vm->name, STEP_MISSING,
             "ask its routing suite: vtysh -c 'show ip route' in the container",
             "vm %s has no route for %s", mac, p);
        break;
    case RIB_QUEUED:
        step(w, STEP_ROUTES, vm->name, STEP_OPEN, "", "vm %s%s: %s is being sent", mac,
             where, p);
        break;
    default:
        step(w, STEP_ROUTES, vm->name, STEP_MISSING,
             "rfctl why VM PORT tells more about a port", "vm %s%s: %s: %s", mac, where,
             p, rib_verdict_format(&info.verdict, text));
        break;
    }
    struct server_dp *dp = dp_find(w->s, r->dp_id);
    if (info.verdict.reason == RIB_OK && (!dp || !dp->connected || dp->status.failed)) {
        step(w, STEP_FLOWS, vm->name, STEP_MISSING, "rfctl show datapaths",
             "vm %s%s: its datapath is %s", mac, where,
             dp ? plane_phase_text(dp) : "not connected");
    }
}

static void why_prefix_in(struct walk *w, struct server_vm *vm,
                          const struct ip_prefix *prefix)
{
    for (const struct server_rib *r = vm->ribs; r; r = r->next) {
        char where[48] = "";
        if (vm->ribs->next) {
            snprintf(where, sizeof where, " at datapath 0x%016llx",
                     (unsigned long long)r->dp_id);
        }
        why_prefix_at(w, vm, r, prefix, where);
    }
}

static int why_prefix(struct ctl_request *r, const struct ip_prefix *prefix,
                      const char *vm_name)
{
    struct server_vm *vm, *tmp;
    uint64_t vm_id = 0;
    struct walk w;

    if (vm_name &&
        (!ctl_vm_parse(r->server, vm_name, &vm_id) || !vm_find(r->server, vm_id))) {
        return ctl_error(r, "no VM \"%s\" is known (rfctl show clients)", vm_name);
    }
    if (!r->server->vms) {
        return ctl_error(r, "no client has connected: no VM has told any route");
    }
    walk_begin(&w, r);
    HASH_ITER (hh, r->server->vms, vm, tmp) {
        if (!vm_id || vm_id == vm->id) {
            why_prefix_in(&w, vm, prefix);
        }
    }
    return walk_end(&w, r, "every VM asked forwards it");
}

int ctl_why(struct ctl_request *r)
{
    const struct wire_strs *args = r->args;
    struct ip_prefix prefix;
    struct ip_addr addr;
    struct vm_key vm;
    uint64_t port;

    if (args->n && ip_parse(args->s[0], &addr)) {
        prefix = prefix_of_host(&addr);
        return why_prefix(r, &prefix, args->n > 1 ? args->s[1] : NULL);
    }
    if (args->n && prefix_parse(args->s[0], &prefix)) {
        prefix_canonicalize(&prefix);
        return why_prefix(r, &prefix, args->n > 1 ? args->s[1] : NULL);
    }
    if (args->n != 2 || !parse_u64(args->s[1], 10, UINT32_MAX, &port) || !port) {
        return ctl_error(r, "why takes VM PORT or PREFIX [VM]; a VM is a MAC, a "
                            "hexadecimal vm_id or the name of its container");
    }
    if (!ctl_vm_parse(r->server, args->s[0], &vm.vm_id)) {
        return ctl_error(r, "no VM \"%s\" is known (rfctl show clients)", args->s[0]);
    }
    vm.vm_port = (uint32_t)port;
    return why_port(r, vm);
}
