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

static bool hash_of(const void *s_, uint32_t i, uint32_t *ret)
{
    const struct entry *e = route_store_at(s_, i);

    *ret = prefix_hash_of(e->version, e->addr, e->plen);
    return e->flags & HEAD;
}

/* Position in the index; what is there is 0 when the prefix has no head. */
static uint32_t slot_of(const struct route_store *s, const struct ip_prefix *p,
                        uint32_t hash)
{
    const struct hash_index *x = &s->index;
    uint32_t slot, i;

    for (slot = hash_index_seek(x, hash, hash); (i = hash_index_at(x, slot));
         slot = hash_index_seek(x, hash, slot + 1)) {
        const struct entry *e = route_store_at(s, i);
        if (e->plen == p->plen && e->version == p->addr.version &&
            !memcmp(e->addr, p->addr.bytes, sizeof e->addr)) {
            break;
        }
    }
    return slot;
}

uint32_t head_find(const struct route_store *s, const struct ip_prefix *p)
{
    return hash_index_at(&s->index, slot_of(s, p, prefix_hash(p)));
}

void head_prefetch(const struct route_store *s, const struct ip_prefix *p)
{
    hash_index_prefetch(&s->index, prefix_hash(p));
}

uint32_t head_obtain(struct route_store *s, const struct ip_prefix *p)
{
    while (hash_index_is_full(&s->index, s->n_entries)) {
        hash_index_grow(&s->index, s->n_entries, hash_of, s);
    }
    uint32_t hash = prefix_hash(p);
    uint32_t slot = slot_of(s, p, hash);
    uint32_t i = hash_index_at(&s->index, slot);

    if (!i) {
        i = entry_alloc(s);
        struct entry *e = route_store_at(s, i);
        memcpy(e->addr, p->addr.bytes, sizeof e->addr);
        e->version = p->addr.version;
        e->plen = p->plen;
        e->flags = HEAD;
        hash_index_set(&s->index, slot, i, hash);
        s->n_heads++;
    }
    return i;
}

static void head_free(struct route_store *s, uint32_t head)
{
    struct ip_prefix p = entry_prefix(route_store_at(s, head));

    hash_index_remove(&s->index, slot_of(s, &p, prefix_hash(&p)), hash_of, s);
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
    hash_index_grow(&s->index, 0, hash_of, s);
}

void route_store_uninit(struct route_store *s)
{
    for (uint32_t i = 0; i < s->n_chunks; i++) {
        free(s->chunks[i]);
    }
    free(s->chunks);
    hash_index_uninit(&s->index);
    hop_sets_destroy(s->hops);
}
