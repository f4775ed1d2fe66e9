#ifndef BASE_CURSOR_H
#define BASE_CURSOR_H 1

/* A checked cursor over bytes that somebody else owns.  Every byte from a peer is read
 * through one.  A read that does not fit returns false and changes neither the cursor
 * nor the output.  Numbers are in network byte order. */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/addr.h"

struct cursor {
    const uint8_t *p;
    size_t n; /* Bytes left. */
};

static inline struct cursor cursor_of(const void *data, size_t n)
{
    return (struct cursor){.p = data, .n = n};
}

bool cursor_skip(struct cursor *c, size_t n);
bool cursor_u8(struct cursor *c, uint8_t *ret);
bool cursor_u16(struct cursor *c, uint16_t *ret);
bool cursor_u32(struct cursor *c, uint32_t *ret);
bool cursor_u64(struct cursor *c, uint64_t *ret);
bool cursor_eth(struct cursor *c, struct eth_addr *ret);
bool cursor_copy(struct cursor *c, void *dst, size_t n);
/* Points *ret at the next n bytes, which stay owned by whoever owns the buffer. */
bool cursor_bytes(struct cursor *c, size_t n, const uint8_t **ret);
/* Splits the next n bytes off as a cursor of their own. */
bool cursor_sub(struct cursor *c, size_t n, struct cursor *ret);

#endif
