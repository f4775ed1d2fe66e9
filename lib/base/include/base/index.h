#ifndef BASE_INDEX_H
#define BASE_INDEX_H 1

/* A hash index: from the hash of a key to the number, 1..., of an entry, which lives
 * elsewhere.  Made for a million entries that are looked up in no order, where each
 * access to memory is a miss of the cache.
 *
 * Open addressing, linear probing.  A slot has the entry's number in its low bits, as
 * many as number the slots, and in the others those of the hash: few entries are
 * touched that are not the one looked for, and none when a new one is put in. */

#include <stdbool.h>
#include <stdint.h>

struct hash_index {
    uint32_t *slots; /* 0: free. */
    uint32_t size;   /* Power of 2; 0 at first: then nothing may be looked for. */
};

/* Of an entry; false: it is not in the index. */
typedef bool hash_index_fn(const void *aux, uint32_t number, uint32_t *ret_hash);

void hash_index_uninit(struct hash_index *);

/* No room for one more, when `n` entries have ever been numbered. */
static inline bool hash_index_is_full(const struct hash_index *x, uint32_t n)
{
    return n >= x->size / 4 * 3;
}

/* Doubles it; `n` is the highest number of an entry. */
void hash_index_grow(struct hash_index *, uint32_t n, hash_index_fn *, const void *aux);

/* The first slot, from `slot` on, that is free or whose entry may have this hash:
 *
 *     for (i = hash_index_seek(x, hash, hash); (n = hash_index_at(x, i)) && !is_it(n);
 *          i = hash_index_seek(x, hash, i + 1)) {
 *     }
 */
static inline uint32_t hash_index_seek(const struct hash_index *x, uint32_t hash,
                                       uint32_t slot)
{
    const uint32_t mask = x->size - 1;

    slot &= mask;
    while (x->slots[slot] && (x->slots[slot] ^ hash) & ~mask) {
        slot = (slot + 1) & mask;
    }
    return slot;
}

/* The number that is there; 0: the slot is free. */
static inline uint32_t hash_index_at(const struct hash_index *x, uint32_t slot)
{
    return x->slots[slot] & (x->size - 1);
}

/* Into a free slot, the one that hash_index_seek() found. */
static inline void hash_index_set(struct hash_index *x, uint32_t slot, uint32_t number,
                                  uint32_t hash)
{
    x->slots[slot] = number | (hash & ~(x->size - 1));
}

/* Frees a slot; others may move into it. */
void hash_index_remove(struct hash_index *, uint32_t slot, hash_index_fn *,
                       const void *aux);

/* It will be looked for soon. */
static inline void hash_index_prefetch(const struct hash_index *x, uint32_t hash)
{
    if (x->size) {
        __builtin_prefetch(&x->slots[hash & (x->size - 1)]);
    }
}

#endif
