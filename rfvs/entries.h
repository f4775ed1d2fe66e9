#ifndef ENTRIES_H
#define ENTRIES_H 1

/* The flow entries of one RFVS: what they should be, what they are, and the difference.
 *
 *   priority  match               action      kind
 *   0x7000    dl_type=0x0a0a      controller  mapping frames, from whatever port
 *   0x4000    in_port=A           output:B    virtual link, one entry each direction;
 *                                             output:B,output:C,… on a segment
 *   0x2000    in_port=A           controller  edge port: frames for the real plane
 *   0         everything          drop        nothing is ever flooded
 *
 * All in table 0, all with our cookie, whose lower half says the kind.  An entry is
 * named by its kind and in_port (0 where it has none).  Entries without our cookie
 * belong to somebody else and are left alone.
 *
 * Reconciliation.  After a connection is made nothing is sent before the switch's
 * entries were read back once (audit); then the differences, additions before
 * deletions, so that a restart of rfvs or a reconnect of RFVS changes nothing that is
 * as it should be.  An entry of ours that nobody has asked for is deleted only once the
 * desired state is complete, that is, after the END of a full download from rfserver;
 * one that was removed by name goes at once.  Later audits find and repair what
 * somebody else did.
 *
 * Operations are confirmed by barriers, one in flight at a time.  An operation that the
 * switch refuses is tried again with back-off, and does not hold up the others.
 *
 * Pure: messages are values, times are arguments. */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/buf.h"
#include "of/multipart.h"
#include "wire/record.h"

#define ENTRY_COOKIE (UINT64_C(0x52465601) << 32) /* "RFV", layout 1. */
#define ENTRY_COOKIE_MASK (UINT64_C(0xffffffff) << 32)

enum entry_kind { ENTRY_MAPPING = 1, ENTRY_VLINK, ENTRY_RELAY, ENTRY_MISS };
#define ENTRY_N_KINDS (ENTRY_MISS + 1)

/* Ports that frames go to, ascending: switches keep the order of actions. */
struct entry_ports {
    uint32_t n;
    uint32_t port[VLINK_MAX];
};

bool entry_ports_equal(const struct entry_ports *, const struct entry_ports *);
/* False: it is there already, or there is no more room. */
bool entry_ports_add(struct entry_ports *, uint32_t port);
bool entry_ports_remove(struct entry_ports *, uint32_t port); /* False: not there. */
bool entry_ports_has(const struct entry_ports *, uint32_t port);

struct entry {
    enum entry_kind kind;
    uint32_t in_port;      /* ENTRY_VLINK, ENTRY_RELAY. */
    struct entry_ports to; /* ENTRY_VLINK. */
};

/* How it looks in the switch: an ADD of it, cookie included. */
void entry_flow_mod(const struct entry *, struct of_flow_mod *ret);
/* "virtual link entry 3 -> 4 5", "relay entry of port 3". */
void entry_describe(const struct entry *, struct buf *);
/* The kind in the cookie of a packet-in, 0 if it is not ours. */
enum entry_kind entry_kind_of(uint64_t cookie);

struct entries;

/* With the two entries that are always desired.  Back-off times in ms. */
struct entries *entries_create(int64_t backoff_min_ms, int64_t backoff_max_ms);
void entries_destroy(struct entries *);

/* What is desired. */

void entries_desire(struct entries *, const struct entry *);
/* It must go, now. */
void entries_remove(struct entries *, enum entry_kind, uint32_t in_port);
/* From now on, what was not desired may be deleted. */
void entries_complete(struct entries *);

/* The connection. */

/* A new one, or none: what was in flight is unknown. */
void entries_disconnected(struct entries *);

/* Calls emit() for each operation that is due.  emit() sends it and returns the xid, or
 * 0 if there is no room now.  Nothing before the first audit of a connection. */
typedef uint32_t entries_emit_fn(void *aux, const struct of_flow_mod *,
                                 const struct entry *);
void entries_pump(struct entries *, int64_t now, entries_emit_fn *emit, void *aux);
/* When to pump again without another cause; INT64_MAX: not. */
int64_t entries_next_retry(const struct entries *);

bool entries_needs_barrier(const struct entries *);
void entries_barrier_sent(struct entries *, uint32_t xid);
void entries_barrier_done(struct entries *, uint32_t xid);
/* The switch refused the operation `xid`.  False: that was none of ours. */
bool entries_failed(struct entries *, uint32_t xid, int64_t now, struct entry *ret);

/* Audit: begin when the flow statistics of all tables are requested, seen for each
 * entry in the reply, then end.  A begin without an end is forgotten. */
enum entries_seen {
    SEEN_OURS,
    SEEN_FOREIGN,
    SEEN_FOREIGN_FLOOD, /* Sends frames to NORMAL, FLOOD or ALL. */
};
void entries_audit_begin(struct entries *);
enum entries_seen entries_seen(struct entries *, const struct of_flow_stats *);
/* Returns the number of entries that were not as thought. */
size_t entries_audit_end(struct entries *);

/* How it stands. */

bool entries_in_sync(const struct entries *);
/* Confirmed by barrier or audit, and desired. */
size_t entries_installed(const struct entries *, enum entry_kind);
/* Flow-mods sent, ever. */
uint64_t entries_changes(const struct entries *);

#endif
