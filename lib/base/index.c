#include "base/index.h"

#include <stdlib.h>

#include "base/util.h"

void hash_index_uninit(struct hash_index *x)
{
    free(x->slots);
    *x = (struct hash_index){0};
}

static void put_new(struct hash_index *x, uint32_t number, uint32_t hash)
{
    const uint32_t mask = x->size - 1;
    uint32_t slot = hash & mask;

    while (x->slots[slot]) {
        slot = (slot + 1) & mask;
    }
    hash_index_set(x, slot, number, hash);
}

void hash_index_grow(struct hash_index *x, uint32_t n, hash_index_fn *hash_of,
                     const void *aux)
{
    enum { AHEAD = 32 }; /* So many misses of the cache at the same time. */
    uint32_t numbers[AHEAD], hashes[AHEAD];

    free(x->slots);
    x->size = x->size ? 2 * x->size : 16;
    x->slots = xcalloc(x->size, sizeof *x->slots);
    for (uint32_t number = 1; number <= n;) {
        unsigned k = 0;
        for (; k < AHEAD && number <= n; number++) {
            if (hash_of(aux, number, &hashes[k])) {
                hash_index_prefetch(x, hashes[k]);
                numbers[k++] = number;
            }
        }
        for (unsigned i = 0; i < k; i++) {
            put_new(x, numbers[i], hashes[i]);
        }
    }
}

void hash_index_remove(struct hash_index *x, uint32_t slot, hash_index_fn *hash_of,
                       const void *aux)
{
    const uint32_t mask = x->size - 1;
    uint32_t hole = slot;

    /* Moves up what would no longer be found behind the hole. */
    for (uint32_t i = (slot + 1) & mask; x->slots[i]; i = (i + 1) & mask) {
        uint32_t home = 0;
        hash_of(aux, hash_index_at(x, i), &home);
        if (((i - home) & mask) >= ((i - hole) & mask)) {
            x->slots[hole] = x->slots[i];
            hole = i;
        }
    }
    x->slots[hole] = 0;
}
