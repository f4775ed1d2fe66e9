#include "netlink/express.h"

#include <linux/rtnetlink.h>
#include <stdlib.h>

#include <uthash.h>

#include "base/util.h"

/* Of FRR, in its zebra/rt_netlink.h, and not in each kernel's header. */
enum { PROTO_RIPNG = 190, PROTO_STATIC = 196, PROTO_OPENFABRIC = 197 };

struct express_count {
    struct ip_prefix prefix;
    int32_t ahead;
    UT_hash_handle hh;
};

static const uint8_t protocols[] = {
    RTPROT_STATIC, RTPROT_BABEL, RTPROT_ISIS,  RTPROT_OSPF,      RTPROT_RIP,
    PROTO_RIPNG,   RTPROT_EIGRP, PROTO_STATIC, PROTO_OPENFABRIC,
};

size_t express_protocols(const uint8_t **ret)
{
    *ret = protocols;
    return ARRAY_SIZE(protocols);
}

static bool is_express(uint8_t protocol)
{
    for (size_t i = 0; i < ARRAY_SIZE(protocols); i++) {
        if (protocols[i] == protocol) {
            return true;
        }
    }
    return false;
}

static struct express_count *find(const struct express *x, const struct ip_prefix *p)
{
    struct express_count *c = NULL;

    HASH_FIND(hh, x->counts, p, sizeof *p, c);
    return c;
}

static void forget(struct express *x, struct express_count *c)
{
    HASH_DEL(x->counts, c);
    free(c);
}

static void count(struct express *x, struct express_count *c, const struct ip_prefix *p,
                  int by, int64_t now)
{
    x->changed = now;
    if (!c) {
        c = xcalloc(1, sizeof *c);
        c->prefix = *p;
        HASH_ADD(hh, x->counts, prefix, sizeof c->prefix, c);
    }
    c->ahead += by;
    if (!c->ahead) {
        forget(x, c);
    }
}

bool express_overtakes(struct express *x, const struct ip_prefix *p, int64_t now)
{
    struct express_count *c = find(x, p);
    const bool first = !c || c->ahead > 0;

    count(x, c, p, 1, now);
    return first;
}

bool express_in_turn(struct express *x, const struct ip_prefix *p, uint8_t protocol,
                     int64_t now)
{
    const bool express = is_express(protocol);

    if (!express && !x->counts) {
        return true;
    }
    struct express_count *c = find(x, p);
    if (!express) {
        /* It is older than what was told: that must be told again, behind it. */
        if (c && c->ahead > 0) {
            forget(x, c);
        }
        return true;
    }
    const bool first = !c || c->ahead < 0;
    count(x, c, p, -1, now);
    return first;
}

void express_rest(struct express *x, int64_t now)
{
    if (now - x->changed > EXPRESS_FORGET_MS) {
        express_clear(x);
    }
}

void express_clear(struct express *x)
{
    struct express_count *c, *next;

    HASH_ITER (hh, x->counts, c, next) {
        forget(x, c);
    }
}
