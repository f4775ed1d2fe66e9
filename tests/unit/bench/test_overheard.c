/* Barrier replies among what else a switch says, in segments as they are overheard. */

#include <stdarg.h>

#include "../unit.h"
#include "of/msg.h"
#include "of/put.h"
#include "overheard.h"

#define START 0xffffff00u /* The numbers wrap soon. */

static struct overheard o;
static struct buf stream; /* All that the switch says, from START on. */
static uint32_t told[64];
static size_t n_told;
static uint32_t stop_at; /* The xid after which the listener wants no more. */

static void setup(void)
{
    o = (struct overheard){.by = OF_BY_SWITCH};
    stream = (struct buf){0};
    n_told = 0;
    stop_at = 0;
}

static void teardown(void)
{
    overheard_uninit(&o);
    buf_uninit(&stream);
}

static bool listen(void *aux, uint8_t type, struct cursor raw, int64_t at)
{
    struct of_header h;

    (void)aux;
    (void)at;
    ck_assert(of_header_pull(&raw, &h));
    if (type != OFPT_BARRIER_REPLY) {
        return false;
    }
    ck_assert_uint_lt(n_told, ARRAY_SIZE(told));
    told[n_told++] = h.xid;
    return h.xid == stop_at;
}

/* The switch says something; returns where it begins. */
static size_t reply(uint32_t xid)
{
    const size_t at = stream.len;

    of_put_barrier_reply(&stream, xid);
    return at;
}

/* A long message full of what looks like the header of a longer one. */
static size_t statistics(void)
{
    const size_t at = stream.len;

    buf_put_u32(&stream, OFP_VERSION_13 << 24 | OFPT_MULTIPART_REPLY << 16 | 40016);
    buf_put_u32(&stream, 7);
    buf_put_u32(&stream, OFPMP_FLOW << 16);
    buf_put_u32(&stream, 0);
    for (int i = 0; i < 5000; i++) {
        buf_put_u32(&stream, OFP_VERSION_13 << 24 | OFPT_PACKET_IN << 16 | 8000);
        buf_put_u32(&stream, 0);
    }
    return at;
}

static bool show(size_t from, size_t to)
{
    return overheard_take(&o, START + (uint32_t)from, 1, stream.data + from, to - from,
                          listen, NULL);
}

static void assert_told(size_t n, ...)
{
    va_list args;

    ck_assert_uint_eq(n_told, n);
    va_start(args, n);
    for (size_t i = 0; i < n; i++) {
        ck_assert_uint_eq(told[i], va_arg(args, uint32_t));
    }
    va_end(args);
}

START_TEST(behind_the_syn_all_is_told)
{
    overheard_syn(&o, START - 1);
    reply(1);
    size_t second = reply(2);
    show(0, 3);
    show(3, second + 1);
    assert_told(1, 1);
    show(second + 1, stream.len);
    assert_told(2, 1, 2);
}
END_TEST

START_TEST(a_lone_reply_is_told_after_the_end_of_a_long_message)
{
    statistics();
    size_t last = reply(1);

    show(20000, last); /* The beginning was not heard. */
    assert_told(0);
    show(last, stream.len);
    assert_told(1, 1);
}
END_TEST

START_TEST(a_chain_is_told_behind_the_end_of_a_long_message)
{
    statistics();
    for (uint32_t xid = 1; xid <= OVERHEARD_CHAIN; xid++) {
        reply(xid);
    }
    show(20001, stream.len - 1);
    assert_told(0);
    show(stream.len - 1, stream.len);
    assert_told(4, 1, 2, 3, 4);
}
END_TEST

START_TEST(what_looks_like_headers_is_not_waited_for)
{
    statistics();
    size_t last = reply(1);

    for (size_t at = 16; at < last; at += 1000) { /* Each begins like a message. */
        show(at, MIN(at + 1000, last));
    }
    show(last, stream.len);
    assert_told(1, 1);
}
END_TEST

START_TEST(the_first_segment_may_have_overtaken_another)
{
    reply(1);
    size_t second = reply(2);
    size_t third = reply(3);

    show(second, third);
    show(0, second);
    show(third, stream.len);
    assert_told(3, 2, 1, 3);
    show(second, third); /* Once more. */
    assert_told(3, 2, 1, 3);
}
END_TEST

START_TEST(later_ones_are_put_in_order)
{
    reply(1);
    size_t second = reply(2);
    reply(3);

    show(0, second);
    show(second + 4, stream.len);
    assert_told(1, 1);
    show(second, second + 4);
    assert_told(3, 1, 2, 3);
}
END_TEST

START_TEST(what_was_held_is_not_forgotten_by_who_wanted_no_more)
{
    reply(1);
    size_t second = reply(2);
    size_t third = reply(3);
    size_t fourth = reply(4);

    show(0, second);
    show(third, fourth);
    stop_at = 2;
    ck_assert(show(second, third));
    assert_told(2, 1, 2);
    show(fourth, stream.len);
    assert_told(4, 1, 2, 3, 4);
}
END_TEST

START_TEST(it_begins_anew_where_too_many_wait_for_one)
{
    size_t second;

    reply(1);
    second = reply(2);
    for (uint32_t xid = 3; xid < OVERHEARD_HELD + 5; xid++) {
        reply(xid);
    }
    show(0, second);
    for (size_t at = second + OFP_HEADER_LEN; at < stream.len; at += OFP_HEADER_LEN) {
        show(at, at + OFP_HEADER_LEN);
    }
    ck_assert_uint_eq(o.n_gaps, 1);
    assert_told(3, 1, OVERHEARD_HELD + 3, OVERHEARD_HELD + 4);
}
END_TEST

UNIT_MAIN_WITH("bench/overheard", setup, teardown, behind_the_syn_all_is_told,
               a_lone_reply_is_told_after_the_end_of_a_long_message,
               a_chain_is_told_behind_the_end_of_a_long_message,
               what_looks_like_headers_is_not_waited_for,
               the_first_segment_may_have_overtaken_another,
               later_ones_are_put_in_order,
               what_was_held_is_not_forgotten_by_who_wanted_no_more,
               it_begins_anew_where_too_many_wait_for_one)
