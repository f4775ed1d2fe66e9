#include "topo_graph.h"

#include <utlist.h>

const char *topo_effect_name(enum topo_effect_kind kind)
{
    static const char *const names[] = {
        [TOPO_CLASS] = "class",
        [TOPO_DIR_UP] = "direction up",
        [TOPO_DIR_DOWN] = "direction down",
        [TOPO_LINK_UP] = "link up",
        [TOPO_LINK_DOWN] = "link down",
        [TOPO_PAIR_UP] = "pair up",
        [TOPO_PAIR_DOWN] = "pair down",
        [TOPO_SEGMENT] = "segment",
        [TOPO_MULTI_ACCESS] = "multi-access",
    };
    return names[kind];
}

const char *topo_class_name(enum port_class class)
{
    static const char *const names[] = {
        [PORT_PROBING] = "probing", [PORT_INTERNAL] = "internal",
        [PORT_EDGE] = "edge",       [PORT_OPEN] = "open",
        [PORT_BLOCKED] = "blocked", [PORT_INSIDE] = "inside",
    };
    return names[class];
}

/* The queue of effects. */

struct topo_effect *topo_emit(struct topology *t, enum topo_effect_kind kind,
                              struct dp_key a)
{
    if (t->tail == t->cap) {
        t->cap = t->cap ? 2 * t->cap : 64;
        t->queue = xrealloc(t->queue, t->cap * sizeof *t->queue);
    }
    struct topo_effect *e = &t->queue[t->tail++];
    *e = (struct topo_effect){.kind = kind, .a = a};
    return e;
}

bool topo_next_effect(struct topology *t, struct topo_effect *ret)
{
    if (t->head == t->tail) {
        t->head = t->tail = 0;
        return false;
    }
    *ret = t->queue[t->head++];
    return true;
}

/* Ports. */

struct topo_port *topo_find_port(const struct topology *t, struct dp_key key)
{
    struct map_key map = map_key_of_dp(key);
    struct topo_port *port;

    HASH_FIND(hh, t->ports, &map, sizeof map, port);
    return port;
}

struct topo_dp *topo_find_dp(const struct topology *t, uint32_t ct_id, uint64_t dp_id)
{
    struct map_key map = {.id = dp_id, .ct = ct_id};
    struct topo_dp *dp;

    HASH_FIND(hh, t->dps, &map, sizeof map, dp);
    return dp;
}

struct topo_port *topo_get_port(struct topology *t, struct dp_key key)
{
    struct topo_port *port = topo_find_port(t, key);

    if (port) {
        return port;
    }
    struct topo_dp *dp = topo_find_dp(t, key.ct_id, key.dp_id);
    if (!dp) {
        dp = xcalloc(1, sizeof *dp);
        dp->key = (struct map_key){.id = key.dp_id, .ct = key.ct_id};
        HASH_ADD(hh, t->dps, key, sizeof dp->key, dp);
    }
    port = xcalloc(1, sizeof *port);
    port->key = map_key_of_dp(key);
    port->port = key;
    port->prev_replaced = -1;
    port->dp = dp;
    HASH_ADD(hh, t->ports, key, sizeof port->key, port);
    DL_APPEND(dp->ports, port);
    return port;
}

void topo_release_port(struct topology *t, struct topo_port *port)
{
    struct topo_dp *dp = port->dp;

    if (port->up || port->sent || port->heard) {
        return;
    }
    DL_DELETE(dp->ports, port);
    if (!dp->ports) {
        HASH_DEL(t->dps, dp);
        free(dp);
    }
    HASH_DEL(t->ports, port);
    free(port);
}

struct topo_dir *topo_find_dir(const struct topology *t, struct dp_key src,
                               struct dp_key dst, bool broadcast)
{
    struct dir_key key = {
        .src = map_key_of_dp(src), .dst = map_key_of_dp(dst), .broadcast = broadcast};
    struct topo_dir *dir;

    HASH_FIND(hh, t->dirs, &key, sizeof key, dir);
    return dir;
}

struct topo_dir *topo_reverse_of(const struct topology *t, const struct topo_dir *dir)
{
    struct topo_dir *reverse =
        dir->src != dir->dst
            ? topo_find_dir(t, dir->dst->port, dir->src->port, dir->broadcast)
            : NULL;

    return reverse && !reverse->suspended && !dir->suspended ? reverse : NULL;
}

struct topo_dir *topo_heard_neighbour(const struct topo_port *port)
{
    struct topo_dir *dir;

    DL_FOREACH2 (port->heard, dir, heard_next) {
        if (dir->src != port && !dir->broadcast) {
            return dir;
        }
    }
    return NULL;
}

bool topo_is_linked(const struct topology *t, const struct topo_port *port)
{
    const struct topo_dir *dir = topo_heard_neighbour(port);

    return dir && topo_reverse_of(t, dir);
}

int64_t topo_ttl_of(const struct topology *t, const struct topo_dir *dir)
{
    return dir->ttl_ms ? dir->ttl_ms : t->config.ttl_ms;
}

/* Public: looking into it. */

bool topo_port_class(const struct topology *t, struct dp_key key, enum port_class *ret)
{
    const struct topo_port *port = topo_find_port(t, key);

    if (!port || !port->up) {
        return false;
    }
    *ret = port->class;
    return true;
}

bool topo_peer(const struct topology *t, struct dp_key key, struct dp_key *ret)
{
    const struct topo_port *port = topo_find_port(t, key);
    const struct topo_dir *dir = port ? topo_heard_neighbour(port) : NULL;

    if (!dir || !topo_reverse_of(t, dir)) {
        return false;
    }
    *ret = dir->src->port;
    return true;
}

bool topo_hears_lldp(const struct topology *t, struct dp_key key)
{
    const struct topo_port *port = topo_find_port(t, key);

    return port && topo_heard_neighbour(port);
}

size_t topo_count_links(const struct topology *t)
{
    return t->n_links;
}

static int compare_links(const void *a_, const void *b_)
{
    const struct topo_link *a = a_, *b = b_;
    int by_a = dp_key_compare(a->a, b->a);
    return by_a ? by_a : dp_key_compare(a->b, b->b);
}

struct topo_link *topo_links(const struct topology *t, size_t *ret_n)
{
    size_t n = 0, max = HASH_COUNT(t->dirs);
    struct topo_link *links = max ? xmalloc(max * sizeof *links) : NULL;

    for (const struct topo_dir *dir = t->dirs; dir; dir = dir->hh.next) {
        const struct topo_dir *reverse = topo_reverse_of(t, dir);
        struct dp_key src = dir->src->port, dst = dir->dst->port;
        bool ordered = dp_key_compare(src, dst) <= 0;
        if (dir->suspended || dir->broadcast || (reverse && !ordered)) {
            continue; /* With the other direction. */
        }
        links[n++] = (struct topo_link){
            .a = ordered ? src : dst,
            .b = ordered ? dst : src,
            .ab = ordered,
            .ba = reverse || !ordered,
            .since = reverse ? MAX(dir->since, reverse->since) : dir->since,
            .ttl_ms = reverse ? MIN(topo_ttl_of(t, dir), topo_ttl_of(t, reverse))
                              : topo_ttl_of(t, dir),
        };
    }
    if (n) {
        qsort(links, n, sizeof *links, compare_links);
    } else {
        free(links);
        links = NULL;
    }
    *ret_n = n;
    return links;
}

struct topo_heard *topo_directions(const struct topology *t, size_t *ret_n)
{
    size_t n = 0, max = HASH_COUNT(t->dirs);
    struct topo_heard *dirs = max ? xmalloc(max * sizeof *dirs) : NULL;

    for (const struct topo_dir *dir = t->dirs; dir; dir = dir->hh.next) {
        if (!dir->suspended) {
            dirs[n++] = (struct topo_heard){.src = dir->src->port,
                                            .dst = dir->dst->port,
                                            .broadcast = dir->broadcast};
        }
    }
    *ret_n = n;
    return dirs;
}

static int compare_ports(const void *a, const void *b)
{
    return dp_key_compare(((const struct topo_port_info *)a)->port,
                          ((const struct topo_port_info *)b)->port);
}

struct topo_port_info *topo_ports(const struct topology *t, size_t *ret_n)
{
    size_t n = 0, max = HASH_COUNT(t->ports);
    struct topo_port_info *ports = max ? xmalloc(max * sizeof *ports) : NULL;

    for (const struct topo_port *port = t->ports; port; port = port->hh.next) {
        if (port->up) {
            ports[n++] = (struct topo_port_info){.port = port->port,
                                                 .class = port->class,
                                                 .multi_access = port->multi_access,
                                                 .since = port->since};
        }
    }
    if (n) {
        qsort(ports, n, sizeof *ports, compare_ports);
    } else {
        free(ports);
        ports = NULL;
    }
    *ret_n = n;
    return ports;
}
