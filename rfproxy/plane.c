/* The desired state of a datapath: records of rfserver, turned into the items of recon.
 *
 * Groups and FIB entries go straight through.  Ports and addresses are kept here, since
 * each makes several aux items, which depend on what the switch can do. */

#include <stdlib.h>
#include <string.h>

#include "datapath.h"

#define LOG_MODULE "plane"
#include "base/log.h"

/* A set of aux items. */

struct item {
    unsigned rank;
    struct buf key, value;
};

struct item_set {
    struct item *items;
    size_t n, cap;
};

static void item_set_add(void *set_, unsigned rank, struct recon_blob key,
                         struct recon_blob value)
{
    struct item_set *set = set_;

    if (set->n == set->cap) {
        set->cap = set->cap ? set->cap * 2 : 16;
        set->items = xrealloc(set->items, set->cap * sizeof *set->items);
    }
    struct item *item = &set->items[set->n++];
    *item = (struct item){.rank = rank};
    buf_put(&item->key, key.data, key.len);
    buf_put(&item->value, value.data, value.len);
}

static void item_set_uninit(struct item_set *set)
{
    for (size_t i = 0; i < set->n; i++) {
        buf_uninit(&set->items[i].key);
        buf_uninit(&set->items[i].value);
    }
    free(set->items);
}

static bool item_set_has(const struct item_set *set, const struct buf *key)
{
    for (size_t i = 0; i < set->n; i++) {
        const struct buf *k = &set->items[i].key;
        if (k->len == key->len && !memcmp(k->data, key->data, key->len)) {
            return true;
        }
    }
    return false;
}

static struct recon_blob blob_of(const struct buf *b)
{
    return (struct recon_blob){.data = b->data, .len = (uint32_t)b->len};
}

/* Makes the items of `now` desired instead of those of `before`; frees both. */
static void item_set_replace(struct recon *recon, struct item_set *before,
                             struct item_set *now)
{
    for (size_t i = 0; i < now->n; i++) {
        struct item *item = &now->items[i];
        recon_desire_aux(recon, item->rank, blob_of(&item->key), blob_of(&item->value));
    }
    for (size_t i = 0; i < before->n; i++) {
        if (!item_set_has(now, &before->items[i].key)) {
            recon_remove_aux(recon, blob_of(&before->items[i].key));
        }
    }
    item_set_uninit(before);
    item_set_uninit(now);
}

/* Ports and addresses. */

static void set_port(struct datapath *dp, const struct plane_port *before,
                     const struct plane_port *now)
{
    struct item_set a = {0}, b = {0};

    if (before) {
        pipeline_port(&dp->pipeline, before, item_set_add, &a);
    }
    if (now) {
        pipeline_port(&dp->pipeline, now, item_set_add, &b);
    }
    item_set_replace(dp->recon, &a, &b);
}

static void set_addr(struct datapath *dp, const struct plane_addr *addr, bool desired)
{
    struct item_set a = {0}, b = {0};

    pipeline_addr(&dp->pipeline, addr, item_set_add, desired ? &b : &a);
    item_set_replace(dp->recon, &a, &b);
}

static struct plane_port_entry *port_entry(const struct datapath *dp, uint32_t dp_port)
{
    struct plane_port_entry *e;

    HASH_FIND(hh, dp->plane_ports, &dp_port, sizeof dp_port, e);
    return e;
}

const struct plane_port *plane_port(const struct datapath *dp, uint32_t dp_port)
{
    const struct plane_port_entry *e = port_entry(dp, dp_port);

    return e ? &e->port : NULL;
}

static void port_remove(struct datapath *dp, struct plane_port_entry *e)
{
    set_port(dp, &e->port, NULL);
    HASH_DEL(dp->plane_ports, e);
    free(e);
}

static void apply_port(struct datapath *dp, const struct plane_port *port, bool remove)
{
    struct plane_port_entry *e = port_entry(dp, port->dp_port);

    if (remove) {
        if (e) {
            port_remove(dp, e);
        }
        return;
    }
    set_port(dp, e ? &e->port : NULL, port);
    if (!e) {
        e = xcalloc(1, sizeof *e);
        e->port.dp_port = port->dp_port;
        HASH_ADD(hh, dp->plane_ports, port.dp_port, sizeof e->port.dp_port, e);
    }
    e->port = *port;
    e->stale = false;
}

static void addr_remove(struct datapath *dp, struct plane_addr_entry *e)
{
    set_addr(dp, &e->addr, false);
    HASH_DEL(dp->plane_addrs, e);
    free(e);
}

static void apply_addr(struct datapath *dp, const struct plane_addr *addr, bool remove)
{
    struct plane_addr_entry *e;

    HASH_FIND(hh, dp->plane_addrs, addr, sizeof *addr, e);
    if (remove) {
        if (e) {
            addr_remove(dp, e);
        }
        return;
    }
    if (!e) {
        e = xcalloc(1, sizeof *e);
        e->addr = *addr;
        HASH_ADD(hh, dp->plane_addrs, addr, sizeof e->addr, e);
    }
    e->stale = false;
    set_addr(dp, addr, true);
}

/* Groups. */

static void tell_no_lengths(struct datapath *dp)
{
    dp->no_lengths &= !dp->pipeline.lengths;
    if (!dp->has_mtus || dp->pipeline.lengths || dp->no_lengths) {
        return;
    }
    dp->no_lengths = true;
    log_warn(
        "datapath %s: cannot tell how long packets are: those that are longer than "
        "the MTU of the port by which they leave are lost there",
        dp->name);
    server_send(dp->proxy->server,
                &(struct msg){.type = MSG_FLOW_ERROR,
                              .flow_error = {.dp_id = dp->id,
                                             .what = "packets longer than an MTU",
                                             .error = "cannot be told from others, and "
                                                      "are lost without an answer"}});
}

/* They stay until the next full download does not need them. */
static void desire_lengths(struct datapath *dp)
{
    struct item_set none = {0}, set = {0};

    if (!dp->has_mtus) {
        dp->has_mtus = true;
        pipeline_lengths(&dp->pipeline, item_set_add, &set);
        item_set_replace(dp->recon, &none, &set);
        tell_no_lengths(dp);
    }
}

static void apply_group(struct datapath *dp, const struct fib_group *group, bool remove)
{
    if (group->id == 0 || group->id > RECON_GROUP_MAX) {
        log_warn_limited(&dp->faults, "datapath %s: group %u is out of range 1..%u",
                         dp->name, group->id, RECON_GROUP_MAX);
    } else if (remove) {
        recon_remove_group(dp->recon, group->id);
    } else {
        struct fib_group canonical = *group;
        pipeline_canonical_group(&canonical);
        if (group->mtu) {
            desire_lengths(dp);
        }
        recon_desire_group(dp->recon, &canonical);
    }
}

/* Transit.  Not kept here: an entry is what it is, whatever the switch can do. */

static void apply_transit(struct datapath *dp, const struct plane_transit *transit,
                          bool remove)
{
    struct item_set a = {0}, b = {0};

    pipeline_transit(&dp->pipeline, transit, item_set_add, remove ? &a : &b);
    item_set_replace(dp->recon, &a, &b);
}

/* FIB entries.  Each is some hundred nanoseconds of waiting for memory, unless those of
 * several are waited for together. */

static void add_fib(struct datapath *dp, const struct plane_change *change)
{
    recon_prefetch_fib(dp->recon, &change->fib.prefix);
    dp->fibs[dp->n_fibs++] = (struct plane_fib){
        .entry = change->fib, .remove = change->remove, .urgent = change->urgent};
    if (dp->n_fibs == PLANE_FIBS) {
        plane_flush(dp);
    }
}

void plane_flush(struct datapath *dp)
{
    for (unsigned i = 0; i < dp->n_fibs; i++) {
        const struct plane_fib *fib = &dp->fibs[i];
        if (fib->remove) {
            recon_remove_fib(dp->recon, &fib->entry.prefix);
        } else {
            recon_desire_fib(dp->recon, &fib->entry);
        }
        if (fib->urgent) {
            recon_hurry_fib(dp->recon, &fib->entry.prefix);
        }
    }
    dp->n_fibs = 0;
}

/* All of it. */

static void desire_fixed(struct datapath *dp, const struct pipeline_config *before)
{
    struct item_set a = {0}, b = {0};

    if (before) {
        pipeline_fixed(before, item_set_add, &a);
    }
    pipeline_fixed(&dp->pipeline, item_set_add, &b);
    item_set_replace(dp->recon, &a, &b);
}

void plane_init(struct datapath *dp)
{
    dp->pipeline = (struct pipeline_config){.nw_ttl = true,
                                            .watch = true,
                                            .local_table = true,
                                            .lengths = true,
                                            .punt_rate = dp->proxy->config.punt_rate};
    dp->recon = recon_create(1000, 60000);
    recon_set_mtus(dp->recon, true);
    desire_fixed(dp, NULL);
}

void plane_uninit(struct datapath *dp)
{
    struct plane_port_entry *port, *next_port;
    struct plane_addr_entry *addr, *next_addr;

    HASH_ITER (hh, dp->plane_ports, port, next_port) {
        HASH_DEL(dp->plane_ports, port);
        free(port);
    }
    HASH_ITER (hh, dp->plane_addrs, addr, next_addr) {
        HASH_DEL(dp->plane_addrs, addr);
        free(addr);
    }
    recon_destroy(dp->recon);
}

void plane_configure(struct datapath *dp, const struct pipeline_config *config)
{
    const struct pipeline_config before = dp->pipeline;
    struct item_set a = {0}, b = {0};

    if (before.max_meter == config->max_meter && before.nw_ttl == config->nw_ttl &&
        before.local_table == config->local_table &&
        before.lengths == config->lengths && before.punt_rate == config->punt_rate) {
        return;
    }
    pipeline_fixed(&before, item_set_add, &a);
    pipeline_fixed(config, item_set_add, &b);
    for (struct plane_port_entry *e = dp->plane_ports; e; e = e->hh.next) {
        pipeline_port(&before, &e->port, item_set_add, &a);
        pipeline_port(config, &e->port, item_set_add, &b);
    }
    for (struct plane_addr_entry *e = dp->plane_addrs; e; e = e->hh.next) {
        pipeline_addr(&before, &e->addr, item_set_add, &a);
        pipeline_addr(config, &e->addr, item_set_add, &b);
    }
    if (dp->has_mtus) {
        pipeline_lengths(&before, item_set_add, &a);
        pipeline_lengths(config, item_set_add, &b);
    }
    dp->pipeline = *config;
    item_set_replace(dp->recon, &a, &b);
    recon_set_mtus(dp->recon, config->lengths);
    tell_no_lengths(dp);
    sync_kick(dp);
}

void plane_begin(struct datapath *dp)
{
    plane_flush(dp);
    recon_begin(dp->recon);
    desire_fixed(dp, NULL);
    dp->has_mtus = false;
    for (struct plane_port_entry *e = dp->plane_ports; e; e = e->hh.next) {
        e->stale = true;
    }
    for (struct plane_addr_entry *e = dp->plane_addrs; e; e = e->hh.next) {
        e->stale = true;
    }
}

void plane_end(struct datapath *dp)
{
    struct plane_port_entry *port, *next_port;
    struct plane_addr_entry *addr, *next_addr;

    plane_flush(dp);
    HASH_ITER (hh, dp->plane_ports, port, next_port) {
        if (port->stale) {
            port_remove(dp, port);
        }
    }
    HASH_ITER (hh, dp->plane_addrs, addr, next_addr) {
        if (addr->stale) {
            addr_remove(dp, addr);
        }
    }
    recon_end(dp->recon);
    sync_kick(dp);
}

void plane_apply(struct datapath *dp, const struct plane_change *change)
{
    if (change->kind != PLANE_FIB) {
        plane_flush(dp); /* In the order in which they were told. */
    }
    switch (change->kind) {
    case PLANE_PORT:
        apply_port(dp, &change->port, change->remove);
        break;
    case PLANE_ADDR:
        apply_addr(dp, &change->addr, change->remove);
        break;
    case PLANE_GROUP:
        apply_group(dp, &change->group, change->remove);
        break;
    case PLANE_FIB:
        add_fib(dp, change);
        break;
    case PLANE_TRANSIT:
        apply_transit(dp, &change->transit, change->remove);
        break;
    }
    sync_kick(dp);
}
