#include "plan_pool.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/util.h"

bool plan_pool_parse(const char *text, uint8_t plen, uint8_t min_plen, uint8_t max_plen,
                     struct plan_pool *ret)
{
    char net[IP_PREFIX_STRLEN];
    const char *colon = strchr(text, ':');
    size_t n = colon ? (size_t)(colon - text) : strlen(text);
    struct plan_pool pool = {.plen = plen};
    uint64_t number;

    if (n >= sizeof net) {
        return false;
    }
    memcpy(net, text, n);
    net[n] = '\0';
    if (!prefix_parse(net, &pool.net) || pool.net.addr.version != IP_V4) {
        return false;
    }
    if (colon) {
        if (!parse_u64(colon + 1, 10, 32, &number)) {
            return false;
        }
        pool.plen = (uint8_t)number;
    }
    if (!prefix_is_canonical(&pool.net) || pool.plen < pool.net.plen ||
        pool.plen < min_plen || pool.plen > max_plen) {
        return false;
    }
    *ret = pool;
    return true;
}

const char *plan_pool_format(const struct plan_pool *pool,
                             char buf[static PLAN_POOL_STRLEN])
{
    char net[IP_PREFIX_STRLEN];

    snprintf(buf, PLAN_POOL_STRLEN, "%s:%u", prefix_format(&pool->net, net),
             pool->plen);
    return buf;
}

static struct span span_of(const struct ip_prefix *p)
{
    const uint64_t size = UINT64_C(1) << (32 - p->plen);
    const uint64_t lo = ip_to_v4(p->addr) & ~(size - 1);

    return (struct span){lo, lo + size - 1};
}

static bool overlap(const struct ip_prefix *a, const struct ip_prefix *b)
{
    const struct span x = span_of(a), y = span_of(b);

    return x.lo <= y.hi && y.lo <= x.hi;
}

bool plan_pools_are_apart(const struct plan_pools *p)
{
    return !overlap(&p->links.net, &p->hosts.net) &&
           !overlap(&p->links.net, &p->loopbacks.net) &&
           !overlap(&p->hosts.net, &p->loopbacks.net);
}

/* A default route, or one for all private addresses, says nothing of its parts. */
static bool occupies(const struct plan_pool *pool, const struct ip_prefix *p)
{
    return p->addr.version == IP_V4 && p->plen > pool->net.plen &&
           overlap(&pool->net, p);
}

bool plan_pools_overlap(const struct plan_pools *pools, const struct ip_prefix *p)
{
    return occupies(&pools->links, p) || occupies(&pools->hosts, p) ||
           occupies(&pools->loopbacks, p);
}

static int by_lo(const void *a, const void *b)
{
    const struct span *x = a, *y = b;

    return (x->lo > y->lo) - (x->lo < y->lo);
}

void pool_open(struct pool_cursor *c, const struct plan_pool *pool,
               const struct ip_prefix *used, size_t n)
{
    const struct span all = span_of(&pool->net);

    *c = (struct pool_cursor){.pool = pool, .next = all.lo};
    c->spans = xmalloc((n + 1) * sizeof *c->spans);
    for (size_t i = 0; i < n; i++) {
        if (occupies(pool, &used[i])) {
            c->spans[c->n_spans++] = span_of(&used[i]);
        }
    }
    if (pool->plen == 32 && pool->net.plen < 31) { /* Not the address of the net. */
        c->next++;
    }
    qsort(c->spans, c->n_spans, sizeof *c->spans, by_lo);
}

void pool_close(struct pool_cursor *c)
{
    free(c->spans);
}

bool pool_take(struct pool_cursor *c, uint32_t *ret)
{
    const uint64_t size = UINT64_C(1) << (32 - c->pool->plen);
    struct span all = span_of(&c->pool->net);

    if (c->pool->plen == 32 && c->pool->net.plen < 31) { /* Not the broadcast one. */
        all.hi--;
    }
    for (; c->i < c->n_spans && c->spans[c->i].lo < c->next + size; c->i++) {
        if (c->spans[c->i].hi >= c->next) {
            c->next = (c->spans[c->i].hi / size + 1) * size;
        }
    }
    if (c->next + size - 1 > all.hi) {
        c->missing++;
        return false;
    }
    *ret = (uint32_t)c->next;
    c->next += size;
    return true;
}
