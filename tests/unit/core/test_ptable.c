#include "unit.h"

#include <stdio.h>
#include <string.h>

#include "core/ptable.h"
#include "dice.h"

static struct ip_prefix make_prefix(uint32_t n, bool v6)
{
    struct ip_prefix p = {.plen = v6 ? 64 : 24};
    p.addr = ip_from_v4(n << 8);
    if (v6) {
        p.addr.version = IP_V6;
        memmove(p.addr.bytes + 4, p.addr.bytes, 4);
        memcpy(p.addr.bytes, "\x20\x01\x0d\xb8", 4);
    }
    return p;
}

#define KEYS 600

struct model {
    bool present[KEYS];
    bool waiting[PTABLE_LANES][KEYS];
    uint32_t word[KEYS];
};

static void check_against_model(const struct ptable *t, const struct model *m)
{
    size_t n = 0, met = 0, waiting[PTABLE_LANES] = {0};

    for (uint32_t k = 0; k < KEYS; k++) {
        struct ip_prefix p = make_prefix(k, k & 1);
        uint32_t slot = ptable_find(t, &p);
        MUST((slot != PTABLE_NONE) == m->present[k]);
        for (unsigned lane = 0; lane < PTABLE_LANES; lane++) {
            waiting[lane] += m->waiting[lane][k];
        }
        if (m->present[k]) {
            n++;
            MUST(ptable_words(t, slot)[1] == m->word[k]);
            MUST(*ptable_flags(t, slot) == (m->word[k] & 0xffff));
            struct ip_prefix q = ptable_prefix(t, slot);
            MUST(prefix_equal(&p, &q));
        }
    }
    MUST(ptable_count(t) == n);
    for (uint32_t s = ptable_next(t, PTABLE_NONE); s != PTABLE_NONE;
         s = ptable_next(t, s)) {
        met++;
    }
    MUST(met == n);
    for (unsigned lane = 0; lane < PTABLE_LANES; lane++) {
        MUST(ptable_queued(t, lane) == waiting[lane]);
    }
}

static void random_step(struct ptable *t, struct model *m, struct dice *d)
{
    uint32_t k = roll(d, KEYS);
    struct ip_prefix p = make_prefix(k, k & 1);
    uint32_t slot = ptable_find(t, &p);
    unsigned lane = roll(d, PTABLE_LANES);

    switch (roll(d, 9)) {
    case 8:
        ptable_sort(t, lane, roll(d, 100));
        break;
    case 0:
    case 1:
    case 2:
        slot = ptable_insert(t, &p);
        if (!m->present[k]) {
            MUST(ptable_words(t, slot)[1] == 0);
            MUST(*ptable_flags(t, slot) == 0);
        }
        m->present[k] = true;
        ptable_words(t, slot)[1] = m->word[k] = roll(d, UINT32_MAX);
        *ptable_flags(t, slot) = (uint16_t)m->word[k];
        break;
    case 3:
    case 4:
        if (slot != PTABLE_NONE) {
            ptable_remove(t, slot);
            m->present[k] = false;
            for (unsigned i = 0; i < PTABLE_LANES; i++) {
                m->waiting[i][k] = false;
            }
        }
        break;
    case 5:
    case 6:
        if (slot != PTABLE_NONE) {
            ptable_enqueue(t, lane, slot);
            m->waiting[lane][k] = true;
        }
        break;
    default:
        slot = ptable_dequeue(t, lane);
        if (slot != PTABLE_NONE) {
            p = ptable_prefix(t, slot);
            k = 0;
            while (k < KEYS) {
                struct ip_prefix q = make_prefix(k, k & 1);
                if (prefix_equal(&p, &q)) {
                    break;
                }
                k++;
            }
            MUST(k < KEYS);
            MUST(m->waiting[lane][k]);
            m->waiting[lane][k] = false;
        }
    }
}

START_TEST(table_equals_a_plain_model_after_random_steps)
{
    for (uint64_t seed = 1; seed <= 60; seed++) {
        struct ptable *t = ptable_create(2);
        struct dice d = {.state = seed << 32};
        struct model *m = xcalloc(1, sizeof *m);
        for (int i = 0; i < 6000; i++) {
            random_step(t, m, &d);
            if (i % 100 == 0) {
                check_against_model(t, m);
            }
        }
        check_against_model(t, m);
        free(m);
        ptable_destroy(t);
    }
}
END_TEST

START_TEST(queue_yields_each_waiting_entry_once_and_in_order)
{
    struct ptable *t = ptable_create(1);

    for (uint32_t i = 0; i < 5000; i++) {
        struct ip_prefix p = make_prefix(i, false);
        uint32_t slot = ptable_insert(t, &p);
        ptable_enqueue(t, 0, slot);
        ptable_enqueue(t, 0, slot);
    }
    for (uint32_t i = 0; i < 5000; i += 2) {
        struct ip_prefix p = make_prefix(i, false);
        ptable_remove(t, ptable_find(t, &p));
    }
    for (uint32_t i = 1; i < 5000; i += 2) {
        struct ip_prefix p = make_prefix(i, false);
        uint32_t slot = ptable_dequeue(t, 0);
        MUST(slot != PTABLE_NONE);
        struct ip_prefix q = ptable_prefix(t, slot);
        MUST(prefix_equal(&p, &q));
    }
    MUST(ptable_dequeue(t, 0) == PTABLE_NONE);
    ptable_destroy(t);
}
END_TEST

static uint64_t first_bits(const struct ptable *t, uint32_t slot)
{
    const struct ip_prefix p = ptable_prefix(t, slot);
    uint64_t ret = 0;

    for (unsigned i = 0; i < 8; i++) {
        ret = ret << 8 | (p.addr.version == IP_V6 || i < 4 ? p.addr.bytes[i] : 0);
    }
    return ret;
}

static uint32_t enqueue_new(struct ptable *t, uint32_t n, bool v6)
{
    struct ip_prefix p = make_prefix(n, v6);
    uint32_t slot = ptable_insert(t, &p);

    ptable_enqueue(t, 0, slot);
    return slot;
}

START_TEST(queue_that_is_sorted_yields_its_first_ones_by_address_and_then_the_others)
{
    enum { N = 3000, SORTED = 1000 };
    struct ptable *t = ptable_create(1);
    uint32_t slots[N + 1];
    bool met[N] = {false};
    uint64_t last = 0;

    for (uint32_t i = 0; i < N; i++) {
        slots[i] = enqueue_new(t, i * 7919 % N, i & 1);
    }
    ptable_sort(t, 0, SORTED);
    slots[N] = enqueue_new(t, N, false);
    for (uint32_t i = 0; i < SORTED; i++) {
        ptable_sort(t, 0, SIZE_MAX); /* Nothing, while some are sorted. */
        uint32_t k = 0, slot = ptable_dequeue(t, 0);
        while (slots[k] != slot) {
            k++;
        }
        MUST(k < SORTED && !met[k]);
        met[k] = true;
        MUST(first_bits(t, slot) >= last);
        last = first_bits(t, slot);
    }
    for (uint32_t i = SORTED; i <= N; i++) {
        MUST(ptable_dequeue(t, 0) == slots[i]);
    }
    MUST(ptable_dequeue(t, 0) == PTABLE_NONE);
    ptable_sort(t, 0, SIZE_MAX);
    ptable_destroy(t);
}
END_TEST

START_TEST(iteration_survives_removal_of_what_it_stands_on)
{
    struct ptable *t = ptable_create(1);
    size_t met = 0;

    for (uint32_t i = 0; i < 10000; i++) {
        struct ip_prefix p = make_prefix(i, i & 1);
        ptable_insert(t, &p);
    }
    for (uint32_t s = ptable_next(t, PTABLE_NONE); s != PTABLE_NONE;
         s = ptable_next(t, s)) {
        ptable_remove(t, s);
        met++;
    }
    MUST(met == 10000);
    MUST(ptable_count(t) == 0);
    ptable_destroy(t);
}
END_TEST

START_TEST(churn_that_nobody_drains_takes_no_more_memory)
{
    struct ptable *t = ptable_create(1);

    for (uint32_t i = 0; i < 200000; i++) {
        struct ip_prefix p = make_prefix(i, false);
        uint32_t slot = ptable_insert(t, &p);
        ptable_enqueue(t, 1, slot);
        ptable_remove(t, slot);
    }
    MUST(ptable_queued(t, 1) == 0);
    MUST(ptable_memory(t) < 200000);
    ptable_destroy(t);
}
END_TEST

START_TEST(a_million_ipv4_entries_of_two_words_take_under_28_octets_each)
{
    struct ptable *t = ptable_create(2);

    for (uint32_t i = 0; i < 1000000; i++) {
        struct ip_prefix p = make_prefix(i, false);
        ptable_insert(t, &p);
    }
    double per_entry = (double)ptable_memory(t) / 1e6;
    printf("ptable: %.1f octets per IPv4 entry of two words\n", per_entry);
    MUST(per_entry < 28);
    ptable_destroy(t);
}
END_TEST

UNIT_MAIN("core/ptable", table_equals_a_plain_model_after_random_steps,
          queue_yields_each_waiting_entry_once_and_in_order,
          queue_that_is_sorted_yields_its_first_ones_by_address_and_then_the_others,
          iteration_survives_removal_of_what_it_stands_on,
          churn_that_nobody_drains_takes_no_more_memory,
          a_million_ipv4_entries_of_two_words_take_under_28_octets_each)
