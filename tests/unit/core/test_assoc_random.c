#include "unit.h"

#include "assoc_text.h"

/* Random events against an oracle: who is registered, what the mapping says and where
 * each client was seen determine the table; and against a shadow, which knows nothing
 * but the effects and must come out the same. */

/* As ck_assert(), which tells the parent process of every success: far too often here.
 */
#define REQUIRE(CONDITION)                  \
    do {                                    \
        if (!(CONDITION)) {                 \
            ck_abort_msg("%s", #CONDITION); \
        }                                   \
    } while (0)

enum { N_VM = 6, N_DP = 6, N_VS = 8, MAX_ROWS = N_VM + N_DP };

struct oracle {
    bool vm[N_VM], dp[N_DP];
    int dp_of_vm[N_VM]; /* -1: not configured. */
    int vm_of_dp[N_DP];
    int vs_of_vm[N_VM]; /* -1: not active. */
    int vm_of_vs[N_VS];
};

struct shadow {
    struct assoc_row rows[MAX_ROWS + 1];
    size_t n_rows;
    bool relay[N_DP][N_VS];
    bool up[N_DP];
    bool carrier_off[N_VS];
};

static uint64_t next_random(uint64_t *state)
{
    *state ^= *state << 13;
    *state ^= *state >> 7;
    *state ^= *state << 17;
    return *state * UINT64_C(0x2545f4914f6cdd1d) >> 33;
}

/* Three VMs with two ports, three datapaths with two, two RFVS with four. */
static struct vm_key vm_of(int i)
{
    return (struct vm_key){.vm_id = 1 + (uint64_t)i / 2, .vm_port = 1 + i % 2};
}

static struct dp_key dp_of(int i)
{
    return (struct dp_key){.dp_id = 5 + (uint64_t)i / 4,
                           .ct_id = (uint32_t)i / 2 % 2,
                           .dp_port = 1 + i % 2};
}

static struct vs_key vs_of(int i)
{
    return (struct vs_key){.vs_id = VS_ID_BASE + 1 + (uint64_t)i / 4,
                           .vs_port = 1 + i % 4};
}

static int dp_index(struct dp_key key)
{
    for (int i = 0; i < N_DP; i++) {
        if (dp_key_equal(dp_of(i), key)) {
            return i;
        }
    }
    ck_abort_msg("unknown datapath port");
}

static int vs_index(struct vs_key key)
{
    return (int)((key.vs_id - VS_ID_BASE - 1) * 4 + key.vs_port - 1);
}

/* The oracle. */

static void oracle_create(struct oracle *o)
{
    memset(o, 0, sizeof *o);
    memset(o->dp_of_vm, -1, sizeof o->dp_of_vm);
    memset(o->vm_of_dp, -1, sizeof o->vm_of_dp);
    memset(o->vs_of_vm, -1, sizeof o->vs_of_vm);
    memset(o->vm_of_vs, -1, sizeof o->vm_of_vs);
}

static void oracle_inactive(struct oracle *o, int vm)
{
    if (vm >= 0 && o->vs_of_vm[vm] >= 0) {
        o->vm_of_vs[o->vs_of_vm[vm]] = -1;
        o->vs_of_vm[vm] = -1;
    }
}

static bool oracle_associated(const struct oracle *o, int vm)
{
    return o->vm[vm] && o->dp_of_vm[vm] >= 0 && o->dp[o->dp_of_vm[vm]];
}

static void oracle_vm_gone(struct oracle *o, int vm)
{
    o->vm[vm] = false;
    oracle_inactive(o, vm);
}

static void oracle_dp_gone(struct oracle *o, int dp)
{
    o->dp[dp] = false;
    oracle_inactive(o, o->vm_of_dp[dp]);
}

static bool oracle_mapping(struct oracle *o, int vm, int vs)
{
    if (!oracle_associated(o, vm) || (o->vm_of_vs[vs] >= 0 && o->vm_of_vs[vs] != vm)) {
        return false;
    }
    oracle_inactive(o, vm);
    o->vs_of_vm[vm] = vs;
    o->vm_of_vs[vs] = vm;
    return true;
}

static bool oracle_config_add(struct oracle *o, int vm, int dp)
{
    if (o->dp_of_vm[vm] == dp) {
        return true;
    }
    if (o->dp_of_vm[vm] >= 0 || o->vm_of_dp[dp] >= 0) {
        return false;
    }
    o->dp_of_vm[vm] = dp;
    o->vm_of_dp[dp] = vm;
    return true;
}

static bool oracle_config_del(struct oracle *o, int vm, int dp)
{
    if (o->dp_of_vm[vm] != dp) {
        return false;
    }
    oracle_inactive(o, vm);
    o->dp_of_vm[vm] = -1;
    o->vm_of_dp[dp] = -1;
    return true;
}

/* True if the event is one to accept. */
static bool oracle_apply(struct oracle *o, enum assoc_event_kind kind, int vm, int dp,
                         int vs)
{
    switch (kind) {
    case ASSOC_CLIENT_PORT:
        o->vm[vm] = true;
        return true;
    case ASSOC_CLIENT_PORT_GONE:
        oracle_vm_gone(o, vm);
        return true;
    case ASSOC_CLIENT_LOST:
        oracle_vm_gone(o, vm / 2 * 2);
        oracle_vm_gone(o, vm / 2 * 2 + 1);
        return true;
    case ASSOC_DP_PORT:
        o->dp[dp] = true;
        return true;
    case ASSOC_DP_PORT_GONE:
        oracle_dp_gone(o, dp);
        return true;
    case ASSOC_DP_LOST:
        oracle_dp_gone(o, dp / 2 * 2);
        oracle_dp_gone(o, dp / 2 * 2 + 1);
        return true;
    case ASSOC_MAPPING:
        return oracle_mapping(o, vm, vs);
    case ASSOC_VS_PORT_GONE:
        oracle_inactive(o, o->vm_of_vs[vs]);
        return true;
    case ASSOC_VS_LOST:
        for (int i = vs / 4 * 4; i < vs / 4 * 4 + 4; i++) {
            oracle_inactive(o, o->vm_of_vs[i]);
        }
        return true;
    case ASSOC_CONFIG_ADD:
        return oracle_config_add(o, vm, dp);
    case ASSOC_CONFIG_DEL:
        return oracle_config_del(o, vm, dp);
    }
    return false;
}

static void check_row(const struct assoc_row *row, enum assoc_state state, int vm,
                      int dp, int vs)
{
    REQUIRE(row);
    REQUIRE(row->state == state);
    REQUIRE(vm < 0 ? !row->vm.vm_id : vm_key_equal(row->vm, vm_of(vm)));
    REQUIRE(dp < 0 ? !row->dp.dp_id : dp_key_equal(row->dp, dp_of(dp)));
    REQUIRE(vs < 0 ? !row->vs.vs_id : vs_key_equal(row->vs, vs_of(vs)));
}

static void check_oracle(const struct oracle *o, const struct assoc_table *table)
{
    size_t n_rows = 0, n = 0;

    for (int vm = 0; vm < N_VM; vm++) {
        const struct assoc_row *row = assoc_by_vm(table, vm_of(vm));
        int vs = o->vs_of_vm[vm];
        if (!o->vm[vm]) {
            REQUIRE(!row);
            continue;
        }
        n_rows++;
        if (!oracle_associated(o, vm)) {
            check_row(row, ASSOC_IDLE_CLIENT, vm, -1, -1);
        } else if (vs < 0) {
            check_row(row, ASSOC_ASSOCIATED, vm, o->dp_of_vm[vm], -1);
        } else {
            check_row(row, ASSOC_ACTIVE, vm, o->dp_of_vm[vm], vs);
            REQUIRE(assoc_by_vs(table, vs_of(vs)) == row);
        }
    }
    for (int dp = 0; dp < N_DP; dp++) {
        const struct assoc_row *row = assoc_by_dp(table, dp_of(dp));
        REQUIRE(!row == !o->dp[dp]);
        if (row && (o->vm_of_dp[dp] < 0 || !o->vm[o->vm_of_dp[dp]])) {
            check_row(row, ASSOC_IDLE_DATAPATH, -1, dp, -1);
            n_rows++;
        }
    }
    for (const struct assoc_row *row = NULL; (row = assoc_next(table, row));) {
        n++;
    }
    REQUIRE(n == n_rows);
}

/* The shadow. */

static void check_unique(const struct shadow *s)
{
    for (size_t i = 0; i < s->n_rows; i++) {
        for (size_t j = 0; j < i; j++) {
            const struct assoc_row *a = &s->rows[i], *b = &s->rows[j];
            REQUIRE(!assoc_has_vm(a) || !vm_key_equal(a->vm, b->vm));
            REQUIRE(!assoc_has_dp(a) || !dp_key_equal(a->dp, b->dp));
            REQUIRE(!assoc_has_vs(a) || !vs_key_equal(a->vs, b->vs));
        }
    }
}

static bool row_equal(const struct assoc_row *a, const struct assoc_row *b)
{
    return a->id == b->id && a->state == b->state && a->since == b->since &&
           vm_key_equal(a->vm, b->vm) && dp_key_equal(a->dp, b->dp) &&
           vs_key_equal(a->vs, b->vs);
}

static void shadow_row(struct shadow *s, const struct assoc_effect *e)
{
    size_t i = 0;

    if (e->before.state == ASSOC_NONE) {
        REQUIRE(s->n_rows < MAX_ROWS);
        s->rows[s->n_rows++] = e->after;
    } else {
        while (i < s->n_rows && s->rows[i].id != e->before.id) {
            i++;
        }
        REQUIRE(i < s->n_rows);
        REQUIRE(row_equal(&s->rows[i], &e->before));
        s->rows[i] = e->after.state ? e->after : s->rows[--s->n_rows];
        REQUIRE(!e->after.state || e->after.id == e->before.id);
    }
    check_unique(s);
}

static void shadow_apply(struct shadow *s, const struct assoc_effect *e)
{
    bool *flag;

    switch (e->kind) {
    case ASSOC_ROW:
        shadow_row(s, e);
        break;
    case ASSOC_RELAY_ADD:
    case ASSOC_RELAY_DEL:
        flag = &s->relay[dp_index(e->dp)][vs_index(e->vs)];
        REQUIRE(*flag == (e->kind == ASSOC_RELAY_DEL));
        *flag = !*flag;
        break;
    case ASSOC_ACTIVATED:
    case ASSOC_DEACTIVATED:
        flag = &s->up[dp_index(e->dp)];
        REQUIRE(*flag == (e->kind == ASSOC_DEACTIVATED));
        *flag = !*flag;
        break;
    case ASSOC_CARRIER:
        s->carrier_off[vs_index(e->vs)] = !e->on;
        break;
    case ASSOC_ASK_MAPPING:
    case ASSOC_SEND_PORT_CONFIG:
        break;
    }
}

/* An RFVS port that goes takes its carrier setting along (core/assoc.h). */
static void shadow_vs_event(struct shadow *s, const struct assoc_event *event)
{
    for (int vs = 0; vs < N_VS; vs++) {
        if ((event->kind == ASSOC_VS_PORT_GONE && vs_key_equal(vs_of(vs), event->vs)) ||
            (event->kind == ASSOC_VS_LOST && vs_of(vs).vs_id == event->vs.vs_id)) {
            s->carrier_off[vs] = false;
        }
    }
}

static void check_shadow(const struct shadow *s, const struct assoc_table *table)
{
    bool relay[N_DP][N_VS] = {{false}}, up[N_DP] = {false}, off[N_VS] = {false};
    size_t n = 0;

    for (const struct assoc_row *row = NULL; (row = assoc_next(table, row)); n++) {
        size_t i = 0;
        while (i < s->n_rows && s->rows[i].id != row->id) {
            i++;
        }
        REQUIRE(i < s->n_rows && row_equal(&s->rows[i], row));
        if (assoc_has_vs(row)) {
            relay[dp_index(row->dp)][vs_index(row->vs)] = true;
            up[dp_index(row->dp)] = true;
            REQUIRE(!s->carrier_off[vs_index(row->vs)]);
        }
    }
    REQUIRE(n == s->n_rows);
    REQUIRE(!memcmp(relay, s->relay, sizeof relay));
    REQUIRE(!memcmp(up, s->up, sizeof up));
    for (int vm = 0; vm < N_VM; vm++) {
        struct vs_key vs;
        bool carrier;
        if (assoc_wire(table, vm_of(vm), &vs, &carrier) && !carrier) {
            off[vs_index(vs)] = true;
        }
    }
    REQUIRE(!memcmp(off, s->carrier_off, sizeof off));
}

/* One sequence from an empty table. */
static void run_sequence(uint64_t *seed, unsigned n_events,
                         struct assoc_effects *effects)
{
    struct assoc_table *table = assoc_create();
    struct shadow shadow = {.n_rows = 0};
    struct oracle oracle;

    oracle_create(&oracle);
    for (unsigned i = 0; i < n_events; i++) {
        /* Mostly what builds up; registered ports are lost less often than they come.
         */
        static const uint8_t kinds[] = {
            ASSOC_CLIENT_PORT,      ASSOC_CLIENT_PORT,  ASSOC_CLIENT_PORT,
            ASSOC_DP_PORT,          ASSOC_DP_PORT,      ASSOC_DP_PORT,
            ASSOC_CONFIG_ADD,       ASSOC_CONFIG_ADD,   ASSOC_CONFIG_ADD,
            ASSOC_MAPPING,          ASSOC_MAPPING,      ASSOC_MAPPING,
            ASSOC_MAPPING,          ASSOC_CLIENT_LOST,  ASSOC_DP_PORT_GONE,
            ASSOC_DP_LOST,          ASSOC_VS_PORT_GONE, ASSOC_VS_LOST,
            ASSOC_CLIENT_PORT_GONE, ASSOC_CONFIG_DEL,   ASSOC_CONFIG_DEL};
        uint64_t r = next_random(seed);
        int vm = (int)(r % N_VM), dp = (int)(r / N_VM % N_DP);
        int vs = (int)(r / (N_VM * N_DP) % N_VS);
        if (r >> 20 & 1) {
            dp = vm; /* Meet often enough. */
        }
        struct assoc_event event = {
            .kind = (enum assoc_event_kind)kinds[(r >> 21) % ARRAY_SIZE(kinds)],
            .now = i,
            .vm = vm_of(vm),
            .dp = dp_of(dp),
            .vs = vs_of(vs),
        };
        bool accepted = assoc_apply(table, &event, effects);
        REQUIRE(accepted == oracle_apply(&oracle, event.kind, vm, dp, vs));
        REQUIRE(accepted == !effects->reason[0]);
        REQUIRE(accepted || !effects->n);
        shadow_vs_event(&shadow, &event);
        for (size_t k = 0; k < effects->n; k++) {
            shadow_apply(&shadow, &effects->v[k]);
        }
        check_oracle(&oracle, table);
        check_shadow(&shadow, table);
    }
    assoc_destroy(table);
}

START_TEST(effects_and_table_agree_over_100000_random_sequences)
{
    struct assoc_effects effects = {.v = NULL};
    uint64_t seed = UINT64_C(0x9e3779b97f4a7c15);

    for (unsigned i = 0; i < 100000; i++) {
        run_sequence(&seed, 1 + i % 20, &effects);
    }
    assoc_effects_uninit(&effects);
}
END_TEST

START_TEST(effects_and_table_agree_over_100000_events_in_one_sequence)
{
    struct assoc_effects effects = {.v = NULL};
    uint64_t seed = 42;

    run_sequence(&seed, 100000, &effects);
    assoc_effects_uninit(&effects);
}
END_TEST

UNIT_MAIN("core/assoc_random", effects_and_table_agree_over_100000_random_sequences,
          effects_and_table_agree_over_100000_events_in_one_sequence)
