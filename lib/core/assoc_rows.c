#include "assoc_rows.h"

#include <utlist.h>

#define FIND(HH, HEAD, KEY, RET) \
    HASH_FIND(HH, HEAD, &(KEY), sizeof(struct map_key), RET)

static struct assoc_group *group_find(struct assoc_group *groups, uint64_t id,
                                      uint32_t ct)
{
    struct map_key key = {.id = id, .ct = ct};
    struct assoc_group *group;

    FIND(hh, groups, key, group);
    return group;
}

static struct assoc_group *group_of(struct assoc_group **groups, struct map_key key)
{
    struct assoc_group *group = group_find(*groups, key.id, key.ct);

    if (!group) {
        group = xcalloc(1, sizeof *group);
        group->key = (struct map_key){.id = key.id, .ct = key.ct};
        HASH_ADD(hh, *groups, key, sizeof group->key, group);
    }
    return group;
}

static void group_release(struct assoc_group **groups, struct assoc_group *group)
{
    if (!group->first) {
        HASH_DEL(*groups, group);
        free(group);
    }
}

static void unlink_keys(struct assoc_table *t, struct assoc_entry *e)
{
    t->count[e->row.state]--;
    if (assoc_has_vm(&e->row)) {
        struct assoc_group *group = group_of(&t->clients, e->vm);
        DL_DELETE2(group->first, e, vm_prev, vm_next);
        group_release(&t->clients, group);
        HASH_DELETE(hh_vm, t->by_vm, e);
    }
    if (assoc_has_dp(&e->row)) {
        struct assoc_group *group = group_of(&t->datapaths, e->dp);
        DL_DELETE2(group->first, e, dp_prev, dp_next);
        group_release(&t->datapaths, group);
        HASH_DELETE(hh_dp, t->by_dp, e);
    }
    if (assoc_has_vs(&e->row)) {
        HASH_DELETE(hh_vs, t->by_vs, e);
    }
}

static void link_keys(struct assoc_table *t, struct assoc_entry *e)
{
    t->count[e->row.state]++;
    if (assoc_has_vm(&e->row)) {
        e->vm = map_key_of_vm(e->row.vm);
        struct assoc_group *group = group_of(&t->clients, e->vm);
        DL_APPEND2(group->first, e, vm_prev, vm_next);
        HASH_ADD(hh_vm, t->by_vm, vm, sizeof e->vm, e);
    }
    if (assoc_has_dp(&e->row)) {
        e->dp = map_key_of_dp(e->row.dp);
        struct assoc_group *group = group_of(&t->datapaths, e->dp);
        DL_APPEND2(group->first, e, dp_prev, dp_next);
        HASH_ADD(hh_dp, t->by_dp, dp, sizeof e->dp, e);
    }
    if (assoc_has_vs(&e->row)) {
        e->vs = map_key_of_vs(e->row.vs);
        HASH_ADD(hh_vs, t->by_vs, vs, sizeof e->vs, e);
    }
}

struct assoc_entry *assoc_add(struct assoc_table *t)
{
    struct assoc_entry *e = xcalloc(1, sizeof *e);

    e->row.id = ++t->last_id;
    t->count[ASSOC_NONE]++;
    DL_APPEND(t->all, e);
    return e;
}

void assoc_set(struct assoc_table *t, struct assoc_entry *e,
               const struct assoc_row *row)
{
    uint64_t id = e->row.id;

    unlink_keys(t, e);
    e->row = *row;
    e->row.id = id;
    link_keys(t, e);
}

void assoc_remove(struct assoc_table *t, struct assoc_entry *e)
{
    unlink_keys(t, e);
    DL_DELETE(t->all, e);
    free(e);
}

struct assoc_entry *assoc_find_vm(const struct assoc_table *t, struct vm_key vm)
{
    struct map_key key = map_key_of_vm(vm);
    struct assoc_entry *e;

    FIND(hh_vm, t->by_vm, key, e);
    return e;
}

struct assoc_entry *assoc_find_dp(const struct assoc_table *t, struct dp_key dp)
{
    struct map_key key = map_key_of_dp(dp);
    struct assoc_entry *e;

    FIND(hh_dp, t->by_dp, key, e);
    return e;
}

struct assoc_entry *assoc_find_vs(const struct assoc_table *t, struct vs_key vs)
{
    struct map_key key = map_key_of_vs(vs);
    struct assoc_entry *e;

    FIND(hh_vs, t->by_vs, key, e);
    return e;
}

struct assoc_entry *assoc_first_of_vm(const struct assoc_table *t, uint64_t vm_id)
{
    struct assoc_group *group = group_find(t->clients, vm_id, 0);
    return group ? group->first : NULL;
}

struct assoc_entry *assoc_first_of_dp(const struct assoc_table *t, uint32_t ct_id,
                                      uint64_t dp_id)
{
    struct assoc_group *group = group_find(t->datapaths, dp_id, ct_id);
    return group ? group->first : NULL;
}

/* The mapping's pairs. */

struct assoc_pair *assoc_pair_of_vm(const struct assoc_table *t, struct vm_key vm)
{
    struct map_key key = map_key_of_vm(vm);
    struct assoc_pair *pair;

    FIND(hh_vm, t->pairs_by_vm, key, pair);
    return pair;
}

struct assoc_pair *assoc_pair_of_dp(const struct assoc_table *t, struct dp_key dp)
{
    struct map_key key = map_key_of_dp(dp);
    struct assoc_pair *pair;

    FIND(hh_dp, t->pairs_by_dp, key, pair);
    return pair;
}

void assoc_pair_add(struct assoc_table *t, struct vm_key vm, struct dp_key dp)
{
    struct assoc_pair *pair = xcalloc(1, sizeof *pair);

    pair->vm = vm;
    pair->dp = dp;
    pair->vm_map = map_key_of_vm(vm);
    pair->dp_map = map_key_of_dp(dp);
    HASH_ADD(hh_vm, t->pairs_by_vm, vm_map, sizeof pair->vm_map, pair);
    HASH_ADD(hh_dp, t->pairs_by_dp, dp_map, sizeof pair->dp_map, pair);
}

void assoc_pair_remove(struct assoc_table *t, struct assoc_pair *pair)
{
    HASH_DELETE(hh_vm, t->pairs_by_vm, pair);
    HASH_DELETE(hh_dp, t->pairs_by_dp, pair);
    free(pair);
}

/* Wires. */

static void wire_remove(struct assoc_table *t, struct assoc_wire *wire)
{
    HASH_DELETE(hh_vm, t->wires_by_vm, wire);
    HASH_DELETE(hh_vs, t->wires_by_vs, wire);
    free(wire);
}

struct assoc_wire *assoc_wire_of(const struct assoc_table *t, struct vm_key vm)
{
    struct map_key key = map_key_of_vm(vm);
    struct assoc_wire *wire;

    FIND(hh_vm, t->wires_by_vm, key, wire);
    return wire;
}

void assoc_wire_end(struct assoc_table *t, struct vs_key vs)
{
    struct map_key key = map_key_of_vs(vs);
    struct assoc_wire *wire;

    FIND(hh_vs, t->wires_by_vs, key, wire);
    if (wire) {
        wire_remove(t, wire);
    }
}

void assoc_wires_end(struct assoc_table *t, uint64_t vs_id)
{
    struct assoc_wire *wire, *next;

    HASH_ITER (hh_vs, t->wires_by_vs, wire, next) {
        if (wire->vs.vs_id == vs_id) {
            wire_remove(t, wire);
        }
    }
}

void assoc_wire_set(struct assoc_table *t, struct vm_key vm, struct vs_key vs)
{
    struct assoc_wire *wire = assoc_wire_of(t, vm);

    if (wire) {
        wire_remove(t, wire);
    }
    assoc_wire_end(t, vs);
    wire = xcalloc(1, sizeof *wire);
    *wire = (struct assoc_wire){.vm = vm,
                                .vs = vs,
                                .carrier = true,
                                .vm_map = map_key_of_vm(vm),
                                .vs_map = map_key_of_vs(vs)};
    HASH_ADD(hh_vm, t->wires_by_vm, vm_map, sizeof wire->vm_map, wire);
    HASH_ADD(hh_vs, t->wires_by_vs, vs_map, sizeof wire->vs_map, wire);
}

/* Public: the table and looking into it. */

struct assoc_table *assoc_create(void)
{
    return xcalloc(1, sizeof(struct assoc_table));
}

void assoc_destroy(struct assoc_table *t)
{
    struct assoc_pair *pair, *next_pair;
    struct assoc_wire *wire, *next_wire;

    if (!t) {
        return;
    }
    while (t->all) {
        assoc_remove(t, t->all);
    }
    HASH_ITER (hh_vm, t->pairs_by_vm, pair, next_pair) {
        assoc_pair_remove(t, pair);
    }
    HASH_ITER (hh_vm, t->wires_by_vm, wire, next_wire) {
        wire_remove(t, wire);
    }
    free(t);
}

static const struct assoc_row *row_of(const struct assoc_entry *e)
{
    return e ? &e->row : NULL;
}

static const struct assoc_entry *entry_of(const struct assoc_row *row)
{
    return (const struct assoc_entry *)row;
}

const struct assoc_row *assoc_by_vm(const struct assoc_table *t, struct vm_key vm)
{
    return row_of(assoc_find_vm(t, vm));
}

const struct assoc_row *assoc_by_dp(const struct assoc_table *t, struct dp_key dp)
{
    return row_of(assoc_find_dp(t, dp));
}

const struct assoc_row *assoc_by_vs(const struct assoc_table *t, struct vs_key vs)
{
    return row_of(assoc_find_vs(t, vs));
}

size_t assoc_count(const struct assoc_table *t, enum assoc_state state)
{
    return t->count[state];
}

const struct assoc_row *assoc_next(const struct assoc_table *t,
                                   const struct assoc_row *previous)
{
    return row_of(previous ? entry_of(previous)->next : t->all);
}

const struct assoc_row *assoc_next_of_vm(const struct assoc_table *t, uint64_t vm_id,
                                         const struct assoc_row *previous)
{
    return row_of(previous ? entry_of(previous)->vm_next : assoc_first_of_vm(t, vm_id));
}

const struct assoc_row *assoc_next_of_dp(const struct assoc_table *t, uint32_t ct_id,
                                         uint64_t dp_id,
                                         const struct assoc_row *previous)
{
    return row_of(previous ? entry_of(previous)->dp_next
                           : assoc_first_of_dp(t, ct_id, dp_id));
}

int assoc_row_compare(const struct assoc_row *a, const struct assoc_row *b)
{
    if (assoc_has_vm(a) != assoc_has_vm(b)) {
        return assoc_has_vm(a) ? -1 : 1;
    }
    return assoc_has_vm(a) ? vm_key_compare(a->vm, b->vm)
                           : dp_key_compare(a->dp, b->dp);
}

bool assoc_configured_dp(const struct assoc_table *t, struct vm_key vm,
                         struct dp_key *ret)
{
    const struct assoc_pair *pair = assoc_pair_of_vm(t, vm);

    if (pair) {
        *ret = pair->dp;
    }
    return pair;
}

bool assoc_configured_vm(const struct assoc_table *t, struct dp_key dp,
                         struct vm_key *ret)
{
    const struct assoc_pair *pair = assoc_pair_of_dp(t, dp);

    if (pair) {
        *ret = pair->vm;
    }
    return pair;
}

bool assoc_wire(const struct assoc_table *t, struct vm_key vm, struct vs_key *ret_vs,
                bool *ret_carrier)
{
    const struct assoc_wire *wire = assoc_wire_of(t, vm);

    if (wire) {
        *ret_vs = wire->vs;
        *ret_carrier = wire->carrier;
    }
    return wire;
}
