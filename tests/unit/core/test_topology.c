#include "topo_text.h"

#define LINKED                                                         \
    {0, "up 1.1", "1.1 probing"}, {0, "up 2.1", "2.1 probing"},        \
        {100, "seen 1.1 2.1", "2.1 internal; 1.1 internal; +1.1>2.1"}, \
    {                                                                  \
        200, "seen 2.1 1.1", "+2.1>1.1; +1.1=2.1"                      \
    }

START_TEST(link_is_confirmed_when_both_directions_are_heard)
{
    RUN(LLDP_TTL, LINKED, {300, "seen 1.1 2.1", ""}, {300, "tick", "next 3200"});
}
END_TEST

START_TEST(port_without_lldp_becomes_edge_after_its_time)
{
    RUN(LLDP_TTL, {1000, "up 1.1", "1.1 probing"}, {1000, "tick", "next 4000"},
        {3999, "tick", "next 4000"}, {4000, "tick", "1.1 edge"}, {9000, "tick", ""},
        {9001, "up 1.1", ""});
}
END_TEST

START_TEST(edge_port_that_hears_lldp_becomes_internal_at_once)
{
    RUN(LLDP_TTL, {0, "up 1.1", "1.1 probing"}, {3000, "tick", "1.1 edge"},
        {5000, "seen 9.9 1.1", "1.1 internal; +9.9>1.1"});
}
END_TEST

START_TEST(silent_cut_loses_the_link_but_never_makes_the_port_an_edge)
{
    RUN(LLDP_TTL, LINKED, {3099, "tick", "next 3100"},
        {3100, "tick", "next 3200; -1.1=2.1; -1.1>2.1"}, {3200, "tick", "-2.1>1.1"},
        {900000, "tick", ""});
}
END_TEST

START_TEST(port_down_takes_both_directions_and_resets_the_class)
{
    RUN(LLDP_TTL, LINKED, {300, "down 1.1", "-1.1=2.1; -2.1>1.1; -1.1>2.1"},
        {301, "down 1.1", ""}, {400, "seen 2.1 1.1", ""},
        {500, "up 1.1", "1.1 probing"}, {3500, "tick", "1.1 edge"});
}
END_TEST

START_TEST(lost_datapath_takes_all_its_ports)
{
    RUN(LLDP_TTL, LINKED, {200, "up 1.2", "1.2 probing"},
        {300, "dp-lost 1.0", "-1.1=2.1; -2.1>1.1; -1.1>2.1"}, {400, "dp-lost 1.0", ""},
        {9000, "tick", ""});
}
END_TEST

START_TEST(datapath_with_two_ports_cabled_together_can_be_lost)
{
    RUN(LLDP_TTL, {0, "up 1.1", "1.1 probing"}, {0, "up 1.2", "1.2 probing"},
        {1, "seen 1.1 1.2", "1.2 internal; 1.1 internal; +1.1>1.2"},
        {1, "seen 1.2 1.1", "+1.2>1.1; +1.1=1.2"},
        {2, "dp-lost 1.0", "-1.1=1.2; -1.2>1.1; -1.1>1.2"});
}
END_TEST

START_TEST(rewired_port_changes_its_link_at_once)
{
    RUN(LLDP_TTL, LINKED, {1000, "up 3.1", "3.1 probing"},
        {1100, "seen 3.1 1.1", "-1.1=2.1; -2.1>1.1; 3.1 internal; +3.1>1.1"},
        {1200, "seen 1.1 3.1", "+1.1>3.1; +1.1=3.1"},
        {3100, "tick", "next 4100; -1.1>2.1"});
}
END_TEST

START_TEST(port_on_a_shared_segment_has_no_link_until_one_neighbour_remains)
{
    RUN(LLDP_TTL, LINKED, {300, "up 3.1", "3.1 probing"},
        {500, "seen 3.1 1.1", "-1.1=2.1; -2.1>1.1; 3.1 internal; +3.1>1.1"},
        {1200, "seen 2.1 1.1", "-3.1>1.1; 1.1 shared"}, {1500, "seen 3.1 1.1", ""},
        {2200, "seen 2.1 1.1", ""}, {2500, "seen 3.1 1.1", ""},
        {3100, "tick", "next 5500; -1.1>2.1"}, {3500, "seen 3.1 1.1", ""},
        {4500, "seen 3.1 1.1", ""}, {5500, "tick", "1.1 not shared"},
        {5500, "seen 3.1 1.1", "+3.1>1.1"});
}
END_TEST

START_TEST(shared_segment_ends_with_the_port)
{
    RUN(LLDP_TTL, LINKED, {500, "seen 9.1 1.1", "-1.1=2.1; -2.1>1.1; +9.1>1.1"},
        {600, "seen 2.1 1.1", "-9.1>1.1; 1.1 shared"},
        {700, "down 1.1", "1.1 not shared; -1.1>2.1"}, {800, "up 1.1", "1.1 probing"},
        {900, "seen 2.1 1.1", "1.1 internal; +2.1>1.1"});
}
END_TEST

START_TEST(port_that_hears_itself_has_no_link_by_it)
{
    RUN(LLDP_TTL, {0, "up 1.1", "1.1 probing"},
        {1, "seen 1.1 1.1", "1.1 internal; +1.1>1.1"}, {2, "up 2.1", "2.1 probing"},
        {3, "seen 2.1 1.1", "2.1 internal; +2.1>1.1"},
        {4, "seen 1.1 2.1", "+1.1>2.1; +1.1=2.1"}, {5, "seen 1.1 1.1", ""},
        {6, "down 1.1", "-1.1>1.1; -1.1=2.1; -2.1>1.1; -1.1>2.1"});
}
END_TEST

START_TEST(probe_on_a_port_that_is_not_up_is_ignored)
{
    RUN(LLDP_TTL, {0, "seen 2.1 1.1", ""}, {0, "up 2.1", "2.1 probing"},
        {1, "seen 2.1 1.1", ""}, {1, "tick", "next 3000"});
}
END_TEST

START_TEST(fast_link_is_lost_fast)
{
    RUN(LLDP_TTL, LINKED, {200, "fast 1.1 2.1", ""}, {200, "tick", "next 350"},
        {300, "seen 1.1 2.1", ""}, {310, "seen 2.1 1.1", ""}, {350, "tick", "next 450"},
        {450, "tick", "next 460; -1.1=2.1; -1.1>2.1"}, {460, "tick", "-2.1>1.1"},
        /* Found again it is slow again. */
        {500, "seen 1.1 2.1", "+1.1>2.1"}, {500, "tick", "next 3500"});
}
END_TEST

START_TEST(fast_link_can_be_made_slow_again)
{
    RUN(LLDP_TTL, LINKED, {200, "fast 2.1 1.1", ""}, {300, "slow 1.1 2.1", ""},
        {300, "tick", "next 3300"}, {3300, "tick", "-1.1=2.1; -2.1>1.1; -1.1>2.1"});
}
END_TEST

START_TEST(without_ageing_a_link_stays_until_told_otherwise)
{
    RUN(0, LINKED, {900000, "tick", ""},
        {900000, "dir-lost 2.1 1.1", "-1.1=2.1; -2.1>1.1"},
        {900001, "dir-lost 2.1 1.1", ""},
        {900002, "seen 2.1 1.1", "+2.1>1.1; +1.1=2.1"});
}
END_TEST

START_TEST(without_ageing_a_direction_outlives_its_source_port)
{
    RUN(0, LINKED, {300, "down 1.1", "-1.1=2.1; -2.1>1.1; -1.1>2.1"},
        {400, "up 1.1", "1.1 internal; +1.1>2.1"},
        {500, "seen 2.1 1.1", "+2.1>1.1; +1.1=2.1"},
        {600, "down 1.1", "-1.1=2.1; -2.1>1.1; -1.1>2.1"},
        {700, "dir-lost 1.1 2.1", ""}, {800, "up 1.1", "1.1 probing"});
}
END_TEST

START_TEST(source_of_another_controller_may_come_later)
{
    RUN(0, {0, "up 2.1", "2.1 probing"}, {1, "seen 1.1 2.1", "2.1 internal; +1.1>2.1"},
        {2, "up 1.1", "1.1 internal"}, {3, "seen 2.1 1.1", "+2.1>1.1; +1.1=2.1"});
}
END_TEST

START_TEST(links_and_ports_are_listed_sorted_one_way_ones_included)
{
    static const struct step steps[] = {
        LINKED,
        {300, "up 3.2", "3.2 probing"},
        {300, "seen 9.1 3.2", "3.2 internal; +9.1>3.2"},
        {300, "seen 3.2 3.2", "+3.2>3.2"},
    };
    struct topology *t = run(LLDP_TTL, steps, ARRAY_SIZE(steps));
    size_t n;

    struct topo_link *links = topo_links(t, &n);
    ck_assert_uint_eq(n, 3);
    ck_assert(links[0].ab && links[0].ba && links[0].a.dp_id == 1);
    ck_assert_int_eq(links[0].since, 200);
    ck_assert_int_eq(links[0].ttl_ms, 3000);
    ck_assert(dp_key_equal(links[1].a, links[1].b) && !links[1].ba);
    ck_assert(!links[2].ab && links[2].ba && links[2].b.dp_id == 9);
    ck_assert_uint_eq(topo_count_links(t), 1);
    free(links);

    struct topo_port_info *ports = topo_ports(t, &n);
    ck_assert_uint_eq(n, 3);
    ck_assert_uint_eq(ports[2].port.dp_id, 3);
    ck_assert_int_eq(ports[2].class, PORT_INTERNAL);
    free(ports);

    struct dp_key peer;
    ck_assert(topo_peer(t, port_parse("2.1"), &peer));
    ck_assert_uint_eq(peer.dp_id, 1);
    ck_assert(!topo_peer(t, port_parse("3.2"), &peer));
    topo_destroy(t);
}
END_TEST

START_TEST(thousand_datapaths_of_24_ports_are_followed)
{
    enum { N_DPS = 1000, N_PORTS = 24 };
    struct topo_config config = {.ttl_ms = 3000, .classify_ms = 3000};
    struct topology *t = topo_create(&config);
    struct topo_effect e;
    size_t n_up = 0, n_down = 0;

    for (unsigned dp = 0; dp < N_DPS; dp++) {
        for (unsigned port = 1; port <= N_PORTS; port++) {
            topo_port_up(t, (struct dp_key){.dp_id = dp + 1, .dp_port = port}, 0);
        }
    }
    /* Port p of a datapath, odd, is cabled to p + 1 of the next; 20 s of probes. */
    for (int64_t now = 1000; now <= 20000; now += 1000) {
        for (unsigned dp = 0; dp < N_DPS; dp++) {
            for (unsigned port = 1; port <= N_PORTS; port += 2) {
                struct dp_key a = {.dp_id = dp + 1, .dp_port = port};
                struct dp_key b = {.dp_id = (dp + 1) % N_DPS + 1, .dp_port = port + 1};
                topo_seen(t, a, b, now);
                topo_seen(t, b, a, now);
            }
        }
        ck_assert_int_ge(topo_tick(t, now), now + 1000);
    }
    while (topo_next_effect(t, &e)) {
        n_up += e.kind == TOPO_LINK_UP;
        n_down += e.kind == TOPO_LINK_DOWN;
    }
    ck_assert_uint_eq(n_up, N_DPS * N_PORTS / 2);
    ck_assert_uint_eq(n_down, 0);
    ck_assert_uint_eq(topo_count_links(t), n_up);
    ck_assert_int_eq(topo_tick(t, 23000), TOPO_NEVER);
    ck_assert_uint_eq(topo_count_links(t), 0);
    topo_destroy(t);
}
END_TEST

/* Random events; what the effects say must be what the topology holds. */

struct shadow {
    bool dir[N_RANDOM][N_RANDOM];
    bool link[N_RANDOM][N_RANDOM];
    int class[N_RANDOM]; /* -1: down. */
};

static void shadow_follow(struct shadow *s, struct topology *t)
{
    struct topo_effect e;

    while (topo_next_effect(t, &e)) {
        unsigned a = port_index(e.a), b = port_index(e.b);
        switch (e.kind) {
        case TOPO_CLASS:
            s->class[a] = (int)e.class;
            break;
        case TOPO_DIR_UP:
        case TOPO_DIR_DOWN:
            ck_assert(s->dir[a][b] == (e.kind == TOPO_DIR_DOWN));
            s->dir[a][b] = !s->dir[a][b];
            break;
        case TOPO_LINK_UP:
        case TOPO_LINK_DOWN:
            ck_assert(a < b && s->dir[a][b] && s->dir[b][a]);
            ck_assert(s->link[a][b] == (e.kind == TOPO_LINK_DOWN));
            s->link[a][b] = !s->link[a][b];
            break;
        case TOPO_PAIR_UP:
        case TOPO_PAIR_DOWN:
        case TOPO_SEGMENT:
        case TOPO_MULTI_ACCESS:
            break;
        }
    }
}

static bool shadow_agrees(const struct shadow *s, const struct topology *t)
{
    size_t n_links = 0, n;
    bool ok = true;

    for (unsigned a = 0; a < N_RANDOM; a++) {
        unsigned of_port = 0;
        enum port_class class;
        bool up = topo_port_class(t, random_port(a), &class);
        for (unsigned b = 0; b < N_RANDOM; b++) {
            ok = ok && (a >= b || s->link[a][b] == (s->dir[a][b] && s->dir[b][a]));
            of_port += s->link[a][b] || s->link[b][a];
        }
        n_links += of_port;
        ok = ok && of_port <= 1 && up == (s->class[a] >= 0);
        ok = ok && (!up || (int)class == s->class[a]);
        ok = ok && (!of_port || !up || class == PORT_INTERNAL);
    }
    struct topo_link *links = topo_links(t, &n);
    for (size_t i = 0; i < n; i++) {
        unsigned a = port_index(links[i].a), b = port_index(links[i].b);
        ok = ok && links[i].ab == s->dir[a][b];
        ok = ok && (a == b || links[i].ba == s->dir[b][a]);
    }
    free(links);
    return ok && n_links == 2 * topo_count_links(t);
}

static void run_random(int64_t ttl_ms, unsigned n_events)
{
    struct topo_config config = {.ttl_ms = ttl_ms, .classify_ms = 3000};
    struct topology *t = topo_create(&config);
    struct shadow shadow = {.dir = {{false}}};
    uint64_t seed = RANDOM_SEED;
    int64_t now = 0;

    memset(shadow.class, -1, sizeof shadow.class);
    for (unsigned i = 0; i < n_events; i++) {
        random_next(&seed);
        struct dp_key a = random_port(seed >> 8), b = random_port(seed >> 16);
        now += (int64_t)(seed >> 24 & 0xff);
        switch (seed >> 40 & 0xf) {
        case 0:
            topo_port_down(t, a);
            shadow.class[port_index(a)] = -1;
            break;
        case 1:
            topo_dp_lost(t, 0, a.dp_id);
            shadow.class[(a.dp_id - 1) * 2] = -1;
            shadow.class[(a.dp_id - 1) * 2 + 1] = -1;
            break;
        case 2:
            topo_dir_lost(t, a, b);
            break;
        case 3:
            topo_set_ttl(t, a, b, 150, now);
            break;
        case 4:
            topo_tick(t, now);
            break;
        case 5:
        case 6:
        case 7:
            topo_port_up(t, a, now);
            break;
        case 8:
            topo_seen(t, a, b, now);
            break;
        default: /* Mostly along one cabling. */
            b = random_port((seed >> 8) ^ 1 ^ (seed >> 50 & 2));
            topo_seen(t, a, b, now);
        }
        shadow_follow(&shadow, t);
        if (!shadow_agrees(&shadow, t)) {
            ck_abort_msg("effects and topology differ after event %u", i);
        }
    }
    topo_destroy(t);
}

START_TEST(effects_and_topology_agree_over_100000_random_events)
{
    run_random(LLDP_TTL, 100000);
    run_random(0, 100000);
}
END_TEST

UNIT_MAIN("core/topology", link_is_confirmed_when_both_directions_are_heard,
          port_without_lldp_becomes_edge_after_its_time,
          edge_port_that_hears_lldp_becomes_internal_at_once,
          silent_cut_loses_the_link_but_never_makes_the_port_an_edge,
          port_down_takes_both_directions_and_resets_the_class,
          lost_datapath_takes_all_its_ports,
          datapath_with_two_ports_cabled_together_can_be_lost,
          rewired_port_changes_its_link_at_once,
          port_on_a_shared_segment_has_no_link_until_one_neighbour_remains,
          shared_segment_ends_with_the_port, port_that_hears_itself_has_no_link_by_it,
          probe_on_a_port_that_is_not_up_is_ignored, fast_link_is_lost_fast,
          fast_link_can_be_made_slow_again,
          without_ageing_a_link_stays_until_told_otherwise,
          without_ageing_a_direction_outlives_its_source_port,
          source_of_another_controller_may_come_later,
          links_and_ports_are_listed_sorted_one_way_ones_included,
          thousand_datapaths_of_24_ports_are_followed,
          effects_and_topology_agree_over_100000_random_events)
