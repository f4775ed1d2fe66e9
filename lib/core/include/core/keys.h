#ifndef CORE_KEYS_H
#define CORE_KEYS_H 1

/* The three keys of an association row, and what they are called everywhere.
 *
 * Plain values, compared field by field through the functions below. */

#include <stdbool.h>
#include <stdint.h>

#include "base/addr.h"

/* A port of a VM (an LXC container): interface ethN of the container is port N. */
struct vm_key {
    uint64_t vm_id;   /* MAC of the container's eth0 unless configured; 48 bits. */
    uint32_t vm_port; /* 1... */
};

/* A port of a datapath: a real OpenFlow switch, as seen by controller ct_id (rfproxy).
 */
struct dp_key {
    uint64_t dp_id;
    uint32_t ct_id; /* 0 unless there are several rfproxy. */
    uint32_t dp_port;
};

/* A port of RFVS, the virtual switch in which the containers' interfaces meet. */
struct vs_key {
    uint64_t vs_id; /* dpid_is_virtual(). */
    uint32_t vs_port;
};

static inline bool vm_key_equal(struct vm_key a, struct vm_key b)
{
    return a.vm_id == b.vm_id && a.vm_port == b.vm_port;
}

static inline bool dp_key_equal(struct dp_key a, struct dp_key b)
{
    return a.dp_id == b.dp_id && a.ct_id == b.ct_id && a.dp_port == b.dp_port;
}

static inline bool vs_key_equal(struct vs_key a, struct vs_key b)
{
    return a.vs_id == b.vs_id && a.vs_port == b.vs_port;
}

/* Order: by id, then port; datapaths by dp_id, ct_id, port.  <0, 0, >0. */
int vm_key_compare(struct vm_key a, struct vm_key b);
int dp_key_compare(struct dp_key a, struct dp_key b);
int vs_key_compare(struct vs_key a, struct vs_key b);

/* As messages name them: "vm 0x000002a0a0a0a0a0 port 1", "datapath 0x0000000000000005
 * port 1" (" of controller 2" unless 0), "rfvs 0x7266767300000001 port 1". */
#define KEY_STRLEN 80
const char *vm_key_format(struct vm_key key, char buf[static KEY_STRLEN]);
const char *dp_key_format(struct dp_key key, char buf[static KEY_STRLEN]);
const char *vs_key_format(struct vs_key key, char buf[static KEY_STRLEN]);

#endif
