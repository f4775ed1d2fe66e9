#include "entries.h"

#include <string.h>

#include "base/util.h"
#include "entries_impl.h"
#include "wire/mapping_frame.h"

static const uint16_t priorities[ENTRY_N_KINDS] = {
    [ENTRY_MAPPING] = 0x7000, [ENTRY_VLINK] = 0x4000, [ENTRY_RELAY] = 0x2000};

/* Ports. */

_Static_assert(VLINK_MAX <= OF_ACTIONS_MAX, "one action for each port");

bool entry_ports_equal(const struct entry_ports *a, const struct entry_ports *b)
{
    return a->n == b->n && !memcmp(a->port, b->port, a->n * sizeof *a->port);
}

/* Where it is, or would be. */
static uint32_t ports_find(const struct entry_ports *ports, uint32_t port)
{
    uint32_t i = 0;

    while (i < ports->n && ports->port[i] < port) {
        i++;
    }
    return i;
}

bool entry_ports_has(const struct entry_ports *ports, uint32_t port)
{
    const uint32_t i = ports_find(ports, port);

    return i < ports->n && ports->port[i] == port;
}

bool entry_ports_add(struct entry_ports *ports, uint32_t port)
{
    const uint32_t i = ports_find(ports, port);

    if (ports->n == VLINK_MAX || entry_ports_has(ports, port)) {
        return false;
    }
    memmove(&ports->port[i + 1], &ports->port[i], (ports->n - i) * sizeof *ports->port);
    ports->port[i] = port;
    ports->n++;
    return true;
}

bool entry_ports_remove(struct entry_ports *ports, uint32_t port)
{
    const uint32_t i = ports_find(ports, port);

    if (!entry_ports_has(ports, port)) {
        return false;
    }
    ports->n--;
    memmove(&ports->port[i], &ports->port[i + 1], (ports->n - i) * sizeof *ports->port);
    return true;
}

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
        for (uint32_t i = 0; i < e->to.n; i++) {
            of_actions_output(of_instructions_apply(&ret->inst), e->to.port[i]);
        }
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
        buf_printf(b, "virtual link entry %u ->", e->in_port);
        for (uint32_t i = 0; i < e->to.n; i++) {
            buf_printf(b, " %u", e->to.port[i]);
        }
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

struct item *entries_item(struct entries *es, struct entry_key key)
{
    struct item *item;

    HASH_FIND(hh, es->items, &key, sizeof key, item);
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

void entries_drop_gone(struct entries *es)
{
    struct item *item, *next;

    HASH_ITER (hh, es->items, item, next) {
        drop_if_gone(es, item);
    }
}

void entries_drop_strays(struct entries *es)
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
        entries_drop_strays(es);
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
    struct item *item = entries_item(es, (struct entry_key){e->kind, e->in_port});

    if (!item->desired || !entry_ports_equal(&item->to, &e->to)) {
        backoff_succeeded(&item->backoff);
    }
    item->desired = true;
    item->condemned = false;
    item->to = e->to;
}

void entries_remove(struct entries *es, enum entry_kind kind, uint32_t in_port)
{
    struct item *item = entries_item(es, (struct entry_key){kind, in_port});

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

    es->known = false;
    es->barrier_xid = 0;
    es->unbarriered = 0;
    entries_drop_strays(es);
    HASH_ITER (hh, es->items, item, next) {
        item->op = 0;
        item->confirmed = item->expected = (struct entry_state){0};
        backoff_succeeded(&item->backoff);
    }
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
    item->expected = (struct entry_state){.present = item->desired, .to = item->to};
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
        if (item_must_add(item) && backoff_due(&item->backoff, now) &&
            !send_item(es, item, emit, aux)) {
            return;
        }
    }
    HASH_ITER (hh, es->items, item, next) {
        if (item_must_delete(es, item) && backoff_due(&item->backoff, now) &&
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
        if (item->backoff.failures &&
            (item_must_add(item) || item_must_delete(es, item))) {
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

/* How it stands. */

bool entries_in_sync(const struct entries *es)
{
    if (!es->known || es->strays) {
        return false;
    }
    for (struct item *item = es->items; item; item = item->hh.next) {
        if (item->op || item_must_add(item) || item_must_delete(es, item)) {
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
             entry_ports_equal(&item->confirmed.to, &item->to);
    }
    return n;
}

uint64_t entries_changes(const struct entries *es)
{
    return es->changes;
}
