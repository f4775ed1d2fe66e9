#ifndef TARGET_H
#define TARGET_H 1

/* A FIB target in one word, for the tables that hold a million of them. */

#include <stdbool.h>
#include <stdint.h>

#include "core/plane.h"

#define TARGET_NONE 0u
#define TARGET_PUNT 0x80000001u
#define TARGET_DROP 0x80000002u
#define TARGET_FOREIGN 0x80000003u /* Installed, but nothing that we would install. */
/* Anything else is a group id.  Its upper bits are the number of a share of the group
 * (core/recon.h), which only what is installed can have. */
#define TARGET_SHARE_SHIFT 20

static inline bool target_is_group(uint32_t t)
{
    return t && !(t & 0x80000000u);
}

static inline uint32_t target_share(uint32_t group_id)
{
    return group_id >> TARGET_SHARE_SHIFT;
}

/* The target, or the group whose share it is. */
static inline uint32_t target_base(uint32_t t)
{
    uint32_t base = t & ((1u << TARGET_SHARE_SHIFT) - 1);
    return target_is_group(t) && base ? base : t;
}

static inline bool target_is_share(uint32_t t)
{
    return target_base(t) != t;
}

/* TARGET_NONE for what is no target. */
static inline uint32_t target_pack(struct fib_target t)
{
    switch (t.verdict) {
    case FIB_GROUP:
        return target_is_group(t.group) ? t.group : TARGET_NONE;
    case FIB_PUNT:
        return TARGET_PUNT;
    case FIB_DROP:
        return TARGET_DROP;
    default:
        return TARGET_NONE;
    }
}

static inline struct fib_target target_unpack(uint32_t t)
{
    return target_is_group(t)
               ? (struct fib_target){.verdict = FIB_GROUP, .group = t}
               : (struct fib_target){.verdict = t == TARGET_PUNT   ? FIB_PUNT
                                                : t == TARGET_DROP ? FIB_DROP
                                                                   : 0};
}

/* A prefix from a peer: of a family, in range, canonical. */
static inline bool prefix_is_valid(const struct ip_prefix *p)
{
    return (p->addr.version == IP_V4 || p->addr.version == IP_V6) &&
           p->plen <= ip_width(p->addr.version) && prefix_is_canonical(p);
}

#endif
