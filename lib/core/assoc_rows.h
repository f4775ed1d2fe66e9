#ifndef CORE_ASSOC_ROWS_H
#define CORE_ASSOC_ROWS_H 1

/* Storage of the association table: rows found by each key, the mapping's pairs, the
 * wires.  Nothing here knows a transition; those are in assoc.c. */

#include "core/assoc.h"
#include "map.h"

struct assoc_entry {
    struct assoc_row row; /* First: a row handed out leads back to its entry. */
    struct map_key vm, dp, vs;
    UT_hash_handle hh_vm, hh_dp, hh_vs;
    struct assoc_entry *prev, *next;       /* All rows. */
    struct assoc_entry *vm_prev, *vm_next; /* Those of one client. */
    struct assoc_entry *dp_prev, *dp_next; /* Those of one datapath. */
};

/* The rows of one client or one datapath. */
struct assoc_group {
    struct map_key key; /* Port 0. */
    struct assoc_entry *first;
    UT_hash_handle hh;
};

struct assoc_pair {
    struct vm_key vm;
    struct dp_key dp;
    struct map_key vm_map, dp_map;
    UT_hash_handle hh_vm, hh_dp;
};

struct assoc_wire {
    struct vm_key vm;
    struct vs_key vs;
    bool carrier;
    struct map_key vm_map, vs_map;
    UT_hash_handle hh_vm, hh_vs;
};

struct assoc_table {
    uint64_t last_id;
    size_t count[ASSOC_N_STATES];
    struct assoc_entry *all;
    struct assoc_entry *by_vm, *by_dp, *by_vs;
    struct assoc_group *clients, *datapaths;
    struct assoc_pair *pairs_by_vm, *pairs_by_dp;
    struct assoc_wire *wires_by_vm, *wires_by_vs;
};

struct assoc_entry *assoc_find_vm(const struct assoc_table *, struct vm_key);
struct assoc_entry *assoc_find_dp(const struct assoc_table *, struct dp_key);
struct assoc_entry *assoc_find_vs(const struct assoc_table *, struct vs_key);
struct assoc_entry *assoc_first_of_vm(const struct assoc_table *, uint64_t vm_id);
struct assoc_entry *assoc_first_of_dp(const struct assoc_table *, uint32_t ct_id,
                                      uint64_t dp_id);

/* A row without state or keys, to be given some by assoc_set(). */
struct assoc_entry *assoc_add(struct assoc_table *);
/* Gives an entry the state and keys of `row`, which nobody else may hold. */
void assoc_set(struct assoc_table *, struct assoc_entry *, const struct assoc_row *row);
void assoc_remove(struct assoc_table *, struct assoc_entry *);

struct assoc_pair *assoc_pair_of_vm(const struct assoc_table *, struct vm_key);
struct assoc_pair *assoc_pair_of_dp(const struct assoc_table *, struct dp_key);
void assoc_pair_add(struct assoc_table *, struct vm_key, struct dp_key);
void assoc_pair_remove(struct assoc_table *, struct assoc_pair *);

struct assoc_wire *assoc_wire_of(const struct assoc_table *, struct vm_key);
/* The VM port is at vs, with carrier; whatever was known of either ends. */
void assoc_wire_set(struct assoc_table *, struct vm_key, struct vs_key);
void assoc_wire_end(struct assoc_table *, struct vs_key);
void assoc_wires_end(struct assoc_table *, uint64_t vs_id);

#endif
