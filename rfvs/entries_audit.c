/* What is installed in RFVS, read back from it. */

#include "base/util.h"
#include "entries_impl.h"

void entries_audit_begin(struct entries *es)
{
    entries_drop_strays(es);
    for (struct item *item = es->items; item; item = item->hh.next) {
        item->seen = false;
        item->touched = item->op != 0;
    }
}

static bool floods(const struct of_actions *list)
{
    for (size_t i = 0; i < list->n; i++) {
        const struct of_action *a = &list->a[i];
        if (a->kind == OF_A_OUTPUT &&
            (a->output.port == OFPP_NORMAL || a->output.port == OFPP_FLOOD ||
             a->output.port == OFPP_ALL)) {
            return true;
        }
    }
    return false;
}

/* The entry that has this place in the table, however it looks otherwise. */
static bool recognize(const struct of_flow_stats *fs, struct entry *ret)
{
    struct entry e = {.in_port = fs->match.in_port};
    struct of_flow_mod mod;

    if (fs->table_id != 0) {
        return false;
    }
    for (int kind = ENTRY_MAPPING; kind <= ENTRY_MISS; kind++) {
        e.kind = (enum entry_kind)kind;
        entry_flow_mod(&e, &mod);
        if (fs->priority == mod.priority && of_match_equal(&fs->match, &mod.match)) {
            if (kind != ENTRY_VLINK && kind != ENTRY_RELAY) {
                e.in_port = 0;
            }
            *ret = e;
            return true;
        }
    }
    return false;
}

static struct entry_state state_of(const struct of_flow_stats *fs,
                                   const struct entry *place)
{
    struct entry_state state = {.present = true};
    struct entry e = *place;
    struct of_flow_mod mod;

    for (size_t i = 0; e.kind == ENTRY_VLINK && i < fs->inst.apply.n; i++) {
        if (fs->inst.apply.a[i].kind == OF_A_OUTPUT) {
            entry_ports_add(&e.to, fs->inst.apply.a[i].output.port);
        }
    }
    state.to = e.to;
    entry_flow_mod(&e, &mod);
    state.odd = fs->cookie != mod.cookie || fs->idle_timeout || fs->hard_timeout ||
                !of_instructions_equal(&fs->inst, &mod.inst);
    return state;
}

enum entries_seen entries_seen(struct entries *es, const struct of_flow_stats *fs)
{
    struct entry place;

    if ((fs->cookie & ENTRY_COOKIE_MASK) != ENTRY_COOKIE) {
        return floods(&fs->inst.apply) || floods(&fs->inst.write) ? SEEN_FOREIGN_FLOOD
                                                                  : SEEN_FOREIGN;
    }
    if (!recognize(fs, &place)) {
        struct stray *stray = xcalloc(1, sizeof *stray);
        stray->table_id = fs->table_id;
        stray->priority = fs->priority;
        stray->match = fs->match;
        stray->next = es->strays;
        es->strays = stray;
        return SEEN_OURS;
    }
    struct item *item = entries_item(es, (struct entry_key){place.kind, place.in_port});
    item->seen = true;
    if (!item->touched) {
        item->confirmed = item->expected = state_of(fs, &place);
    }
    return SEEN_OURS;
}

size_t entries_audit_end(struct entries *es)
{
    size_t n = 0;

    es->known = true;
    for (struct item *item = es->items; item; item = item->hh.next) {
        if (item->touched) {
            continue;
        }
        if (!item->seen) {
            item->confirmed = item->expected = (struct entry_state){0};
        }
        n += item_must_add(item) || item_must_delete(es, item);
    }
    for (struct stray *stray = es->strays; stray; stray = stray->next) {
        n++;
    }
    entries_drop_gone(es);
    return n;
}
