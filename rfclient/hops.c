#include "hops.h"

#include <stdlib.h>
#include <string.h>

#include "base/util.h"
#include "map.h"

struct hop_set {
    uint32_t id;
    uint32_t users;
    uint16_t n;
    UT_hash_handle hh;
    struct rtnl_hop hops[]; /* Key.  Padding is zero. */
};

struct hop_sets {
    struct hop_set *by_hops;
    struct hop_set **by_id; /* [1..max_id]; NULL: free. */
    uint32_t max_id, capacity;
    uint32_t *free_ids;
    uint32_t n_free;
    uint64_t version;
};

struct hop_sets *hop_sets_create(void)
{
    return xcalloc(1, sizeof(struct hop_sets));
}

void hop_sets_destroy(struct hop_sets *hs)
{
    if (hs) {
        HASH_CLEAR(hh, hs->by_hops);
        for (uint32_t id = 1; id <= hs->max_id; id++) {
            free(hs->by_id[id]);
        }
        free(hs->by_id);
        free(hs->free_ids);
        free(hs);
    }
}

static uint32_t new_id(struct hop_sets *hs)
{
    if (hs->n_free) {
        return hs->free_ids[--hs->n_free];
    }
    if (hs->max_id + 1 >= hs->capacity) {
        hs->capacity = hs->capacity ? 2 * hs->capacity : 16;
        hs->by_id = xrealloc(hs->by_id, hs->capacity * sizeof(struct hop_set *));
        hs->free_ids = xrealloc(hs->free_ids, hs->capacity * sizeof(uint32_t));
    }
    return ++hs->max_id;
}

uint32_t hop_sets_ref(struct hop_sets *hs, const struct rtnl_hop *hops, uint16_t n)
{
    struct rtnl_hop key[VM_MAX_HOPS];
    size_t bytes = n * sizeof key[0];
    struct hop_set *set;

    if (!n) {
        return 0;
    }
    memset(key, 0, bytes);
    for (uint16_t i = 0; i < n; i++) {
        key[i].ifindex = hops[i].ifindex;
        key[i].weight = hops[i].weight;
        key[i].gateway = hops[i].gateway;
    }
    HASH_FIND(hh, hs->by_hops, key, bytes, set);
    if (!set) {
        set = xcalloc(1, sizeof *set + bytes);
        set->id = new_id(hs);
        set->n = n;
        memcpy(set->hops, key, bytes);
        HASH_ADD_KEYPTR(hh, hs->by_hops, set->hops, bytes, set);
        hs->by_id[set->id] = set;
        hs->version++;
    }
    set->users++;
    return set->id;
}

void hop_sets_unref(struct hop_sets *hs, uint32_t id)
{
    struct hop_set *set = id ? hs->by_id[id] : NULL;

    if (set && !--set->users) {
        HASH_DELETE(hh, hs->by_hops, set);
        hs->by_id[id] = NULL;
        hs->free_ids[hs->n_free++] = id;
        hs->version++;
        free(set);
    }
}

const struct rtnl_hop *hop_sets_get(const struct hop_sets *hs, uint32_t id,
                                    uint16_t *ret_n)
{
    const struct hop_set *set = id && id <= hs->max_id ? hs->by_id[id] : NULL;

    if (!set) {
        return NULL;
    }
    *ret_n = set->n;
    return set->hops;
}

uint32_t hop_sets_max_id(const struct hop_sets *hs)
{
    return hs->max_id;
}

uint64_t hop_sets_version(const struct hop_sets *hs)
{
    return hs->version;
}
