#include "withdrawals.h"

#include <stdlib.h>
#include <string.h>
#include <utlist.h>

#include "base/util.h"
#include "map.h"

struct withdrawal {
    struct ip_prefix prefix; /* The key; padding is zero. */
    int64_t due;
    bool urgent;
    struct withdrawal *prev, *next; /* By growing `due`. */
    UT_hash_handle hh;
};

struct withdrawals {
    struct withdrawal *by_prefix;
    struct withdrawal *queues[2]; /* The urgent ones in the second. */
};

struct withdrawals *withdrawals_create(void)
{
    return xcalloc(1, sizeof(struct withdrawals));
}

static void forget(struct withdrawals *all, struct withdrawal *w)
{
    HASH_DELETE(hh, all->by_prefix, w);
    DL_DELETE(all->queues[w->urgent], w);
    free(w);
}

void withdrawals_clear(struct withdrawals *all)
{
    struct withdrawal *w, *next;

    HASH_ITER (hh, all->by_prefix, w, next) {
        forget(all, w);
    }
}

void withdrawals_destroy(struct withdrawals *all)
{
    if (all) {
        withdrawals_clear(all);
        free(all);
    }
}

static struct ip_prefix key_of(const struct ip_prefix *prefix)
{
    struct ip_prefix key;

    memset(&key, 0, sizeof key);
    key.plen = prefix->plen;
    key.addr.version = prefix->addr.version;
    memcpy(key.addr.bytes, prefix->addr.bytes, sizeof key.addr.bytes);
    return key;
}

static struct withdrawal *find(const struct withdrawals *all,
                               const struct ip_prefix *prefix)
{
    const struct ip_prefix key = key_of(prefix);
    struct withdrawal *w;

    HASH_FIND(hh, all->by_prefix, &key, sizeof key, w);
    return w;
}

bool withdrawals_hold(struct withdrawals *all, const struct ip_prefix *prefix,
                      bool urgent, int64_t now)
{
    if (find(all, prefix)) {
        return true;
    }
    if (HASH_COUNT(all->by_prefix) >= WITHDRAWAL_MAX) {
        return false;
    }
    struct withdrawal *w = xcalloc(1, sizeof *w);
    w->prefix = key_of(prefix);
    w->due = now + WITHDRAWAL_HOLD;
    w->urgent = urgent;
    HASH_ADD(hh, all->by_prefix, prefix, sizeof w->prefix, w);
    DL_APPEND(all->queues[urgent], w);
    return true;
}

void withdrawals_cancel(struct withdrawals *all, const struct ip_prefix *prefix)
{
    struct withdrawal *w = find(all, prefix);

    if (w) {
        forget(all, w);
    }
}

bool withdrawals_next(const struct withdrawals *all, bool urgent, int64_t now,
                      struct ip_prefix *ret)
{
    const struct withdrawal *w = all->queues[urgent];

    if (!w || w->due > now) {
        return false;
    }
    *ret = w->prefix;
    return true;
}

int64_t withdrawals_wakeup(const struct withdrawals *all)
{
    int64_t at = INT64_MAX;

    for (size_t i = 0; i < ARRAY_SIZE(all->queues); i++) {
        at = all->queues[i] ? MIN(at, all->queues[i]->due) : at;
    }
    return at;
}
