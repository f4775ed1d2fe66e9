#ifndef DICE_H
#define DICE_H 1

/* Random steps that a seed repeats, and short ways to write addresses. */

#include <check.h>

#include "base/addr.h"
#include "base/hash.h"

struct dice {
    uint64_t state;
};

static inline uint32_t roll(struct dice *d, uint32_t n) /* 0..n-1 */
{
    d->state++;
    return (uint32_t)(hash_u64(d->state * 0x9e3779b97f4a7c15u) % n);
}

static inline struct ip_addr ip(const char *s)
{
    struct ip_addr a;
    ck_assert_msg(ip_parse(s, &a), "%s", s);
    return a;
}

static inline struct ip_prefix prefix(const char *s)
{
    struct ip_prefix p;
    ck_assert_msg(prefix_parse(s, &p), "%s", s);
    return p;
}

#endif
