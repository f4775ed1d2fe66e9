#ifndef SIM_H
#define SIM_H 1

/* A switch that does what flow-mods say, for tests of the reconciliation: it keeps a
 * table, counts operations, and refuses on request. */

#include "unit.h"

#include <string.h>

#include "entries.h"
#include "of/print.h"
#include "of/put.h"

#define SIM_MAX 64

struct sim {
    struct entries *entries;
    struct of_flow_stats table[SIM_MAX];
    size_t n;
    unsigned adds, deletes;
    uint32_t last_xid;
    uint32_t room;        /* Operations until there is no more room. */
    uint32_t refuse_port; /* Operations of this in_port fail. */
    uint32_t failed[SIM_MAX];
    size_t n_failed;
    struct buf log; /* One line an operation. */
};

static inline size_t sim_find(const struct sim *s, const struct of_match *match,
                              uint16_t priority)
{
    size_t i = 0;

    while (i < s->n && (s->table[i].priority != priority ||
                        !of_match_equal(&s->table[i].match, match))) {
        i++;
    }
    return i;
}

static inline void sim_put(struct sim *s, const struct of_flow_mod *mod)
{
    const size_t i = sim_find(s, &mod->match, mod->priority);

    ck_assert_uint_lt(i, SIM_MAX);
    s->table[i] = (struct of_flow_stats){.priority = mod->priority,
                                         .cookie = mod->cookie,
                                         .match = mod->match,
                                         .inst = mod->inst};
    s->n += i == s->n;
}

static inline void sim_apply(struct sim *s, const struct of_flow_mod *mod)
{
    if (mod->command == OFPFC_ADD) {
        s->adds++;
        sim_put(s, mod);
        return;
    }
    ck_assert_int_eq(mod->command, OFPFC_DELETE_STRICT);
    s->deletes++;
    const size_t i = sim_find(s, &mod->match, mod->priority);
    if (i < s->n && (s->table[i].cookie & mod->cookie_mask) == mod->cookie) {
        s->table[i] = s->table[--s->n];
    }
}

static inline uint32_t sim_emit(void *s_, const struct of_flow_mod *mod,
                                const struct entry *entry)
{
    struct sim *s = s_;
    struct buf octets = {0};

    if (!s->room) {
        return 0;
    }
    s->room--;
    const uint32_t xid = ++s->last_xid;
    of_put_flow_mod(&octets, 1, mod);
    of_print(&s->log, octets.data, octets.len);
    buf_printf(&s->log, "\n");
    buf_uninit(&octets);
    if (s->refuse_port && mod->match.in_port == s->refuse_port) {
        s->failed[s->n_failed++] = xid;
    } else {
        sim_apply(s, mod);
    }
    return xid;
}

static inline void sim_init(struct sim *s)
{
    *s = (struct sim){.room = UINT32_MAX, .entries = entries_create(1000, 8000)};
}

static inline void sim_uninit(struct sim *s)
{
    entries_destroy(s->entries);
    buf_uninit(&s->log);
}

/* Sends what is due; the switch answers with errors, then with the barrier. */
static inline void sim_pump(struct sim *s, int64_t now)
{
    struct entry entry;

    buf_clear(&s->log);
    entries_pump(s->entries, now, sim_emit, s);
    if (entries_needs_barrier(s->entries)) {
        const uint32_t xid = ++s->last_xid;
        entries_barrier_sent(s->entries, xid);
        for (size_t i = 0; i < s->n_failed; i++) {
            entries_failed(s->entries, s->failed[i], now, &entry);
        }
        s->n_failed = 0;
        entries_barrier_done(s->entries, xid);
    }
}

static inline size_t sim_audit(struct sim *s)
{
    entries_audit_begin(s->entries);
    for (size_t i = 0; i < s->n; i++) {
        entries_seen(s->entries, &s->table[i]);
    }
    return entries_audit_end(s->entries);
}

/* A new connection of the same switch. */
static inline void sim_reconnect(struct sim *s)
{
    entries_disconnected(s->entries);
    s->adds = s->deletes = 0;
    sim_audit(s);
}

static inline bool sim_has(const struct sim *s, uint32_t from, uint32_t to)
{
    struct of_flow_mod mod;

    entry_flow_mod(&(struct entry){ENTRY_VLINK, from, {1, {to}}}, &mod);
    const size_t i = sim_find(s, &mod.match, mod.priority);
    return i < s->n && of_instructions_equal(&s->table[i].inst, &mod.inst);
}

#endif
