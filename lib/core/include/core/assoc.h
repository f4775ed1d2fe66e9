#ifndef CORE_ASSOC_H
#define CORE_ASSOC_H 1

/* The association table: which VM port, datapath port and RFVS port belong together.
 *
 * A row's known keys are its state; each key is in one row at most:
 *
 *     vm   dp   vs    state
 *     yes  -    -     idle client port
 *     -    yes  -     idle datapath port
 *     yes  yes  -     client-datapath association
 *     yes  yes  yes   active client-datapath association
 *
 * Transitions, by the number that effects, events and messages carry:
 *
 *     T1   none          client port registers, no configured peer   idle client
 *     T2   none          datapath port registers, likewise           idle datapath
 *     T3   idle client   its configured datapath port registers      association
 *     T4   idle datapath its configured client port registers        association
 *     T5   association   mapping frame seen at an RFVS port          active
 *     T6   assoc., active  datapath port down or gone                idle client
 *     T7   idle datapath   the same                                  none
 *     T8   assoc., active  client lost                               idle datapath
 *     T9   idle client     client lost                               none
 *     T10  active        RFVS port gone                              association
 *     T11  active        mapping frame from another RFVS port        active
 *     T12  any           mapping file gains / loses the pair  as T3/T4 / two idle rows
 *     T13  assoc., active  the same client port registers again      unchanged
 *
 * The table is a pure function of events: assoc_apply() changes it and lists the
 * effects that the caller (rfserver) carries out, in the order given.  An event that
 * would give any other pattern is refused with a reason and changes nothing.  An event
 * that says what is so already (a datapath port that registers again, a lost port that
 * was not there) is accepted and has no effect.
 *
 * Beside the rows the table holds the mapping file's pairs (CONFIG_ADD, CONFIG_DEL) and
 * the *wires*: at which RFVS port a VM port was seen last, and whether its carrier was
 * taken down there (T6).  A wire outlives the row's active state, and even the client,
 * because a container without carrier cannot send the mapping frame by which it would
 * be found again: T3 and T4 raise the carrier first.  A wire ends with its RFVS port
 * (VS_PORT_GONE, VS_LOST): rfvs gives every port carrier when it connects to RFVS, save
 * those that rfserver names as off (by what CARRIER told it, and the links).
 *
 * The caller keeps the time: CLIENT_LOST is sent when the hold time is over.  A link
 * that LLDP finds dead is the caller's business too (core/topology.h): CARRIER says
 * what the association wants, and a port whose link is down stays without carrier. */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "core/keys.h"

enum assoc_state {
    ASSOC_NONE, /* No row; only in effects. */
    ASSOC_IDLE_CLIENT,
    ASSOC_IDLE_DATAPATH,
    ASSOC_ASSOCIATED,
    ASSOC_ACTIVE,
};
#define ASSOC_N_STATES 5

/* The spelling that people read, as above; "none" for ASSOC_NONE. */
const char *assoc_state_name(enum assoc_state);

struct assoc_row {
    uint64_t id;            /* 1..., never used again: the row's name in the store. */
    enum assoc_state state; /* Says which keys are known; the others are all zero. */
    int64_t since;          /* When it came to be so: `now` of that event. */
    struct vm_key vm;
    struct dp_key dp;
    struct vs_key vs;
};

static inline bool assoc_has_vm(const struct assoc_row *row)
{
    return row->state == ASSOC_IDLE_CLIENT || row->state >= ASSOC_ASSOCIATED;
}

static inline bool assoc_has_dp(const struct assoc_row *row)
{
    return row->state >= ASSOC_IDLE_DATAPATH;
}

static inline bool assoc_has_vs(const struct assoc_row *row)
{
    return row->state == ASSOC_ACTIVE;
}

/* Events.  Each uses the keys named; of a lost client, datapath or RFVS only the ids
 * count, not the port. */
enum assoc_event_kind {
    ASSOC_CLIENT_PORT,      /* vm: registers (again). */
    ASSOC_CLIENT_PORT_GONE, /* vm: the interface was removed. */
    ASSOC_CLIENT_LOST,      /* vm.vm_id: its hold time is over. */
    ASSOC_DP_PORT,          /* dp: is there and up. */
    ASSOC_DP_PORT_GONE,     /* dp: down or gone. */
    ASSOC_DP_LOST,          /* dp.ct_id, dp.dp_id. */
    ASSOC_MAPPING,          /* vm, vs: a mapping frame of vm came in at vs. */
    ASSOC_VS_PORT_GONE,     /* vs. */
    ASSOC_VS_LOST,          /* vs.vs_id. */
    ASSOC_CONFIG_ADD,       /* vm, dp: a row of the mapping file. */
    ASSOC_CONFIG_DEL,       /* vm, dp. */
};
#define ASSOC_N_EVENTS 11

const char *assoc_event_name(enum assoc_event_kind); /* "client port", … */

struct assoc_event {
    enum assoc_event_kind kind;
    int64_t now;
    struct vm_key vm;
    struct dp_key dp;
    struct vs_key vs;
};

/* Effects.  Within one transition they come in this order: what the pair no longer is
 * (DEACTIVATED, RELAY_DEL, CARRIER off), the ROWs, what it is now (CARRIER on,
 * RELAY_ADD, ACTIVATED), what the client must be told (ASK_MAPPING or SEND_PORT_CONFIG,
 * at most one).  So with T11 the old pair leaves before the new one comes.  An event
 * that concerns many rows gives one such group per row.  Applied one after the other to
 * a copy of the table, ROWs never give a key to two rows, not even in between: where
 * two rows become one, the one that ends comes first; where one becomes two, the new
 * one comes last. */
enum assoc_effect_kind {
    ASSOC_ROW,              /* before, after (state ASSOC_NONE where there is none). */
    ASSOC_ASK_MAPPING,      /* vm: PORT_CONFIG with mapping = true, active = false. */
    ASSOC_SEND_PORT_CONFIG, /* vm: PORT_CONFIG as the row is (assoc_port_config). */
    ASSOC_RELAY_ADD,        /* dp, vs: slow-path frames pass between the two. */
    ASSOC_RELAY_DEL,        /* dp, vs. */
    ASSOC_ACTIVATED,        /* after: flows and virtual links, early routes included. */
    ASSOC_DEACTIVATED,      /* before: the flows of that port and its link leave. */
    ASSOC_CARRIER,          /* vs, on. */
};

const char *assoc_effect_name(enum assoc_effect_kind);

struct assoc_effect {
    enum assoc_effect_kind kind;
    uint8_t transition; /* 1..13: T1..T13. */
    bool on;
    struct vm_key vm; /* Keys as far as the row has or had them, with every kind. */
    struct dp_key dp;
    struct vs_key vs;
    struct assoc_row before, after; /* With ROW, ACTIVATED, DEACTIVATED. */
};

/* Zero-initialized is empty; one can be used for any number of events. */
struct assoc_effects {
    struct assoc_effect *v;
    size_t n;
    size_t cap;
    char reason[320]; /* Why the event was refused; "" unless it was. */
};

void assoc_effects_uninit(struct assoc_effects *);

struct assoc_table;

struct assoc_table *assoc_create(void);
void assoc_destroy(struct assoc_table *);

/* Applies one event.  *ret is cleared, then holds its effects.  Returns false if the
 * event is refused: then nothing changed, there are no effects, and ret->reason is a
 * message that names the ports concerned and says what was expected.
 *
 * Refused: a mapping frame of a VM port that is not registered, or idle, or seen at an
 * RFVS port that another row holds; a pair one of whose ports the mapping gives to
 * another already; a pair to remove that is not in the mapping; a key out of range
 * (vm_id 1..2^48-1, ports not 0, dp_id not 0 and not of a virtual switch, vs_id that of
 * a virtual switch). */
bool assoc_apply(struct assoc_table *, const struct assoc_event *,
                 struct assoc_effects *ret);

/* Rows: owned by the table, valid until the next assoc_apply().  NULL if there is none.
 */
const struct assoc_row *assoc_by_vm(const struct assoc_table *, struct vm_key);
const struct assoc_row *assoc_by_dp(const struct assoc_table *, struct dp_key);
const struct assoc_row *assoc_by_vs(const struct assoc_table *, struct vs_key);
size_t assoc_count(const struct assoc_table *, enum assoc_state);

/* Iteration: `previous` is NULL to begin.  All rows; those of one client; those of one
 * datapath.  In no particular order. */
const struct assoc_row *assoc_next(const struct assoc_table *,
                                   const struct assoc_row *previous);
const struct assoc_row *assoc_next_of_vm(const struct assoc_table *, uint64_t vm_id,
                                         const struct assoc_row *previous);
const struct assoc_row *assoc_next_of_dp(const struct assoc_table *, uint32_t ct_id,
                                         uint64_t dp_id,
                                         const struct assoc_row *previous);

/* Order for tables that people read: by VM port; rows without one last, by datapath
 * port. */
int assoc_row_compare(const struct assoc_row *, const struct assoc_row *);

/* What PORT_CONFIG tells the client of this row: send mapping frames now; is active. */
void assoc_port_config(const struct assoc_row *, bool *ret_mapping, bool *ret_active);

/* The mapping: whom this port is configured with.  False if it is not configured. */
bool assoc_configured_dp(const struct assoc_table *, struct vm_key, struct dp_key *ret);
bool assoc_configured_vm(const struct assoc_table *, struct dp_key, struct vm_key *ret);

/* The wire of a VM port: where it was seen last, and whether it has carrier there. */
bool assoc_wire(const struct assoc_table *, struct vm_key, struct vs_key *ret_vs,
                bool *ret_carrier);

#endif
