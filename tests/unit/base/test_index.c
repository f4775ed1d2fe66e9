#include "unit.h"

#include <string.h>

#include "base/hash.h"
#include "base/index.h"

/* Entry `number` has the key keys[number]; 0: it is not in the index. */
enum { ENTRIES = 3000 };

struct table {
    struct hash_index index;
    uint32_t keys[ENTRIES + 1];
    uint32_t mask; /* Of the hash: few bits make many collisions. */
};

static uint32_t hash_of_key(const struct table *t, uint32_t key)
{
    return (uint32_t)hash_u64(key) & t->mask;
}

static bool hash_of(const void *t_, uint32_t number, uint32_t *ret)
{
    const struct table *t = t_;

    *ret = hash_of_key(t, t->keys[number]);
    return t->keys[number];
}

static uint32_t slot_of(const struct table *t, uint32_t key)
{
    uint32_t hash = hash_of_key(t, key), i, n;

    for (i = hash_index_seek(&t->index, hash, hash);
         (n = hash_index_at(&t->index, i)) && t->keys[n] != key;
         i = hash_index_seek(&t->index, hash, i + 1)) {
    }
    return i;
}

static uint32_t find(const struct table *t, uint32_t key)
{
    return hash_index_at(&t->index, slot_of(t, key));
}

static void add(struct table *t, uint32_t number, uint32_t key)
{
    if (hash_index_is_full(&t->index, number - 1)) {
        hash_index_grow(&t->index, number - 1, hash_of, t);
    }
    hash_index_prefetch(&t->index, hash_of_key(t, key));
    uint32_t slot = slot_of(t, key);
    ck_assert(!hash_index_at(&t->index, slot));
    hash_index_set(&t->index, slot, number, hash_of_key(t, key));
    t->keys[number] = key;
}

static void fill(struct table *t, uint32_t n)
{
    for (uint32_t i = 1; i <= n; i++) {
        add(t, i, 7 * i);
    }
}

static void check(const struct table *t, uint32_t n)
{
    for (uint32_t i = 1; i <= n; i++) {
        ck_assert(find(t, 7 * i) == (t->keys[i] ? i : 0));
        ck_assert(!find(t, 7 * i + 1));
    }
}

static const uint32_t masks[] = {UINT32_MAX, 0x3f, 0xfff00000, 0};

START_TEST(finds_what_was_put_in_while_it_grows)
{
    for (size_t m = 0; m < ARRAY_SIZE(masks); m++) {
        struct table t = {.mask = masks[m]};
        uint32_t n = t.mask == UINT32_MAX ? ENTRIES : 200;
        fill(&t, n);
        check(&t, n);
        ck_assert_uint_ge(t.index.size / 4 * 3, n);
        hash_index_uninit(&t.index);
        ck_assert_uint_eq(t.index.size, 0);
    }
}
END_TEST

START_TEST(what_is_removed_hides_nobody)
{
    const uint32_t n = 190;

    for (size_t m = 0; m < ARRAY_SIZE(masks); m++) {
        struct table t = {.mask = masks[m]};
        fill(&t, n);
        for (uint32_t k = 0; k < n; k++) {
            uint32_t i = 1 + k * 77 % n;
            hash_index_remove(&t.index, slot_of(&t, 7 * i), hash_of, &t);
            t.keys[i] = 0;
            check(&t, n);
        }
        for (uint32_t i = 0; i < t.index.size; i++) {
            ck_assert_uint_eq(t.index.slots[i], 0);
        }
        hash_index_uninit(&t.index);
    }
}
END_TEST

START_TEST(who_left_is_not_put_in_when_it_grows)
{
    struct table t = {.mask = UINT32_MAX};

    fill(&t, 12);
    hash_index_remove(&t.index, slot_of(&t, 7 * 5), hash_of, &t);
    t.keys[5] = 0;
    add(&t, 13, 7 * 13);
    ck_assert_uint_eq(t.index.size, 32);
    check(&t, 13);
    hash_index_uninit(&t.index);
}
END_TEST

UNIT_MAIN("base/index", finds_what_was_put_in_while_it_grows,
          what_is_removed_hides_nobody, who_left_is_not_put_in_when_it_grows)
