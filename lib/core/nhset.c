#include "nhset.h"

#include <stdlib.h>
#include <string.h>
#include <utlist.h>

#include "base/hash.h"
#include "base/util.h"

static struct hop_key make_key(uint32_t vm_port, const struct ip_addr *gateway,
                               uint16_t weight)
{
    struct hop_key k = {
        .vm_port = vm_port, .weight = weight, .version = gateway->version};
    memcpy(k.bytes, gateway->bytes, ip_width(gateway->version) / 8);
    return k;
}

struct ip_addr hop_key_gateway(const struct hop_key *k)
{
    struct ip_addr a = {.version = k->version};
    memcpy(a.bytes, k->bytes, sizeof a.bytes);
    return a;
}

static int compare_hops(const struct hop_key *a, const struct hop_key *b)
{
    if (a->vm_port != b->vm_port) {
        return a->vm_port < b->vm_port ? -1 : 1;
    }
    int d = (int)a->version - (int)b->version;
    return d ? d : memcmp(a->bytes, b->bytes, sizeof a->bytes);
}

static unsigned normalize(const struct vm_hop *hops, unsigned n_hops,
                          struct hop_key *keys)
{
    unsigned n = 0;

    for (unsigned i = 0; i < n_hops; i++) {
        struct hop_key k = make_key(hops[i].vm_port, &hops[i].gateway, hops[i].weight);
        unsigned j = n;
        int d = 1;
        while (j > 0 && (d = compare_hops(&keys[j - 1], &k)) > 0) {
            j--;
        }
        if (j > 0 && !d) {
            unsigned sum = (unsigned)keys[j - 1].weight + k.weight;
            keys[j - 1].weight = (uint16_t)MIN(sum, UINT16_MAX);
        } else {
            memmove(&keys[j + 1], &keys[j], (n - j) * sizeof *keys);
            keys[j] = k;
            n++;
        }
    }
    if (n == 1) {
        keys[0].weight = 1;
    }
    return n;
}

struct gateway *nhset_gateway(const struct nhset_table *t, uint32_t vm_port,
                              const struct ip_addr *addr)
{
    struct hop_key k = make_key(vm_port, addr, 0);
    struct gateway *g;

    HASH_FIND(hh, t->gateways, &k, sizeof k, g);
    return g;
}

static struct gateway *gateway_join(struct nhset_table *t, const struct hop_key *hop,
                                    struct nhset *set)
{
    struct ip_addr addr = hop_key_gateway(hop);
    struct gateway *g = nhset_gateway(t, hop->vm_port, &addr);

    if (!g) {
        g = xcalloc(1, sizeof *g);
        g->key = *hop;
        g->key.weight = 0;
        HASH_ADD(hh, t->gateways, key, sizeof g->key, g);
    }
    if (g->n_sets == g->cap) {
        g->cap = g->cap ? 2 * g->cap : 1;
        g->sets = xrealloc(g->sets, g->cap * sizeof *g->sets);
    }
    g->sets[g->n_sets++] = set;
    return g;
}

static void gateway_leave(struct nhset_table *t, struct gateway *g,
                          const struct nhset *set)
{
    for (uint32_t i = 0; i < g->n_sets; i++) {
        if (g->sets[i] == set) {
            g->sets[i] = g->sets[--g->n_sets];
            break;
        }
    }
    if (!g->n_sets) {
        HASH_DELETE(hh, t->gateways, g);
        free(g->sets);
        free(g);
    }
}

static uint32_t slot_alloc(struct nhset_table *t)
{
    if (t->n_free) {
        return t->free_slots[--t->n_free];
    }
    if (t->n_slots == t->cap) {
        t->cap = t->cap ? 2 * t->cap : 64;
        t->sets = xrealloc(t->sets, t->cap * sizeof *t->sets);
    }
    return t->n_slots++;
}

static void slot_free(struct nhset_table *t, uint32_t slot)
{
    t->sets[slot] = NULL;
    if (t->n_free == t->cap_free) {
        t->cap_free = t->cap_free ? 2 * t->cap_free : 64;
        t->free_slots = xrealloc(t->free_slots, t->cap_free * sizeof *t->free_slots);
    }
    t->free_slots[t->n_free++] = slot;
}

struct nhset *nhset_by_id(const struct nhset_table *t, uint32_t group_id)
{
    struct nhset *s;
    HASH_FIND(hh_id, t->by_id, &group_id, sizeof group_id, s);
    return s;
}

/* The same set gets the same id in every run, unless two live sets collide. */
static uint32_t choose_id(const struct nhset_table *t, const struct hop_key *keys,
                          unsigned n)
{
    uint32_t id = (uint32_t)hash_bytes(keys, n * sizeof *keys, 0) & NHSET_ID_MAX;

    while (!id || nhset_by_id(t, id)) {
        id = (id + 1) & NHSET_ID_MAX;
    }
    return id;
}

static struct nhset *nhset_new(struct nhset_table *t, const struct hop_key *keys,
                               unsigned n)
{
    struct nhset *s = xcalloc(1, sizeof *s + n * sizeof *keys);

    memcpy(s->keys, keys, n * sizeof *keys);
    s->n_hops = (uint16_t)n;
    s->gateways = xcalloc(n, sizeof(struct gateway *));
    for (unsigned i = 0; i < n; i++) {
        if (keys[i].version == IP_NONE) {
            s->has_connected = true;
        } else {
            s->gateways[i] = gateway_join(t, &keys[i], s);
        }
    }
    s->slot = slot_alloc(t);
    t->sets[s->slot] = s;
    s->group_id = choose_id(t, keys, n);
    HASH_ADD(hh, t->by_key, keys, n * sizeof *keys, s);
    HASH_ADD(hh_id, t->by_id, group_id, sizeof s->group_id, s);
    return s;
}

struct nhset *nhset_intern(struct nhset_table *t, const struct vm_hop *hops,
                           unsigned n_hops, bool *ret_new)
{
    struct hop_key keys[VM_MAX_HOPS];
    unsigned n = normalize(hops, n_hops, keys);
    struct nhset *s = t->last; /* Routes come in bunches with one set. */

    if (!s || s->n_hops != n || memcmp(s->keys, keys, n * sizeof *keys)) {
        HASH_FIND(hh, t->by_key, keys, n * sizeof *keys, s);
    }
    *ret_new = !s;
    t->last = s ? s : nhset_new(t, keys, n);
    return t->last;
}

void nhset_mark_dirty(struct nhset_table *t, struct nhset *s)
{
    if (!s->dirty) {
        s->dirty = true;
        DL_APPEND(t->dirty, s);
    }
}

static void nhset_free(struct nhset_table *t, struct nhset *s)
{
    if (t->last == s) {
        t->last = NULL;
    }
    for (unsigned i = 0; i < s->n_hops; i++) {
        if (s->gateways[i]) {
            gateway_leave(t, s->gateways[i], s);
        }
    }
    HASH_DELETE(hh, t->by_key, s);
    HASH_DELETE(hh_id, t->by_id, s);
    slot_free(t, s->slot);
    free(s->gateways);
    free(s);
}

void nhset_settle(struct nhset_table *t, struct nhset *s)
{
    if (s->dirty) {
        s->dirty = false;
        DL_DELETE(t->dirty, s);
    }
    if (!s->refs && !s->fib_taken && !s->group_taken) {
        nhset_free(t, s);
    }
}

void nhset_table_uninit(struct nhset_table *t)
{
    for (uint32_t i = 0; i < t->n_slots; i++) {
        if (t->sets[i]) {
            nhset_free(t, t->sets[i]);
        }
    }
    free(t->sets);
    free(t->free_slots);
    *t = (struct nhset_table){0};
}
