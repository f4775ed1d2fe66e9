#ifndef CORE_MAPPING_H
#define CORE_MAPPING_H 1

/* The mapping that the operator writes: rfserver.csv, and rfisl.csv beside it.
 *
 *     vm_id,vm_port,ct_id,dp_id,dp_port          # which VM port is which datapath port
 *     2a0a0a0a0a0,1,0,5,1
 *
 * or, with a sixth column that says how the port is to be treated (core/plane.h); lines
 * without it, or with nothing in it, leave that to what LLDP finds:
 *
 *     vm_id,vm_port,ct_id,dp_id,dp_port,class
 *     2a0a0a0a0a0,1,0,5,1,edge                   # or external, internal, blocked, auto
 *
 *     vm_id,ct_id,dp_id,dp_port,eth_addr,rem_ct,rem_id,rem_port,rem_eth_addr
 *     2a0a0a0a0a0,0,5,4,02:a1:a1:a1:a1:a1,0,6,4,02:a2:a2:a2:a2:a2
 *
 * The latter is a link between two datapaths of one VM; its MAC addresses are checked,
 * but nothing uses them.  The formats are RouteFlow's: vm_id, dp_id and rem_id in
 * hexadecimal, "0x" optional, ports and controller ids in decimal.  What else a line
 * may look like: core/csv.h. Ranges: vm_id 1..ffffffffffff, vm_port 1..65279, ct_id 32
 * bits, dp_id 64 bits, neither 0 nor that of a virtual switch, dp_port 1..4294967039
 * (OFPP_MAX is 0xffffff00; the ports above it are reserved).
 *
 * Beyond its lines, a mapping must hold together: no port in two rows; no port both
 * mapped and the end of an inter-switch link; one VM has one datapath, and the other
 * way round, unless rfisl.csv has inter-switch links of that VM at both datapaths (or
 * of both VMs at that datapath). */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/buf.h"
#include "core/keys.h"

/* How the operator wants a port to be treated. */
enum port_rule {
    PORT_RULE_AUTO, /* By what LLDP finds. */
    PORT_RULE_EDGE, /* A host's, whatever is heard there; at once, without probing. */
    PORT_RULE_EXTERNAL, /* The same, of a router that is not ours. */
    PORT_RULE_INTERNAL, /* An inter-switch link: nothing is ever relayed there. */
    PORT_RULE_BLOCKED,  /* Nothing passes. */
};
#define PORT_N_RULES 5

const char *port_rule_name(enum port_rule); /* "auto", "edge", … */

struct mapping_row {
    struct vm_key vm;
    struct dp_key dp;
    enum port_rule rule;
    unsigned line;
};

struct mapping_isl {
    uint64_t vm_id;
    struct dp_key a, b;
    struct eth_addr a_eth, b_eth;
    unsigned line;
};

struct mapping {
    struct mapping_row *rows; /* In the order of the file. */
    size_t n_rows;
    struct mapping_isl *isls;
    size_t n_isls;
};

/* A file's content; `name` is what messages call it. */
struct mapping_file {
    const char *name;
    const void *data;
    size_t n;
};

/* Parses and checks both files; `isl` is NULL where there is none.  Returns true and
 * fills *ret, to be freed by mapping_uninit().  Returns false after any fault: *ret is
 * untouched, and all faults of both files have been appended to `faults`, each a line
 * "file:line:column: what was found, what was expected". */
bool mapping_parse(const struct mapping_file *csv, const struct mapping_file *isl,
                   struct mapping *ret, struct buf *faults);
void mapping_uninit(struct mapping *);

/* What a change from `from` to `to` removes and adds, in the order of the files; a row
 * that changed is both, unless only its class changed: those are
 * in `reclassed`, as they are in `to`, and count as the same.  For a
 * live reload apply the removed rows first.  Either may be
 * NULL: empty.  Free by mapping_diff_uninit(). */
struct mapping_diff {
    struct mapping_row *removed, *added, *reclassed;
    size_t n_removed, n_added, n_reclassed;
    size_t n_same;
    bool isl_changed;
};
void mapping_diff(const struct mapping *from, const struct mapping *to,
                  struct mapping_diff *ret);
void mapping_diff_uninit(struct mapping_diff *);

/* The diff for people: a line "- vm … port 1: datapath … port 1" or "+ …" per row, then
 * a summary. */
void mapping_diff_format(const struct mapping_diff *, struct buf *out);

#endif
