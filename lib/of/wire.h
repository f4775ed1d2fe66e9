#ifndef OF_WIRE_H
#define OF_WIRE_H 1

/* Private to lib/of: stores in network order through a running pointer, for encoders
 * that have reserved the greatest length of what they write beforehand.  A flow
 * download is a million of these messages; a checked append per number would be most
 * of its cost. */

#include <stdint.h>
#include <string.h>

#include "of/action.h"
#include "of/match.h"

static inline uint8_t *wire_u8(uint8_t *p, uint8_t v)
{
    *p = v;
    return p + 1;
}

static inline uint8_t *wire_u16(uint8_t *p, uint16_t v)
{
    v = __builtin_bswap16(v);
    memcpy(p, &v, sizeof v);
    return p + sizeof v;
}

static inline uint8_t *wire_u32(uint8_t *p, uint32_t v)
{
    v = __builtin_bswap32(v);
    memcpy(p, &v, sizeof v);
    return p + sizeof v;
}

static inline uint8_t *wire_u64(uint8_t *p, uint64_t v)
{
    v = __builtin_bswap64(v);
    memcpy(p, &v, sizeof v);
    return p + sizeof v;
}

static inline uint8_t *wire_bytes(uint8_t *p, const void *data, size_t n)
{
    if (n) {
        memcpy(p, data, n);
    }
    return p + n;
}

static inline uint8_t *wire_zeros(uint8_t *p, size_t n)
{
    memset(p, 0, n);
    return p + n;
}

/* Zeros up to the next multiple of 8 octets counted from `start`. */
static inline uint8_t *wire_pad8(uint8_t *start, uint8_t *p)
{
    return wire_zeros(p, -(size_t)(p - start) & 7);
}

/* 7.2.3.2: header of an OXM field. */
#define OXM_HEADER(CLASS, FIELD, HAS_MASK, LEN)                                     \
    ((uint32_t)(CLASS) << 16 | (uint32_t)(FIELD) << 9 | (uint32_t)(HAS_MASK) << 8 | \
     (LEN))

/* Each writes at most its ..._MAX_LEN octets at p and returns their end. */
uint8_t *of_match_encode(uint8_t *p, const struct of_match *);
uint8_t *of_actions_encode(uint8_t *p, const struct of_actions *);
uint8_t *of_instructions_encode(uint8_t *p, const struct of_instructions *);

#endif
