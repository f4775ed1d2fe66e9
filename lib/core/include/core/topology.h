#ifndef CORE_TOPOLOGY_H
#define CORE_TOPOLOGY_H 1

/* The real topology: datapath ports, and the links among them that LLDP has found.
 *
 * Used twice.  rfproxy feeds it the probes that it hears (ttl_ms 3000) and reports
 * DIR_UP / DIR_DOWN; rfserver feeds it those reports (ttl_ms 0: nothing ages) and acts
 * on LINK_UP / LINK_DOWN and CLASS.
 *
 * A *direction* src -> dst is there while probes sent out of src are heard at dst.  A
 * *link* a - b is confirmed while both of its directions are there.  A port hears one
 * neighbour at a time, hence has one link at most:
 *
 *  - Rewiring: a probe of a new neighbour replaces the direction heard before, at once.
 *  - Multi-access: when a neighbour that was replaced is heard again while the new one
 *    still is, or broadcasts of another one are, the port is on a shared segment (a
 *    hub).  Such a port has no link and is reported by MULTI_ACCESS, until one
 *    neighbour alone has been heard for ttl_ms.
 *  - Loop: a port that hears itself has a direction to itself and no link by it.
 *
 * Foreign switches do not pass LLDP, but they pass broadcasts.  Of broadcast probes a
 * port hears as many neighbours as there are.  Two ports that hear each other's, and of
 * which neither has a link, are a *pair*; what hangs together by pairs is a *segment*,
 * with a number of its own.  Frames pass between the ports of a pair only: behind some
 * switches not everybody reaches everybody.  When segments merge the lower number
 * stays; when one is split the larger part keeps it.
 *
 * Class of a port (core/plane.h): PROBING when it comes up; INTERNAL as soon as a probe
 * of ours is heard on it, or one of its own is heard elsewhere; EDGE after classify_ms
 * of being up without either.  INTERNAL holds until the port goes down: after a silent
 * cut it must not be taken for an edge, where control traffic is let out.
 *
 * A probe heard on a port that is not up is ignored: the sender repeats it.  The
 * sending port need not be known here, since it may belong to another rfproxy; when it
 * is known and goes down its direction goes with it.  (Without ageing it is suspended
 * until that port is up again, since the report of the other rfproxy will not be
 * repeated.) */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "core/keys.h"
#include "core/plane.h"

#define TOPO_NEVER INT64_MAX

struct topo_config {
    int64_t ttl_ms;      /* A direction is lost after this silence; 0: never. */
    int64_t classify_ms; /* PROBING becomes EDGE after this; usually 3000. */
};

enum topo_effect_kind {
    TOPO_CLASS,        /* a: has class `class`. */
    TOPO_DIR_UP,       /* a -> b, by LLDP or by `broadcast`. */
    TOPO_DIR_DOWN,     /* a -> b. */
    TOPO_LINK_UP,      /* a - b, a < b by dp_key_compare(). */
    TOPO_LINK_DOWN,    /* a - b. */
    TOPO_PAIR_UP,      /* a - b, a < b, hear each other's broadcasts. */
    TOPO_PAIR_DOWN,    /* a - b. */
    TOPO_SEGMENT,      /* a: is on `segment`; 0: on none any more. */
    TOPO_MULTI_ACCESS, /* a: is (on), is no longer, on a shared segment. */
};

const char *topo_effect_name(enum topo_effect_kind);
const char *topo_class_name(enum port_class); /* "probing", "internal", … */

struct topo_effect {
    enum topo_effect_kind kind;
    enum port_class class;
    bool on, broadcast;
    uint32_t segment;
    struct dp_key a, b;
};

struct topology;

struct topology *topo_create(const struct topo_config *);
void topo_destroy(struct topology *);

/* What happened.  Effects are queued (topo_next_effect), in an order in which a link is
 * down before its directions are, and a port is INTERNAL before its link is up.
 *
 * `since` is when the port came up, at most now: rfserver, told late, need not wait
 * again.  A port that is up already stays as it is. */
void topo_port_up(struct topology *, struct dp_key port, int64_t since);
void topo_port_down(struct topology *, struct dp_key port); /* Down or gone. */
void topo_dp_lost(struct topology *, uint32_t ct_id, uint64_t dp_id);
void topo_seen(struct topology *, struct dp_key src, struct dp_key dst, int64_t now);
void topo_dir_lost(struct topology *, struct dp_key src, struct dp_key dst);
/* The same of a broadcast. */
void topo_heard(struct topology *, struct dp_key src, struct dp_key dst, int64_t now);
void topo_heard_lost(struct topology *, struct dp_key src, struct dp_key dst);

/* Both directions between a and b, as far as they are there, age in ttl_ms instead of
 * the configured time (0: back to it), counted from now: for links that are probed
 * faster once confirmed.  Forgotten with the direction. */
void topo_set_ttl(struct topology *, struct dp_key a, struct dp_key b, int64_t ttl_ms,
                  int64_t now);

/* Does what is due by `now`; returns when to call again, TOPO_NEVER if nothing waits.
 * A later topo_port_up() or topo_set_ttl() may need it earlier. */
int64_t topo_tick(struct topology *, int64_t now);

/* Takes the first effect off the queue; false if there is none. */
bool topo_next_effect(struct topology *, struct topo_effect *ret);

/* The class of a port; false unless it is up. */
bool topo_port_class(const struct topology *, struct dp_key port, enum port_class *ret);

/* The other end of the confirmed link of a port; false if it has none. */
bool topo_peer(const struct topology *, struct dp_key port, struct dp_key *ret);

size_t topo_count_links(const struct topology *); /* Confirmed ones. */

/* A probe by LLDP of somebody else is heard there: it needs no broadcasts. */
bool topo_hears_lldp(const struct topology *, struct dp_key port);

/* The number of a port's segment; 0: it is on none. */
uint32_t topo_segment_of(const struct topology *, struct dp_key port);

/* The other ends of its pairs, sorted; at most `max` are copied, all are counted. */
size_t topo_pairs_of(const struct topology *, struct dp_key port, struct dp_key *ret,
                     size_t max);

/* For tables that people read, as topo_links(): the members of all segments, sorted by
 * (segment, port). */
struct topo_member {
    uint32_t segment;
    struct dp_key port;
    size_t n_pairs; /* With so many others. */
    int64_t since;  /* It is a member of this segment. */
};
struct topo_member *topo_members(const struct topology *, size_t *ret_n);

/* For tables that people read: a copy of all links, one-way ones and loops (a equals b)
 * included, sorted by (a, b), a <= b.  The caller frees it; NULL if there are none. */
struct topo_link {
    struct dp_key a, b;
    bool ab, ba;    /* Directions heard; both: confirmed. */
    int64_t since;  /* Of the later direction, or of the only one. */
    int64_t ttl_ms; /* In force; the shorter of the two. */
};
struct topo_link *topo_links(const struct topology *, size_t *ret_n);

/* Likewise all directions, in no order. */
struct topo_heard {
    struct dp_key src, dst;
    bool broadcast;
};
struct topo_heard *topo_directions(const struct topology *, size_t *ret_n);

/* Likewise all ports that are up, sorted. */
struct topo_port_info {
    struct dp_key port;
    enum port_class class;
    bool multi_access;
    int64_t since; /* Up since. */
};
struct topo_port_info *topo_ports(const struct topology *, size_t *ret_n);

#endif
