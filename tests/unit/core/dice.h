#ifndef DICE_H
#define DICE_H 1

/* Random steps that a seed repeats, and short ways to write addresses. */

#include <check.h>

#include "base/addr.h"
#include "base/hash.h"

/* As ck_assert(), for inner loops: Check writes a mark to a file for each assertion. */
#define MUST_MSG(COND, ...)            \
    do {                               \
        if (!(COND)) {                 \
            ck_abort_msg(__VA_ARGS__); \
        }                              \
    } while (0)
#define MUST(COND) MUST_MSG(COND, "%s", #COND)

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
    MUST_MSG(ip_parse(s, &a), "%s", s);
    return a;
}

static inline struct ip_prefix prefix(const char *s)
{
    struct ip_prefix p;
    MUST_MSG(prefix_parse(s, &p), "%s", s);
    return p;
}

#endif
