#ifndef RFSERVER_SERVER_H
#define RFSERVER_SERVER_H 1

/* rfserver, the brain: events of clients, proxies and rfvs go into the association
 * table, the topology and the RIBs; their effects go out as batches.
 *
 *     peers.c      sessions by role, hold times
 *     vms.c        what clients report → association events, RIB of each VM
 *     datapaths.c  what proxies report → association and topology events
 *     proxies.c    sessions of proxies
 *     links.c      the directions of links that proxies report → topology
 *     span.c       VMs that span several datapaths: the paths inside them
 *     plane.c      RIB changes → batches for the proxy of each datapath
 *     vswitch.c    what rfvs reports → association events
 *     vplane.c     virtual links and carrier → batches for rfvs
 *     relay.c      which ports exchange slow-path frames → batches for proxies and rfvs
 *     backup.c     alternates for the case that a link is lost
 *     effects.c    carries out what the association table and the topology decide
 *     ports.c      how a port is treated: by LLDP, by the mapping file, by the plane
 *     config.c     the mapping file and its live reload
 *     propose.c    rows for ports that have none, for rfctl plan
 *     journal.c    store, event history, log
 *     ctl.c        rfctl's questions; show.c, status.c and why.c answer them
 *
 * Ownership: `struct server` owns everything below it.  Keys of hash tables are the
 * first members of their structs and never change. */

#include <stdbool.h>
#include <stdint.h>

#include <uthash.h>

#include "base/log.h"
#include "core/assoc.h"
#include "core/isl.h"
#include "core/mapping.h"
#include "core/plan.h"
#include "core/rib.h"
#include "core/topology.h"
#include "daemon/options.h"
#include "ipc/server.h"
#include "net/loop.h"
#include "store/store.h"
#include "wire/record.h"

/* One port of a VM, as its client told. */
struct server_vm_port {
    uint32_t number;
    bool seen; /* In the resync that is under way. */
    struct vm_port info;
    UT_hash_handle hh;
};

/* The RIB of a VM for one datapath.  All of a VM's are told the same by its client;
 * they differ in which of its ports are here, and by which port the others are reached.
 */
struct server_rib {
    uint64_t dp_id; /* 0: the VM is not mapped (then it is the only one). */
    struct rib *rib;
    struct isl_path *paths; /* To the other datapaths of the VM. */
    size_t n_paths;
    struct server_rib *next;
};

struct server_vm {
    uint64_t id;
    struct server *server;
    struct ipc_peer *peer; /* NULL: not connected. */
    char name[128];        /* "rfclient@rfvmA:17", of the last session. */
    int64_t since;         /* Of being connected or not. */
    struct loop_timer *hold;
    bool synced; /* Its full report is complete since it connected. */
    bool lost;   /* Hold time is over. */
    struct server_vm_port *ports;
    struct server_rib *ribs; /* At least one. */
    bool split;              /* Not all of its datapaths reach each other inside. */
    uint64_t batches;
    UT_hash_handle hh;
};

struct server_dp_port {
    uint32_t number;
    bool seen; /* Since the datapath's last DP_UP. */
    bool up;
    bool link_lost; /* It had a confirmed link, which LLDP has lost since. */
    char name[32];
    struct eth_addr hwaddr;
    int64_t since;
    UT_hash_handle hh;
};

/* What a datapath's download (BEGIN … END) has come to. */
enum plane_phase {
    PLANE_IDLE,  /* No proxy, or the datapath is away. */
    PLANE_BEGIN, /* BEGIN is to be sent. */
    PLANE_OPEN,  /* Sent; END waits until VM and associations have settled. */
    PLANE_DONE,  /* END was sent: changes only. */
};

struct server_dp {
    uint64_t id;
    struct server *server;
    uint32_t ct_id;
    struct ipc_peer *peer; /* Its proxy; NULL: away. */
    bool connected;
    bool seen;          /* In the proxy's full report that is under way. */
    bool ports_pending; /* DP_UP came, the DP_STATUS that ends its port list did not. */
    uint64_t plane_vm;  /* Whose routes its download is of. */
    int64_t since;
    char address[64];
    char description[160];
    char reason[160]; /* Why it is not connected. */
    struct loop_timer *hold;
    struct server_dp_port *ports;
    enum plane_phase phase;
    int64_t phase_since;
    bool due; /* There may be something to send: it is in the server's list. */
    struct server_dp *due_prev, *due_next;
    struct msg_dp_status status; /* last_error points to `last_error`. */
    char last_error[160];
    bool has_status;
    UT_hash_handle hh;
};

struct server_vs_port {
    uint32_t number;
    bool seen;
    bool up;
    /* Its mapping frame was seen before its row was there (vm_id 0: none). */
    struct vm_key early; /* Padding is 0: a hash key as it is. */
    struct server_vs *vs;
    char name[32];
    UT_hash_handle hh, hh_early;
};

/* Where frames of an RFVS port go: to one other port along a link, to several on a
 * segment. */
struct server_vlink {
    uint32_t from;
    size_t n;
    uint32_t to[VLINK_MAX];
    UT_hash_handle hh;
};

/* What the mapping file says of a port; only those of which it says something. */
struct server_rule {
    struct dp_key dp; /* Has no padding: a hash key as it is. */
    enum port_rule rule;
    UT_hash_handle hh;
};

/* An active row's two ports, between which slow-path frames pass. */
struct server_relay {
    struct dp_key dp; /* Has no padding: a hash key as it is. */
    struct vs_key vs;
    bool edge; /* Frames of the VM may go out of the real port: rfvs is told too. */
    UT_hash_handle hh;
};

/* A port that is to be without carrier, and why. */
struct server_carrier {
    uint32_t vs_port;
    bool association; /* Its datapath port is down. */
    bool link;        /* Its real link is lost. */
    UT_hash_handle hh;
};

struct server_vs {
    uint64_t id;
    struct server *server;
    struct ipc_peer *peer;
    bool connected;
    bool seen;
    bool ports_pending;
    int64_t since;
    char address[64];
    char reason[160];
    struct loop_timer *hold;
    struct server_vs_port *ports;
    struct server_vlink *vlinks;
    struct server_carrier *no_carrier;
    enum plane_phase phase;
    struct buf outbox; /* Records that wait for the window. */
    struct msg_vs_status status;
    bool has_status;
    UT_hash_handle hh;
};

/* A direction of a real link, as the proxy of `dst` reported it. */
struct server_dir {
    struct server_dir_key {
        struct dp_key src, dst; /* No padding: a hash key as it is. */
        uint64_t broadcast;     /* Or LLDP. */
    } key;
    bool seen; /* Since that proxy's last session began. */
    UT_hash_handle hh;
};

/* A proxy's session: its relay records go with id 0. */
struct server_proxy {
    uint32_t ct_id;
    struct ipc_peer *peer;
    int64_t since;
    struct server *server;
    bool synced;              /* Its full report is complete. */
    struct loop_timer *sweep; /* Of directions that it has not reported again. */
    enum plane_phase phase;   /* Of its relay map. */
    struct buf outbox;
    UT_hash_handle hh;
};

/* A datapath and the VM whose routes it gets, by the mapping. */
struct server_pair {
    uint64_t dp_id;
    uint64_t vm_id;
    struct server_pair *next; /* Of the same VM. */
    UT_hash_handle hh, hh_vm; /* hh_vm: the first of each VM. */
};

/* One end of an inter-switch link inside a VM, by the mapping. */
struct server_isl {
    struct dp_key dp; /* Has no padding: a hash key as it is. */
    struct dp_key peer;
    uint64_t vm_id;
    bool usable;
    UT_hash_handle hh;
};

struct server_event {
    int64_t wall_ms;
    char kind[16];
    char text[232];
};
#define SERVER_EVENTS 1000 /* Kept in memory for `rfctl show events`. */

enum plane_mode {
    PLANE_CLOSED,      /* Routing packets stay in RFVS. */
    PLANE_PASSTHROUGH, /* They travel over the real links, as in the original. */
};

struct server_config {
    enum plane_mode plane;
    const char *mapping_path, *isl_path;
    int64_t hold_ms;    /* After a client, a proxy or rfvs is lost. */
    int64_t dp_hold_ms; /* After a switch's own connection is lost. */
    int64_t classify_ms;
    bool mapping_auto;
    struct plan_pools pools;
};

struct server {
    struct loop *loop;
    struct server_config config;
    struct ipc_server *ipc;
    struct zauth *auth; /* NULL: no CURVE. */
    struct assoc_table *assoc;
    struct assoc_effects effects;
    struct log_limit refusals;      /* Of association events. */
    struct log_limit early;         /* Mapping frames before their row. */
    struct log_limit strange;       /* What a peer may not report. */
    struct log_limit flow_refusals; /* By switches. */
    struct log_limit crowds;        /* On segments. */
    struct topology *topo;
    struct loop_timer *topo_timer;
    struct loop_defer *flush; /* Sends what this turn of the loop has made due. */
    struct loop_timer *second;
    int64_t started;

    struct server_vm *vms;
    struct server_dp *dps;
    struct server_vs *vss;
    struct server_vs_port *early_ports; /* By what was seen early at them. */
    struct server_proxy *proxies;
    struct server_relay *relays;
    struct server_rule *rules;
    struct backup *backup;
    struct server_dir *dirs;

    struct mapping mapping;
    struct server_pair *pairs, *pairs_by_vm;
    struct server_isl *isls;
    bool isls_stale;       /* Something happened that may change a path. */
    struct server_dp *due; /* utlist, in turns. */
    uint64_t unsettled;    /* Datapath that server_settled() waited for last. */
    struct config_watch *watch;
    char mapping_error[512]; /* First fault of the last reload, "" if it was good. */
    int64_t mapping_loaded_wall;

    struct store *store;
    struct server_event *events; /* Ring of SERVER_EVENTS. */
    size_t n_events;             /* Ever. */
    uint64_t transitions;
};

/* peers.c */
extern const struct ipc_server_ops peers_ops;

/* vms.c */
struct server_vm *vm_find(struct server *, uint64_t vm_id);
struct server_vm *vm_get(struct server *, uint64_t vm_id);
void vm_peer_up(struct server *, struct ipc_peer *);
void vm_peer_down(struct server *, struct ipc_peer *, const char *reason);
void vm_message(struct server *, struct ipc_peer *, const struct msg *);
void vm_send_port_config(struct server *, struct vm_key);
/* Tells the RIB how the association of this port stands now. */
void vm_map_port(struct server *, struct vm_key);
void vm_map_ports(struct server_vm *);
/* The RIB for that datapath; NULL if it has none. */
struct server_rib *vm_rib(struct server_vm *, uint64_t dp_id);
/* Each second; plane_due_all() follows. */
void vm_age_all(struct server *);
/* The mapping has changed: a RIB for each datapath. */
void vm_remap(struct server_vm *);
void vm_destroy_all(struct server *);

/* datapaths.c */
struct server_dp *dp_find(struct server *, uint64_t dp_id);
struct server_dp_port *dp_port_find(struct server *, struct dp_key);
void dp_proxy_lost(struct server *, struct ipc_peer *);
void dp_message(struct server *, struct ipc_peer *, const struct msg *);
void dp_destroy_all(struct server *);

/* proxies.c */
void proxy_peer_up(struct server *, struct ipc_peer *);
void proxy_peer_down(struct server *, struct ipc_peer *, const char *reason);
struct server_proxy *proxy_find(struct server *, uint32_t ct_id);
/* It is still telling what it has: classes of ports are not known yet. */
bool proxy_is_reporting(struct server *, uint32_t ct_id);
/* A datapath has come or is given up: its links are looked at again, in a while. */
void proxy_listen(struct server *, uint32_t ct_id);
void proxy_destroy_all(struct server *);

/* links.c */
/* A restarted proxy has heard every link by then: probes go out each second, and a link
 * is lost after three. */
#define LINKS_LISTEN_MS 4000
void links_report(struct server *, struct ipc_peer *, const struct msg_link_dir *);
void links_peer_up(struct server *, uint32_t ct_id);
/* What was not reported again since links_peer_up() is lost, unless one of its ends has
 * been back for less than LINKS_LISTEN_MS or may still come back. */
void links_sweep(struct server *, uint32_t ct_id);
void links_destroy_all(struct server *);

/* span.c */
/* The mapping has changed: first this, and when plane_remap() has settled who belongs
 * to whom, that. */
void span_configure(struct server *);
void span_remap(struct server *);
/* A VM has just come: tells its RIBs of their inside ports. */
void span_vm_created(struct server_vm *);
/* A port or its link has changed. */
void span_refresh(struct server *, struct dp_key);
/* Finds the paths again, if need be. */
void span_flush(struct server *);
/* The end of an inside link; NULL if this port is none. */
const struct server_isl *span_isl(struct server *, struct dp_key);
void span_destroy_all(struct server *);

/* plane.c */
void plane_start(struct server_dp *); /* Download from the beginning. */
/* Something was said that may change what is to be sent to a datapath (NULL: to none),
 * or to all.  Time passes, too: once a second all are due. */
void plane_due(struct server_dp *);
void plane_due_vm(struct server *, uint64_t vm_id); /* All datapaths of a VM. */
void plane_due_all(struct server *);
void plane_not_due(struct server_dp *);
void plane_flush(struct server *); /* What is due, as far as windows allow. */
void plane_destroy_all(struct server *);
/* The mapping has changed: who belongs to whom, and downloads where that is new. */
void plane_remap(struct server *);
uint64_t plane_vm_of(struct server *, uint64_t dp_id); /* 0: not mapped. */
/* The first datapath of a VM, the others by `next`; NULL: not mapped. */
const struct server_pair *plane_dps_of(struct server *, uint64_t vm_id);
struct server_pair *plane_pair(struct server *, uint64_t dp_id);
const char *plane_phase_text(struct server_dp *);
/* Sends records that were queued, cut into batches, as far as the window allows, and
 * takes what was sent out of the queue.  NULL peer: nothing. */
void batch_send_all(struct ipc_peer *, uint64_t id, struct buf *records);

/* vswitch.c */
void vs_peer_up(struct server *, struct ipc_peer *);
void vs_peer_down(struct server *, struct ipc_peer *, const char *reason);
void vs_message(struct server *, struct ipc_peer *, const struct msg *);
struct server_vs *vs_find(struct server *, uint64_t vs_id);
/* A row that was just associated: its mapping frame may have come early. */
void vs_replay_early(struct server *, struct vm_key);
void vs_destroy_all(struct server *);

/* vplane.c */
/* Recomputes virtual links and carrier of the VM port associated with a datapath port,
 * and of those at the other end of its real link, or on its segment. */
void vplane_refresh(struct server *, struct dp_key);
/* Appends a record to what rfvs is to be told; NULL vs or no session: nothing. */
struct buf *vplane_outbox(struct server *, uint64_t vs_id);
void vplane_carrier(struct server *, struct vs_key, bool on);
void vplane_release(struct server *, struct vs_key); /* No row is there any more. */
void vplane_port_gone(struct server *, struct vs_key);
void vplane_clear(struct server_vs *);
void vplane_flush(struct server *);
void vplane_start(struct server_vs *); /* Full download. */
size_t vplane_count_vlinks(struct server *);
/* Where frames go that enter at `from`; NULL: nowhere. */
const struct server_vlink *vplane_vlink(struct server *, struct vs_key from);
bool vplane_joins(struct server *, struct vs_key from, struct vs_key to);
bool vplane_has_carrier(struct server *, struct vs_key);

/* relay.c */
void relay_refresh(struct server *, struct dp_key);
/* For a full download to rfvs: the ports of vs_id whose frames go to the real plane. */
void relay_put_all(struct server *, uint64_t vs_id, struct buf *out);
void relay_flush(struct server *);
void relay_destroy_all(struct server *);

/* backup.c */
struct backup;
struct backup *backup_create(struct server *);
void backup_destroy(struct backup *);
/* Something has changed that no complete pass has seen. */
bool backup_is_at_work(const struct server *);
/* Routes, ports or links have changed. */
void backup_changed(struct server *, bool port_lost);

/* effects.c */
void server_assoc(struct server *, const struct assoc_event *);
/* Carries out what the topology has decided; call after each topo_…() event. */
void server_topology(struct server *);
/* Something may have to be sent: at the end of this turn of the loop. */
void server_wake(struct server *);
/* Whether the VM's report and the associations of this datapath are complete, so that
 * what has not been named may be swept. */
bool server_dp_settled(struct server *, uint64_t dp_id);
/* The same of everything: virtual links and relays depend on more than one datapath. */
bool server_settled(struct server *);

/* A port is treated otherwise now: whatever depends on that is derived again. */
void server_class_changed(struct server *, struct dp_key);

/* ports.c */
const char *ports_plane_name(enum plane_mode);
bool ports_plane_parse(const char *name, enum plane_mode *ret);
enum port_rule ports_rule(struct server *, struct dp_key);
enum port_class ports_class(struct server *, struct dp_key);
/* The other end of a confirmed link that is to be carried by RFVS. */
bool ports_link(struct server *, struct dp_key, struct dp_key *ret_peer);
/* Those on its segment with which it is to be joined by RFVS. */
size_t ports_pairs(struct server *, struct dp_key, struct dp_key ret[VLINK_MAX]);
void ports_configure(struct server *, const struct mapping_diff *);
void ports_set_plane(struct server *, enum plane_mode);
void ports_clear(struct server *);

/* config.c */
struct config_watch;
/* Reads both files.  False, with each fault logged and the first in mapping_error, when
 * anything is wrong; then the mapping in force stays. */
bool config_load(struct server *);
void config_watch_start(struct server *);
void config_watch_stop(struct server *);

/* propose.c */
bool propose_options(struct server *, const struct options *);
/* A datapath has told of all its ports: says so when none has a row. */
void propose_datapath(struct server *, const struct server_dp *);

/* journal.c */
void journal_event(struct server *, const char *kind, const char *format, ...)
    __attribute__((format(printf, 3, 4)));
void journal_row(struct server *, const struct assoc_effect *);
void journal_link(struct server *, struct dp_key a, struct dp_key b, bool up);
void journal_segment(struct server *, struct dp_key, uint32_t segment);
void journal_datapath(struct server *, const struct server_dp *);
void journal_client(struct server *, const struct server_vm *);
void journal_mapping(struct server *, const struct mapping_diff *,
                     const struct mapping *before);
/* Of no more interest. */
void journal_forget_datapath(struct server *, uint64_t dp_id);
void journal_forget_client(struct server *, uint64_t vm_id);
/* Wall clock of a moment of the monotonic clock, ms since 1970. */
int64_t journal_wall(int64_t at);

/* ctl.c */
void ctl_message(struct server *, struct ipc_peer *, const struct msg *);

#endif
