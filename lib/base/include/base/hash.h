#ifndef BASE_HASH_H
#define BASE_HASH_H 1

/* Non-cryptographic hashing for tables inside one process. */

#include <stddef.h>
#include <stdint.h>

uint64_t hash_u64(uint64_t v); /* A bijective mixer: near keys end far apart. */
uint64_t hash_bytes(const void *data, size_t n, uint64_t seed);

#endif
