#include "sim.h"

static struct sim s;

static void setup(void)
{
    sim_init(&s);
    sim_reconnect(&s);
    entries_complete(s.entries);
    sim_pump(&s, 0);
    s.adds = s.deletes = 0;
}

static void want(uint32_t from, uint32_t to)
{
    entries_desire(s.entries, &(struct entry){ENTRY_VLINK, from, {1, {to}}});
}

START_TEST(entries_look_as_documented)
{
    static const struct {
        struct entry entry;
        const char *text;
    } golden[] = {
        {{.kind = ENTRY_MAPPING},
         "priority=28672,dl_type=0x0a0a cookie=0x5246560100000001 "
         "actions=CONTROLLER:65535"},
        {{ENTRY_VLINK, 3, {1, {4}}},
         "priority=16384,in_port=3 cookie=0x5246560100000002 actions=output:4"},
        {{.kind = ENTRY_RELAY, .in_port = 5},
         "priority=8192,in_port=5 cookie=0x5246560100000003 actions=CONTROLLER:65535"},
        {{.kind = ENTRY_MISS}, "priority=0 cookie=0x5246560100000004 actions=drop"},
    };

    for (size_t i = 0; i < ARRAY_SIZE(golden); i++) {
        struct buf octets = {0}, text = {0};
        struct of_flow_mod mod;
        entry_flow_mod(&golden[i].entry, &mod);
        of_put_flow_mod(&octets, 1, &mod);
        of_print(&text, octets.data, octets.len);
        const char *prefix = "OFPT_FLOW_MOD (xid=0x1): ADD table=0 ";
        ck_assert_mem_eq(buf_cstr(&text), prefix, strlen(prefix));
        ck_assert_str_eq(buf_cstr(&text) + strlen(prefix), golden[i].text);
        ck_assert_int_eq(entry_kind_of(mod.cookie), golden[i].entry.kind);
        buf_uninit(&octets);
        buf_uninit(&text);
    }
    ck_assert_int_eq(entry_kind_of(UINT64_C(0x52465f0100000002)), 0); /* rfproxy's. */
    ck_assert_int_eq(entry_kind_of(ENTRY_COOKIE | 77), 0);
}
END_TEST

START_TEST(nothing_is_sent_before_the_first_audit)
{
    sim_init(&s);
    want(1, 2);
    sim_pump(&s, 0);
    ck_assert_uint_eq(s.adds, 0);
    entries_audit_begin(s.entries);
    sim_pump(&s, 0);
    ck_assert_uint_eq(s.adds, 0);
    ck_assert_uint_eq(entries_audit_end(s.entries), 3);
    sim_pump(&s, 0);
    ck_assert_uint_eq(s.adds, 3); /* Mapping, miss, and the link. */
    ck_assert(entries_in_sync(s.entries));
    sim_uninit(&s);
}
END_TEST

START_TEST(only_differences_are_sent)
{
    setup();
    want(1, 2);
    want(2, 1);
    sim_pump(&s, 0);
    ck_assert_uint_eq(s.adds, 2);
    want(1, 2);
    sim_pump(&s, 0);
    ck_assert_uint_eq(s.adds, 2);
    ck_assert_uint_eq(entries_installed(s.entries, ENTRY_VLINK), 2);
    entries_remove(s.entries, ENTRY_VLINK, 1);
    sim_pump(&s, 0);
    ck_assert_str_eq(buf_cstr(&s.log),
                     "OFPT_FLOW_MOD (xid=0x1): DEL_STRICT table=0 "
                     "priority=16384,in_port=1 "
                     "cookie=0x5246560100000000/0xffffffff00000000 actions=drop\n");
    ck_assert(!sim_has(&s, 1, 2) && sim_has(&s, 2, 1));
    sim_uninit(&s);
}
END_TEST

START_TEST(additions_go_before_deletions_and_a_move_is_one_flow_mod)
{
    setup();
    want(1, 2);
    want(5, 6);
    sim_pump(&s, 0);
    s.adds = s.deletes = 0;
    entries_remove(s.entries, ENTRY_VLINK, 1);
    want(1, 3);
    entries_remove(s.entries, ENTRY_VLINK, 5);
    want(7, 8);
    sim_pump(&s, 0);
    ck_assert_uint_eq(s.adds, 2);
    ck_assert_uint_eq(s.deletes, 1);
    const char *log = buf_cstr(&s.log);
    ck_assert(strstr(log, "DEL_STRICT") > strstr(log, "in_port=7"));
    ck_assert(strstr(log, "DEL_STRICT") > strstr(log, "output:3"));
    sim_uninit(&s);
}
END_TEST

START_TEST(reconnect_of_an_unchanged_switch_sends_nothing)
{
    setup();
    want(1, 2);
    sim_pump(&s, 0);
    sim_reconnect(&s);
    sim_pump(&s, 0);
    ck_assert_uint_eq(s.adds + s.deletes, 0);
    ck_assert(entries_in_sync(s.entries));
    ck_assert_uint_eq(entries_installed(s.entries, ENTRY_VLINK), 1);
    sim_uninit(&s);
}
END_TEST

START_TEST(emptied_switch_is_filled_again)
{
    setup();
    want(1, 2);
    sim_pump(&s, 0);
    s.n = 0;
    sim_reconnect(&s);
    ck_assert_uint_eq(entries_installed(s.entries, ENTRY_VLINK), 0);
    sim_pump(&s, 0);
    ck_assert_uint_eq(s.adds, 3);
    ck_assert(sim_has(&s, 1, 2));
    sim_uninit(&s);
}
END_TEST

START_TEST(unasked_entries_stay_until_the_desired_state_is_complete)
{
    struct of_flow_mod mod;

    sim_init(&s);
    entry_flow_mod(&(struct entry){ENTRY_VLINK, 1, {1, {2}}}, &mod);
    sim_put(&s, &mod);
    entry_flow_mod(&(struct entry){ENTRY_VLINK, 3, {1, {4}}}, &mod);
    sim_put(&s, &mod);
    entry_flow_mod(&(struct entry){.kind = ENTRY_RELAY, .in_port = 5}, &mod);
    sim_put(&s, &mod);
    sim_reconnect(&s);
    want(1, 2);
    sim_pump(&s, 0);
    ck_assert_uint_eq(s.deletes, 0);
    ck_assert_uint_eq(s.adds, 2); /* The fixed ones. */
    entries_remove(s.entries, ENTRY_VLINK, 3);
    sim_pump(&s, 0);
    ck_assert(!sim_has(&s, 3, 4)); /* Removed by name. */
    ck_assert_uint_eq(s.deletes, 1);
    entries_complete(s.entries);
    sim_pump(&s, 0);
    ck_assert_uint_eq(s.deletes, 2);
    ck_assert_uint_eq(s.n, 3);
    ck_assert(sim_has(&s, 1, 2));
    sim_uninit(&s);
}
END_TEST

START_TEST(removal_that_was_asked_for_while_disconnected_happens_later)
{
    struct of_flow_mod mod;

    sim_init(&s);
    entry_flow_mod(&(struct entry){ENTRY_VLINK, 3, {1, {4}}}, &mod);
    sim_put(&s, &mod);
    entries_remove(s.entries, ENTRY_VLINK, 3);
    sim_reconnect(&s);
    sim_pump(&s, 0);
    ck_assert(!sim_has(&s, 3, 4));
    sim_uninit(&s);
}
END_TEST

START_TEST(entries_of_others_are_left_alone)
{
    struct of_flow_mod mod;

    setup();
    of_flow_mod_init(&mod, OFPFC_ADD, 0, 0x4000);
    of_match_set_in_port(&mod.match, 9);
    sim_put(&s, &mod);
    const size_t n = s.n;
    ck_assert_uint_eq(sim_audit(&s), 0);
    sim_pump(&s, 0);
    ck_assert_uint_eq(s.n, n);
    ck_assert_uint_eq(s.adds + s.deletes, 0);
    sim_uninit(&s);
}
END_TEST

START_TEST(floods_of_others_are_noticed)
{
    static const uint32_t ports[] = {OFPP_NORMAL, OFPP_FLOOD, OFPP_ALL, 7};
    struct of_flow_stats flow = {.priority = 1};

    setup();
    for (size_t i = 0; i < ARRAY_SIZE(ports); i++) {
        of_instructions_init(&flow.inst);
        of_actions_output(of_instructions_apply(&flow.inst), ports[i]);
        ck_assert_int_eq(entries_seen(s.entries, &flow),
                         i < 3 ? SEEN_FOREIGN_FLOOD : SEEN_FOREIGN);
    }
    sim_uninit(&s);
}
END_TEST

START_TEST(audit_repairs_what_others_did)
{
    struct of_flow_mod mod;

    setup();
    want(1, 2);
    want(3, 4);
    want(5, 6);
    sim_pump(&s, 0);
    s.adds = s.deletes = 0;

    entry_flow_mod(&(struct entry){ENTRY_VLINK, 1, {1, {9}}}, &mod); /* Elsewhere. */
    sim_put(&s, &mod);
    entry_flow_mod(&(struct entry){ENTRY_VLINK, 3, {1, {4}}}, &mod); /* Not for ever. */
    sim_put(&s, &mod);
    s.table[sim_find(&s, &mod.match, mod.priority)].hard_timeout = 5;
    entry_flow_mod(&(struct entry){ENTRY_VLINK, 5, {1, {6}}}, &mod); /* Gone. */
    s.table[sim_find(&s, &mod.match, mod.priority)] = s.table[s.n - 1];
    s.n--;
    entry_flow_mod(&(struct entry){ENTRY_VLINK, 7, {1, {8}}}, &mod); /* Unasked. */
    sim_put(&s, &mod);
    of_flow_mod_init(&mod, OFPFC_ADD, 0, 99); /* Not even of a kind we know. */
    mod.cookie = ENTRY_COOKIE | 0x55;
    of_match_set_eth_type(&mod.match, 0x806);
    sim_put(&s, &mod);

    ck_assert_uint_eq(sim_audit(&s), 5);
    ck_assert(!entries_in_sync(s.entries));
    sim_pump(&s, 0);
    ck_assert_uint_eq(s.adds, 3);
    ck_assert_uint_eq(s.deletes, 2);
    ck_assert_uint_eq(s.n, 5);
    ck_assert_uint_eq(sim_audit(&s), 0);
    ck_assert(entries_in_sync(s.entries));
    sim_uninit(&s);
}
END_TEST

START_TEST(audit_says_nothing_about_what_changes_during_it)
{
    setup();
    want(1, 2);
    sim_pump(&s, 0);
    s.adds = 0;
    entries_audit_begin(s.entries);
    for (size_t i = 0; i < s.n; i++) {
        entries_seen(s.entries, &s.table[i]);
    }
    want(3, 4); /* Not in the reply, which was made before. */
    entries_remove(s.entries, ENTRY_VLINK, 1);
    sim_pump(&s, 0);
    ck_assert_uint_eq(entries_audit_end(s.entries), 0);
    sim_pump(&s, 0);
    ck_assert_uint_eq(s.adds, 1);
    ck_assert(sim_has(&s, 3, 4) && !sim_has(&s, 1, 2));
    ck_assert(entries_in_sync(s.entries));
    sim_uninit(&s);
}
END_TEST

START_TEST(refused_entry_is_tried_again_with_back_off_and_stops_no_other)
{
    setup();
    s.refuse_port = 1;
    want(1, 2);
    want(2, 1);
    sim_pump(&s, 0);
    ck_assert(sim_has(&s, 2, 1) && !sim_has(&s, 1, 2));
    ck_assert_uint_eq(entries_installed(s.entries, ENTRY_VLINK), 1);
    ck_assert(!entries_in_sync(s.entries));
    ck_assert_int_eq(entries_next_retry(s.entries), 1000);
    sim_pump(&s, 999);
    ck_assert_uint_eq(s.log.len, 0);
    sim_pump(&s, 1000);
    ck_assert_uint_ne(s.log.len, 0);
    ck_assert_int_eq(entries_next_retry(s.entries), 3000);
    s.refuse_port = 0;
    sim_pump(&s, 3000);
    ck_assert(sim_has(&s, 1, 2));
    ck_assert(entries_in_sync(s.entries));
    ck_assert_int_eq(entries_next_retry(s.entries), INT64_MAX);
    sim_uninit(&s);
}
END_TEST

START_TEST(another_wish_does_not_wait_for_the_back_off_of_the_first)
{
    setup();
    s.refuse_port = 1;
    want(1, 2);
    sim_pump(&s, 0);
    s.refuse_port = 0;
    want(1, 3);
    sim_pump(&s, 1);
    ck_assert(sim_has(&s, 1, 3));
    sim_uninit(&s);
}
END_TEST

START_TEST(errors_of_others_are_not_ours)
{
    struct entry entry;

    setup();
    ck_assert(!entries_failed(s.entries, 12345, 0, &entry));
    ck_assert(!entries_failed(s.entries, 1, 0, &entry)); /* Confirmed long ago. */
    sim_uninit(&s);
}
END_TEST

START_TEST(without_room_the_rest_waits)
{
    setup();
    for (uint32_t port = 1; port <= 10; port++) {
        want(port, 11);
    }
    s.room = 4;
    sim_pump(&s, 0);
    ck_assert_uint_eq(entries_installed(s.entries, ENTRY_VLINK), 4);
    s.room = UINT32_MAX;
    sim_pump(&s, 0);
    ck_assert_uint_eq(entries_installed(s.entries, ENTRY_VLINK), 10);
    ck_assert_uint_eq(s.adds, 10);
    sim_uninit(&s);
}
END_TEST

START_TEST(one_barrier_is_in_flight_and_confirms_what_was_before_it)
{
    setup();
    want(1, 2);
    entries_pump(s.entries, 0, sim_emit, &s);
    ck_assert(entries_needs_barrier(s.entries));
    entries_barrier_sent(s.entries, 7001);
    want(3, 4);
    entries_pump(s.entries, 0, sim_emit, &s);
    ck_assert(!entries_needs_barrier(s.entries));
    entries_barrier_done(s.entries, 6999); /* Not the one. */
    ck_assert_uint_eq(entries_installed(s.entries, ENTRY_VLINK), 0);
    entries_barrier_done(s.entries, 7001);
    ck_assert_uint_eq(entries_installed(s.entries, ENTRY_VLINK), 1);
    ck_assert(entries_needs_barrier(s.entries));
    entries_barrier_sent(s.entries, 7002);
    entries_barrier_done(s.entries, 7002);
    ck_assert_uint_eq(entries_installed(s.entries, ENTRY_VLINK), 2);
    ck_assert(entries_in_sync(s.entries));
    sim_uninit(&s);
}
END_TEST

/* Whatever happens in whatever order, once the switch is quiet it has what is desired.
 */
START_TEST(random_events_end_with_what_is_desired)
{
    unsigned seed = 1;

    for (int round = 0; round < 300; round++) {
        uint32_t wanted[9] = {0};
        int64_t now = 0;
        setup();
        for (int step = 0; step < 60; step++) {
            const uint32_t port = 1 + (uint32_t)rand_r(&seed) % 8;
            switch (rand_r(&seed) % 8) {
            case 0:
            case 1:
            case 2:
                wanted[port] = 20 + (uint32_t)rand_r(&seed) % 3;
                want(port, wanted[port]);
                break;
            case 3:
                wanted[port] = 0;
                entries_remove(s.entries, ENTRY_VLINK, port);
                break;
            case 4:
                s.refuse_port = rand_r(&seed) % 2 ? port : 0;
                break;
            case 5:
                s.n = (size_t)rand_r(&seed) % (s.n + 1);
                sim_reconnect(&s);
                break;
            case 6:
                sim_audit(&s);
                break;
            default:
                sim_pump(&s, now);
            }
            now += rand_r(&seed) % 2000;
        }
        s.refuse_port = 0;
        sim_audit(&s);
        sim_pump(&s, now + 100000);
        ck_assert_msg(entries_in_sync(s.entries), "round %d", round);
        size_t n = 2;
        for (uint32_t port = 1; port <= 8; port++) {
            n += wanted[port] != 0;
            ck_assert_msg(!wanted[port] || sim_has(&s, port, wanted[port]),
                          "round %d port %u", round, port);
        }
        ck_assert_uint_eq(s.n, n);
        sim_uninit(&s);
    }
}
END_TEST

UNIT_MAIN("rfvs/entries", entries_look_as_documented,
          nothing_is_sent_before_the_first_audit, only_differences_are_sent,
          additions_go_before_deletions_and_a_move_is_one_flow_mod,
          reconnect_of_an_unchanged_switch_sends_nothing,
          emptied_switch_is_filled_again,
          unasked_entries_stay_until_the_desired_state_is_complete,
          removal_that_was_asked_for_while_disconnected_happens_later,
          entries_of_others_are_left_alone, floods_of_others_are_noticed,
          audit_repairs_what_others_did,
          audit_says_nothing_about_what_changes_during_it,
          refused_entry_is_tried_again_with_back_off_and_stops_no_other,
          another_wish_does_not_wait_for_the_back_off_of_the_first,
          errors_of_others_are_not_ours, without_room_the_rest_waits,
          one_barrier_is_in_flight_and_confirms_what_was_before_it,
          random_events_end_with_what_is_desired)
