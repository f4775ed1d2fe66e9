/* How a datapath port is treated: as the mapping file says, or as LLDP finds.
 *
 * The plane decides too.  In the closed plane (the usual one) routing packets stay in
 * RFVS, and an inter-switch port lets none of them in or out.  In pass-through mode,
 * the way of the original RouteFlow, there are no virtual links: every port is treated
 * as an edge port, and the routing packets of the containers travel over the real
 * links. */

#include "server.h"

#include <stdlib.h>
#include <string.h>

#define LOG_MODULE "ports"
#include "base/log.h"
#include "base/util.h"

static const char *const plane_names[] = {
    [PLANE_CLOSED] = "closed", [PLANE_PASSTHROUGH] = "passthrough"};

const char *ports_plane_name(enum plane_mode mode)
{
    return plane_names[mode];
}

bool ports_plane_parse(const char *name, enum plane_mode *ret)
{
    for (int mode = PLANE_CLOSED; mode <= PLANE_PASSTHROUGH; mode++) {
        if (!strcmp(name, plane_names[mode])) {
            *ret = (enum plane_mode)mode;
            return true;
        }
    }
    return false;
}

enum port_rule ports_rule(struct server *s, struct dp_key dp)
{
    struct server_rule *rule;

    HASH_FIND(hh, s->rules, &dp, sizeof dp, rule);
    return rule ? rule->rule : PORT_RULE_AUTO;
}

enum port_class ports_class(struct server *s, struct dp_key dp)
{
    enum port_class class = PORT_PROBING;

    if (span_isl(s, dp)) {
        return PORT_INSIDE;
    }
    switch (ports_rule(s, dp)) {
    case PORT_RULE_BLOCKED:
        return PORT_BLOCKED;
    case PORT_RULE_EDGE:
    case PORT_RULE_EXTERNAL:
        return PORT_OPEN;
    case PORT_RULE_INTERNAL:
        class = PORT_INTERNAL;
        break;
    case PORT_RULE_AUTO:
        topo_port_class(s->topo, dp, &class);
        break;
    }
    return s->config.plane == PLANE_PASSTHROUGH ? PORT_OPEN : class;
}

bool ports_link(struct server *s, struct dp_key dp, struct dp_key *ret_peer)
{
    struct dp_key peer;

    if (s->config.plane == PLANE_PASSTHROUGH || !topo_peer(s->topo, dp, &peer) ||
        ports_class(s, dp) != PORT_INTERNAL || ports_class(s, peer) != PORT_INTERNAL) {
        return false;
    }
    *ret_peer = peer;
    return true;
}

size_t ports_pairs(struct server *s, struct dp_key dp, struct dp_key ret[VLINK_MAX])
{
    size_t n = 0, found;

    if (s->config.plane == PLANE_PASSTHROUGH || ports_class(s, dp) != PORT_INTERNAL) {
        return 0;
    }
    found = topo_pairs_of(s->topo, dp, ret, VLINK_MAX);
    if (found > VLINK_MAX) {
        char key[KEY_STRLEN];
        log_warn_limited(&s->crowds,
                         "%s is on a segment with %zu others: expected %u at most, the "
                         "rest is not reached from there",
                         dp_key_format(dp, key), found, VLINK_MAX);
    }
    for (size_t i = 0; i < MIN(found, VLINK_MAX); i++) {
        if (ports_class(s, ret[i]) == PORT_INTERNAL) {
            ret[n++] = ret[i];
        }
    }
    return n;
}

void ports_clear(struct server *s)
{
    struct server_rule *rule, *tmp;

    HASH_ITER (hh, s->rules, rule, tmp) {
        HASH_DEL(s->rules, rule);
        free(rule);
    }
}

void ports_configure(struct server *s, const struct mapping_diff *diff)
{
    ports_clear(s);
    for (size_t i = 0; i < s->mapping.n_rows; i++) {
        const struct mapping_row *row = &s->mapping.rows[i];
        if (row->rule != PORT_RULE_AUTO) {
            struct server_rule *rule = xcalloc(1, sizeof *rule);
            rule->dp = row->dp;
            rule->rule = row->rule;
            HASH_ADD(hh, s->rules, dp, sizeof rule->dp, rule);
        }
    }
    for (size_t i = 0; i < diff->n_reclassed; i++) {
        server_class_changed(s, diff->reclassed[i].dp);
    }
}

void ports_set_plane(struct server *s, enum plane_mode mode)
{
    const struct assoc_row *row = NULL;

    if (s->config.plane == mode) {
        return;
    }
    s->config.plane = mode;
    journal_event(s, "plane", "the plane is %s now", plane_names[mode]);
    while ((row = assoc_next(s->assoc, row))) {
        if (assoc_has_dp(row)) {
            server_class_changed(s, row->dp);
        }
    }
    server_wake(s);
}
