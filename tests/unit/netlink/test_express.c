#include "../unit.h"
#include "netlink/express.h"

enum { OSPF = 188, BGP = 186 };

static struct ip_prefix prefix(uint32_t i)
{
    return (struct ip_prefix){.addr = ip_from_v4(0x0a000000 + (i << 8)), .plen = 24};
}

static bool overtakes(struct express *x, uint32_t i)
{
    const struct ip_prefix p = prefix(i);

    return express_overtakes(x, &p, 1);
}

static bool in_turn(struct express *x, uint32_t i, uint8_t protocol)
{
    const struct ip_prefix p = prefix(i);

    return express_in_turn(x, &p, protocol, 1);
}

START_TEST(interior_protocols_are_express_and_bgp_is_not)
{
    const uint8_t *protocols;
    const size_t n = express_protocols(&protocols);
    unsigned found = 0;

    for (size_t i = 0; i < n; i++) {
        ck_assert_uint_ne(protocols[i], BGP);
        found += protocols[i] == 187 || protocols[i] == OSPF || protocols[i] == 189;
    }
    ck_assert_uint_eq(found, 3);
}
END_TEST

START_TEST(each_event_is_told_by_the_socket_that_has_it_first)
{
    struct express x = {0};

    ck_assert(overtakes(&x, 1));
    ck_assert(overtakes(&x, 1));
    ck_assert(!in_turn(&x, 1, OSPF));
    ck_assert(in_turn(&x, 2, BGP));
    ck_assert(!in_turn(&x, 1, OSPF));
    ck_assert_ptr_null(x.counts);

    ck_assert(in_turn(&x, 1, OSPF));
    ck_assert(in_turn(&x, 1, OSPF));
    ck_assert(overtakes(&x, 2));
    ck_assert(!overtakes(&x, 1));
    ck_assert(!overtakes(&x, 1));
    ck_assert(!in_turn(&x, 2, OSPF));
    ck_assert_ptr_null(x.counts);
}
END_TEST

START_TEST(what_another_protocol_did_before_is_not_the_last_word)
{
    struct express x = {0};

    ck_assert(overtakes(&x, 1));
    ck_assert(in_turn(&x, 1, BGP));
    ck_assert(in_turn(&x, 1, OSPF)); /* Once more. */
    express_clear(&x);
}
END_TEST

START_TEST(when_all_is_quiet_nothing_is_counted)
{
    struct express x = {0};

    ck_assert(in_turn(&x, 1, OSPF));
    express_rest(&x, 1 + EXPRESS_FORGET_MS); /* The express socket has it yet. */
    ck_assert_ptr_nonnull(x.counts);
    express_rest(&x, 2 + EXPRESS_FORGET_MS);
    ck_assert_ptr_null(x.counts);
}
END_TEST

/* Events in the kernel's order, read from two sockets in any: what was told last of
 * each prefix is what came last. */

enum { N_PREFIXES = 3, N_EVENTS = 400 };

struct event {
    uint32_t prefix;
    uint8_t protocol;
};

struct sockets {
    struct express x;
    struct event events[N_EVENTS];
    unsigned n;                /* That have come. */
    unsigned express, in_turn; /* Read from each. */
    int last[N_PREFIXES];      /* Told of each. */
    bool lost;                 /* Something, of which a dump must tell. */
    int64_t now;
    uint64_t dice;
};

static uint32_t roll(struct sockets *s, uint32_t sides)
{
    s->dice = s->dice * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
    return (uint32_t)(s->dice >> 33) % sides;
}

static bool read_express(struct sockets *s)
{
    while (s->express < s->n && s->events[s->express].protocol == BGP) {
        s->express++; /* The filter's work. */
    }
    if (s->express == s->n) {
        return false;
    }
    const struct event *e = &s->events[s->express];
    const struct ip_prefix p = prefix(e->prefix);
    if (express_overtakes(&s->x, &p, s->now)) {
        s->last[e->prefix] = (int)s->express;
    }
    s->express++;
    return true;
}

static bool read_in_turn(struct sockets *s)
{
    if (s->in_turn == s->n) {
        return false;
    }
    const struct event *e = &s->events[s->in_turn];
    const struct ip_prefix p = prefix(e->prefix);
    if (express_in_turn(&s->x, &p, e->protocol, s->now)) {
        s->last[e->prefix] = (int)s->in_turn;
    }
    s->in_turn++;
    return true;
}

static void dump(struct sockets *s)
{
    s->n += s->n < N_EVENTS && roll(s, 2);
    s->express = s->n; /* Untold. */
    express_clear(&s->x);
    for (unsigned i = 0; i < s->n; i++) {
        s->last[s->events[i].prefix] = (int)i;
    }
    s->lost = false;
}

static void drain(struct sockets *s)
{
    while (read_express(s)) {
    }
    if (roll(s, 2)) {
        s->n += s->n < N_EVENTS; /* Between the two. */
    }
    while (read_in_turn(s)) {
    }
    express_rest(&s->x, s->now);
    if (s->lost || !roll(s, 8)) {
        dump(s);
    }
}

/* One of the sockets has no room. */
static void lose(struct sockets *s)
{
    unsigned *read = roll(s, 2) ? &s->express : &s->in_turn;

    *read += roll(s, s->n - *read + 1);
    s->lost = true;
}

static void run(struct sockets *s)
{
    for (unsigned i = 0; i < N_EVENTS; i++) {
        s->events[i] = (struct event){roll(s, N_PREFIXES), roll(s, 4) ? OSPF : BGP};
    }
    while (s->n < N_EVENTS || s->express < s->n || s->in_turn < s->n || s->lost) {
        switch (roll(s, 16)) {
        case 0:
            drain(s);
            s->now += roll(s, 4) ? 1 : 2 * EXPRESS_FORGET_MS;
            break;
        case 1 ... 5:
            s->n += s->n < N_EVENTS;
            break;
        case 6 ... 10:
            read_express(s);
            break;
        case 11:
            if (!roll(s, 8)) {
                lose(s);
            }
            break;
        default:
            read_in_turn(s);
            break;
        }
    }
}

START_TEST(the_last_event_of_a_prefix_is_the_last_that_is_told)
{
    for (unsigned seed = 0; seed < 20000; seed++) {
        struct sockets s = {.dice = seed};
        run(&s);
        for (uint32_t p = 0; p < N_PREFIXES; p++) {
            int last = N_EVENTS - 1;
            while (s.events[last].prefix != p) {
                last--;
            }
            ck_assert_msg(s.last[p] == last, "seed %u: %d of prefix %u, not %d", seed,
                          s.last[p], p, last);
        }
        express_clear(&s.x);
    }
}
END_TEST

UNIT_MAIN("netlink/express", interior_protocols_are_express_and_bgp_is_not,
          each_event_is_told_by_the_socket_that_has_it_first,
          what_another_protocol_did_before_is_not_the_last_word,
          when_all_is_quiet_nothing_is_counted,
          the_last_event_of_a_prefix_is_the_last_that_is_told)
