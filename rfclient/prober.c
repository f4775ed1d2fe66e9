#include "prober.h"

#include <linux/neighbour.h>
#include <stdlib.h>
#include <string.h>

#include "base/util.h"
#include "map.h"

/* The kernel asks three times, 1 s apart; then its event is overdue. */
#define FLIGHT_MS 4500
/* If the kernel's word on a neighbour that it has confirmed does not come. */
#define CONFIRMED_FACTOR 4
/* While a neighbour is in doubt, if the kernel could not even ask: its table is full.
 */
#define DOUBT_RETRY_MS 250

struct item_key {
    uint32_t ifindex;
    struct ip_addr addr;
};

/* A gateway, a usable neighbour, or both. */
struct item {
    struct item_key key; /* Padding is zero. */
    bool gateway;
    bool named; /* Since prober_gateways_begin(). */
    bool usable;
    bool doubted; /* Not usable, but it was, and we do not know why it is not. */
    bool in_flight;
    uint16_t nud_state; /* When it was last usable. */
    int64_t at;         /* Of the next probe; in flight: when to give up waiting. */
    int64_t backoff;
    int64_t checked_at;  /* Last known alive. */
    int64_t doubt_until; /* While doubted. */
    UT_hash_handle hh;
};

struct prober {
    struct prober_config config;
    struct item *items;
    unsigned in_flight;
    int64_t wakeup;
};

struct prober *prober_create(const struct prober_config *config)
{
    struct prober *p = xcalloc(1, sizeof *p);

    p->config = *config;
    p->wakeup = INT64_MAX;
    return p;
}

static void set_in_flight(struct prober *p, struct item *i, bool in_flight)
{
    p->in_flight += (unsigned)in_flight - (unsigned)i->in_flight;
    i->in_flight = in_flight;
}

static void schedule(struct prober *p, struct item *i, int64_t at)
{
    i->at = at;
    p->wakeup = MIN(p->wakeup, at);
}

static struct item_key make_key(uint32_t ifindex, const struct ip_addr *addr)
{
    struct item_key key;

    memset(&key, 0, sizeof key);
    key.ifindex = ifindex;
    key.addr.version = addr->version;
    memcpy(key.addr.bytes, addr->bytes, sizeof key.addr.bytes);
    return key;
}

static struct item *find(struct prober *p, struct item_key key)
{
    struct item *i;

    HASH_FIND(hh, p->items, &key, sizeof key, i);
    return i;
}

static struct item *add(struct prober *p, struct item_key key, int64_t now)
{
    struct item *i = xcalloc(1, sizeof *i);

    i->key = key;
    i->checked_at = now;
    i->at = INT64_MAX;
    HASH_ADD(hh, p->items, key, sizeof i->key, i);
    return i;
}

static void drop(struct prober *p, struct item *i)
{
    set_in_flight(p, i, false);
    HASH_DELETE(hh, p->items, i);
    free(i);
}

void prober_destroy(struct prober *p)
{
    if (p) {
        struct item *i, *next;
        HASH_ITER (hh, p->items, i, next) {
            drop(p, i);
        }
        free(p);
    }
}

/* The attempt to resolve failed, or could not be made. */
static void back_off(struct prober *p, struct item *i, int64_t now)
{
    i->backoff = i->backoff ? MIN(2 * i->backoff, p->config.backoff_max_ms)
                            : p->config.backoff_min_ms;
    schedule(p, i, now + i->backoff);
}

/* Gateways. */

void prober_gateways_begin(struct prober *p)
{
    for (struct item *i = p->items; i; i = i->hh.next) {
        i->named = false;
    }
}

void prober_gateway(struct prober *p, uint32_t ifindex, const struct ip_addr *addr,
                    int64_t now)
{
    struct item_key key = make_key(ifindex, addr);
    struct item *i = find(p, key);

    if (!i) {
        i = add(p, key, now);
        schedule(p, i, now);
    }
    i->gateway = i->named = true;
}

void prober_gateways_end(struct prober *p)
{
    struct item *i, *next;

    HASH_ITER (hh, p->items, i, next) {
        if (i->gateway && !i->named) {
            i->gateway = false;
            if (!i->usable && !i->doubted) {
                drop(p, i);
            }
        }
    }
}

void prober_interface_up(struct prober *p, uint32_t ifindex, int64_t now)
{
    for (struct item *i = p->items; i; i = i->hh.next) {
        if (i->key.ifindex == ifindex && !i->usable && !i->in_flight) {
            i->backoff = 0;
            schedule(p, i, now);
        }
    }
}

/* Neighbours. */

static void neigh_usable(struct prober *p, struct item *i, uint16_t nud_state,
                         int64_t now)
{
    i->usable = true;
    i->doubted = false;
    i->nud_state = nud_state;
    i->backoff = 0;
    switch (nud_state) {
    case NUD_PERMANENT:
    case NUD_NOARP:
        set_in_flight(p, i, false);
        schedule(p, i, INT64_MAX);
        break;
    case NUD_REACHABLE:
        i->checked_at = now;
        set_in_flight(p, i, false);
        schedule(p, i, now + CONFIRMED_FACTOR * p->config.validate_ms);
        break;
    case NUD_STALE:
        set_in_flight(p, i, false);
        schedule(p, i, MAX(now, i->checked_at + p->config.validate_ms));
        break;
    default: /* DELAY, PROBE: the kernel is at it. */
        if (!i->in_flight) {
            schedule(p, i, now + p->config.validate_ms);
        }
        break;
    }
}

/* It was asked and did not answer, or it never was anybody's but the operator's. */
static bool is_certain(const struct item *i, uint16_t nud_state)
{
    return i->nud_state & (NUD_PERMANENT | NUD_NOARP) ||
           (nud_state & NUD_FAILED && (i->in_flight || i->nud_state & NUD_PROBE));
}

static void doubt(struct prober *p, struct item *i, int64_t now)
{
    i->doubted = true;
    i->doubt_until = now + DOUBT_MS;
    i->backoff = 0;
    set_in_flight(p, i, false); /* A check of it is moot. */
    schedule(p, i, now);
}

/* False: it is a neighbour no more. */
static bool still_doubted(struct prober *p, struct item *i, uint16_t nud_state,
                          int64_t now)
{
    if (nud_state & NUD_FAILED && i->in_flight) {
        i->doubted = false;
    } else if (!nud_state && i->in_flight) {
        /* This may be the old entry's end, and the new one is being resolved; or the
         * new one did not find room either. */
        set_in_flight(p, i, false);
        schedule(p, i, now + DOUBT_RETRY_MS);
    }
    return i->doubted;
}

static bool neigh_unusable(struct prober *p, struct item *i, uint16_t nud_state,
                           int64_t now)
{
    bool was_usable = i->usable;

    i->usable = false;
    if (was_usable && !is_certain(i, nud_state)) {
        doubt(p, i, now);
        return true;
    }
    if (i->doubted && still_doubted(p, i, nud_state, now)) {
        return true;
    }
    if (!i->gateway) {
        drop(p, i);
        return false;
    }
    if (nud_state & NUD_INCOMPLETE) {
        return false; /* The kernel is at it; FAILED follows or an address. */
    }
    bool attempt_failed = i->in_flight && !was_usable;
    set_in_flight(p, i, false);
    if (attempt_failed) {
        back_off(p, i, now);
    } else if (was_usable) {
        i->backoff = 0;
        schedule(p, i, now);
    }
    return false;
}

/* Somebody may have waited for one that is not in flight any more. */
static void wake_others(struct prober *p, int64_t now)
{
    if (p->in_flight + 1 >= p->config.max_in_flight) {
        p->wakeup = MIN(p->wakeup, now);
    }
}

bool prober_neigh(struct prober *p, uint32_t ifindex, const struct ip_addr *addr,
                  bool usable, uint16_t nud_state, int64_t now)
{
    struct item_key key = make_key(ifindex, addr);
    struct item *i = find(p, key);
    bool is_neighbour = usable;

    if (usable) {
        neigh_usable(p, i ? i : add(p, key, now), nud_state, now);
    } else if (i) {
        is_neighbour = neigh_unusable(p, i, nud_state, now);
    }
    wake_others(p, now);
    return is_neighbour;
}

void prober_neigh_gone(struct prober *p, uint32_t ifindex, const struct ip_addr *addr,
                       int64_t now)
{
    struct item *i = find(p, make_key(ifindex, addr));

    if (i) {
        i->usable = i->doubted = false;
        set_in_flight(p, i, false);
        i->at = INT64_MAX;
        if (!i->gateway) {
            drop(p, i);
        }
    }
    wake_others(p, now);
}

/* Probing. */

static void start(struct prober *p, struct item *i, int64_t now,
                  const struct prober_ops *ops, void *aux)
{
    enum nl_probe how = i->usable ? NL_PROBE_VALIDATE : NL_PROBE_RESOLVE;

    if (!ops->wanted(aux, i->key.ifindex)) {
        i->at = INT64_MAX; /* Until prober_interface_up() or an event. */
        i->doubt_until = now;
    } else if (ops->probe(aux, i->key.ifindex, &i->key.addr, how)) {
        if (i->doubted) {
            i->at = now + DOUBT_RETRY_MS;
        } else {
            back_off(p, i, now);
        }
    } else {
        set_in_flight(p, i, true);
        i->at = now + FLIGHT_MS;
    }
}

/* No word from the kernel: an event that was lost, most likely. */
static void give_up(struct prober *p, struct item *i, int64_t now)
{
    set_in_flight(p, i, false);
    if (i->usable) {
        i->checked_at = now;
        i->at = now + p->config.validate_ms;
    } else {
        back_off(p, i, now);
    }
}

static void lose(struct prober *p, struct item *i, int64_t now,
                 const struct prober_ops *ops, void *aux)
{
    i->doubted = false;
    ops->lost(aux, i->key.ifindex, &i->key.addr);
    if (!i->gateway) {
        drop(p, i);
    } else if (i->at != INT64_MAX) { /* The port is up. */
        set_in_flight(p, i, false);
        back_off(p, i, now);
    }
}

void prober_run(struct prober *p, int64_t now, const struct prober_ops *ops, void *aux)
{
    struct item *i, *next;

    if (now < p->wakeup) {
        return;
    }
    p->wakeup = INT64_MAX;
    HASH_ITER (hh, p->items, i, next) {
        if (i->in_flight && now >= i->at) {
            give_up(p, i, now);
        }
        if (!i->in_flight && now >= i->at && p->in_flight < p->config.max_in_flight) {
            start(p, i, now, ops, aux);
        }
        if (i->doubted && now >= i->doubt_until) {
            lose(p, i, now, ops, aux);
            continue;
        }
        /* One that is due and finds no room is woken by the end of another. */
        if (i->at > now) {
            p->wakeup = MIN(p->wakeup, i->at);
        }
        if (i->doubted) {
            p->wakeup = MIN(p->wakeup, i->doubt_until);
        }
    }
}

int64_t prober_wakeup(const struct prober *p)
{
    return p->wakeup;
}

unsigned prober_in_flight(const struct prober *p)
{
    return p->in_flight;
}

size_t prober_unresolved(const struct prober *p)
{
    size_t n = 0;

    for (const struct item *i = p->items; i; i = i->hh.next) {
        n += i->gateway && !i->usable && !i->doubted;
    }
    return n;
}
