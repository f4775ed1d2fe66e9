#include "base/hash.h"

#include <endian.h>
#include <string.h>

uint64_t hash_bytes(const void *data, size_t n, uint64_t seed)
{
    const uint8_t *p = data;
    uint64_t h = hash_u64(seed ^ n);

    for (; n >= 8; p += 8, n -= 8) {
        uint64_t v;
        memcpy(&v, p, 8);
        h = hash_u64(h ^ le64toh(v));
    }
    uint64_t tail = 0;
    memcpy(&tail, p, n);
    return n ? hash_u64(h ^ le64toh(tail)) : h;
}
