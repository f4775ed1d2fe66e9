#include "route_store.h"

#include <stdlib.h>
#include <string.h>

#include "base/util.h"

/* Entries. */

static uint32_t entry_alloc(struct route_store *s)
{
    uint32_t i = s->free_list;

    if (i) {
        s->free_list = route_store_at(s, i)->next;
    } else {
        if (s->n_entries == s->n_chunks * ROUTE_CHUNK) {
            s->chunks = xrealloc(s->chunks, (s->n_chunks + 1) * sizeof(struct entry *));
            s->chunks[s->n_chunks++] = xmalloc(ROUTE_CHUNK * sizeof(struct entry));
        }
        i = ++s->n_entries;
    }
    memset(route_store_at(s, i), 0, sizeof(struct entry));
    return i;
}

static void entry_free(struct route_store *s, uint32_t i)
{
    *route_store_at(s, i) = (struct entry){.next = s->free_list};
    s->free_list = i;
}

struct ip_prefix entry_prefix(const struct entry *e)
{
    return (struct ip_prefix){.addr = ip_from_bytes(e->version, e->addr),
                              .plen = e->plen};
}

/* Prefixes. */

static uint32_t slot_of(const struct route_store *s, const struct ip_prefix *p)
{
    uint32_t slot = prefix_hash(p) & s->mask;

    for (; s->slots[slot]; slot = (slot + 1) & s->mask) {
        const struct entry *e = route_store_at(s, s->slots[slot]);
        if (e->plen == p->plen && e->version == p->addr.version &&
            !memcmp(e->addr, p->addr.bytes, sizeof e->addr)) {
            break;
        }
    }
    return slot;
}

static void slots_resize(struct route_store *s, uint32_t n)
{
    uint32_t *old = s->slots;
    uint32_t old_n = old ? s->mask + 1 : 0;

    s->slots = xcalloc(n, sizeof *s->slots);
    s->mask = n - 1;
    for (uint32_t i = 0; i < old_n; i++) {
        if (old[i]) {
            struct ip_prefix p = entry_prefix(route_store_at(s, old[i]));
            s->slots[slot_of(s, &p)] = old[i];
        }
    }
    free(old);
}

uint32_t head_find(const struct route_store *s, const struct ip_prefix *p)
{
    return s->slots[slot_of(s, p)];
}

uint32_t head_obtain(struct route_store *s, const struct ip_prefix *p)
{
    uint32_t slot = slot_of(s, p);

    if (!s->slots[slot]) {
        if (s->n_heads >= (s->mask + 1) / 4 * 3) {
            slots_resize(s, 2 * (s->mask + 1));
            slot = slot_of(s, p);
        }
        uint32_t i = entry_alloc(s);
        struct entry *e = route_store_at(s, i);
        memcpy(e->addr, p->addr.bytes, sizeof e->addr);
        e->version = p->addr.version;
        e->plen = p->plen;
        e->flags = HEAD;
        s->slots[slot] = i;
        s->n_heads++;
    }
    return s->slots[slot];
}

static void head_free(struct route_store *s, uint32_t head)
{
    struct ip_prefix p = entry_prefix(route_store_at(s, head));
    uint32_t hole = slot_of(s, &p);

    /* Move up whoever was displaced by this one, so that no probe ends early. */
    s->slots[hole] = 0;
    for (uint32_t i = (hole + 1) & s->mask; s->slots[i]; i = (i + 1) & s->mask) {
        struct ip_prefix q = entry_prefix(route_store_at(s, s->slots[i]));
        uint32_t home = prefix_hash(&q) & s->mask;
        if (((i - home) & s->mask) >= ((i - hole) & s->mask)) {
            s->slots[hole] = s->slots[i];
            s->slots[i] = 0;
            hole = i;
        }
    }
    s->n_heads--;
    entry_free(s, head);
}

void head_tidy(struct route_store *s, uint32_t head)
{
    if (!(route_store_at(s, head)->flags & (PRESENT | DIRTY | LISTED))) {
        head_free(s, head);
    }
}

/* The queues of prefixes to tell. */

static void list_append(struct route_store *s, uint32_t head)
{
    struct entry *e = route_store_at(s, head);

    if (!(e->flags & LISTED)) {
        e->flags |= LISTED;
        e->next_listed = 0;
        if (s->list_first) {
            route_store_at(s, s->list_last)->next_listed = head;
        } else {
            s->list_first = head;
        }
        s->list_last = head;
    }
}

/* One that stands in the list stays there: it is passed over when its turn comes. */
void dirty_push(struct route_store *s, uint32_t head, bool urgent)
{
    struct entry *e = route_store_at(s, head);

    s->n_dirty += !(e->flags & DIRTY);
    e->flags |= DIRTY;
    if (urgent && !(e->flags & URGENT) && s->n_urgent < URGENT_MAX) {
        e->flags |= URGENT;
        s->ring[(s->ring_first + s->n_urgent++) % URGENT_MAX] = head;
    }
    if (!(e->flags & URGENT)) {
        list_append(s, head);
    }
}

static uint32_t ring_pop(struct route_store *s)
{
    uint32_t head = s->ring[s->ring_first];

    if (!s->n_urgent) {
        return 0;
    }
    s->ring_first = (s->ring_first + 1) % URGENT_MAX;
    s->n_urgent--;
    return head;
}

/* The next one of the list that is not told by other ways. */
static uint32_t list_pop(struct route_store *s)
{
    uint32_t head;

    while ((head = s->list_first)) {
        struct entry *e = route_store_at(s, head);
        s->list_first = e->next_listed;
        e->flags &= (uint8_t)~LISTED;
        if ((e->flags & (DIRTY | URGENT)) == DIRTY) {
            break;
        }
        head_tidy(s, head);
    }
    return head;
}

uint32_t dirty_pop(struct route_store *s, bool urgent)
{
    uint32_t head = urgent ? ring_pop(s) : list_pop(s);

    if (head) {
        struct entry *e = route_store_at(s, head);
        s->n_dirty--;
        s->n_resync -= !!(e->flags & RESYNC);
        e->flags &= (uint8_t) ~(DIRTY | URGENT | RESYNC);
    }
    return head;
}

/* The chain of a prefix. */

uint32_t chain_first(const struct route_store *s, uint32_t head)
{
    return route_store_at(s, head)->flags & PRESENT ? head : 0;
}

uint32_t chain_find(const struct route_store *s, uint32_t head, uint32_t metric)
{
    uint32_t i = chain_first(s, head);

    while (i && route_store_at(s, i)->route.metric != metric) {
        i = route_store_at(s, i)->next;
    }
    return i;
}

void chain_insert(struct route_store *s, uint32_t head, struct route route)
{
    struct entry *e = route_store_at(s, head);

    s->n_routes++;
    if (!(e->flags & PRESENT)) {
        e->flags |= PRESENT;
        e->route = route;
        e->next = 0;
        return;
    }
    s->n_second++;
    uint32_t added = entry_alloc(s);
    struct entry *a = route_store_at(s, added);
    if (route.metric < e->route.metric) {
        a->route = e->route;
        a->next = e->next;
        e->route = route;
        e->next = added;
        return;
    }
    while (e->next && route_store_at(s, e->next)->route.metric < route.metric) {
        e = route_store_at(s, e->next);
    }
    a->route = route;
    a->next = e->next;
    e->next = added;
}

void chain_remove(struct route_store *s, uint32_t head, uint32_t i)
{
    struct entry *e = route_store_at(s, head);

    s->n_routes--;
    hop_sets_unref(s->hops, route_store_at(s, i)->route.hops);
    if (i == head && !e->next) {
        e->flags &= (uint8_t)~PRESENT;
        e->route = (struct route){0};
        return;
    }
    s->n_second--;
    if (i == head) {
        i = e->next;
        e->route = route_store_at(s, i)->route;
    } else {
        while (e->next != i) {
            e = route_store_at(s, e->next);
        }
    }
    e->next = route_store_at(s, i)->next;
    entry_free(s, i);
}

/* Life. */

void route_store_init(struct route_store *s)
{
    *s = (struct route_store){.hops = hop_sets_create()};
    slots_resize(s, 64);
}

void route_store_uninit(struct route_store *s)
{
    for (uint32_t i = 0; i < s->n_chunks; i++) {
        free(s->chunks[i]);
    }
    free(s->chunks);
    free(s->slots);
    hop_sets_destroy(s->hops);
}
