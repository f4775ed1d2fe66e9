#include "entries.h"

#include <stdlib.h>
#include <string.h>

/* Pure: no exit() of uthash. */
#define uthash_fatal(MESSAGE) abort()
#include <uthash.h>

#include "base/util.h"
#include "core/backoff.h"
#include "wire/mapping_frame.h"

static const uint16_t priorities[ENTRY_N_KINDS] = {
    [ENTRY_MAPPING] = 0x8000, [ENTRY_VLINK] = 0x4000, [ENTRY_RELAY] = 0x2000};

struct key {
    uint32_t kind;
    uint32_t in_port;
};

/* What an entry is in the switch. */
struct state {
    bool present;
    bool odd; /* Our match, but not what we would have written. */
    uint32_t to;
};

struct item {
    struct key key;
    uint32_t to;
    bool desired;
    bool condemned; /* Removed by name: need not wait for the desired state. */
    bool seen;      /* In the audit that is going on ... */
    bool touched;   /* ... which this does not concern: it was changed since. */
    struct state confirmed;
    struct state expected; /* Once the operations in flight are done. */
    uint64_t op;           /* Number of the last operation in flight, 0: none. */
    uint32_t xid;
    struct backoff backoff;
    UT_hash_handle hh;
};

/* An entry with our cookie that we would never write: another version of us did. */
struct stray {
    uint8_t table_id;
    uint16_t priority;
    struct of_match match;
    struct stray *next;
};

struct entries {
    struct item *items;
    struct stray *strays;
    int64_t backoff_min_ms, backoff_max_ms;
    bool complete;
    bool known; /* Audited since the connection was made. */
    bool auditing;
    uint64_t last_op;
    uint64_t unbarriered; /* Operations since the last barrier. */
    uint32_t barrier_xid; /* 0: none in flight. */
    uint64_t barrier_op;  /* The last operation before it. */
    uint64_t changes;
};

/* An entry. */

void entry_flow_mod(const struct entry *e, struct of_flow_mod *ret)
{
    of_flow_mod_init(ret, OFPFC_ADD, 0, priorities[e->kind]);
    ret->cookie = ENTRY_COOKIE | e->kind;
    switch (e->kind) {
    case ENTRY_MAPPING:
        of_match_set_eth_type(&ret->match, MAPPING_ETHERTYPE);
        of_actions_controller(of_instructions_apply(&ret->inst), OFPCML_NO_BUFFER);
        break;
    case ENTRY_VLINK:
        of_match_set_in_port(&ret->match, e->in_port);
        of_actions_output(of_instructions_apply(&ret->inst), e->to);
        break;
    case ENTRY_RELAY:
        of_match_set_in_port(&ret->match, e->in_port);
        of_actions_controller(of_instructions_apply(&ret->inst), OFPCML_NO_BUFFER);
        break;
    case ENTRY_MISS:
        break;
    }
}

void entry_describe(const struct entry *e, struct buf *b)
{
    switch (e->kind) {
    case ENTRY_MAPPING:
        buf_printf(b, "entry of mapping frames");
        break;
    case ENTRY_VLINK:
        buf_printf(b, "virtual link entry %u -> %u", e->in_port, e->to);
        break;
    case ENTRY_RELAY:
        buf_printf(b, "relay entry of port %u", e->in_port);
        break;
    case ENTRY_MISS:
        buf_printf(b, "table-miss entry");
        break;
    }
}

enum entry_kind entry_kind_of(uint64_t cookie)
{
    const uint64_t kind = cookie & ~ENTRY_COOKIE_MASK;

    return (cookie & ENTRY_COOKIE_MASK) == ENTRY_COOKIE && kind < ENTRY_N_KINDS
               ? (enum entry_kind)kind
               : 0;
}

static struct entry entry_of(const struct item *item)
{
    return (struct entry){.kind = (enum entry_kind)item->key.kind,
                          .in_port = item->key.in_port,
                          .to = item->desired ? item->to : item->expected.to};
}

/* Items. */

static struct item *find(const struct entries *es, struct key key)
{
    struct item *item;

    HASH_FIND(hh, es->items, &key, sizeof key, item);
    return item;
}

static struct item *get(struct entries *es, struct key key)
{
    struct item *item = find(es, key);

    if (!item) {
        item = xcalloc(1, sizeof *item);
        item->key = key;
        item->backoff = backoff_make(es->backoff_min_ms, es->backoff_max_ms);
        HASH_ADD(hh, es->items, key, sizeof item->key, item);
    }
    return item;
}

/* Forgets an item of which nothing is left. */
static void drop_if_gone(struct entries *es, struct item *item)
{
    if (!item->desired && !item->op && !item->expected.present && es->known) {
        HASH_DEL(es->items, item);
        free(item);
    }
}

static void drop_gone(struct entries *es)
{
    struct item *item, *next;

    HASH_ITER (hh, es->items, item, next) {
        drop_if_gone(es, item);
    }
}

static void drop_strays(struct entries *es)
{
    while (es->strays) {
        struct stray *stray = es->strays;
        es->strays = stray->next;
        free(stray);
    }
}

struct entries *entries_create(int64_t backoff_min_ms, int64_t backoff_max_ms)
{
    struct entries *es = xcalloc(1, sizeof *es);

    es->backoff_min_ms = backoff_min_ms;
    es->backoff_max_ms = backoff_max_ms;
    entries_desire(es, &(struct entry){.kind = ENTRY_MISS});
    entries_desire(es, &(struct entry){.kind = ENTRY_MAPPING});
    return es;
}

void entries_destroy(struct entries *es)
{
    struct item *item, *next;

    if (es) {
        drop_strays(es);
        HASH_ITER (hh, es->items, item, next) {
            HASH_DEL(es->items, item);
            free(item);
        }
        free(es);
    }
}

/* What is desired. */

void entries_desire(struct entries *es, const struct entry *e)
{
    struct item *item = get(es, (struct key){e->kind, e->in_port});

    if (!item->desired || item->to != e->to) {
        backoff_succeeded(&item->backoff);
    }
    item->desired = true;
    item->condemned = false;
    item->to = e->to;
}

void entries_remove(struct entries *es, enum entry_kind kind, uint32_t in_port)
{
    struct item *item = get(es, (struct key){kind, in_port});

    if (item->desired) {
        backoff_succeeded(&item->backoff);
    }
    item->desired = false;
    item->condemned = true;
    drop_if_gone(es, item);
}

void entries_complete(struct entries *es)
{
    es->complete = true;
}

/* Operations. */

void entries_disconnected(struct entries *es)
{
    struct item *item, *next;

    es->known = es->auditing = false;
    es->barrier_xid = 0;
    es->unbarriered = 0;
    drop_strays(es);
    HASH_ITER (hh, es->items, item, next) {
        item->op = 0;
        item->confirmed = item->expected = (struct state){0};
        backoff_succeeded(&item->backoff);
    }
}

static bool is_right(const struct item *item)
{
    return item->expected.present && !item->expected.odd &&
           item->expected.to == item->to;
}

static bool must_add(const struct item *item)
{
    return item->desired && !is_right(item);
}

static bool must_delete(const struct entries *es, const struct item *item)
{
    return !item->desired && item->expected.present &&
           (es->complete || item->condemned);
}

static bool send_item(struct entries *es, struct item *item, entries_emit_fn *emit,
                      void *aux)
{
    const struct entry e = entry_of(item);
    struct of_flow_mod mod;

    entry_flow_mod(&e, &mod);
    if (!item->desired) {
        mod.command = OFPFC_DELETE_STRICT;
        mod.cookie = ENTRY_COOKIE;
        mod.cookie_mask = ENTRY_COOKIE_MASK;
        of_instructions_init(&mod.inst);
    }
    item->xid = emit(aux, &mod, &e);
    if (!item->xid) {
        return false;
    }
    item->op = ++es->last_op;
    item->touched = true;
    item->expected = (struct state){.present = item->desired, .to = item->to};
    es->unbarriered++;
    es->changes++;
    return true;
}

/* False: no room. */
static bool send_strays(struct entries *es, entries_emit_fn *emit, void *aux)
{
    while (es->strays) {
        struct stray *stray = es->strays;
        struct of_flow_mod mod;

        of_flow_mod_init(&mod, OFPFC_DELETE_STRICT, stray->table_id, stray->priority);
        mod.cookie = ENTRY_COOKIE;
        mod.cookie_mask = ENTRY_COOKIE_MASK;
        mod.match = stray->match;
        if (!emit(aux, &mod, NULL)) {
            return false;
        }
        es->last_op++;
        es->unbarriered++;
        es->changes++;
        es->strays = stray->next;
        free(stray);
    }
    return true;
}

void entries_pump(struct entries *es, int64_t now, entries_emit_fn *emit, void *aux)
{
    struct item *item, *next;

    if (!es->known) {
        return;
    }
    HASH_ITER (hh, es->items, item, next) {
        if (must_add(item) && backoff_due(&item->backoff, now) &&
            !send_item(es, item, emit, aux)) {
            return;
        }
    }
    HASH_ITER (hh, es->items, item, next) {
        if (must_delete(es, item) && backoff_due(&item->backoff, now) &&
            !send_item(es, item, emit, aux)) {
            return;
        }
    }
    if (es->complete) {
        send_strays(es, emit, aux);
    }
}

int64_t entries_next_retry(const struct entries *es)
{
    int64_t at = INT64_MAX;

    for (struct item *item = es->items; es->known && item; item = item->hh.next) {
        if (item->backoff.failures && (must_add(item) || must_delete(es, item))) {
            at = MIN(at, item->backoff.retry_at);
        }
    }
    return at;
}

bool entries_needs_barrier(const struct entries *es)
{
    return es->unbarriered && !es->barrier_xid;
}

void entries_barrier_sent(struct entries *es, uint32_t xid)
{
    es->barrier_xid = xid;
    es->barrier_op = es->last_op;
    es->unbarriered = 0;
}

void entries_barrier_done(struct entries *es, uint32_t xid)
{
    struct item *item, *next;

    if (!xid || xid != es->barrier_xid) {
        return;
    }
    es->barrier_xid = 0;
    HASH_ITER (hh, es->items, item, next) {
        if (item->op && item->op <= es->barrier_op) {
            item->op = 0;
            item->confirmed = item->expected;
            backoff_succeeded(&item->backoff);
            drop_if_gone(es, item);
        }
    }
}

bool entries_failed(struct entries *es, uint32_t xid, int64_t now, struct entry *ret)
{
    for (struct item *item = es->items; item; item = item->hh.next) {
        if (item->op && item->xid == xid) {
            *ret = entry_of(item);
            item->op = 0;
            item->expected = item->confirmed;
            backoff_failed(&item->backoff, now);
            return true;
        }
    }
    return false;
}

/* Audit. */

void entries_audit_begin(struct entries *es)
{
    es->auditing = true;
    drop_strays(es);
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

static struct state state_of(const struct of_flow_stats *fs, const struct entry *place)
{
    struct state state = {.present = true};
    struct entry e = *place;
    struct of_flow_mod mod;

    if (e.kind == ENTRY_VLINK && fs->inst.apply.n == 1 &&
        fs->inst.apply.a[0].kind == OF_A_OUTPUT) {
        e.to = state.to = fs->inst.apply.a[0].output.port;
    }
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
    struct item *item = get(es, (struct key){place.kind, place.in_port});
    item->seen = true;
    if (!item->touched) {
        item->confirmed = item->expected = state_of(fs, &place);
    }
    return SEEN_OURS;
}

size_t entries_audit_end(struct entries *es)
{
    size_t n = 0;

    es->auditing = false;
    es->known = true;
    for (struct item *item = es->items; item; item = item->hh.next) {
        if (item->touched) {
            continue;
        }
        if (!item->seen) {
            item->confirmed = item->expected = (struct state){0};
        }
        n += must_add(item) || must_delete(es, item);
    }
    for (struct stray *stray = es->strays; stray; stray = stray->next) {
        n++;
    }
    drop_gone(es);
    return n;
}

/* How it stands. */

bool entries_in_sync(const struct entries *es)
{
    if (!es->known || es->strays) {
        return false;
    }
    for (struct item *item = es->items; item; item = item->hh.next) {
        if (item->op || must_add(item) || must_delete(es, item)) {
            return false;
        }
    }
    return true;
}

size_t entries_installed(const struct entries *es, enum entry_kind kind)
{
    size_t n = 0;

    for (struct item *item = es->items; item; item = item->hh.next) {
        n += item->key.kind == (uint32_t)kind && item->desired &&
             item->confirmed.present && !item->confirmed.odd &&
             item->confirmed.to == item->to;
    }
    return n;
}

uint64_t entries_changes(const struct entries *es)
{
    return es->changes;
}
