#ifndef PIPELINE_H
#define PIPELINE_H 1

/* What the desired state of a datapath (core/plane.h) looks like in an OpenFlow 1.3
 * switch, and how to recognize it there.
 *
 * Table 0, admit.  By descending priority:
 *
 *   probes from an edge port -> controller, by the meter of that port: LLDP, and our
 *                               broadcasts of ethertype 0x8942
 *   probes                   -> controller, by the meter of LLDP
 *   port that is blocked     -> dropped
 *   01:80:c2:00:00:0x        -> dropped: other protocols of bridges (802.1D, 7.12.6)
 *   edge port: ARP; ND; OSPF; 224.0.0.0/24; ff02::/16
 *                            -> controller, by the meter of that port
 *   inter-switch port: ARP; OSPF; any group address
 *                            -> dropped and counted: a frame of the virtual plane on a
 *                               real link, which must never be ("leak")
 *   address of the VM        -> table 2
 *   port + its router MAC    -> table 1
 *   inside port              -> table 3
 *   anything else            -> dropped
 *
 * Table 1, FIB:
 *
 *   TTL 1                    -> controller, punt meter: the VM answers.  Needs a field
 *                               that only Open vSwitch has in OpenFlow 1.3
 *   prefix                   -> group, or a share of it (core/recon.h) |
 *                               the same, by way of table 4 |
 *                               controller, punt meter | dropped
 *   anything else            -> controller, punt meter: the VM answers "no route"
 *
 * Table 2, to the VM itself:
 *
 *   edge port                -> controller, by the meter of that port for such frames
 *   anything else            -> controller, by the meter of own addresses
 *
 * Table 3, transit, only in one of several switches that are one router (core/plane.h):
 *
 *   MACs of VM port and next hop -> the port that leads there
 *   anything else                -> dropped
 *
 * Table 4, length, only while some port of the VM has a smaller MTU than others:
 *
 *   metadata 1               -> controller, punt meter: the VM answers "too big"
 *   anything else            -> nothing more is done: it leaves by its group
 *
 * A switch cannot fragment, and sends no ICMP; what does not fit out of a port is lost
 * there without a word.  So FIB entries whose group has an MTU write the group into the
 * action set, which is done last, have the switch compare the length, and go on to this
 * table, where the action set of longer packets is cleared.  Only Open vSwitch (2.12)
 * can compare it; it makes one datapath flow of all that.  Without, packets go to the
 * group, and the operator is told.
 *
 * A flood of LLDP or ARP from a host is limited by the meter of its own port and so
 * costs nobody else his; that is why probes from edge ports have entries of their own.
 * What a host sends to the VM has another meter than the control protocols of its port:
 * so a flood of it costs no hello.  A switch with two tables has one meter for all
 * ports there.
 *
 * What is ours: flow entries by the upper half of their cookie, groups by the highest
 * bit of their id, meters by PIPELINE_METERS.  Everything else in the switch belongs to
 * somebody else and is left alone.  The lower half of the cookie:
 *
 *   bits 0-7   which sort of entry it is (enum pipeline_sort), so that a packet-in
 *              tells why it was punted
 *   bits 8-17  of a FIB entry, its portion: a hash of the prefix
 *   others     0
 *
 * Portions are there to be read one by one: for a whole cookie Open vSwitch has an
 * index, while by part of one it looks at all its entries, in one go.
 *
 * The entries of tables 0 and 3, the fixed ones of table 1 and the meters are "aux"
 * items of core/recon.h: the key is what identifies an entry in the switch (table,
 * priority, match; or meter id), the value is the rest.  Both are made of encoded
 * OpenFlow in canonical form, so that an item read back equals the item that was sent.
 *
 * Pure: values in, values and messages out.  Bytes of the peer are decoded before. */

#include <stdbool.h>
#include <stdint.h>

#include "base/buf.h"
#include "core/plane.h"
#include "core/recon.h"
#include "of/multipart.h"

#define PIPELINE_COOKIE (UINT64_C(0x52465f01) << 32) /* "RF_", layout 1. */
#define PIPELINE_COOKIE_MASK (UINT64_C(0xffffffff) << 32)

enum pipeline_sort {
    PIPE_FOREIGN, /* Not our cookie. */
    PIPE_LLDP,
    PIPE_EDGE,  /* ARP, ND, control protocols from an edge port. */
    PIPE_LOCAL, /* To an address of the VM. */
    PIPE_TTL,
    PIPE_FIB,
    PIPE_MISS,
    PIPE_ADMIT,
    PIPE_DROP,
    PIPE_LEAK,
    PIPE_INSIDE, /* From an inside port to table 3. */
    PIPE_TRANSIT,
    PIPE_LENGTH, /* Table 4. */
    PIPE_N_SORTS,
};

#define PIPELINE_PORTIONS 1024

/* Of all entries of that sort; of PIPE_FIB: of the first portion. */
static inline uint64_t pipeline_cookie(enum pipeline_sort sort)
{
    return PIPELINE_COOKIE | sort;
}

/* Entries that are in switches have it: with another hash all are written again. */
uint64_t pipeline_fib_cookie(const struct ip_prefix *);
/* Whatever the portion. */
enum pipeline_sort pipeline_sort_of(uint64_t cookie);
/* All cookies that our entries have, one after the other: 0 begins and ends.  FIB
 * entries come last, a portion each. */
uint64_t pipeline_next_cookie(uint64_t cookie);

/* Tables and priorities. */
enum {
    PIPELINE_ADMIT = 0,
    PIPELINE_FIB = 1,
    PIPELINE_LOCAL = 2,
    PIPELINE_TRANSIT = 3,
    PIPELINE_LENGTH = 4,
};
#define PIPELINE_N_TABLES 2 /* At least. */
#define PIPELINE_TRANSIT_PRIORITY 0x100
#define PIPELINE_FIB_PRIORITY 0x100 /* Plus the prefix length. */

#define PIPELINE_GROUP 0x80000000u    /* Plus the id of the fib_group. */
#define PIPELINE_GROUP_MAX 0x7ffffeff /* OpenFlow has no more. */

/* Ids of meters.  Of a port: PIPE_METER_PORT + dp_port, as far as the switch goes; the
 * ports beyond share PIPE_METER_PUNT.  PIPE_METER_LOCAL_PORT + dp_port: of frames from
 * there to the VM itself, otherwise PIPE_METER_LOCAL. */
enum {
    PIPE_METER_PUNT = 1,
    PIPE_METER_LLDP = 2,
    PIPE_METER_LOCAL = 3,
    PIPE_METER_PORT = 16,
    PIPE_METER_LOCAL_PORT = 0x8000,
};
#define PIPELINE_METERS 0xffff /* 1... are ours. */

struct pipeline_config {
    uint32_t max_meter; /* Of the switch; below 16 no meters are used. */
    bool nw_ttl;        /* Use the TTL field of Open vSwitch. */
    bool watch;         /* Buckets of select groups watch their ports: the switch itself
                         * leaves out a hop whose port is down.  (Alternates are
                         * recon's, core/recon.h.) */
    bool local_table;   /* Has PIPELINE_LOCAL. */
    bool lengths;       /* Has PIPELINE_LENGTH, and compares the length of packets. */
    uint32_t punt_rate; /* Packets per second of a meter, 1... */
};

/* Aux items. */

typedef void pipeline_item_fn(void *aux, unsigned rank, struct recon_blob key,
                              struct recon_blob value);

void pipeline_fixed(const struct pipeline_config *, pipeline_item_fn *, void *aux);
void pipeline_port(const struct pipeline_config *, const struct plane_port *,
                   pipeline_item_fn *, void *aux);
void pipeline_addr(const struct pipeline_config *, const struct plane_addr *,
                   pipeline_item_fn *, void *aux);

/* The entries of PIPELINE_LENGTH; none without config.lengths. */
void pipeline_lengths(const struct pipeline_config *, pipeline_item_fn *, void *aux);

void pipeline_transit(const struct pipeline_config *, const struct plane_transit *,
                      pipeline_item_fn *, void *aux);

/* Brings a group into the only form that can be read back: hops sorted, weights at
 * least 1, and 1 for a single hop, whose weight an indirect group does not have, nor a
 * fast-failover group.  An alternate stays behind its hop. */
void pipeline_canonical_group(struct fib_group *);

/* Out: appends the message that carries out the operation, with its serial as xid. */
void pipeline_render(const struct pipeline_config *, const struct recon_op *,
                     struct buf *out);

/* Appends what the operation is about, for people: "10.0.0.0/24", "group 7", "meter
 * 17", "table 0 priority 4096 ip,in_port=1". */
void pipeline_describe(const struct recon_op *, struct buf *out);
/* The same for an aux key. */
void pipeline_describe_aux(struct recon_blob key, struct buf *out);
/* The sort of an aux item; PIPE_FOREIGN for a meter. */
enum pipeline_sort pipeline_aux_sort(struct recon_blob key, struct recon_blob value);

/* In: tells recon what is in the switch.  Foreign things are passed over. */
void pipeline_seen_flow(const struct pipeline_config *, struct recon *,
                        const struct of_flow_stats *);
void pipeline_seen_group(struct recon *, const struct of_group_desc *);
void pipeline_seen_meter(struct recon *, const struct of_meter_config *);

#endif
