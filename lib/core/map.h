#ifndef CORE_MAP_H
#define CORE_MAP_H 1

/* uthash as the pure libraries use it: memory that cannot run out (base/util.h) and no
 * exit().  Keys that go through uthash are compared octet by octet, hence the packed
 * forms of the keys, free of padding. */

#include <stdint.h>
#include <stdlib.h>

#include "base/util.h"

#define uthash_malloc(SIZE) xmalloc(SIZE)
#define uthash_fatal(MESSAGE) abort()
#include <uthash.h>

#include "core/keys.h"

struct map_key {
    uint64_t id;
    uint32_t port;
    uint32_t ct;
};

static inline struct map_key map_key_of_vm(struct vm_key k)
{
    return (struct map_key){.id = k.vm_id, .port = k.vm_port};
}

static inline struct map_key map_key_of_dp(struct dp_key k)
{
    return (struct map_key){.id = k.dp_id, .port = k.dp_port, .ct = k.ct_id};
}

static inline struct map_key map_key_of_vs(struct vs_key k)
{
    return (struct map_key){.id = k.vs_id, .port = k.vs_port};
}

#endif
