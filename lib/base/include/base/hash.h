#ifndef BASE_HASH_H
#define BASE_HASH_H 1

/* Non-cryptographic hashing for tables inside one process. */

#include <stddef.h>
#include <stdint.h>

/* A bijective mixer: near keys end far apart.  The finalizer of SplitMix64 (Steele,
 * Lea, Flood 2014). */
static inline uint64_t hash_u64(uint64_t v)
{
    v ^= v >> 30;
    v *= 0xbf58476d1ce4e5b9u;
    v ^= v >> 27;
    v *= 0x94d049bb133111ebu;
    return v ^ v >> 31;
}

uint64_t hash_bytes(const void *data, size_t n, uint64_t seed);

#endif
