#ifndef PREFIXSET_H
#define PREFIXSET_H 1

/* The prefixes that the benches use: IPv4, all different, with the lengths that the
 * Internet's table has (/24 63 %, /22 11 %, /23 10 %, /21 and /20 9 %, ...), in no
 * order, and the same in each run: prefix i of a set is prefix i of a larger one.
 *
 * Never within 0/8, 10/8, 127/8, 169/8 (link-local addresses are not forwarded), 172/8
 * (where the lab's own networks are) or from 192/8 up.  Each prefix has one of `n_hops`
 * next hops: prefixset_hop() says which. */

#include <stdint.h>

#include "base/addr.h"

#define PREFIXSET_MAX 1000000

struct prefixset {
    uint32_t n;
    struct {
        uint32_t addr; /* Host order. */
        uint8_t plen;
    } * all;
};

void prefixset_init(struct prefixset *, uint32_t n); /* 0..PREFIXSET_MAX. */
void prefixset_uninit(struct prefixset *);
struct ip_prefix prefixset_get(const struct prefixset *, uint32_t i);

static inline uint32_t prefixset_hop(uint32_t i, uint32_t n_hops)
{
    return (uint32_t)((i * UINT64_C(2654435761)) >> 16) % n_hops;
}

/* The address of next hop i, 0..127: half of them behind each of two ports. */
static inline uint32_t prefixset_gateway(uint32_t i)
{
    return 0xac1f0000u | (1 + i % 2) << 8 | (100 + i / 2); /* 172.31.{1,2}.100... */
}

#endif
