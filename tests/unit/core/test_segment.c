#include "topo_text.h"

/* Two ports that hear each other's broadcasts. */
#define PAIR                                                             \
    {0, "up 1.1", "1.1 probing"}, {0, "up 2.1", "2.1 probing"},          \
        {100, "heard 1.1 2.1", "2.1 internal; 1.1 internal; +1.1>>2.1"}, \
    {                                                                    \
        200, "heard 2.1 1.1", "+2.1>>1.1; +1.1~2.1; 1.1@1; 2.1@1"        \
    }

/* And a third. */
#define THREE                                                 \
    PAIR, {300, "up 3.1", "3.1 probing"},                     \
        {300, "heard 3.1 1.1", "3.1 internal; +3.1>>1.1"},    \
        {300, "heard 3.1 2.1", "+3.1>>2.1"},                  \
        {310, "heard 1.1 3.1", "+1.1>>3.1; +1.1~3.1; 3.1@1"}, \
    {                                                         \
        310, "heard 2.1 3.1", "+2.1>>3.1; +2.1~3.1"           \
    }

#define TTL LLDP_TTL

START_TEST(two_ports_that_hear_each_other_are_a_pair_and_a_segment)
{
    RUN(TTL, PAIR, {300, "heard 1.1 2.1", ""}, {300, "heard 2.1 1.1", ""});
}
END_TEST

START_TEST(one_way_is_no_pair)
{
    RUN(TTL, {0, "up 1.1", "1.1 probing"}, {0, "up 2.1", "2.1 probing"},
        {100, "heard 1.1 2.1", "2.1 internal; 1.1 internal; +1.1>>2.1"},
        {3100, "tick", "-1.1>>2.1"}, {3200, "heard 2.1 1.1", "+2.1>>1.1"});
}
END_TEST

START_TEST(third_member_joins_the_same_segment)
{
    RUN(TTL, THREE);
}
END_TEST

START_TEST(silent_member_loses_its_membership_only)
{
    RUN(TTL, THREE, {3000, "heard 1.1 2.1", ""}, {3000, "heard 2.1 1.1", ""},
        {3000, "heard 1.1 3.1", ""}, {3000, "heard 2.1 3.1", ""},
        {3300, "tick", "next 6000; -2.1~3.1; -3.1>>2.1; -1.1~3.1; 3.1@0; -3.1>>1.1"});
}
END_TEST

START_TEST(member_whose_port_goes_down_loses_its_membership_only)
{
    RUN(TTL, THREE,
        {400, "down 2.1",
         "-1.1~2.1; -1.1>>2.1; -2.1~3.1; 2.1@0; -3.1>>2.1; -2.1>>1.1; -2.1>>3.1"},
        {500, "up 2.1", "2.1 probing"},
        {600, "heard 1.1 2.1", "2.1 internal; +1.1>>2.1"},
        {600, "heard 2.1 1.1", "+2.1>>1.1; +1.1~2.1; 2.1@1"});
}
END_TEST

START_TEST(last_two_members_leave_no_segment_behind)
{
    RUN(TTL, PAIR, {400, "down 1.1", "-1.1~2.1; 2.1@0; 1.1@0; -2.1>>1.1; -1.1>>2.1"},
        {500, "up 1.1", "1.1 probing"},
        {600, "heard 2.1 1.1", "1.1 internal; +2.1>>1.1"},
        {600, "heard 1.1 2.1", "+1.1>>2.1; +1.1~2.1; 1.1@2; 2.1@2"});
}
END_TEST

START_TEST(flapping_direction_costs_one_pair_and_not_the_segment)
{
    RUN(0, THREE, {400, "heard-lost 2.1 1.1", "-1.1~2.1; -2.1>>1.1"},
        {401, "heard 2.1 1.1", "+2.1>>1.1; +1.1~2.1"},
        {402, "heard-lost 1.1 2.1", "-1.1~2.1; -1.1>>2.1"},
        {403, "heard-lost 1.1 2.1", ""}, {404, "heard 1.1 2.1", "+1.1>>2.1; +1.1~2.1"});
}
END_TEST

#define FOUR                                                              \
    PAIR, {300, "up 3.1", "3.1 probing"}, {300, "up 4.1", "4.1 probing"}, \
        {300, "heard 3.1 4.1", "4.1 internal; 3.1 internal; +3.1>>4.1"},  \
        {300, "heard 4.1 3.1", "+4.1>>3.1; +3.1~4.1; 3.1@2; 4.1@2"},      \
        {400, "heard 1.1 4.1", "+1.1>>4.1"},                              \
    {                                                                     \
        400, "heard 4.1 1.1", "+4.1>>1.1; +1.1~4.1; 4.1@1; 3.1@1"         \
    }

START_TEST(segments_that_are_joined_keep_the_lower_number)
{
    RUN(TTL, FOUR);
}
END_TEST

START_TEST(of_a_split_segment_the_part_with_the_lowest_port_keeps_the_number)
{
    RUN(0, FOUR, {500, "heard-lost 1.1 4.1", "-1.1~4.1; 4.1@3; 3.1@3; -1.1>>4.1"});
}
END_TEST

START_TEST(of_a_split_segment_the_larger_part_keeps_the_number)
{
    RUN(0, FOUR, {500, "up 5.1", "5.1 probing"},
        {500, "heard 5.1 4.1", "5.1 internal; +5.1>>4.1"},
        {500, "heard 4.1 5.1", "+4.1>>5.1; +4.1~5.1; 5.1@1"},
        {600, "heard-lost 1.1 4.1", "-1.1~4.1; 1.1@3; 2.1@3; -1.1>>4.1"});
}
END_TEST

START_TEST(link_by_lldp_goes_before_broadcasts)
{
    RUN(TTL, PAIR, {300, "seen 1.1 2.1", "-1.1~2.1; 2.1@0; 1.1@0; -1.1>>2.1; +1.1>2.1"},
        {300, "seen 2.1 1.1", "-2.1>>1.1; +2.1>1.1; +1.1=2.1"},
        {400, "heard 1.1 2.1", ""}, {2000, "heard 1.1 2.1", ""},
        {2000, "heard 2.1 1.1", ""}, {3300, "tick", "-1.1=2.1; -1.1>2.1; -2.1>1.1"},
        {3400, "heard 1.1 2.1", "+1.1>>2.1"},
        {3400, "heard 2.1 1.1", "+2.1>>1.1; +1.1~2.1; 1.1@2; 2.1@2"});
}
END_TEST

START_TEST(told_of_both_a_link_goes_before_a_pair)
{
    RUN(0, PAIR, {300, "seen 1.1 2.1", "+1.1>2.1"},
        {300, "seen 2.1 1.1", "+2.1>1.1; +1.1=2.1; -1.1~2.1; 2.1@0; 1.1@0"},
        {400, "dir-lost 1.1 2.1", "-1.1=2.1; -1.1>2.1; +1.1~2.1; 1.1@2; 2.1@2"});
}
END_TEST

START_TEST(broadcasts_of_a_third_end_a_link)
{
    RUN(TTL, {0, "up 1.1", "1.1 probing"}, {0, "up 2.1", "2.1 probing"},
        {100, "seen 1.1 2.1", "2.1 internal; 1.1 internal; +1.1>2.1"},
        {100, "seen 2.1 1.1", "+2.1>1.1; +1.1=2.1"},
        {200, "heard 3.1 1.1", "-1.1=2.1; -2.1>1.1; 1.1 shared; +3.1>>1.1"},
        {1000, "seen 2.1 1.1", ""}, {1100, "heard 3.1 1.1", ""},
        {2000, "seen 2.1 1.1", ""}, {2000, "tick", "next 3100"},
        {3100, "tick", "next 4100; -1.1>2.1"}, {4100, "tick", "next 5000; -3.1>>1.1"},
        {4900, "seen 2.1 1.1", ""}, {5000, "tick", "1.1 not shared"},
        {5100, "seen 2.1 1.1", "+2.1>1.1"});
}
END_TEST

START_TEST(broadcasts_of_the_neighbour_itself_do_not_end_a_link)
{
    RUN(TTL, {0, "up 1.1", "1.1 probing"}, {0, "up 2.1", "2.1 probing"},
        {100, "seen 1.1 2.1", "2.1 internal; 1.1 internal; +1.1>2.1"},
        {100, "seen 2.1 1.1", "+2.1>1.1; +1.1=2.1"}, {200, "heard 2.1 1.1", ""},
        {200, "heard 1.1 2.1", ""});
}
END_TEST

START_TEST(two_ports_of_one_switch_may_be_members)
{
    RUN(TTL, PAIR, {300, "up 1.2", "1.2 probing"},
        {300, "heard 1.1 1.2", "1.2 internal; +1.1>>1.2"},
        {300, "heard 1.2 1.1", "+1.2>>1.1; +1.1~1.2; 1.2@1"});
}
END_TEST

START_TEST(port_that_hears_its_own_broadcast_is_internal_and_alone)
{
    RUN(TTL, {0, "up 1.1", "1.1 probing"}, {1, "heard 1.1 1.1", "1.1 internal"},
        {2, "heard 1.1 1.1", ""}, {9000, "tick", ""});
}
END_TEST

START_TEST(without_ageing_memberships_come_back_with_the_port)
{
    RUN(0, PAIR, {300, "down 1.1", "-1.1~2.1; 2.1@0; 1.1@0; -2.1>>1.1; -1.1>>2.1"},
        {400, "up 1.1", "1.1 internal; +1.1>>2.1"},
        {500, "heard 2.1 1.1", "+2.1>>1.1; +1.1~2.1; 1.1@2; 2.1@2"});
}
END_TEST

START_TEST(members_and_pairs_are_listed_sorted)
{
    static const struct step steps[] = {THREE};
    struct topology *t = run(TTL, steps, ARRAY_SIZE(steps));
    struct dp_key peers[2];
    size_t n;

    struct topo_member *members = topo_members(t, &n);
    ck_assert_uint_eq(n, 3);
    ck_assert_uint_eq(members[0].port.dp_id, 1);
    ck_assert_uint_eq(members[2].port.dp_id, 3);
    ck_assert_uint_eq(members[2].segment, 1);
    ck_assert_uint_eq(members[1].n_pairs, 2);
    ck_assert_int_eq(members[2].since, 310);
    free(members);

    ck_assert_uint_eq(topo_pairs_of(t, port_parse("3.1"), peers, 2), 2);
    ck_assert_uint_eq(peers[0].dp_id, 1);
    ck_assert_uint_eq(peers[1].dp_id, 2);
    ck_assert_uint_eq(topo_pairs_of(t, port_parse("3.1"), peers, 1), 2);
    ck_assert_uint_eq(topo_pairs_of(t, port_parse("9.1"), peers, 2), 0);
    ck_assert_uint_eq(topo_segment_of(t, port_parse("2.1")), 1);
    ck_assert_uint_eq(topo_segment_of(t, port_parse("9.1")), 0);
    ck_assert_uint_eq(topo_count_links(t), 0);
    ck_assert(!topo_hears_lldp(t, port_parse("1.1")));
    ck_assert_ptr_null(topo_links(t, &n));
    topo_destroy(t);
}
END_TEST

/* Random events: what the effects say is what is there, and ports have one number if,
 * and only if, they hang together by pairs. */

struct shadow {
    bool heard[N_RANDOM][N_RANDOM], seen[N_RANDOM][N_RANDOM];
    bool pair[N_RANDOM][N_RANDOM], link[N_RANDOM][N_RANDOM];
    uint32_t segment[N_RANDOM];
};

static void flip(bool *is, bool wanted)
{
    ck_assert(*is != wanted);
    *is = wanted;
}

static void shadow_follow(struct shadow *s, struct topology *t)
{
    struct topo_effect e;

    while (topo_next_effect(t, &e)) {
        const unsigned a = port_index(e.a), b = port_index(e.b);
        switch (e.kind) {
        case TOPO_DIR_UP:
        case TOPO_DIR_DOWN:
            flip(e.broadcast ? &s->heard[a][b] : &s->seen[a][b], e.kind == TOPO_DIR_UP);
            break;
        case TOPO_LINK_UP:
        case TOPO_LINK_DOWN:
            flip(&s->link[a][b], e.kind == TOPO_LINK_UP);
            s->link[b][a] = s->link[a][b];
            break;
        case TOPO_PAIR_UP:
        case TOPO_PAIR_DOWN:
            ck_assert(a < b);
            flip(&s->pair[a][b], e.kind == TOPO_PAIR_UP);
            s->pair[b][a] = s->pair[a][b];
            break;
        case TOPO_SEGMENT:
            ck_assert_uint_ne(s->segment[a], e.segment);
            s->segment[a] = e.segment;
            break;
        case TOPO_CLASS:
        case TOPO_MULTI_ACCESS:
            break;
        }
    }
}

static bool is_linked(const struct shadow *s, unsigned a)
{
    bool linked = false;

    for (unsigned b = 0; b < N_RANDOM; b++) {
        linked |= s->link[a][b];
    }
    return linked;
}

static void reach(const struct shadow *s, unsigned from, bool reached[N_RANDOM])
{
    reached[from] = true;
    for (unsigned b = 0; b < N_RANDOM; b++) {
        if (s->pair[from][b] && !reached[b]) {
            reach(s, b, reached);
        }
    }
}

/* Without a ck_assert() each: they are slow. */
static bool agrees(const struct shadow *s, const struct topology *t)
{
    bool ok = true;

    for (unsigned a = 0; a < N_RANDOM; a++) {
        bool reached[N_RANDOM] = {false};
        struct dp_key peers[N_RANDOM];
        size_t n = 0;
        reach(s, a, reached);
        for (unsigned b = 0; b < N_RANDOM; b++) {
            const bool both = a != b && s->heard[a][b] && s->heard[b][a];
            ok = ok && s->pair[a][b] == (both && !is_linked(s, a) && !is_linked(s, b));
            n += s->pair[a][b];
            ok = ok && (a == b || !s->segment[a] ||
                        reached[b] == (s->segment[a] == s->segment[b]));
        }
        ok = ok && (s->segment[a] != 0) == (n > 0);
        ok = ok && topo_segment_of(t, random_port(a)) == s->segment[a];
        ok = ok && topo_pairs_of(t, random_port(a), peers, N_RANDOM) == n;
        for (size_t i = 0; ok && i < n; i++) {
            ok = s->pair[a][port_index(peers[i])];
        }
    }
    return ok;
}

static void run_random(int64_t ttl_ms, unsigned n_events)
{
    struct topo_config config = {.ttl_ms = ttl_ms, .classify_ms = 3000};
    struct topology *t = topo_create(&config);
    struct shadow shadow = {.segment = {0}};
    uint64_t seed = RANDOM_SEED;
    int64_t now = 0;

    for (unsigned i = 0; i < n_events; i++) {
        random_next(&seed);
        const struct dp_key a = random_port(seed >> 8), b = random_port(seed >> 16);
        now += (int64_t)(seed >> 24 & 0x7f);
        switch (seed >> 40 & 0xf) {
        case 0:
            topo_port_down(t, a);
            break;
        case 1:
            if (!(seed >> 60)) {
                topo_dp_lost(t, 0, a.dp_id);
            }
            break;
        case 2:
            topo_heard_lost(t, a, b);
            break;
        case 3:
            topo_dir_lost(t, a, b);
            break;
        case 4:
            topo_tick(t, now);
            break;
        case 5:
            topo_seen(t, a, random_port((seed >> 8) ^ 1), now);
            break;
        case 6:
        case 7:
        case 8:
            topo_port_up(t, a, now);
            break;
        default:
            topo_heard(t, a, b, now);
        }
        shadow_follow(&shadow, t);
        if (!agrees(&shadow, t)) {
            ck_abort_msg("effects and topology differ after event %u", i);
        }
    }
    topo_destroy(t);
}

START_TEST(effects_pairs_and_segments_agree_over_100000_random_events)
{
    run_random(LLDP_TTL, 100000);
    run_random(0, 100000);
}
END_TEST

UNIT_MAIN("core/segment", two_ports_that_hear_each_other_are_a_pair_and_a_segment,
          one_way_is_no_pair, third_member_joins_the_same_segment,
          silent_member_loses_its_membership_only,
          member_whose_port_goes_down_loses_its_membership_only,
          last_two_members_leave_no_segment_behind,
          flapping_direction_costs_one_pair_and_not_the_segment,
          segments_that_are_joined_keep_the_lower_number,
          of_a_split_segment_the_part_with_the_lowest_port_keeps_the_number,
          of_a_split_segment_the_larger_part_keeps_the_number,
          link_by_lldp_goes_before_broadcasts, told_of_both_a_link_goes_before_a_pair,
          broadcasts_of_a_third_end_a_link,
          broadcasts_of_the_neighbour_itself_do_not_end_a_link,
          two_ports_of_one_switch_may_be_members,
          port_that_hears_its_own_broadcast_is_internal_and_alone,
          without_ageing_memberships_come_back_with_the_port,
          members_and_pairs_are_listed_sorted,
          effects_pairs_and_segments_agree_over_100000_random_events)
