#include "core/assoc.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "assoc_rows.h"

/* One application of an event. */
struct run {
    struct assoc_table *table;
    const struct assoc_event *event;
    struct assoc_effects *effects;
};

static const struct assoc_row no_row = {.state = ASSOC_NONE};

const char *assoc_state_name(enum assoc_state state)
{
    static const char *const names[ASSOC_N_STATES] = {
        [ASSOC_NONE] = "none",
        [ASSOC_IDLE_CLIENT] = "idle client port",
        [ASSOC_IDLE_DATAPATH] = "idle datapath port",
        [ASSOC_ASSOCIATED] = "client-datapath association",
        [ASSOC_ACTIVE] = "active client-datapath association",
    };
    return names[state];
}

const char *assoc_event_name(enum assoc_event_kind kind)
{
    static const char *const names[ASSOC_N_EVENTS] = {
        [ASSOC_CLIENT_PORT] = "client port",
        [ASSOC_CLIENT_PORT_GONE] = "client port gone",
        [ASSOC_CLIENT_LOST] = "client lost",
        [ASSOC_DP_PORT] = "datapath port",
        [ASSOC_DP_PORT_GONE] = "datapath port gone",
        [ASSOC_DP_LOST] = "datapath lost",
        [ASSOC_MAPPING] = "mapping frame",
        [ASSOC_VS_PORT_GONE] = "rfvs port gone",
        [ASSOC_VS_LOST] = "rfvs lost",
        [ASSOC_CONFIG_ADD] = "mapping row added",
        [ASSOC_CONFIG_DEL] = "mapping row removed",
    };
    return names[kind];
}

const char *assoc_effect_name(enum assoc_effect_kind kind)
{
    static const char *const names[] = {
        [ASSOC_ROW] = "row",
        [ASSOC_ASK_MAPPING] = "ask mapping",
        [ASSOC_SEND_PORT_CONFIG] = "send port config",
        [ASSOC_RELAY_ADD] = "relay add",
        [ASSOC_RELAY_DEL] = "relay del",
        [ASSOC_ACTIVATED] = "activated",
        [ASSOC_DEACTIVATED] = "deactivated",
        [ASSOC_CARRIER] = "carrier",
    };
    return names[kind];
}

void assoc_port_config(const struct assoc_row *row, bool *ret_mapping, bool *ret_active)
{
    *ret_mapping = row->state == ASSOC_ASSOCIATED;
    *ret_active = row->state == ASSOC_ACTIVE;
}

void assoc_effects_uninit(struct assoc_effects *effects)
{
    free(effects->v);
    *effects = (struct assoc_effects){.v = NULL};
}

/* Effects. */

static struct assoc_effect *emit(struct run *run, enum assoc_effect_kind kind,
                                 int number, const struct assoc_row *before,
                                 const struct assoc_row *after)
{
    bool leaving = kind == ASSOC_DEACTIVATED || kind == ASSOC_RELAY_DEL;
    const struct assoc_row *first = leaving ? before : after;
    const struct assoc_row *second = leaving ? after : before;
    struct assoc_effects *effects = run->effects;

    if (effects->n == effects->cap) {
        effects->cap = effects->cap ? 2 * effects->cap : 16;
        effects->v = xrealloc(effects->v, effects->cap * sizeof *effects->v);
    }
    struct assoc_effect *e = &effects->v[effects->n++];
    *e = (struct assoc_effect){
        .kind = kind,
        .transition = (uint8_t)number,
        .vm = assoc_has_vm(first) ? first->vm : second->vm,
        .dp = assoc_has_dp(first) ? first->dp : second->dp,
        .vs = assoc_has_vs(first) ? first->vs : second->vs,
        .before = *before,
        .after = *after,
    };
    return e;
}

static void emit_carrier(struct run *run, int number, const struct assoc_row *before,
                         const struct assoc_row *after, struct assoc_wire *wire,
                         bool on)
{
    struct assoc_effect *e = emit(run, ASSOC_CARRIER, number, before, after);

    wire->carrier = on;
    e->vs = wire->vs;
    e->on = on;
}

/* The three parts of a transition: what the row no longer is, the row itself (assoc_set
 * and ASSOC_ROW), what it is now. */

static void leave(struct run *run, int number, const struct assoc_row *before,
                  const struct assoc_row *after)
{
    if (before->state == ASSOC_ACTIVE) {
        emit(run, ASSOC_DEACTIVATED, number, before, after);
        emit(run, ASSOC_RELAY_DEL, number, before, after);
    }
    if (before->state >= ASSOC_ASSOCIATED && after->state == ASSOC_IDLE_CLIENT) {
        struct assoc_wire *wire = assoc_wire_of(run->table, before->vm);
        if (wire && wire->carrier) {
            emit_carrier(run, number, before, after, wire, false);
        }
    }
}

static void become(struct run *run, int number, struct assoc_entry *entry,
                   const struct assoc_row *after)
{
    struct assoc_row before = entry->row;

    assoc_set(run->table, entry, after);
    emit(run, ASSOC_ROW, number, &before, &entry->row);
}

static void arrive(struct run *run, int number, const struct assoc_row *before,
                   const struct assoc_row *after)
{
    if (after->state == ASSOC_ASSOCIATED) {
        struct assoc_wire *wire = assoc_wire_of(run->table, after->vm);
        if (wire && !wire->carrier) {
            emit_carrier(run, number, before, after, wire, true);
        }
        emit(run, ASSOC_ASK_MAPPING, number, before, after);
    } else if (after->state == ASSOC_ACTIVE) {
        assoc_wire_set(run->table, after->vm, after->vs);
        emit_carrier(run, number, before, after, assoc_wire_of(run->table, after->vm),
                     true);
        emit(run, ASSOC_RELAY_ADD, number, before, after);
        emit(run, ASSOC_ACTIVATED, number, before, after);
    }
    if ((after->state == ASSOC_ACTIVE && before->state == ASSOC_ASSOCIATED) ||
        (after->state == ASSOC_IDLE_CLIENT && before->state >= ASSOC_ASSOCIATED)) {
        emit(run, ASSOC_SEND_PORT_CONFIG, number, before, after);
    }
}

/* A row that has the keys which `state` says, out of those given. */
static struct assoc_row row_with(const struct run *run, enum assoc_state state,
                                 struct vm_key vm, struct dp_key dp, struct vs_key vs)
{
    struct assoc_row row = {.state = state, .since = run->event->now};

    if (assoc_has_vm(&row)) {
        row.vm = vm;
    }
    if (assoc_has_dp(&row)) {
        row.dp = dp;
    }
    if (assoc_has_vs(&row)) {
        row.vs = vs;
    }
    return row;
}

/* The usual transition, of one row that stays. */
static void change(struct run *run, int number, struct assoc_entry *entry,
                   enum assoc_state state, struct vm_key vm, struct dp_key dp,
                   struct vs_key vs)
{
    struct assoc_row before = entry->row;
    struct assoc_row after = row_with(run, state, vm, dp, vs);

    after.id = before.id;
    leave(run, number, &before, &after);
    become(run, number, entry, &after);
    arrive(run, number, &before, &after);
}

static void begin(struct run *run, int number, enum assoc_state state)
{
    struct assoc_entry *entry = assoc_add(run->table);
    const struct assoc_event *event = run->event;
    struct assoc_row row = row_with(run, state, event->vm, event->dp, event->vs);

    assoc_set(run->table, entry, &row);
    emit(run, ASSOC_ROW, number, &no_row, &entry->row);
}

static void end(struct run *run, int number, struct assoc_entry *entry)
{
    emit(run, ASSOC_ROW, number, &entry->row, &no_row);
    assoc_remove(run->table, entry);
}

/* Refusals. */

static bool refuse(struct run *run, const char *format, ...)
    __attribute__((format(printf, 2, 3)));

static bool refuse(struct run *run, const char *format, ...)
{
    va_list args;

    va_start(args, format);
    vsnprintf(run->effects->reason, sizeof run->effects->reason, format, args);
    va_end(args);
    return false;
}

static bool check_vm(struct run *run, bool whole)
{
    struct vm_key vm = run->event->vm;

    if (vm.vm_id && vm.vm_id >> 48 == 0 && (vm.vm_port || !whole)) {
        return true;
    }
    return refuse(run, "%s names vm 0x%llx port %u, expected an id of 1 to 48 bits%s",
                  assoc_event_name(run->event->kind), (unsigned long long)vm.vm_id,
                  vm.vm_port, whole ? " and a port of 1 or more" : "");
}

static bool check_dp(struct run *run, bool whole)
{
    struct dp_key dp = run->event->dp;
    char text[KEY_STRLEN];

    if (dp.dp_id && !dpid_is_virtual(dp.dp_id) && (dp.dp_port || !whole)) {
        return true;
    }
    return refuse(run,
                  "%s names %s, expected the id of a real switch (not 0, not under "
                  "0x72667673)%s",
                  assoc_event_name(run->event->kind), dp_key_format(dp, text),
                  whole ? " and a port of 1 or more" : "");
}

static bool check_vs(struct run *run, bool whole)
{
    struct vs_key vs = run->event->vs;
    char text[KEY_STRLEN];

    if (dpid_is_virtual(vs.vs_id) && (vs.vs_port || !whole)) {
        return true;
    }
    return refuse(run, "%s names %s, expected an id under 0x72667673%s",
                  assoc_event_name(run->event->kind), vs_key_format(vs, text),
                  whole ? " and a port of 1 or more" : "");
}

/* Events. */

static bool client_port(struct run *run)
{
    const struct assoc_event *event = run->event;
    struct assoc_entry *entry = assoc_find_vm(run->table, event->vm);
    const struct assoc_pair *pair = assoc_pair_of_vm(run->table, event->vm);

    if (entry) {
        if (entry->row.state >= ASSOC_ASSOCIATED) {
            emit(run, ASSOC_SEND_PORT_CONFIG, 13, &entry->row, &entry->row);
        }
        return true;
    }
    entry = pair ? assoc_find_dp(run->table, pair->dp) : NULL;
    if (entry) {
        change(run, 4, entry, ASSOC_ASSOCIATED, event->vm, pair->dp, event->vs);
    } else {
        begin(run, 1, ASSOC_IDLE_CLIENT);
    }
    return true;
}

static void client_port_gone(struct run *run, struct assoc_entry *entry)
{
    if (entry->row.state == ASSOC_IDLE_CLIENT) {
        end(run, 9, entry);
    } else {
        change(run, 8, entry, ASSOC_IDLE_DATAPATH, entry->row.vm, entry->row.dp,
               entry->row.vs);
    }
}

static bool dp_port(struct run *run)
{
    const struct assoc_event *event = run->event;
    const struct assoc_pair *pair = assoc_pair_of_dp(run->table, event->dp);

    if (assoc_find_dp(run->table, event->dp)) {
        return true;
    }
    struct assoc_entry *entry = pair ? assoc_find_vm(run->table, pair->vm) : NULL;
    if (entry) {
        change(run, 3, entry, ASSOC_ASSOCIATED, pair->vm, event->dp, event->vs);
    } else {
        begin(run, 2, ASSOC_IDLE_DATAPATH);
    }
    return true;
}

static void dp_port_gone(struct run *run, struct assoc_entry *entry)
{
    if (entry->row.state == ASSOC_IDLE_DATAPATH) {
        end(run, 7, entry);
    } else {
        change(run, 6, entry, ASSOC_IDLE_CLIENT, entry->row.vm, entry->row.dp,
               entry->row.vs);
    }
}

static bool mapping_seen(struct run *run)
{
    const struct assoc_event *event = run->event;
    struct assoc_entry *entry = assoc_find_vm(run->table, event->vm);
    const struct assoc_entry *holder = assoc_find_vs(run->table, event->vs);
    char vm[KEY_STRLEN], vs[KEY_STRLEN], other[KEY_STRLEN];

    vm_key_format(event->vm, vm);
    vs_key_format(event->vs, vs);
    if (!entry) {
        return refuse(run, "mapping frame from %s, which is not registered, at %s", vm,
                      vs);
    }
    if (entry->row.state == ASSOC_IDLE_CLIENT) {
        return refuse(run,
                      "mapping frame from %s, which is an %s, at %s: expected its "
                      "datapath port to register first",
                      vm, assoc_state_name(entry->row.state), vs);
    }
    if (holder && holder != entry) {
        return refuse(run,
                      "mapping frame from %s at %s, where %s is already: expected "
                      "one container at an RFVS port",
                      vm, vs, vm_key_format(holder->row.vm, other));
    }
    if (!holder) {
        int number = entry->row.state == ASSOC_ACTIVE ? 11 : 5;
        change(run, number, entry, ASSOC_ACTIVE, event->vm, entry->row.dp, event->vs);
    }
    return true;
}

static void vs_port_gone(struct run *run, struct assoc_entry *entry)
{
    change(run, 10, entry, ASSOC_ASSOCIATED, entry->row.vm, entry->row.dp,
           entry->row.vs);
}

static bool config_add(struct run *run)
{
    const struct assoc_event *event = run->event;
    const struct assoc_pair *of_vm = assoc_pair_of_vm(run->table, event->vm);
    const struct assoc_pair *of_dp = assoc_pair_of_dp(run->table, event->dp);
    char vm[KEY_STRLEN], dp[KEY_STRLEN], other[KEY_STRLEN];

    vm_key_format(event->vm, vm);
    dp_key_format(event->dp, dp);
    if (of_vm && of_vm == of_dp) {
        return true;
    }
    if (of_vm) {
        return refuse(run, "mapping of %s to %s, but it is mapped to %s already", vm,
                      dp, dp_key_format(of_vm->dp, other));
    }
    if (of_dp) {
        return refuse(run, "mapping of %s to %s, but %s is mapped to that already", vm,
                      dp, vm_key_format(of_dp->vm, other));
    }
    assoc_pair_add(run->table, event->vm, event->dp);

    /* Without a pair before, both can only be idle. */
    struct assoc_entry *client = assoc_find_vm(run->table, event->vm);
    struct assoc_entry *datapath = assoc_find_dp(run->table, event->dp);
    if (client && datapath) {
        end(run, 12, datapath);
        change(run, 12, client, ASSOC_ASSOCIATED, event->vm, event->dp, event->vs);
    }
    return true;
}

static bool config_del(struct run *run)
{
    const struct assoc_event *event = run->event;
    struct assoc_pair *pair = assoc_pair_of_vm(run->table, event->vm);
    char vm[KEY_STRLEN], dp[KEY_STRLEN];

    if (!pair || !dp_key_equal(pair->dp, event->dp)) {
        return refuse(run, "mapping of %s to %s is to be removed, but is not there",
                      vm_key_format(event->vm, vm), dp_key_format(event->dp, dp));
    }
    assoc_pair_remove(run->table, pair);

    struct assoc_entry *entry = assoc_find_vm(run->table, event->vm);
    if (entry && entry->row.state >= ASSOC_ASSOCIATED) {
        struct assoc_row before = entry->row;
        struct assoc_row after =
            row_with(run, ASSOC_IDLE_CLIENT, before.vm, before.dp, before.vs);
        after.id = before.id;
        leave(run, 12, &before, &after);
        become(run, 12, entry, &after);
        begin(run, 12, ASSOC_IDLE_DATAPATH);
        arrive(run, 12, &before, &after);
    }
    return true;
}

/* Applies fn to a row, if there is one. */
static bool to_row(struct run *run, struct assoc_entry *entry,
                   void (*fn)(struct run *, struct assoc_entry *))
{
    if (entry) {
        fn(run, entry);
    }
    return true;
}

static bool client_lost(struct run *run)
{
    struct assoc_entry *next;

    for (struct assoc_entry *e = assoc_first_of_vm(run->table, run->event->vm.vm_id); e;
         e = next) {
        next = e->vm_next;
        client_port_gone(run, e);
    }
    return true;
}

static bool dp_lost(struct run *run)
{
    struct dp_key dp = run->event->dp;
    struct assoc_entry *next;

    for (struct assoc_entry *e = assoc_first_of_dp(run->table, dp.ct_id, dp.dp_id); e;
         e = next) {
        next = e->dp_next;
        dp_port_gone(run, e);
    }
    return true;
}

static bool vs_lost(struct run *run)
{
    struct assoc_entry *next;

    assoc_wires_end(run->table, run->event->vs.vs_id);
    for (struct assoc_entry *e = run->table->by_vs; e; e = next) {
        next = e->hh_vs.next;
        if (e->row.vs.vs_id == run->event->vs.vs_id) {
            vs_port_gone(run, e);
        }
    }
    return true;
}

bool assoc_apply(struct assoc_table *table, const struct assoc_event *event,
                 struct assoc_effects *ret)
{
    struct run run = {.table = table, .event = event, .effects = ret};

    ret->n = 0;
    ret->reason[0] = '\0';
    switch (event->kind) {
    case ASSOC_CLIENT_PORT:
        return check_vm(&run, true) && client_port(&run);
    case ASSOC_CLIENT_PORT_GONE:
        return check_vm(&run, true) &&
               to_row(&run, assoc_find_vm(table, event->vm), client_port_gone);
    case ASSOC_CLIENT_LOST:
        return check_vm(&run, false) && client_lost(&run);
    case ASSOC_DP_PORT:
        return check_dp(&run, true) && dp_port(&run);
    case ASSOC_DP_PORT_GONE:
        return check_dp(&run, true) &&
               to_row(&run, assoc_find_dp(table, event->dp), dp_port_gone);
    case ASSOC_DP_LOST:
        return check_dp(&run, false) && dp_lost(&run);
    case ASSOC_MAPPING:
        return check_vm(&run, true) && check_vs(&run, true) && mapping_seen(&run);
    case ASSOC_VS_PORT_GONE:
        if (!check_vs(&run, true)) {
            return false;
        }
        assoc_wire_end(table, event->vs);
        return to_row(&run, assoc_find_vs(table, event->vs), vs_port_gone);
    case ASSOC_VS_LOST:
        return check_vs(&run, false) && vs_lost(&run);
    case ASSOC_CONFIG_ADD:
        return check_vm(&run, true) && check_dp(&run, true) && config_add(&run);
    case ASSOC_CONFIG_DEL:
        return check_vm(&run, true) && check_dp(&run, true) && config_del(&run);
    }
    return refuse(&run, "unknown event %d", (int)event->kind);
}
