#ifndef OFSIM_H
#define OFSIM_H 1

/* ofsim: many OpenFlow 1.3 switches in one process, for benches and tests.
 *
 *     main.c     options, life
 *     switch.c   connection and session of a switch, its ports
 *     tables.c   flow-mod, group-mod, meter-mod
 *     stats.c    multipart requests
 *     forward.c  frames: through the tables, over links, to the controller
 *     links.c    grid, ring, fat tree, file
 *     control.c  commands on standard input
 *
 * What is simulated is what a controller sees.  Tables hold what was sent and are told
 * truthfully; a request that a switch would refuse is refused with the error that the
 * specification names.  Frames pass the tables as in OpenFlow 1.3.5, 5.1, and enter the
 * switch at the other end of a link at once.  Not simulated: timeouts of entries,
 * queues, the limits of meters (they count), buffers, roles other than their replies,
 * VLAN and MPLS actions.  A switch that loses its controller keeps its tables (fail
 * secure) and connects again after a while.
 *
 * Ownership: `struct sim` owns all. */

#include <stdbool.h>
#include <stdint.h>

#include <uthash.h>

#include "base/buf.h"
#include "net/loop.h"
#include "net/stream.h"
#include "of/msg.h"
#include "of/multipart.h"
#include "of/put.h"

#define SIM_N_TABLES 8
#define SIM_PORTS_MAX 4096
#define SIM_MAX_METER 65535

struct sim;

struct flow {
    uint8_t table;
    uint16_t priority;
    uint16_t flags, idle_timeout, hard_timeout;
    uint64_t cookie;
    uint64_t packets, bytes;
    int64_t since;
    struct of_match match;
    uint8_t *inst; /* Encoded. */
    size_t inst_len;
    size_t key_len;
    uint8_t *key; /* Table, priority and match, encoded. */
    UT_hash_handle hh;
};

struct group {
    uint32_t id;
    uint8_t type;
    uint8_t *buckets; /* Encoded. */
    size_t len;
    uint64_t packets, bytes;
    UT_hash_handle hh;
};

struct meter {
    uint32_t id;
    uint16_t flags;
    uint8_t *bands; /* Encoded. */
    size_t len;
    uint64_t packets, bytes;
    UT_hash_handle hh;
};

#define LLDP_HEADER_LEN 14

struct sim_port {
    uint32_t config; /* OFPPC_... */
    bool down;       /* Of its own: no carrier whatever the peer says. */
    struct sim_switch *peer;
    uint32_t peer_port;
    bool link_down; /* The link is unplugged: both ends see it. */
    bool cut;       /* Frames vanish and nobody is told. */
    uint64_t rx_packets, tx_packets, rx_bytes, tx_bytes;
    /* The entry of table 0 that the last LLDP frame met, while no entry has changed.
     * Its Ethernet header is all that an entry can match in such a frame. */
    struct flow *lldp_flow;
    uint64_t lldp_generation;
    uint8_t lldp_header[LLDP_HEADER_LEN];
};

struct sim_switch {
    struct sim *sim;
    uint64_t id;
    uint32_t index;
    struct sim_port *ports; /* n_ports of them; port number minus 1. */
    struct stream *stream;  /* NULL: not connected. */
    struct loop_timer *timer;
    bool up;     /* The connection stands. */
    bool killed; /* Does not connect until it is revived. */
    struct buf in, out;
    size_t out_head;
    uint16_t miss_send_len, config_flags;
    struct flow *flows;
    uint64_t generation; /* Of changes of the flow tables. */
    uint32_t n_flows[SIM_N_TABLES];
    struct group *groups;
    struct meter *meters;
};

struct sim_counters {
    uint64_t connects, messages, packet_outs, packet_ins, flow_mods, group_mods,
        meter_mods, errors, dropped;
};

struct sim {
    struct loop *loop;
    const char *endpoint;
    int64_t backoff_ms;
    struct sim_switch *switches;
    uint32_t n, n_ports;
    uint64_t first_id;
    struct of_msg msg; /* The message that is being handled. */
    unsigned depth;    /* Of links that the present frame has crossed. */
    struct sim_counters counters;
    struct buf input; /* Of control.c. */
    struct loop_fd *control;
};

/* switch.c */

void switch_init(struct sim_switch *, struct sim *, uint32_t index);
void switch_uninit(struct sim_switch *);
struct sim_switch *switch_find(struct sim *, uint64_t id);
/* NULL unless there is such a port. */
struct sim_port *switch_port(struct sim_switch *, uint32_t no);
bool port_is_up(const struct sim_port *);
void port_describe(const struct sim_switch *, uint32_t no, struct of_port *ret);
/* Tells the controller of a port that is not as it was. */
void switch_port_status(struct sim_switch *, uint32_t no);
void switch_kill(struct sim_switch *);
void switch_revive(struct sim_switch *);
/* A power cycle: the tables are lost. */
void switch_restart(struct sim_switch *);
/* Where replies go; kick when something was appended. */
struct buf *switch_output(struct sim_switch *);
void switch_kick(struct sim_switch *);
/* Refuses the message that is being handled. */
void switch_error(struct sim_switch *, uint16_t type, uint16_t code);

/* tables.c */

void tables_flow_mod(struct sim_switch *, const struct of_flow_mod *);
void tables_group_mod(struct sim_switch *, const struct of_group_mod *);
void tables_meter_mod(struct sim_switch *, const struct of_meter_mod *);
void tables_clear(struct sim_switch *);
struct group *tables_group(struct sim_switch *, uint32_t id);
struct meter *tables_meter(struct sim_switch *, uint32_t id);
void flow_instructions(const struct flow *, struct of_instructions *ret);
/* Whether one of its actions is an output to that port; OFPP_ANY: any. */
bool flow_outputs_to(const struct flow *, uint32_t port, uint32_t group);

/* stats.c */

void stats_request(struct sim_switch *, const struct of_multipart *);

/* forward.c */

/* A frame comes in at a port. */
void forward_receive(struct sim_switch *, uint32_t in_port, const uint8_t *frame,
                     size_t n);
void forward_packet_out(struct sim_switch *, const struct of_packet_out *);

/* links.c.  All: false after a message. */

struct topology_options {
    uint32_t width, height, ring, fat_tree; /* 0: not asked for. */
    const char *file;
};
/* How many switches and ports the topology has by itself; unchanged without one. */
bool links_size(const struct topology_options *, uint32_t *n, uint32_t *n_ports);
bool links_make(struct sim *, const struct topology_options *);

/* control.c */

void control_start(struct sim *);
void control_stop(struct sim *);

#endif
