#ifndef PIPELINE_ITEM_H
#define PIPELINE_ITEM_H 1

/* The encoding of aux items, shared by the two halves of the pipeline.
 *
 *   flow   key:   u8 'F', u8 table, u16 priority, ofp_match
 *          value: u64 cookie, instructions
 *   meter  key:   u8 'M', u32 id
 *          value: u16 flags, u32 rate, u32 burst (one drop band) */

#include "pipeline.h"

struct item_flow {
    uint8_t table;
    uint16_t priority;
    uint64_t cookie;
    struct of_match match;
    struct of_instructions inst;
};

struct item_meter {
    uint32_t id;
    uint16_t flags;
    uint32_t rate, burst;
};

#define ETH_HEADER 14 /* Octets before the packet that an MTU speaks of. */

#define ITEM_METER_FLAGS (OFPMF_PKTPS | OFPMF_BURST)

void item_put_flow_key(struct buf *, uint8_t table, uint16_t priority,
                       const struct of_match *);
void item_put_flow_value(struct buf *, uint64_t cookie, const struct of_instructions *);
void item_put_meter_key(struct buf *, uint32_t id);
void item_put_meter_value(struct buf *, const struct item_meter *);

/* Ranks: meters, then tables 1 to 4, then what catches packets in table 0, then what
 * lets them in.  Found from the key alone. */
unsigned item_rank(struct recon_blob key);

static inline struct recon_blob item_blob(const struct buf *b)
{
    return (struct recon_blob){.data = b->data, .len = (uint32_t)b->len};
}

/* These read what the functions above wrote; an empty value leaves its part alone. */
bool item_is_meter(struct recon_blob key);
void item_get_flow(struct recon_blob key, struct recon_blob value,
                   struct item_flow *ret);
void item_get_meter(struct recon_blob key, struct recon_blob value,
                    struct item_meter *ret);

/* Priorities in table 0. */
enum {
    PRIO_LLDP_EDGE = 0x7000,
    PRIO_LLDP = 0x6000,
    PRIO_BLOCKED = 0x5000,
    PRIO_BRIDGE = 0x4800,
    PRIO_CONTROL = 0x4000, /* Edge ports; leaks on inter-switch ports. */
    PRIO_LOCAL = 0x2000,
    PRIO_ADMIT = 0x1000,
    PRIO_MISS = 0,
};
/* And in table 1. */
enum { PRIO_TTL = 0x200 };
/* And in table 2. */
enum { PRIO_LOCAL_PORT = 0x100 };
/* And in table 4. */
enum { PRIO_LONG = 0x100 };

/* What a FIB entry is in the switch. */
void fib_match(const struct ip_prefix *, struct of_match *ret);
void fib_instructions(const struct pipeline_config *, const struct fib_target *,
                      struct of_instructions *ret);
void punt_instructions(const struct pipeline_config *, uint32_t meter,
                       struct of_instructions *ret);

#endif
