#ifndef VSWITCH_H
#define VSWITCH_H 1

/* An RFVS, and all that rfvs knows of it.  See rfvs.h for the files. */

#include "core/backoff.h"
#include "core/keys.h"
#include "entries.h"
#include "of/session.h"
#include "rfvs.h"
#include "wire/relay.h"
#include "wiring.h"

struct vs_port {
    uint32_t no;
    char name[OFP_PORT_NAME_LEN];
    struct eth_addr hwaddr;
    uint32_t config; /* OFPPC_... */
    bool up;
    bool gone;     /* Kept until rfserver was told so. */
    bool replaced; /* Another port than the one that rfserver knows by this number. */
    bool mapped;   /* A genuine mapping frame was seen: vm is plugged in here. */
    struct vm_key vm;
    /* The last PORT_MOD, until the port shows its effect. */
    uint32_t mod_xid; /* 0: none. */
    bool mod_down;
    int64_t mod_at;
    struct backoff mod_backoff;
    struct log_limit forged;
    UT_hash_handle hh;
};

struct vs_counters {
    uint64_t relay_in;  /* Frames to rfproxy. */
    uint64_t relay_out; /* Frames from rfproxy. */
    uint64_t dropped;   /* Frames either way that could not go on. */
    uint64_t mapping_forged;
};

struct vswitch {
    struct rfvs *rfvs;
    uint64_t id;
    char name[ID_STRLEN]; /* The id as people read it. */
    struct ofconn *conn;  /* NULL: not connected. */
    struct of_session *session;
    char peer[64];
    int64_t lost_at; /* While not connected. */
    struct vs_port *ports;
    struct entries *entries;
    struct wiring *wiring;

    /* sync.c */
    struct loop_defer *sync;
    struct loop_timer *retry;
    bool blocked; /* The session had no room. */
    bool was_in_sync;
    uint32_t audit_xid; /* 0: no audit is going on. */
    int64_t audit_at;   /* The next one, or the end of patience with this one. */
    int64_t audit_started_at;
    bool first_audit; /* Of this connection. */
    bool flood_told;

    /* What rfserver was told last. */
    struct vs_counters counters;
    struct msg_vs_status told;
    int64_t told_at;
    struct loop_timer *status;

    struct log_limit faults, refusals, drops;
    struct log_limit repairs; /* A switch may never obey. */
    UT_hash_handle hh;
};

/* vswitch.c */

struct vswitch *vswitch_find(struct rfvs *, uint64_t id);
/* Finds or makes; NULL if there are far too many. */
struct vswitch *vswitch_get(struct rfvs *, uint64_t id);
void vswitch_destroy(struct vswitch *);

/* A connection is there, or gone. */
void vswitch_attach(struct vswitch *, struct ofconn *, const struct of_session_up *);
void vswitch_detach(struct vswitch *, const char *reason);
void vswitch_event(struct vswitch *, const struct of_event *);
void vswitch_housekeeping(struct vswitch *, int64_t now); /* May destroy it. */

/* Tells rfserver everything about it, if it is connected. */
void vswitch_report(struct vswitch *);
/* A number changed that VS_STATUS tells. */
void vswitch_status_changed(struct vswitch *);

/* NULL if RFVS has no such port. */
struct vs_port *vswitch_port(const struct vswitch *, uint32_t no);
/* "7 (rfvmA.1)", "7" if there is no such port. */
#define PORT_TEXT_LEN 32
const char *vswitch_port_text(const struct vswitch *, uint32_t no,
                              char buf[static PORT_TEXT_LEN]);

/* sync.c */

void sync_init(struct vswitch *);
void sync_uninit(struct vswitch *);
void sync_connected(struct vswitch *);
void sync_disconnected(struct vswitch *);
/* Sends what is due, now. */
void sync_run(struct vswitch *);
/* The same at the end of this turn of the loop. */
void sync_schedule(struct vswitch *);
void sync_port_changed(struct vswitch *, struct vs_port *);
void sync_barrier(struct vswitch *, uint32_t xid);
void sync_reply(struct vswitch *, uint32_t xid, const struct of_multipart *);
/* False: it is not about anything sent here. */
bool sync_error(struct vswitch *, uint32_t xid, uint16_t type, uint16_t code);
void sync_tick(struct vswitch *, int64_t now); /* Every half a second. */

/* mapping.c */

struct mapping *mapping_create(struct rfvs *);
void mapping_destroy(struct mapping *);
void mapping_frame(struct vswitch *, struct vs_port *, struct cursor frame);

/* relay.c */

struct relay *relay_create(struct rfvs *); /* NULL after logging why. */
void relay_destroy(struct relay *);
/* A frame that RFVS punted from this port. */
void relay_frame_in(struct vswitch *, struct vs_port *, struct cursor frame);

#endif
