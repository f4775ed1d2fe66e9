#include "sim.h"

#include "wiring.h"

#define VS UINT64_C(0x7266767300000001)

static struct sim s;
static struct wiring *w;
static struct buf said;

static void on_vlink(void *aux, uint32_t a, uint32_t b, bool added)
{
    buf_printf(&said, "%c%u-%u ", added ? '+' : '-', a, b);
}

static void on_carrier(void *aux, uint32_t vs_port)
{
    buf_printf(&said, "carrier%u ", vs_port);
}

static void setup(void)
{
    static const struct wiring_ops ops = {.vlink = on_vlink, .carrier = on_carrier};

    sim_init(&s);
    sim_reconnect(&s);
    w = wiring_create(s.entries, &ops, NULL);
}

static void teardown(void)
{
    wiring_destroy(w);
    sim_uninit(&s);
    buf_uninit(&said);
}

/* What was said since the last time. */
static void check_said(const char *expected)
{
    ck_assert_str_eq(buf_cstr(&said), expected);
    buf_clear(&said);
}

static void apply(const struct record *r)
{
    ck_assert(wiring_apply(w, r));
    sim_pump(&s, 0);
}

static void begin(void)
{
    apply(&(struct record){.kind = REC_BEGIN});
}

static void end(void)
{
    apply(&(struct record){.kind = REC_END});
}

static void vlink(uint32_t from, uint32_t to, bool remove)
{
    apply(&(struct record){
        .kind = REC_VLINK, .remove = remove, .vlink = {.from = from, .to = to}});
}

static void relay(uint32_t vs_port, uint64_t dp_id, bool remove)
{
    apply(&(struct record){.kind = REC_RELAY,
                           .remove = remove,
                           .relay = {.vs = {.vs_id = VS, .vs_port = vs_port},
                                     .dp = {.dp_id = dp_id, .dp_port = 1}}});
}

static void carrier(uint32_t vs_port, bool off)
{
    apply(&(struct record){.kind = REC_CARRIER, .carrier = {vs_port, off}});
}

START_TEST(link_is_announced_when_both_directions_are_there)
{
    setup();
    vlink(1, 2, false);
    check_said("");
    vlink(2, 1, false);
    check_said("+2-1 ");
    vlink(2, 1, false);
    check_said("");
    vlink(1, 2, true);
    check_said("-1-2 ");
    vlink(2, 1, true);
    check_said("");
    teardown();
}
END_TEST

START_TEST(what_a_download_does_not_name_goes_at_its_end)
{
    setup();
    begin();
    vlink(1, 2, false);
    vlink(2, 1, false);
    vlink(3, 4, false);
    relay(5, 7, false);
    carrier(6, true);
    end();
    ck_assert_uint_eq(wiring_count_vlinks(w), 3);
    buf_clear(&said);

    begin();
    vlink(3, 4, false);
    ck_assert(sim_has(&s, 1, 2));
    ck_assert_int_eq(wiring_carrier(w, 6), CARRIER_OFF);
    check_said("");
    end();
    ck_assert(!sim_has(&s, 1, 2) && !sim_has(&s, 2, 1) && sim_has(&s, 3, 4));
    struct dp_key dp;
    ck_assert(!wiring_relay(w, 5, &dp));
    ck_assert_int_eq(wiring_carrier(w, 6), CARRIER_ON);
    check_said("-1-2 carrier0 ");
    teardown();
}
END_TEST

START_TEST(download_that_is_begun_again_counts_from_its_last_begin)
{
    setup();
    begin();
    vlink(1, 2, false);
    begin(); /* The session broke in between. */
    vlink(3, 4, false);
    end();
    ck_assert(!sim_has(&s, 1, 2) && sim_has(&s, 3, 4));
    teardown();
}
END_TEST

/* The ports that frames of `from` go to, in the switch. */
static void check_targets(uint32_t from, struct entry_ports to)
{
    struct of_flow_mod mod;

    entry_flow_mod(&(struct entry){ENTRY_VLINK, from, to}, &mod);
    const size_t i = sim_find(&s, &mod.match, mod.priority);
    ck_assert_uint_eq(i<s.n, to.n> 0);
    ck_assert(i == s.n || of_instructions_equal(&s.table[i].inst, &mod.inst));
}

START_TEST(frames_of_a_port_go_to_all_ends_of_its_links)
{
    setup();
    vlink(1, 3, false);
    vlink(1, 2, false);
    vlink(2, 1, false);
    check_targets(1, (struct entry_ports){2, {2, 3}});
    check_said("+2-1 ");
    ck_assert_uint_eq(s.deletes, 0);
    vlink(1, 2, true);
    check_targets(1, (struct entry_ports){1, {3}});
    check_said("-1-2 ");
    vlink(1, 2, true); /* Again. */
    check_targets(1, (struct entry_ports){1, {3}});
    ck_assert_uint_eq(s.deletes, 0);
    vlink(1, 3, true);
    check_targets(1, (struct entry_ports){0});
    ck_assert_uint_eq(s.deletes, 1);
    teardown();
}
END_TEST

START_TEST(download_gives_up_those_ends_alone_that_it_does_not_name)
{
    setup();
    begin();
    vlink(1, 2, false);
    vlink(1, 3, false);
    vlink(1, 4, false);
    end();
    begin();
    vlink(1, 3, false);
    check_targets(1, (struct entry_ports){3, {2, 3, 4}});
    end();
    check_targets(1, (struct entry_ports){1, {3}});
    begin();
    end();
    check_targets(1, (struct entry_ports){0});
    ck_assert_uint_eq(wiring_count_vlinks(w), 0);
    teardown();
}
END_TEST

START_TEST(more_ends_than_an_entry_can_name_are_left_out)
{
    setup();
    for (uint32_t to = 2; to < VLINK_MAX + 10; to++) {
        vlink(1, to, false);
    }
    vlink(1, 2, true);
    ck_assert_uint_eq(s.n, 3); /* Miss, mapping, the link. */
    for (size_t i = 0; i < s.n; i++) {
        ck_assert_uint_le(s.table[i].inst.apply.n, VLINK_MAX - 1);
    }
    teardown();
}
END_TEST

START_TEST(link_of_an_earlier_life_is_removed_by_name)
{
    struct of_flow_mod mod;

    setup();
    entry_flow_mod(&(struct entry){ENTRY_VLINK, 1, {1, {2}}}, &mod);
    sim_put(&s, &mod);
    sim_reconnect(&s);
    sim_pump(&s, 0);
    ck_assert(sim_has(&s, 1, 2));
    vlink(1, 2, true);
    ck_assert(!sim_has(&s, 1, 2));
    teardown();
}
END_TEST

START_TEST(relay_that_moves_loses_nothing)
{
    struct dp_key dp;

    setup();
    relay(5, 7, false);
    ck_assert(wiring_relay(w, 5, &dp));
    ck_assert_uint_eq(dp.dp_id, 7);
    s.adds = s.deletes = 0;
    relay(5, 8, false);
    relay(5, 7, true); /* Late. */
    ck_assert(wiring_relay(w, 5, &dp));
    ck_assert_uint_eq(dp.dp_id, 8);
    ck_assert_uint_eq(s.adds + s.deletes, 0);
    relay(5, 8, true);
    ck_assert(!wiring_relay(w, 5, &dp));
    ck_assert_uint_eq(s.deletes, 1);
    teardown();
}
END_TEST

START_TEST(carriers_stay_as_they_are_until_something_is_known)
{
    setup();
    ck_assert_int_eq(wiring_carrier(w, 1), CARRIER_AS_IS);
    begin();
    carrier(1, true);
    check_said("carrier1 ");
    ck_assert_int_eq(wiring_carrier(w, 1), CARRIER_OFF);
    carrier(2, false);
    ck_assert_int_eq(wiring_carrier(w, 2), CARRIER_ON);
    ck_assert_int_eq(wiring_carrier(w, 3), CARRIER_AS_IS);
    ck_assert(!wiring_is_complete(w));
    end();
    ck_assert(wiring_is_complete(w));
    ck_assert_int_eq(wiring_carrier(w, 1), CARRIER_OFF);
    ck_assert_int_eq(wiring_carrier(w, 3), CARRIER_ON);
    carrier(1, false);
    ck_assert_int_eq(wiring_carrier(w, 1), CARRIER_ON);
    teardown();
}
END_TEST

START_TEST(records_of_others_are_refused)
{
    setup();
    ck_assert(!wiring_apply(w, &(struct record){.kind = REC_VM_PORT}));
    ck_assert(!wiring_apply(w, &(struct record){.kind = REC_PLANE}));
    teardown();
}
END_TEST

UNIT_MAIN("rfvs/wiring", link_is_announced_when_both_directions_are_there,
          what_a_download_does_not_name_goes_at_its_end,
          download_that_is_begun_again_counts_from_its_last_begin,
          frames_of_a_port_go_to_all_ends_of_its_links,
          download_gives_up_those_ends_alone_that_it_does_not_name,
          more_ends_than_an_entry_can_name_are_left_out,
          link_of_an_earlier_life_is_removed_by_name, relay_that_moves_loses_nothing,
          carriers_stay_as_they_are_until_something_is_known,
          records_of_others_are_refused)
