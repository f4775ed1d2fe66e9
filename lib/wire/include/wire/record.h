#ifndef WIRE_RECORD_H
#define WIRE_RECORD_H 1

/* Packed records, the contents of a BATCH: what changes by the thousand (routes, FIB
 * entries) without the cost of a document each.  An IPv4 FIB record takes 7 to 11
 * bytes.
 *
 * A record is one octet (kind, bit 5 urgent, bit 6 IPv6, bit 7 remove) and the fields
 * of its kind in network byte order; of a removed thing only the key is sent.  A prefix
 * is its length and as many octets as that needs.  Urgent, of a VM's route or a FIB
 * entry only: it goes before all that waits and is not.  There is no length field: both
 * ends have the same WIRE_VERSION, and a batch with anything wrong in it is refused as
 * a whole.
 *
 *   kind           whose batch         meaning
 *   REC_BEGIN      any                 a full download begins ...
 *   REC_END        any                 ... ends: what was not named in between is gone
 *   REC_VM_*       client, id = vm_id  what the VM has
 *   REC_PLANE      server, id = dp_id  desired state of a datapath
 *   REC_RELAY      server, id = 0 to a proxy, vs_id to rfvs
 *   REC_VLINK      server, id = vs_id  frames that enter at `from` leave at `to`
 *   REC_CARRIER    server, id = vs_id  hold the port's carrier down, or let it up
 *
 * Decoding checks every range: known kind, flags that it may have, prefix length, no
 * bit beyond it (the address of a vm_addr keeps its host bits), n_hops <= VM_MAX_HOPS,
 * ports not 0, names printable and terminated, enumerations known. */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/buf.h"
#include "base/cursor.h"
#include "core/keys.h"
#include "core/plane.h"
#include "core/vm.h"

enum record_kind {
    REC_BEGIN = 1,
    REC_END,
    REC_VM_PORT,
    REC_VM_ADDR,
    REC_VM_ROUTE,
    REC_VM_NEIGH,
    REC_PLANE,
    REC_RELAY,
    REC_VLINK,
    REC_CARRIER,
    REC_N_KINDS
};

/* Slow-path frames pass between these two ports, both ways. */
struct record_relay {
    struct dp_key dp;
    struct vs_key vs;
};

/* One direction of a virtual link inside one RFVS (the id of the batch).  There may be
 * several from a port: frames go to all of them.  (As many actions as a flow entry
 * has.)
 */
#define VLINK_MAX 32
struct record_vlink {
    uint32_t from; /* vs_port. */
    uint32_t to;
};

struct record_carrier {
    uint32_t vs_port;
    bool off;
};

struct record {
    enum record_kind kind;
    bool
        remove; /* Then only the key counts.  For REC_PLANE the same as plane.remove. */
    bool urgent; /* REC_VM_ROUTE.  For REC_PLANE the same as plane.urgent. */
    union {
        struct vm_port vm_port;    /* Key: vm_port. */
        struct vm_addr vm_addr;    /* Key: all of it. */
        struct vm_route vm_route;  /* Key: prefix. */
        struct vm_neigh vm_neigh;  /* Key: vm_port, addr. */
        struct plane_change plane; /* Key: see core/plane.h. */
        struct record_relay relay; /* Key: all of it. */
        struct record_vlink vlink; /* Key: all of it. */
        struct record_carrier carrier;
    };
};

/* No record is longer: a batch with this much room left takes one more. */
#define RECORD_MAX_LEN 2048

/* Appends `r`. */
void record_put(struct buf *, const struct record *);

/* The same without building a struct record. */
void record_put_begin(struct buf *);
void record_put_end(struct buf *);
void record_put_vm_port(struct buf *, const struct vm_port *, bool remove);
void record_put_vm_addr(struct buf *, const struct vm_addr *, bool remove);
void record_put_vm_route(struct buf *, const struct vm_route *, bool remove,
                         bool urgent);
void record_put_vm_neigh(struct buf *, const struct vm_neigh *, bool remove);
void record_put_plane(struct buf *, const struct plane_change *);
void record_put_relay(struct buf *, const struct record_relay *, bool remove);
void record_put_vlink(struct buf *, const struct record_vlink *, bool remove);
void record_put_carrier(struct buf *, const struct record_carrier *);

/* Takes the next record off `c`.  Returns NULL and fills *ret, or a text that says what
 * is wrong ("prefix has bits beyond its length"); then neither *ret nor `c` are of use.
 *
 *     struct cursor c = cursor_of(batch->records.data, batch->records.n);
 *     while (c.n) { if ((error = record_get(&c, &r))) ... } */
const char *record_get(struct cursor *c, struct record *ret);

/* Checks a whole batch, so that its records can then be applied without half of it. */
const char *record_check(const void *data, size_t n);

#endif
