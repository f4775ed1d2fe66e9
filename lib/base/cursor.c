#include "base/cursor.h"

#include <string.h>

bool cursor_bytes(struct cursor *c, size_t n, const uint8_t **ret)
{
    if (c->n < n) {
        return false;
    }
    *ret = c->p;
    c->p += n;
    c->n -= n;
    return true;
}

bool cursor_skip(struct cursor *c, size_t n)
{
    const uint8_t *p;
    return cursor_bytes(c, n, &p);
}

/* Reads an n-octet big-endian number, n <= 8. */
static bool pull_number(struct cursor *c, size_t n, uint64_t *ret)
{
    const uint8_t *p;

    if (!cursor_bytes(c, n, &p)) {
        return false;
    }
    uint64_t v = 0;
    for (size_t i = 0; i < n; i++) {
        v = v << 8 | p[i];
    }
    *ret = v;
    return true;
}

bool cursor_u8(struct cursor *c, uint8_t *ret)
{
    uint64_t v;
    return pull_number(c, 1, &v) && (*ret = (uint8_t)v, true);
}

bool cursor_u16(struct cursor *c, uint16_t *ret)
{
    uint64_t v;
    return pull_number(c, 2, &v) && (*ret = (uint16_t)v, true);
}

bool cursor_u32(struct cursor *c, uint32_t *ret)
{
    uint64_t v;
    return pull_number(c, 4, &v) && (*ret = (uint32_t)v, true);
}

bool cursor_u64(struct cursor *c, uint64_t *ret)
{
    return pull_number(c, 8, ret);
}

bool cursor_copy(struct cursor *c, void *dst, size_t n)
{
    const uint8_t *p;
    return cursor_bytes(c, n, &p) && (memcpy(dst, p, n), true);
}

bool cursor_eth(struct cursor *c, struct eth_addr *ret)
{
    return cursor_copy(c, ret->ea, sizeof ret->ea);
}

bool cursor_sub(struct cursor *c, size_t n, struct cursor *ret)
{
    const uint8_t *p;
    return cursor_bytes(c, n, &p) && (*ret = cursor_of(p, n), true);
}
