#ifndef CORE_TOPO_GRAPH_H
#define CORE_TOPO_GRAPH_H 1

/* Storage of the topology: ports, directions between them, the queue of effects.  What
 * a port up, a probe heard or a time passed means is in topology.c. */

#include "core/topology.h"
#include "deadlines.h"
#include "map.h"

struct topo_dp {
    struct map_key key; /* Port 0. */
    struct topo_port *ports;
    UT_hash_handle hh;
};

/* A port that is up, or that a direction refers to. */
struct topo_port {
    struct map_key key;
    struct dp_key port;
    bool up;
    enum port_class class;
    int64_t since;
    struct deadline deadline; /* PROBING: of classification; multi_access: its end. */

    bool multi_access;
    int64_t multi_until;
    struct dp_key last_src; /* multi_access: heard last. */
    struct dp_key prev_src; /* The neighbour replaced last, … */
    int64_t prev_replaced;  /* … and when; < 0: none. */
    struct topo_dir *sent;  /* Directions from here. */
    struct topo_dir *heard; /* To here: one neighbour, perhaps itself, broadcasts. */
    uint32_t segment;       /* 0: none. */
    int64_t segment_since;
    bool marked; /* topo_segment.c: found in the search that is going on. */
    struct topo_dp *dp;
    struct topo_port *prev, *next; /* Of the datapath. */
    UT_hash_handle hh;
};

struct dir_key {
    struct map_key src, dst;
    uint64_t broadcast; /* Or by LLDP. */
};

struct topo_dir {
    struct dir_key key;
    struct topo_port *src, *dst;
    bool broadcast;
    bool paired;    /* A broadcast: of both directions, while they are a pair. */
    bool suspended; /* Its source went down, and nothing ages. */
    int64_t since;
    int64_t seen;
    int64_t ttl_ms; /* 0: the configured one. */
    struct deadline deadline;
    struct topo_dir *sent_prev, *sent_next;
    struct topo_dir *heard_prev, *heard_next;
    UT_hash_handle hh;
};

struct topology {
    struct topo_config config;
    struct topo_port *ports;
    struct topo_dp *dps;
    struct topo_dir *dirs;
    size_t n_links;
    uint32_t last_segment; /* The last number that was given. */
    int64_t now;           /* As told last. */
    struct deadlines dir_deadlines, port_deadlines;
    struct topo_effect *queue;
    size_t head, tail, cap;
};

struct topo_effect *topo_emit(struct topology *, enum topo_effect_kind,
                              struct dp_key a);

struct topo_dp *topo_find_dp(const struct topology *, uint32_t ct_id, uint64_t dp_id);
struct topo_port *topo_find_port(const struct topology *, struct dp_key);
struct topo_port *topo_get_port(struct topology *, struct dp_key); /* Adds it. */
/* Frees a port that is not up and that no direction refers to. */
void topo_release_port(struct topology *, struct topo_port *);

struct topo_dir *topo_find_dir(const struct topology *, struct dp_key src,
                               struct dp_key dst, bool broadcast);
/* The other direction, if with it there is a link (or, of broadcasts, may be a pair).
 */
struct topo_dir *topo_reverse_of(const struct topology *, const struct topo_dir *);
/* The direction from the one neighbour that a port hears. */
struct topo_dir *topo_heard_neighbour(const struct topo_port *);
bool topo_is_linked(const struct topology *, const struct topo_port *);
int64_t topo_ttl_of(const struct topology *, const struct topo_dir *);

/* topo_segment.c: whether it makes a pair has changed for this broadcast direction, or
 * for all that a port hears. */
void topo_judge_pair(struct topology *, struct topo_dir *);
void topo_judge_pairs_of(struct topology *, struct topo_port *);

#endif
