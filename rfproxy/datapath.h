#ifndef DATAPATH_H
#define DATAPATH_H 1

/* A real switch, and all that rfproxy knows of it.  See proxy.h for the files that the
 * functions are in. */

#include "core/plane.h"
#include "core/recon.h"
#include "of/session.h"
#include "pipeline.h"
#include "proxy.h"

/* A port of the switch. */
struct dp_port {
    uint32_t no;
    char name[OFP_PORT_NAME_LEN];
    struct eth_addr hwaddr;
    bool up;
    int64_t since;         /* When it came to be up, or down. */
    enum port_class class; /* By our own probes; rfserver's is in plane_port. */
    bool confirmed;        /* Has a link to a port of ours. */
    int64_t probe_at;      /* The next LLDP frame. */
    unsigned burst;        /* That many more at short intervals. */
    unsigned unanswered;   /* Probes of an edge port since its last broadcast. */
    bool answer;           /* It heard a broadcast of somebody new. */
    int64_t host_seen_at;  /* ARP of a host; HOST_NEVER. */
    struct log_limit limit;
    UT_hash_handle hh;
};

#define HOST_NEVER INT64_MIN

/* A port, or an address, as rfserver desires it. */
struct plane_port_entry {
    struct plane_port port;
    bool stale; /* Not named since the last BEGIN. */
    UT_hash_handle hh;
};

struct plane_addr_entry {
    struct plane_addr addr;
    bool stale;
    UT_hash_handle hh;
};

struct sent_op; /* sync.c */

struct sync {
    struct loop_defer *defer;
    struct loop_timer *retry;
    struct sent_op *sent; /* What is in flight, for errors. */
    unsigned unbarriered;
    bool was_in_sync;
    bool announced; /* "in sync" was logged since the switch connected. */
    int64_t since;  /* Not in sync since. */
    uint64_t changes_before;
    struct log_limit limit;
};

enum audit_phase { AUDIT_IDLE, AUDIT_DISCOVER, AUDIT_READ, AUDIT_JUDGE };

struct audit {
    enum audit_phase phase;
    int64_t progress_at; /* When something was heard last. */
    int64_t next_at;
    bool vanished;       /* Entries: audit again at once. */
    bool in_portions;    /* Flow entries, one after the other; else all at once ... */
    bool no_index;       /* ... which costs this switch less. */
    uint64_t portion;    /* Cookie that was asked for last; 0: none. */
    unsigned n_requests; /* Of flow entries, in this audit. */
    int64_t asked_us;    /* When the last of them was sent ... */
    int64_t busy_us;     /* ... how long all answers so far took ... */
    int64_t unrested_us; /* ... those after the last rest ... */
    int64_t quickest_us; /* ... and the quickest of them. */
    /* Requests that wait for the rest of their reply; 0: none. */
    uint32_t desc_xid, features_xid, group_features_xid;
    uint32_t groups_xid, meters_xid, flows_xid;
    struct audit_watch {
        uint32_t xid, count; /* So many entries at the last answer. */
    } leaks, miss;
    int64_t leaks_at; /* Ask no earlier. */
    uint64_t changes; /* Of recon when it was asked last ... */
    bool changed;     /* ... and whether there were any before. */
    bool first;       /* On this connection. */
    uint32_t max_meter;
};

struct dp_counters {
    uint64_t audits, leaks, punts, relay_in, relay_out, relay_refused, lldp_forged;
};

/* A change of a FIB entry. */
struct plane_fib {
    struct fib_entry entry;
    bool remove, urgent;
};
#define PLANE_FIBS 16

struct datapath {
    struct proxy *proxy;
    uint64_t id;
    char name[ID_STRLEN]; /* The id as people read it. */
    struct ofconn *conn;  /* NULL: not connected. */
    struct of_session *session;
    char peer[64];
    char description[160];
    uint8_t n_tables;
    struct dp_port *ports;
    bool reported;   /* rfserver thinks it is up. */
    int64_t lost_at; /* While not connected. */
    char lost_why[96];

    struct pipeline_config pipeline;
    bool has_mtus;   /* Some group has an MTU ... */
    bool no_lengths; /* ... which cannot be kept, as was told. */
    struct plane_port_entry *plane_ports;
    struct plane_addr_entry *plane_addrs;
    struct recon *recon;
    struct plane_fib fibs[PLANE_FIBS]; /* Of plane_apply(), not in recon yet. */
    unsigned n_fibs;
    struct sync sync;
    struct audit audit;
    struct loop_defer *judge; /* Of the audit: its next slice. */
    struct loop_timer *rest;  /* Of the audit: until its next portion. */
    struct loop_timer *probe_timer;

    struct dp_counters counters;
    uint64_t leaks_read; /* Last sum read from the switch. */
    char last_error[RECON_ERROR_LEN];
    struct msg_dp_status status; /* As told last; its strings are not used. */
    bool status_told;
    struct loop_timer *status_timer;
    int64_t status_at; /* When it was told last. */

    struct log_limit faults, lldp, relay;
    struct log_limit repairs; /* A switch may never obey. */
    UT_hash_handle hh;
};

/* datapath.c */

struct datapath *datapath_find(struct proxy *, uint64_t dp_id);
/* Finds or makes; NULL if there are far too many. */
struct datapath *datapath_get(struct proxy *, uint64_t dp_id);
void datapath_destroy(struct datapath *);

/* A connection is there, or gone. */
void datapath_attach(struct datapath *, struct ofconn *, const struct of_session_up *);
void datapath_detach(struct datapath *, const char *reason);
void datapath_event(struct datapath *, const struct of_event *);
void datapath_housekeeping(struct datapath *, int64_t now); /* May destroy it. */

/* What the switch says of itself is known: rfserver may hear of it. */
void datapath_described(struct datapath *);
/* Transaction ids for all but the operations of recon, which have the lower half. */
uint32_t datapath_xid(struct datapath *);

/* All that rfserver must know: in a resync, and when it changes. */
void datapath_report(struct datapath *);
void datapath_report_status(struct datapath *, bool always);
/* The same soon, but not for each route of a stream of them. */
void datapath_status_changed(struct datapath *);
/* Something was appended to the session's output. */
void datapath_kick(struct datapath *);

struct dp_port *datapath_port(struct datapath *, uint32_t no);

/* plane.c */

void plane_init(struct datapath *);
void plane_uninit(struct datapath *);
/* What the switch can do is known, or turned out otherwise. */
void plane_configure(struct datapath *, const struct pipeline_config *);
void plane_begin(struct datapath *);
void plane_end(struct datapath *);
/* Changes, and at the end of each batch of them plane_flush(). */
void plane_apply(struct datapath *, const struct plane_change *);
void plane_flush(struct datapath *);
const struct plane_port *plane_port(const struct datapath *, uint32_t dp_port);

/* sync.c */

void sync_init(struct datapath *);
void sync_uninit(struct datapath *);
void sync_connected(struct datapath *);
void sync_disconnected(struct datapath *);
void sync_kick(struct datapath *); /* At the end of this turn of the loop. */
void sync_barrier(struct datapath *, uint32_t xid);
/* False: it is not about one of our operations. */
bool sync_error(struct datapath *, uint32_t xid, uint16_t type, uint16_t code);

/* audit.c */

void audit_judge(void *datapath);  /* Some of what was read. */
void audit_rested(void *datapath); /* The next portion may be asked for. */
void audit_connected(struct datapath *);
void audit_disconnected(struct datapath *);
void audit_tick(struct datapath *, int64_t now);
void audit_leaks(struct datapath *, int64_t now); /* If it is time. */
void audit_reply(struct datapath *, uint32_t xid, const struct of_multipart *);
bool audit_error(struct datapath *, uint32_t xid); /* False: not about an audit. */

/* probe.c */

void probe_port_changed(struct datapath *, struct dp_port *, bool was_up);
void probe_connected(struct datapath *);
void probe_disconnected(struct datapath *);
void probe_schedule(struct datapath *);
void probe_heard(struct datapath *, uint32_t in_port, struct cursor frame);
/* A frame that was punted from an edge port: is a host there? */
void probe_watch_host(struct datapath *, uint32_t in_port, struct cursor frame);
void probe_timer(void *datapath);
void topology_effects(struct proxy *); /* After any change of the topology. */
void topology_timer(void *proxy);
void guards_destroy(struct proxy *);

/* slowpath.c */

struct slowpath *slowpath_create(struct proxy *);
void slowpath_destroy(struct slowpath *);
void slowpath_punt(struct datapath *, const struct of_packet_in *, enum pipeline_sort);
void slowpath_begin(struct slowpath *); /* Around a full download of the map. */
void slowpath_end(struct slowpath *);
void slowpath_map(struct slowpath *, const struct record_relay *, bool remove);

/* server.c */

struct server *server_create(struct proxy *);
void server_destroy(struct server *);
void server_send(struct server *, const struct msg *); /* Lost if it is not there. */
bool server_is_up(const struct server *);

#endif
