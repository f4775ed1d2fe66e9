#include "unit.h"

#include "assoc_text.h"

struct step {
    const char *before; /* Events that lead to the state. */
    const char *event;
    const char *effects;
};

static void check_steps(const struct step *steps, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        struct assoc_table *table = assoc_create();
        struct buf out = {.len = 0};

        apply_text(table, steps[i].before, &out);
        const char *got = apply_text(table, steps[i].event, &out);
        ck_assert_msg(!strcmp(got, steps[i].effects),
                      "after '%s', '%s'\n gives    %s\n expected %s", steps[i].before,
                      steps[i].event, got, steps[i].effects);
        buf_uninit(&out);
        assoc_destroy(table);
    }
}

#define ADD "add v1.1 d5.1"
#define ASSOCIATED ADD ", client v1.1, dp d5.1"
#define ACTIVE ASSOCIATED ", map v1.1 s1.3"

START_TEST(names_are_those_that_people_know)
{
    ck_assert_str_eq(assoc_state_name(ASSOC_IDLE_CLIENT), "idle client port");
    ck_assert_str_eq(assoc_state_name(ASSOC_IDLE_DATAPATH), "idle datapath port");
    ck_assert_str_eq(assoc_state_name(ASSOC_ASSOCIATED), "client-datapath association");
    ck_assert_str_eq(assoc_state_name(ASSOC_ACTIVE),
                     "active client-datapath association");
}
END_TEST

START_TEST(t1_to_t13_have_the_effects_of_the_table)
{
    static const struct step steps[] = {
        {"", "client v1.1", "T1 row none -> v1.1"},
        {ADD, "client v1.1", "T1 row none -> v1.1"},
        {"", "dp d5.1", "T2 row none -> d5.1"},
        {ADD, "dp d5.1", "T2 row none -> d5.1"},
        {ADD ", client v1.1", "dp d5.1", "T3 row v1.1 -> v1.1 d5.1; T3 ask v1.1"},
        {ADD ", dp d5.1", "client v1.1", "T4 row d5.1 -> v1.1 d5.1; T4 ask v1.1"},
        {ASSOCIATED, "map v1.1 s1.3",
         "T5 row v1.1 d5.1 -> v1.1 d5.1 s1.3; T5 carrier+ s1.3; T5 relay+ d5.1 s1.3; "
         "T5 up v1.1 d5.1 s1.3; T5 config v1.1"},
        {ASSOCIATED, "dp-gone d5.1", "T6 row v1.1 d5.1 -> v1.1; T6 config v1.1"},
        {ACTIVE, "dp-gone d5.1",
         "T6 down v1.1 d5.1 s1.3; T6 relay- d5.1 s1.3; T6 carrier- s1.3; "
         "T6 row v1.1 d5.1 s1.3 -> v1.1; T6 config v1.1"},
        {"dp d5.1", "dp-gone d5.1", "T7 row d5.1 -> none"},
        {ASSOCIATED, "client-lost v1.0", "T8 row v1.1 d5.1 -> d5.1"},
        {ACTIVE, "client-lost v1.0",
         "T8 down v1.1 d5.1 s1.3; T8 relay- d5.1 s1.3; T8 row v1.1 d5.1 s1.3 -> d5.1"},
        {"client v1.1", "client-lost v1.0", "T9 row v1.1 -> none"},
        {ACTIVE, "vs-gone s1.3",
         "T10 down v1.1 d5.1 s1.3; T10 relay- d5.1 s1.3; "
         "T10 row v1.1 d5.1 s1.3 -> v1.1 d5.1; T10 ask v1.1"},
        {ACTIVE, "map v1.1 s1.4",
         "T11 down v1.1 d5.1 s1.3; T11 relay- d5.1 s1.3; "
         "T11 row v1.1 d5.1 s1.3 -> v1.1 d5.1 s1.4; "
         "T11 carrier+ s1.4; T11 relay+ d5.1 s1.4; T11 up v1.1 d5.1 s1.4"},
        {"client v1.1, dp d5.1", ADD,
         "T12 row d5.1 -> none; T12 row v1.1 -> v1.1 d5.1; T12 ask v1.1"},
        {ASSOCIATED, "del v1.1 d5.1",
         "T12 row v1.1 d5.1 -> v1.1; T12 row none -> d5.1; T12 config v1.1"},
        {ACTIVE, "del v1.1 d5.1",
         "T12 down v1.1 d5.1 s1.3; T12 relay- d5.1 s1.3; T12 carrier- s1.3; "
         "T12 row v1.1 d5.1 s1.3 -> v1.1; T12 row none -> d5.1; T12 config v1.1"},
        {ASSOCIATED, "client v1.1", "T13 config v1.1"},
        {ACTIVE, "client v1.1", "T13 config v1.1"},
    };
    check_steps(steps, ARRAY_SIZE(steps));
}
END_TEST

/* With the steps above: every state, every event. */
START_TEST(events_that_say_what_is_so_already_have_no_effect)
{
    static const char *const none[] = {"client-gone v1.1", "client-lost v1.0",
                                       "dp-gone d5.1",     "dp-lost d5.0",
                                       "vs-gone s1.3",     "vs-lost s1.0"};
    static const struct step steps[] = {
        {"", ADD, ""},
        {ADD, ADD, ""},
        {ADD, "del v1.1 d5.1", ""},
        {ADD ", client v1.1", "client v1.1", ""},
        {ADD ", client v1.1", "dp-gone d5.1", ""},
        {ADD ", client v1.1", "dp-lost d5.0", ""},
        {ADD ", client v1.1", "vs-gone s1.3", ""},
        {ADD ", client v1.1", "vs-lost s1.0", ""},
        {ADD ", client v1.1", "del v1.1 d5.1", ""},
        {"client v1.1", ADD, ""},
        {ADD ", dp d5.1", "dp d5.1", ""},
        {ADD ", dp d5.1", "client-gone v1.1", ""},
        {ADD ", dp d5.1", "client-lost v1.0", ""},
        {ADD ", dp d5.1", "vs-gone s1.3", ""},
        {ADD ", dp d5.1", "vs-lost s1.0", ""},
        {ADD ", dp d5.1", "del v1.1 d5.1", ""},
        {"dp d5.1", ADD, ""},
        {ASSOCIATED, "dp d5.1", ""},
        {ASSOCIATED, "vs-gone s1.3", ""},
        {ASSOCIATED, "vs-lost s1.0", ""},
        {ASSOCIATED, ADD, ""},
        {ACTIVE, "dp d5.1", ""},
        {ACTIVE, "map v1.1 s1.3", ""},
        {ACTIVE, "vs-gone s1.4", ""},
        {ACTIVE, "vs-lost s2.0", ""},
        {ACTIVE, "client-lost v2.0", ""},
        {ACTIVE, "dp-lost d6.0", ""},
        {ACTIVE, ADD, ""},
    };
    for (size_t i = 0; i < ARRAY_SIZE(none); i++) {
        struct step step = {"", none[i], ""};
        check_steps(&step, 1);
    }
    check_steps(steps, ARRAY_SIZE(steps));
}
END_TEST

START_TEST(lost_peers_act_like_their_ports_one_by_one)
{
    static const struct step steps[] = {
        {ADD ", client v1.1", "client-gone v1.1", "T9 row v1.1 -> none"},
        {ADD ", dp d5.1", "dp-lost d5.0", "T7 row d5.1 -> none"},
        {ASSOCIATED, "client-gone v1.1", "T8 row v1.1 d5.1 -> d5.1"},
        {ASSOCIATED, "dp-lost d5.0", "T6 row v1.1 d5.1 -> v1.1; T6 config v1.1"},
        {ACTIVE, "client-gone v1.1",
         "T8 down v1.1 d5.1 s1.3; T8 relay- d5.1 s1.3; T8 row v1.1 d5.1 s1.3 -> d5.1"},
        {ACTIVE ", client v1.2", "client-lost v1.0",
         "T8 down v1.1 d5.1 s1.3; T8 relay- d5.1 s1.3; T8 row v1.1 d5.1 s1.3 -> d5.1; "
         "T9 row v1.2 -> none"},
        {ACTIVE ", dp d5.2, dp d6.1", "dp-lost d5.0",
         "T6 down v1.1 d5.1 s1.3; T6 relay- d5.1 s1.3; T6 carrier- s1.3; "
         "T6 row v1.1 d5.1 s1.3 -> v1.1; T6 config v1.1; T7 row d5.2 -> none"},
        {ACTIVE ", add v1.2 d5.2, client v1.2, dp d5.2, map v1.2 s2.3", "vs-lost s1.0",
         "T10 down v1.1 d5.1 s1.3; T10 relay- d5.1 s1.3; "
         "T10 row v1.1 d5.1 s1.3 -> v1.1 d5.1; T10 ask v1.1"},
    };
    check_steps(steps, ARRAY_SIZE(steps));
}
END_TEST

#define VM11 "vm 0x0000000000000001 port 1"
#define VM12 "vm 0x0000000000000001 port 2"
#define DP51 "datapath 0x0000000000000005 port 1"
#define DP52 "datapath 0x0000000000000005 port 2"
#define VS13 "rfvs 0x7266767300000001 port 3"

START_TEST(other_patterns_are_refused_with_their_reason)
{
    static const struct step steps[] = {
        {"", "map v1.1 s1.3",
         "refused: mapping frame from " VM11 ", which is not registered, at " VS13},
        {ADD ", dp d5.1", "map v1.1 s1.3",
         "refused: mapping frame from " VM11 ", which is not registered, at " VS13},
        {ADD ", client v1.1", "map v1.1 s1.3",
         "refused: mapping frame from " VM11 ", which is an idle client port, at " VS13
         ": expected its datapath port to register first"},
        {ACTIVE ", add v1.2 d5.2, client v1.2, dp d5.2", "map v1.2 s1.3",
         "refused: mapping frame from " VM12 " at " VS13 ", where " VM11
         " is already: expected one container at an RFVS port"},
        {ADD, "add v1.1 d5.2",
         "refused: mapping of " VM11 " to " DP52 ", but it is mapped to " DP51
         " already"},
        {ADD, "add v1.2 d5.1",
         "refused: mapping of " VM12 " to " DP51 ", but " VM11
         " is mapped to that already"},
        {ADD, "del v1.1 d5.2",
         "refused: mapping of " VM11 " to " DP52 " is to be removed, but is not there"},
        {"", "del v1.1 d5.1",
         "refused: mapping of " VM11 " to " DP51 " is to be removed, but is not there"},
        {"", "client v1.0",
         "refused: client port names vm 0x1 port 0, expected an id of 1 to 48 bits and "
         "a port of 1 or more"},
        {"", "client-lost v0.0",
         "refused: client lost names vm 0x0 port 0, expected an id of 1 to 48 bits"},
        {"", "dp d0.1",
         "refused: datapath port names datapath 0x0000000000000000 port 1, expected "
         "the "
         "id of a real switch (not 0, not under 0x72667673) and a port of 1 or more"},
        {"", "vs-gone s1.0",
         "refused: rfvs port gone names rfvs 0x7266767300000001 port 0, expected an id "
         "under 0x72667673 and a port of 1 or more"},
    };
    check_steps(steps, ARRAY_SIZE(steps));
}
END_TEST

START_TEST(a_virtual_switch_is_no_datapath_and_a_real_one_no_rfvs)
{
    struct assoc_table *table = assoc_create();
    struct assoc_effects effects = {.v = NULL};
    struct assoc_event event = {.kind = ASSOC_DP_PORT,
                                .dp = {.dp_id = VS_ID_BASE + 1, .dp_port = 1}};

    ck_assert(!assoc_apply(table, &event, &effects));
    event = (struct assoc_event){.kind = ASSOC_VS_PORT_GONE,
                                 .vs = {.vs_id = 5, .vs_port = 1}};
    ck_assert(!assoc_apply(table, &event, &effects));
    event = (struct assoc_event){.kind = ASSOC_CLIENT_PORT,
                                 .vm = {.vm_id = UINT64_C(1) << 48, .vm_port = 1}};
    ck_assert(!assoc_apply(table, &event, &effects));
    ck_assert_ptr_null(assoc_next(table, NULL));
    assoc_effects_uninit(&effects);
    assoc_destroy(table);
}
END_TEST

START_TEST(carrier_taken_down_is_raised_before_mapping_frames_are_asked_for)
{
    static const struct step steps[] = {
        {ACTIVE ", dp-gone d5.1", "dp d5.1",
         "T3 row v1.1 -> v1.1 d5.1; T3 carrier+ s1.3; T3 ask v1.1"},
        {ACTIVE ", dp-gone d5.1, client-lost v1.0, dp d5.1", "client v1.1",
         "T4 row d5.1 -> v1.1 d5.1; T4 carrier+ s1.3; T4 ask v1.1"},
        {ACTIVE ", del v1.1 d5.1", ADD,
         "T12 row d5.1 -> none; T12 row v1.1 -> v1.1 d5.1; T12 carrier+ s1.3; "
         "T12 ask v1.1"},
        /* Down again before it was active again. */
        {ACTIVE ", dp-gone d5.1, dp d5.1", "dp-gone d5.1",
         "T6 carrier- s1.3; T6 row v1.1 d5.1 -> v1.1; T6 config v1.1"},
        /* The RFVS port is another one by now: nothing is known of it. */
        {ACTIVE ", dp-gone d5.1, vs-gone s1.3", "dp d5.1",
         "T3 row v1.1 -> v1.1 d5.1; T3 ask v1.1"},
        {ACTIVE ", dp-gone d5.1, vs-lost s1.0", "dp d5.1",
         "T3 row v1.1 -> v1.1 d5.1; T3 ask v1.1"},
    };
    check_steps(steps, ARRAY_SIZE(steps));
}
END_TEST

START_TEST(wires_tell_where_a_port_is_plugged_and_whether_it_has_carrier)
{
    struct assoc_table *table = assoc_create();
    struct buf out = {.len = 0};
    struct vm_key vm = {.vm_id = 1, .vm_port = 1};
    struct vs_key vs;
    bool carrier;

    apply_text(table, ACTIVE, &out);
    ck_assert(assoc_wire(table, vm, &vs, &carrier) && carrier && vs.vs_port == 3);

    apply_text(table, "dp-gone d5.1", &out);
    ck_assert(assoc_wire(table, vm, &vs, &carrier) && !carrier && vs.vs_port == 3);

    apply_text(table, "vs-gone s1.3", &out);
    ck_assert(!assoc_wire(table, vm, &vs, &carrier));
    buf_uninit(&out);
    assoc_destroy(table);
}
END_TEST

START_TEST(rows_are_found_by_each_key_and_by_their_owners)
{
    struct assoc_table *table = assoc_create();
    struct buf out = {.len = 0};
    struct vm_key vm = {.vm_id = 1, .vm_port = 1}, of_dp;
    struct dp_key dp = {.dp_id = 5, .dp_port = 1}, of_vm;
    struct vs_key vs = {.vs_id = VS_ID_BASE + 1, .vs_port = 3};
    bool mapping, active;

    apply_text(table, ACTIVE ", client v1.2, client v2.1, dp d5.2, dp d6.1", &out);
    const struct assoc_row *row = assoc_by_vm(table, vm);
    ck_assert(row && row == assoc_by_dp(table, dp) && row == assoc_by_vs(table, vs));
    ck_assert_int_eq(row->since, 1000);
    assoc_port_config(row, &mapping, &active);
    ck_assert(!mapping && active);
    ck_assert(assoc_configured_dp(table, vm, &of_vm) && dp_key_equal(of_vm, dp));
    ck_assert(assoc_configured_vm(table, dp, &of_dp) && vm_key_equal(of_dp, vm));
    ck_assert_uint_eq(assoc_count(table, ASSOC_ACTIVE), 1);
    ck_assert_uint_eq(assoc_count(table, ASSOC_IDLE_CLIENT), 2);
    ck_assert_uint_eq(assoc_count(table, ASSOC_IDLE_DATAPATH), 2);

    unsigned n = 0;
    for (row = NULL; (row = assoc_next_of_vm(table, 1, row));) {
        ck_assert_uint_eq(row->vm.vm_id, 1);
        n++;
    }
    for (row = NULL; (row = assoc_next_of_dp(table, 0, 5, row));) {
        ck_assert_uint_eq(row->dp.dp_id, 5);
        n++;
    }
    for (row = NULL; (row = assoc_next(table, row));) {
        n++;
    }
    ck_assert_uint_eq(n, 2 + 2 + 5);
    buf_uninit(&out);
    assoc_destroy(table);
}
END_TEST

UNIT_MAIN("core/assoc", names_are_those_that_people_know,
          t1_to_t13_have_the_effects_of_the_table,
          events_that_say_what_is_so_already_have_no_effect,
          lost_peers_act_like_their_ports_one_by_one,
          other_patterns_are_refused_with_their_reason,
          a_virtual_switch_is_no_datapath_and_a_real_one_no_rfvs,
          carrier_taken_down_is_raised_before_mapping_frames_are_asked_for,
          wires_tell_where_a_port_is_plugged_and_whether_it_has_carrier,
          rows_are_found_by_each_key_and_by_their_owners)
