#ifndef OF_ACTION_H
#define OF_ACTION_H 1

/* Actions and instructions (OpenFlow 1.3.5, 7.2.4 and 7.2.5) as plain values of fixed
 * size, to be copied and compared freely.  Zero-initialized they are empty, which in a
 * flow entry means drop.  Lists are built with the functions of_actions_...(), in the
 * order of execution. */

#include <stdbool.h>
#include <stdint.h>

#include "base/addr.h"
#include "base/buf.h"
#include "base/cursor.h"
#include "of/error.h"

enum of_action_kind {
    OF_A_OUTPUT,
    OF_A_GROUP,
    OF_A_SET_ETH_SRC,
    OF_A_SET_ETH_DST,
    OF_A_SET_VLAN_VID,
    OF_A_DEC_NW_TTL,
    OF_A_SET_NW_TTL,
    OF_A_PUSH_VLAN,
    OF_A_POP_VLAN,
    OF_A_SET_QUEUE,
    OF_A_CHECK_LARGER, /* Of Open vSwitch: see of_actions_check_larger(). */
    OF_A_UNKNOWN,      /* Only decoded, never encoded. */
};

struct of_action {
    uint8_t kind; /* enum of_action_kind. */
    union {
        struct {
            uint32_t port;
            uint16_t max_len; /* Matters for OFPP_CONTROLLER only. */
        } output;
        uint32_t group_id;
        uint32_t queue_id;
        uint16_t length;
        struct eth_addr eth;
        uint16_t vlan_vid; /* 0..4095. */
        uint16_t ethertype;
        uint8_t ttl;
        uint16_t type; /* OF_A_UNKNOWN: the OFPAT_ number. */
    };
};

#define OF_ACTIONS_MAX 32

struct of_actions {
    uint8_t n;      /* Of a[]; the rest of a[] is not initialized. */
    bool truncated; /* A decoded list had more than OF_ACTIONS_MAX. */
    struct of_action a[OF_ACTIONS_MAX];
};

static inline void of_actions_init(struct of_actions *list)
{
    list->n = 0;
    list->truncated = false;
}

/* More than OF_ACTIONS_MAX is a mistake of the caller and asserted against. */
void of_actions_output(struct of_actions *, uint32_t port);
void of_actions_controller(struct of_actions *, uint16_t max_len);
void of_actions_group(struct of_actions *, uint32_t group_id);
void of_actions_set_eth_src(struct of_actions *, struct eth_addr);
void of_actions_set_eth_dst(struct of_actions *, struct eth_addr);
void of_actions_set_vlan_vid(struct of_actions *, uint16_t vid);
void of_actions_dec_nw_ttl(struct of_actions *);
void of_actions_set_nw_ttl(struct of_actions *, uint8_t ttl);
void of_actions_push_vlan(struct of_actions *, uint16_t ethertype);
void of_actions_pop_vlan(struct of_actions *);
void of_actions_set_queue(struct of_actions *, uint32_t queue_id);
/* Bit 0 of the metadata becomes 1 if the frame, its Ethernet header included, is longer
 * than so many octets, otherwise 0. */
void of_actions_check_larger(struct of_actions *, uint16_t length);

/* False whenever one of the two was truncated or holds an unknown action. */
bool of_actions_equal(const struct of_actions *, const struct of_actions *);

#define OF_ACTIONS_MAX_LEN (OF_ACTIONS_MAX * 24) /* Encoded. */

void of_actions_put(struct buf *, const struct of_actions *);
/* Decodes all of `c`, which must hold nothing but actions. */
enum of_err of_actions_pull(struct cursor *c, struct of_actions *ret);
/* "set_field:02:..->eth_dst,dec_ttl,output:3"; "drop" for an empty list. */
void of_actions_print(struct buf *, const struct of_actions *);

/* Which members of struct of_instructions count. */
enum {
    OF_I_GOTO_TABLE = 1 << 0,
    OF_I_METADATA = 1 << 1,
    OF_I_METER = 1 << 2,
    OF_I_APPLY = 1 << 3,
    OF_I_WRITE = 1 << 4,
    OF_I_CLEAR = 1 << 5,
    OF_I_UNKNOWN = 1 << 6, /* Decoded, had an experimenter's instruction. */
};

struct of_instructions {
    uint8_t present; /* OF_I_... */
    uint8_t goto_table;
    uint32_t meter_id;
    uint64_t metadata, metadata_mask;
    struct of_actions apply;
    struct of_actions write;
};

static inline void of_instructions_init(struct of_instructions *i)
{
    i->present = 0;
    of_actions_init(&i->apply);
    of_actions_init(&i->write);
}

static inline void of_instructions_goto(struct of_instructions *i, uint8_t table_id)
{
    i->present |= OF_I_GOTO_TABLE;
    i->goto_table = table_id;
}

static inline void of_instructions_meter(struct of_instructions *i, uint32_t meter_id)
{
    i->present |= OF_I_METER;
    i->meter_id = meter_id;
}

/* The list to append to; marks the instruction as present. */
static inline struct of_actions *of_instructions_apply(struct of_instructions *i)
{
    i->present |= OF_I_APPLY;
    return &i->apply;
}

static inline struct of_actions *of_instructions_write(struct of_instructions *i)
{
    i->present |= OF_I_WRITE;
    return &i->write;
}

/* False whenever one of the two has something unknown.  An empty apply-actions is the
 * same as none, since switches do not keep it. */
bool of_instructions_equal(const struct of_instructions *,
                           const struct of_instructions *);

#define OF_INSTRUCTIONS_MAX_LEN (8 + 8 + 24 + 8 + 2 * (8 + OF_ACTIONS_MAX_LEN))

/* In the order of execution (5.9): meter, apply, clear, write, metadata, goto. */
void of_instructions_put(struct buf *, const struct of_instructions *);
/* Decodes all of `c`, which must hold nothing but instructions. */
enum of_err of_instructions_pull(struct cursor *c, struct of_instructions *ret);
/* "actions=meter:1,dec_ttl,output:3,goto_table:1"; "actions=drop" when empty. */
void of_instructions_print(struct buf *, const struct of_instructions *);

#endif
