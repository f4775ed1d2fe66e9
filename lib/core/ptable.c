#include "core/ptable.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "base/index.h"
#include "base/util.h"

#define CHUNK_BITS 12 /* 4096 entries: some 80 to 128 KB. */
#define CHUNK_ENTRIES (1u << CHUNK_BITS)
#define SLOT_V6 0x80000000u /* Set in the slots of IPv6 entries. */
#define MAX_SLOTS (1u << 30)

/* An entry, followed by its words.  The address comes before it: 4 or 16 octets. */
struct entry {
    uint8_t plen;
    uint8_t state;
    uint16_t flags;
};

/* entry->state.  An entry that is removed while some lane's ring still names it becomes
 * a ghost: nobody sees it, but its memory is kept until the ring lets go.  Adding the
 * same prefix again revives it, so that adding and removing does not fill the ring. */
#define E_USED 0x01
#define E_GHOST 0x02
#define E_RING(LANE) (0x04u << (LANE)) /* The lane's ring names the entry. */
#define E_WAIT(LANE) (0x20u << (LANE)) /* And it is meant. */
#define E_ANY_RING 0x1cu
#define E_ANY_WAIT 0xe0u

struct family {
    unsigned addr_len;
    size_t entry_size;
    uint8_t **chunks;
    uint32_t n_chunks;
    uint32_t n_slots; /* Ever used since the family was last empty. */
    uint32_t n_used;  /* Ghosts included. */
    uint32_t free;    /* List through the address of unused entries, as slot + 1. */
    struct hash_index index; /* By prefix; of slot + 1. */
};

struct lane {
    uint32_t *ring;
    uint32_t cap; /* Power of 2, or 0. */
    uint32_t head;
    uint32_t len;
    uint32_t n_waiting; /* Of len. */
    uint32_t n_sorted;  /* Of len: from the head on. */
};

struct ptable {
    struct family v4, v6;
    struct lane lanes[PTABLE_LANES];
    size_t n;
};

static void family_init(struct family *f, unsigned addr_len, unsigned n_words)
{
    *f = (struct family){.addr_len = addr_len,
                         .entry_size = addr_len + sizeof(struct entry) +
                                       n_words * sizeof(uint32_t)};
}

static void family_clear(struct family *f)
{
    for (uint32_t i = 0; i < f->n_chunks; i++) {
        free(f->chunks[i]);
    }
    free(f->chunks);
    hash_index_uninit(&f->index);
    *f = (struct family){.addr_len = f->addr_len, .entry_size = f->entry_size};
}

static inline uint8_t *entry_addr(const struct family *f, uint32_t slot)
{
    slot &= ~SLOT_V6;
    return f->chunks[slot >> CHUNK_BITS] + (slot & (CHUNK_ENTRIES - 1)) * f->entry_size;
}

static inline struct entry *family_entry(const struct family *f, uint32_t slot)
{
    return (struct entry *)(void *)(entry_addr(f, slot) + f->addr_len);
}

static inline const struct family *slot_family(const struct ptable *t, uint32_t slot)
{
    return slot & SLOT_V6 ? &t->v6 : &t->v4;
}

static inline struct entry *slot_entry(const struct ptable *t, uint32_t slot)
{
    return family_entry(slot_family(t, slot), slot);
}

static inline uint32_t hash_key(const struct family *f, const uint8_t *addr,
                                uint8_t plen)
{
    return prefix_hash_of(f->addr_len == 4 ? IP_V4 : IP_V6, addr, plen);
}

static bool hash_of(const void *f_, uint32_t number, uint32_t *ret)
{
    const struct family *f = f_;
    const uint8_t *addr = entry_addr(f, number - 1);

    *ret = hash_key(f, addr, addr[f->addr_len]);
    return family_entry(f, number - 1)->state & E_USED;
}

/* Position in the index; what is there is 0 when the key is not. */
static inline uint32_t index_find(const struct family *f, const uint8_t *addr,
                                  uint8_t plen, uint32_t hash)
{
    const struct hash_index *x = &f->index;
    uint32_t i, number;

    for (i = hash_index_seek(x, hash, hash); (number = hash_index_at(x, i));
         i = hash_index_seek(x, hash, i + 1)) {
        const uint8_t *p = entry_addr(f, number - 1);
        if (p[f->addr_len] == plen && !memcmp(p, addr, f->addr_len)) {
            break;
        }
    }
    return i;
}

static uint32_t family_alloc(struct family *f)
{
    if (f->free) {
        uint32_t slot = f->free - 1;
        memcpy(&f->free, entry_addr(f, slot), sizeof f->free);
        return slot;
    }
    if (f->n_slots == MAX_SLOTS) {
        abort(); /* 20 GB of routes: out of memory by another name. */
    }
    if (f->n_slots == f->n_chunks << CHUNK_BITS) {
        f->chunks = xrealloc(f->chunks, (f->n_chunks + 1) * sizeof *f->chunks);
        f->chunks[f->n_chunks++] = xmalloc(CHUNK_ENTRIES * f->entry_size);
    }
    return f->n_slots++;
}

static void family_free(struct family *f, uint32_t slot)
{
    uint8_t *addr = entry_addr(f, slot);
    uint32_t hash = hash_key(f, addr, addr[f->addr_len]);

    hash_index_remove(&f->index, index_find(f, addr, addr[f->addr_len], hash), hash_of,
                      f);
    family_entry(f, slot)->state = 0;
    memcpy(addr, &f->free, sizeof f->free);
    f->free = (slot & ~SLOT_V6) + 1;
    if (--f->n_used) {
        return;
    }
    if (f->n_chunks > 1) {
        family_clear(f);
    } else { /* A small table comes and goes. */
        f->n_slots = f->free = 0;
    }
}

static void slot_free(struct ptable *t, uint32_t slot)
{
    family_free(slot & SLOT_V6 ? &t->v6 : &t->v4, slot);
}

struct ptable *ptable_create(unsigned n_words)
{
    assert(n_words >= 1 && n_words <= PTABLE_MAX_WORDS);
    struct ptable *t = xcalloc(1, sizeof *t);
    family_init(&t->v4, 4, n_words);
    family_init(&t->v6, 16, n_words);
    return t;
}

void ptable_destroy(struct ptable *t)
{
    if (t) {
        family_clear(&t->v4);
        family_clear(&t->v6);
        for (unsigned i = 0; i < PTABLE_LANES; i++) {
            free(t->lanes[i].ring);
        }
        free(t);
    }
}

size_t ptable_count(const struct ptable *t)
{
    return t->n;
}

static size_t family_memory(const struct family *f)
{
    return f->n_chunks * (CHUNK_ENTRIES * f->entry_size + sizeof *f->chunks) +
           f->index.size * sizeof *f->index.slots;
}

size_t ptable_memory(const struct ptable *t)
{
    size_t n = sizeof *t + family_memory(&t->v4) + family_memory(&t->v6);
    for (unsigned i = 0; i < PTABLE_LANES; i++) {
        n += t->lanes[i].cap * sizeof(uint32_t);
    }
    return n;
}

uint32_t ptable_find(const struct ptable *t, const struct ip_prefix *prefix)
{
    bool v6 = prefix->addr.version == IP_V6;
    const struct family *f = v6 ? &t->v6 : &t->v4;

    if (!f->index.size) {
        return PTABLE_NONE;
    }
    uint32_t hash = prefix_hash(prefix);
    uint32_t i = index_find(f, prefix->addr.bytes, prefix->plen, hash);
    uint32_t number = hash_index_at(&f->index, i);
    if (!number || family_entry(f, number - 1)->state & E_GHOST) {
        return PTABLE_NONE;
    }
    return (number - 1) | (v6 ? SLOT_V6 : 0);
}

void ptable_prefetch(const struct ptable *t, const struct ip_prefix *prefix)
{
    const struct family *f = prefix->addr.version == IP_V6 ? &t->v6 : &t->v4;

    hash_index_prefetch(&f->index, prefix_hash(prefix));
}

static void entry_reset(const struct family *f, uint32_t slot, uint8_t state)
{
    struct entry *e = family_entry(f, slot);
    e->state = state;
    e->flags = 0;
    memset(e + 1, 0, f->entry_size - f->addr_len - sizeof *e);
}

uint32_t ptable_insert(struct ptable *t, const struct ip_prefix *prefix)
{
    bool v6 = prefix->addr.version == IP_V6;
    struct family *f = v6 ? &t->v6 : &t->v4;
    uint32_t slot;

    if (hash_index_is_full(&f->index, f->n_used)) {
        hash_index_grow(&f->index, f->n_slots, hash_of, f);
    }
    uint32_t hash = prefix_hash(prefix);
    uint32_t i = index_find(f, prefix->addr.bytes, prefix->plen, hash);
    uint32_t number = hash_index_at(&f->index, i);
    if (number) {
        slot = number - 1;
        struct entry *e = family_entry(f, slot);
        if (e->state & E_GHOST) {
            entry_reset(f, slot, e->state & (uint8_t)~E_GHOST);
            t->n++;
        }
    } else {
        slot = family_alloc(f);
        memcpy(entry_addr(f, slot), prefix->addr.bytes, f->addr_len);
        family_entry(f, slot)->plen = prefix->plen;
        entry_reset(f, slot, E_USED);
        hash_index_set(&f->index, i, slot + 1, hash);
        f->n_used++;
        t->n++;
    }
    return slot | (v6 ? SLOT_V6 : 0);
}

uint32_t *ptable_words(const struct ptable *t, uint32_t slot)
{
    return (uint32_t *)(void *)(slot_entry(t, slot) + 1);
}

uint16_t *ptable_flags(const struct ptable *t, uint32_t slot)
{
    return &slot_entry(t, slot)->flags;
}

struct ip_prefix ptable_prefix(const struct ptable *t, uint32_t slot)
{
    const struct family *f = slot_family(t, slot);
    struct ip_prefix p = {.addr.version = slot & SLOT_V6 ? IP_V6 : IP_V4,
                          .plen = slot_entry(t, slot)->plen};
    memcpy(p.addr.bytes, entry_addr(f, slot), f->addr_len);
    return p;
}

static uint32_t family_next(const struct family *f, uint32_t slot)
{
    for (; slot < f->n_slots; slot++) {
        if ((family_entry(f, slot)->state & (E_USED | E_GHOST)) == E_USED) {
            return slot;
        }
    }
    return PTABLE_NONE;
}

uint32_t ptable_next(const struct ptable *t, uint32_t slot)
{
    if (slot == PTABLE_NONE || !(slot & SLOT_V6)) {
        uint32_t next = family_next(&t->v4, slot == PTABLE_NONE ? 0 : slot + 1);
        if (next != PTABLE_NONE) {
            return next;
        }
        slot = SLOT_V6 - 1;
    }
    slot = family_next(&t->v6, (slot + 1) & ~SLOT_V6);
    return slot == PTABLE_NONE ? slot : slot | SLOT_V6;
}

/* Lanes. */

static void ring_push(struct lane *l, uint32_t slot)
{
    if (l->len == l->cap) {
        uint32_t cap = l->cap ? 2 * l->cap : 64;
        uint32_t *ring = xmalloc(cap * sizeof *ring);
        for (uint32_t i = 0; i < l->len; i++) {
            ring[i] = l->ring[(l->head + i) & (l->cap - 1)];
        }
        free(l->ring);
        l->ring = ring;
        l->cap = cap;
        l->head = 0;
    }
    l->ring[(l->head + l->len++) & (l->cap - 1)] = slot;
}

static uint32_t ring_pop(struct lane *l)
{
    uint32_t slot = l->ring[l->head];

    l->head = (l->head + 1) & (l->cap - 1);
    l->n_sorted -= l->n_sorted > 0;
    if (!--l->len && l->cap > 1024) {
        free(l->ring);
        l->ring = NULL;
        l->cap = 0;
        l->head = 0;
    }
    return slot;
}

/* Takes the ring's next slot out; true if it was meant. */
static bool lane_take(struct ptable *t, unsigned lane, uint32_t *ret)
{
    struct lane *l = &t->lanes[lane];
    uint32_t slot = ring_pop(l);
    struct entry *e = slot_entry(t, slot);
    bool waiting = e->state & E_WAIT(lane);

    e->state &= (uint8_t) ~(E_WAIT(lane) | E_RING(lane));
    l->n_waiting -= waiting;
    if (e->state & E_GHOST && !(e->state & E_ANY_RING)) {
        slot_free(t, slot);
    }
    *ret = slot;
    return waiting;
}

/* Bounds a ring that nobody drains by twice what waits in it. */
static void lane_compact(struct ptable *t, unsigned lane)
{
    struct lane *l = &t->lanes[lane];

    l->n_sorted = 0;
    for (uint32_t i = l->len; i > 0; i--) {
        uint32_t slot;
        if (lane_take(t, lane, &slot)) {
            slot_entry(t, slot)->state |= (uint8_t)(E_WAIT(lane) | E_RING(lane));
            ring_push(l, slot);
            l->n_waiting++;
        }
    }
}

void ptable_enqueue(struct ptable *t, unsigned lane, uint32_t slot)
{
    struct entry *e = slot_entry(t, slot);
    struct lane *l = &t->lanes[lane];

    if (e->state & E_WAIT(lane)) {
        return;
    }
    l->n_waiting++;
    e->state |= (uint8_t)E_WAIT(lane);
    if (!(e->state & E_RING(lane))) {
        e->state |= (uint8_t)E_RING(lane);
        ring_push(l, slot);
    }
}

uint32_t ptable_dequeue(struct ptable *t, unsigned lane)
{
    uint32_t slot;

    while (t->lanes[lane].len) {
        if (lane_take(t, lane, &slot)) {
            return slot;
        }
    }
    return PTABLE_NONE;
}

size_t ptable_queued(const struct ptable *t, unsigned lane)
{
    return t->lanes[lane].n_waiting;
}

struct ranked {
    uint64_t key;
    uint32_t slot;
};

static struct ranked rank(const struct ptable *t, uint32_t slot)
{
    const struct family *f = slot_family(t, slot);
    const uint8_t *addr = entry_addr(f, slot);
    struct ranked ret = {.slot = slot};

    for (unsigned i = 0; i < sizeof ret.key; i++) {
        ret.key = ret.key << 8 | (i < f->addr_len ? addr[i] : 0);
    }
    return ret;
}

/* A radix sort, from the last octet on.  Returns which of the two arrays is in order.
 */
static struct ranked *sort_ranked(struct ranked *a, struct ranked *b, uint32_t n)
{
    for (unsigned shift = 0; shift < 64; shift += 8) {
        uint32_t at[256] = {0};
        for (uint32_t i = 0; i < n; i++) {
            at[a[i].key >> shift & 0xff]++;
        }
        if (at[a[0].key >> shift & 0xff] == n) {
            continue; /* They all have the same here. */
        }
        for (uint32_t k = 0, sum = 0; k < 256; k++) {
            const uint32_t count = at[k];
            at[k] = sum;
            sum += count;
        }
        for (uint32_t i = 0; i < n; i++) {
            b[at[a[i].key >> shift & 0xff]++] = a[i];
        }
        struct ranked *spare = a;
        a = b;
        b = spare;
    }
    return a;
}

void ptable_sort(struct ptable *t, unsigned lane, size_t max)
{
    struct lane *l = &t->lanes[lane];
    const uint32_t n = (uint32_t)MIN(l->len, MIN(max, PTABLE_SORT_MAX));

    if (l->n_sorted || !n) {
        return;
    }
    struct ranked *a = xmalloc(2 * n * sizeof *a);
    for (uint32_t i = 0; i < n; i++) {
        a[i] = rank(t, l->ring[(l->head + i) & (l->cap - 1)]);
    }
    const struct ranked *sorted = sort_ranked(a, a + n, n);
    for (uint32_t i = 0; i < n; i++) {
        l->ring[(l->head + i) & (l->cap - 1)] = sorted[i].slot;
    }
    l->n_sorted = n;
    free(a);
}

void ptable_remove(struct ptable *t, uint32_t slot)
{
    struct entry *e = slot_entry(t, slot);
    uint8_t state = e->state;

    t->n--;
    for (unsigned i = 0; i < PTABLE_LANES; i++) {
        t->lanes[i].n_waiting -= state & E_WAIT(i) ? 1 : 0;
    }
    e->state &= (uint8_t)~E_ANY_WAIT;
    if (!(state & E_ANY_RING)) {
        slot_free(t, slot);
        return;
    }
    e->state |= E_GHOST;
    for (unsigned i = 0; i < PTABLE_LANES; i++) {
        const struct lane *l = &t->lanes[i];
        if (state & E_RING(i) && l->len > 1024 && l->n_waiting < l->len / 2) {
            lane_compact(t, i);
        }
    }
}
