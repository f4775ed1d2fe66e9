/* Flow entries, groups and meters: OpenFlow 1.3.5, 6.4 to 6.6. */

#include "ofsim.h"

#include <stdlib.h>
#include <string.h>

/* Flow entries. */

static void put_key(struct buf *b, uint8_t table, uint16_t priority,
                    const struct of_match *match)
{
    buf_put_u8(b, table);
    buf_put_u16(b, priority);
    of_match_put(b, match);
}

static struct flow *flow_find(struct sim_switch *sw, const struct buf *key)
{
    struct flow *flow;

    HASH_FIND(hh, sw->flows, key->data, key->len, flow);
    return flow;
}

static void flow_remove(struct sim_switch *sw, struct flow *flow)
{
    sw->n_flows[flow->table]--;
    sw->generation++;
    HASH_DEL(sw->flows, flow);
    free(flow->inst);
    free(flow->key);
    free(flow);
}

static void *copy(const void *data, size_t n)
{
    return n ? memcpy(xmalloc(n), data, n) : NULL;
}

static void set_instructions(struct flow *flow, const struct of_instructions *inst)
{
    struct buf b = {0};

    of_instructions_put(&b, inst);
    free(flow->inst);
    flow->inst = copy(b.data, b.len);
    flow->inst_len = b.len;
    buf_uninit(&b);
}

void flow_instructions(const struct flow *flow, struct of_instructions *ret)
{
    struct cursor c = cursor_of(flow->inst, flow->inst_len);

    if (of_instructions_pull(&c, ret)) {
        abort(); /* We encoded it ourselves. */
    }
}

static bool list_outputs_to(const struct of_actions *list, uint32_t port,
                            uint32_t group)
{
    for (unsigned i = 0; i < list->n; i++) {
        if ((list->a[i].kind == OF_A_OUTPUT && list->a[i].output.port == port) ||
            (list->a[i].kind == OF_A_GROUP && list->a[i].group_id == group)) {
            return true;
        }
    }
    return false;
}

static bool outputs_to(const struct flow *flow, uint32_t port, uint32_t group)
{
    struct of_instructions inst;

    flow_instructions(flow, &inst);
    return list_outputs_to(&inst.apply, port, group) ||
           list_outputs_to(&inst.write, port, group);
}

bool flow_outputs_to(const struct flow *flow, uint32_t port, uint32_t group)
{
    return (port == OFPP_ANY || outputs_to(flow, port, OFPG_ANY)) &&
           (group == OFPG_ANY || outputs_to(flow, OFPP_ANY, group));
}

static void flow_add(struct sim_switch *sw, const struct of_flow_mod *mod)
{
    struct buf key = {0};

    put_key(&key, mod->table_id, mod->priority, &mod->match);
    struct flow *flow = flow_find(sw, &key);
    if (!flow) {
        flow = xcalloc(1, sizeof *flow);
        flow->table = mod->table_id;
        flow->priority = mod->priority;
        flow->match = mod->match;
        flow->key_len = key.len;
        flow->key = copy(key.data, key.len);
        HASH_ADD_KEYPTR(hh, sw->flows, flow->key, flow->key_len, flow);
        sw->n_flows[flow->table]++;
    }
    flow->cookie = mod->cookie;
    flow->flags = mod->flags;
    flow->idle_timeout = mod->idle_timeout;
    flow->hard_timeout = mod->hard_timeout;
    flow->packets = flow->bytes = 0;
    flow->since = loop_now();
    set_instructions(flow, &mod->inst);
    sw->generation++;
    buf_uninit(&key);
}

/* Whether a modification or deletion is about this entry. */
static bool concerns(const struct of_flow_mod *mod, const struct flow *flow)
{
    const bool deletes =
        mod->command == OFPFC_DELETE || mod->command == OFPFC_DELETE_STRICT;
    const bool strict =
        mod->command == OFPFC_MODIFY_STRICT || mod->command == OFPFC_DELETE_STRICT;

    return (mod->table_id == OFPTT_ALL || mod->table_id == flow->table) &&
           !((flow->cookie ^ mod->cookie) & mod->cookie_mask) &&
           (strict ? mod->priority == flow->priority &&
                         of_match_equal(&mod->match, &flow->match)
                   : of_match_covers(&mod->match, &flow->match)) &&
           (!deletes || flow_outputs_to(flow, mod->out_port, mod->out_group));
}

static void flow_change(struct sim_switch *sw, const struct of_flow_mod *mod,
                        struct flow *flow)
{
    if (mod->command == OFPFC_DELETE || mod->command == OFPFC_DELETE_STRICT) {
        flow_remove(sw, flow);
        return;
    }
    set_instructions(flow, &mod->inst);
    if (mod->flags & OFPFF_RESET_COUNTS) {
        flow->packets = flow->bytes = 0;
    }
    sw->generation++;
}

static void flow_change_all(struct sim_switch *sw, const struct of_flow_mod *mod)
{
    struct flow *flow, *next;

    if (mod->command == OFPFC_MODIFY_STRICT || mod->command == OFPFC_DELETE_STRICT) {
        struct buf key = {0};
        put_key(&key, mod->table_id, mod->priority, &mod->match);
        flow = flow_find(sw, &key);
        if (flow && concerns(mod, flow)) {
            flow_change(sw, mod, flow);
        }
        buf_uninit(&key);
        return;
    }
    HASH_ITER (hh, sw->flows, flow, next) {
        if (concerns(mod, flow)) {
            flow_change(sw, mod, flow);
        }
    }
}

/* What a switch would refuse; reports it. */

static bool check_actions(struct sim_switch *sw, const struct of_actions *list)
{
    for (unsigned i = 0; i < list->n; i++) {
        const struct of_action *a = &list->a[i];
        if (a->kind == OF_A_GROUP && !tables_group(sw, a->group_id)) {
            switch_error(sw, OFPET_BAD_ACTION, OFPBAC_BAD_OUT_GROUP);
            return false;
        }
        if (a->kind == OF_A_OUTPUT && (!a->output.port || a->output.port == OFPP_ANY)) {
            switch_error(sw, OFPET_BAD_ACTION, OFPBAC_BAD_OUT_PORT);
            return false;
        }
        if (a->kind == OF_A_UNKNOWN) {
            switch_error(sw, OFPET_BAD_ACTION, OFPBAC_BAD_TYPE);
            return false;
        }
    }
    if (list->truncated) {
        switch_error(sw, OFPET_BAD_ACTION, OFPBAC_TOO_MANY);
    }
    return !list->truncated;
}

static bool check_instructions(struct sim_switch *sw, uint8_t table,
                               const struct of_instructions *inst)
{
    if (inst->present & OF_I_UNKNOWN) {
        switch_error(sw, OFPET_BAD_INSTRUCTION, OFPBIC_UNKNOWN_INST);
        return false;
    }
    if (inst->present & OF_I_GOTO_TABLE &&
        (inst->goto_table <= table || inst->goto_table >= SIM_N_TABLES)) {
        switch_error(sw, OFPET_BAD_INSTRUCTION, 2); /* OFPBIC_BAD_TABLE_ID */
        return false;
    }
    if (inst->present & OF_I_METER && !tables_meter(sw, inst->meter_id)) {
        switch_error(sw, OFPET_METER_MOD_FAILED, OFPMMFC_UNKNOWN_METER);
        return false;
    }
    return check_actions(sw, &inst->apply) && check_actions(sw, &inst->write);
}

static bool check_flow_mod(struct sim_switch *sw, const struct of_flow_mod *mod)
{
    const bool deletes =
        mod->command == OFPFC_DELETE || mod->command == OFPFC_DELETE_STRICT;

    if (mod->table_id >= SIM_N_TABLES && !(deletes && mod->table_id == OFPTT_ALL)) {
        switch_error(sw, OFPET_FLOW_MOD_FAILED, 2); /* OFPFMFC_BAD_TABLE_ID */
    } else if (mod->command > OFPFC_DELETE_STRICT) {
        switch_error(sw, OFPET_FLOW_MOD_FAILED, OFPFMFC_BAD_COMMAND);
    } else if (mod->match.unknown) {
        switch_error(sw, OFPET_BAD_MATCH, OFPBMC_BAD_FIELD);
    } else if (!of_match_prereqs_ok(&mod->match)) {
        switch_error(sw, OFPET_BAD_MATCH, OFPBMC_BAD_PREREQ);
    } else {
        return deletes || check_instructions(sw, mod->table_id, &mod->inst);
    }
    return false;
}

void tables_flow_mod(struct sim_switch *sw, const struct of_flow_mod *mod)
{
    sw->sim->counters.flow_mods++;
    if (!check_flow_mod(sw, mod)) {
        return;
    }
    if (mod->command == OFPFC_ADD) {
        flow_add(sw, mod);
    } else {
        flow_change_all(sw, mod);
    }
}

/* Groups. */

struct group *tables_group(struct sim_switch *sw, uint32_t id)
{
    struct group *group;

    HASH_FIND(hh, sw->groups, &id, sizeof id, group);
    return group;
}

static void group_remove(struct sim_switch *sw, struct group *group)
{
    struct flow *flow, *next;

    HASH_ITER (hh, sw->flows, flow, next) {
        if (flow_outputs_to(flow, OFPP_ANY, group->id)) {
            flow_remove(sw, flow);
        }
    }
    HASH_DEL(sw->groups, group);
    free(group->buckets);
    free(group);
}

static void group_delete(struct sim_switch *sw, uint32_t id)
{
    struct group *group, *next;

    HASH_ITER (hh, sw->groups, group, next) {
        if (id == OFPG_ALL || id == group->id) {
            group_remove(sw, group);
        }
    }
}

static bool check_buckets(struct sim_switch *sw, const struct of_group_mod *mod)
{
    struct cursor c = mod->buckets;
    struct of_bucket bucket;
    enum of_err err;
    unsigned n = 0;

    while (of_bucket_next(&c, &bucket, &err)) {
        n++;
        if (!check_actions(sw, &bucket.actions)) {
            return false;
        }
    }
    if (err || (mod->type == OFPGT_INDIRECT && n != 1)) {
        switch_error(sw, OFPET_GROUP_MOD_FAILED, OFPGMFC_BAD_BUCKET);
        return false;
    }
    return true;
}

void tables_group_mod(struct sim_switch *sw, const struct of_group_mod *mod)
{
    struct group *group = tables_group(sw, mod->group_id);

    sw->sim->counters.group_mods++;
    if (mod->command == OFPGC_DELETE) {
        group_delete(sw, mod->group_id);
        return;
    }
    if (mod->group_id > OFPG_MAX || mod->type > OFPGT_FF) {
        switch_error(sw, OFPET_GROUP_MOD_FAILED, OFPGMFC_INVALID_GROUP);
    } else if (mod->command == OFPGC_ADD && group) {
        switch_error(sw, OFPET_GROUP_MOD_FAILED, OFPGMFC_GROUP_EXISTS);
    } else if (mod->command == OFPGC_MODIFY && !group) {
        switch_error(sw, OFPET_GROUP_MOD_FAILED, OFPGMFC_UNKNOWN_GROUP);
    } else if (mod->command > OFPGC_DELETE) {
        switch_error(sw, OFPET_GROUP_MOD_FAILED, 11); /* OFPGMFC_BAD_COMMAND */
    } else if (check_buckets(sw, mod)) {
        if (!group) {
            group = xcalloc(1, sizeof *group);
            group->id = mod->group_id;
            HASH_ADD(hh, sw->groups, id, sizeof group->id, group);
        }
        free(group->buckets);
        group->type = mod->type;
        group->buckets = copy(mod->buckets.p, mod->buckets.n);
        group->len = mod->buckets.n;
    }
}

/* Meters. */

struct meter *tables_meter(struct sim_switch *sw, uint32_t id)
{
    struct meter *meter;

    HASH_FIND(hh, sw->meters, &id, sizeof id, meter);
    return meter;
}

static bool flow_has_meter(const struct flow *flow, uint32_t id)
{
    struct of_instructions inst;

    flow_instructions(flow, &inst);
    return inst.present & OF_I_METER && inst.meter_id == id;
}

static void meter_remove(struct sim_switch *sw, struct meter *meter)
{
    struct flow *flow, *next;

    HASH_ITER (hh, sw->flows, flow, next) {
        if (flow_has_meter(flow, meter->id)) {
            flow_remove(sw, flow);
        }
    }
    HASH_DEL(sw->meters, meter);
    free(meter->bands);
    free(meter);
}

static void meter_delete(struct sim_switch *sw, uint32_t id)
{
    struct meter *meter, *next;

    HASH_ITER (hh, sw->meters, meter, next) {
        if (id == OFPM_ALL || id == meter->id) {
            meter_remove(sw, meter);
        }
    }
}

void tables_meter_mod(struct sim_switch *sw, const struct of_meter_mod *mod)
{
    struct meter *meter = tables_meter(sw, mod->meter_id);

    sw->sim->counters.meter_mods++;
    if (mod->command == OFPMC_DELETE) {
        meter_delete(sw, mod->meter_id);
        return;
    }
    if (!mod->meter_id || mod->meter_id > SIM_MAX_METER) {
        switch_error(sw, OFPET_METER_MOD_FAILED, OFPMMFC_INVALID_METER);
    } else if (mod->command == OFPMC_ADD && meter) {
        switch_error(sw, OFPET_METER_MOD_FAILED, OFPMMFC_METER_EXISTS);
    } else if (mod->command == OFPMC_MODIFY && !meter) {
        switch_error(sw, OFPET_METER_MOD_FAILED, OFPMMFC_UNKNOWN_METER);
    } else if (mod->command > OFPMC_DELETE) {
        switch_error(sw, OFPET_METER_MOD_FAILED, 4); /* OFPMMFC_BAD_COMMAND */
    } else {
        if (!meter) {
            meter = xcalloc(1, sizeof *meter);
            meter->id = mod->meter_id;
            HASH_ADD(hh, sw->meters, id, sizeof meter->id, meter);
        }
        free(meter->bands);
        meter->flags = mod->flags;
        meter->bands = copy(mod->bands.p, mod->bands.n);
        meter->len = mod->bands.n;
    }
}

void tables_clear(struct sim_switch *sw)
{
    struct flow *flow, *next;

    HASH_ITER (hh, sw->flows, flow, next) {
        flow_remove(sw, flow);
    }
    group_delete(sw, OFPG_ALL);
    meter_delete(sw, OFPM_ALL);
}
