#include "core/topology.h"

#include <utlist.h>

#include "topo_graph.h"

static void tell_now(struct topology *t, int64_t now)
{
    t->now = MAX(t->now, now);
}

static void emit_dir(struct topology *t, enum topo_effect_kind kind,
                     const struct topo_dir *dir)
{
    struct topo_effect *e = topo_emit(t, kind, dir->src->port);

    e->b = dir->dst->port;
    e->broadcast = dir->broadcast;
}

static void emit_link(struct topology *t, enum topo_effect_kind kind,
                      const struct topo_dir *dir)
{
    struct dp_key src = dir->src->port, dst = dir->dst->port;
    bool ordered = dp_key_compare(src, dst) < 0;

    topo_emit(t, kind, ordered ? src : dst)->b = ordered ? dst : src;
}

static void set_class(struct topology *t, struct topo_port *port, enum port_class class)
{
    port->class = class;
    topo_emit(t, TOPO_CLASS, port->port)->class = class;
}

static void set_multi_access(struct topology *t, struct topo_port *port, bool on)
{
    if (port->multi_access != on) {
        port->multi_access = on;
        topo_emit(t, TOPO_MULTI_ACCESS, port->port)->on = on;
    }
}

static void make_internal(struct topology *t, struct topo_port *port)
{
    if (port->up && port->class != PORT_INTERNAL) {
        deadline_cancel(&t->port_deadlines, &port->deadline);
        set_class(t, port, PORT_INTERNAL);
    }
}

/* Directions. */

static void watch_dir(struct topology *t, struct topo_dir *dir)
{
    int64_t ttl = topo_ttl_of(t, dir);

    if (ttl) {
        deadline_set(&t->dir_deadlines, &dir->deadline, dir->seen + ttl);
    } else {
        deadline_cancel(&t->dir_deadlines, &dir->deadline);
    }
}

/* Both of its ports have, or have no longer, a link. */
static void judge_ends(struct topology *t, struct topo_dir *dir)
{
    topo_judge_pairs_of(t, dir->src);
    topo_judge_pairs_of(t, dir->dst);
}

static void announce_dir(struct topology *t, struct topo_dir *dir)
{
    emit_dir(t, TOPO_DIR_UP, dir);
    if (dir->broadcast) {
        topo_judge_pair(t, dir);
    } else if (topo_reverse_of(t, dir)) {
        t->n_links++;
        emit_link(t, TOPO_LINK_UP, dir);
        judge_ends(t, dir);
    }
}

/* It counts no longer: suspended, or to be freed. */
static void withdraw_dir(struct topology *t, struct topo_dir *dir)
{
    if (dir->suspended) {
        return;
    }
    const bool link = !dir->broadcast && topo_reverse_of(t, dir);
    if (link) {
        t->n_links--;
        emit_link(t, TOPO_LINK_DOWN, dir);
    }
    dir->suspended = true;
    if (dir->broadcast) {
        topo_judge_pair(t, dir);
    }
    emit_dir(t, TOPO_DIR_DOWN, dir);
    if (link) {
        judge_ends(t, dir);
    }
}

static void add_dir(struct topology *t, struct topo_port *src, struct topo_port *dst,
                    bool broadcast, int64_t now)
{
    struct topo_dir *dir = xcalloc(1, sizeof *dir);

    dir->key =
        (struct dir_key){.src = src->key, .dst = dst->key, .broadcast = broadcast};
    dir->broadcast = broadcast;
    dir->src = src;
    dir->dst = dst;
    dir->since = dir->seen = now;
    HASH_ADD(hh, t->dirs, key, sizeof dir->key, dir);
    DL_APPEND2(src->sent, dir, sent_prev, sent_next);
    DL_APPEND2(dst->heard, dir, heard_prev, heard_next);
    watch_dir(t, dir);
    announce_dir(t, dir);
}

static void remove_dir(struct topology *t, struct topo_dir *dir)
{
    struct topo_port *src = dir->src, *dst = dir->dst;

    withdraw_dir(t, dir);
    deadline_cancel(&t->dir_deadlines, &dir->deadline);
    DL_DELETE2(src->sent, dir, sent_prev, sent_next);
    DL_DELETE2(dst->heard, dir, heard_prev, heard_next);
    HASH_DEL(t->dirs, dir);
    free(dir);
    if (dst != src) {
        topo_release_port(t, dst);
    }
    topo_release_port(t, src);
}

static void resume_dir(struct topology *t, struct topo_dir *dir, int64_t now)
{
    if (dir->suspended) {
        dir->suspended = false;
        dir->since = now;
        announce_dir(t, dir);
    }
}

/* Two neighbours are heard at dst, `src` just now. */
static void make_multi_access(struct topology *t, struct topo_port *dst,
                              struct dp_key src, int64_t now)
{
    dst->last_src = src;
    dst->multi_until = now + t->config.ttl_ms;
    deadline_set(&t->port_deadlines, &dst->deadline, dst->multi_until);
    set_multi_access(t, dst, true);
}

/* Decides about a neighbour, other than the present one, heard at dst.  True if it is
 * to be its neighbour from now on, which then has none. */
static bool accept_neighbour(struct topology *t, struct topo_port *dst,
                             struct dp_key src, int64_t now)
{
    struct topo_dir *present = topo_heard_neighbour(dst);
    int64_t window = t->config.ttl_ms;

    if (dst->multi_access) {
        if (!dp_key_equal(src, dst->last_src)) {
            dst->last_src = src;
            dst->multi_until = now + window;
        }
        if (now < dst->multi_until) {
            return false;
        }
        deadline_cancel(&t->port_deadlines, &dst->deadline);
        set_multi_access(t, dst, false);
    }
    if (!present) {
        return true;
    }
    bool again = dst->prev_replaced >= 0 && dp_key_equal(src, dst->prev_src) &&
                 now - dst->prev_replaced < window;
    dst->prev_src = present->src->port;
    dst->prev_replaced = now;
    remove_dir(t, present);
    if (again) {
        make_multi_access(t, dst, src, now);
    }
    return !again;
}

/* Decides about a broadcast.  It says nothing new of a neighbour that LLDP has found
 * (false), and if it is of another one, that the two are not alone.  Without ageing
 * somebody else has decided. */
static bool accept_broadcast(struct topology *t, struct topo_port *dst,
                             struct dp_key src, int64_t now)
{
    struct topo_dir *present = topo_heard_neighbour(dst);

    if (!t->config.ttl_ms) {
        return true;
    }
    if (dst->multi_access) {
        if (!dp_key_equal(src, dst->last_src)) {
            dst->last_src = src;
            dst->multi_until = now + t->config.ttl_ms;
        }
    } else if (present && dp_key_equal(present->src->port, src)) {
        return false;
    } else if (present) {
        remove_dir(t, present);
        make_multi_access(t, dst, src, now);
    }
    return true;
}

/* Public. */

struct topology *topo_create(const struct topo_config *config)
{
    struct topology *t = xcalloc(1, sizeof *t);

    t->config = *config;
    return t;
}

void topo_destroy(struct topology *t)
{
    struct topo_port *port, *next;

    if (!t) {
        return;
    }
    while (t->dirs) {
        remove_dir(t, t->dirs);
    }
    HASH_ITER (hh, t->ports, port, next) {
        port->up = false;
        topo_release_port(t, port);
    }
    deadlines_uninit(&t->dir_deadlines);
    deadlines_uninit(&t->port_deadlines);
    free(t->queue);
    free(t);
}

void topo_port_up(struct topology *t, struct dp_key key, int64_t since)
{
    struct topo_port *port = topo_get_port(t, key);
    struct topo_dir *dir;

    tell_now(t, since);
    if (port->up) {
        return;
    }
    port->up = true;
    port->since = since;
    if (port->sent) {
        set_class(t, port, PORT_INTERNAL);
    } else {
        set_class(t, port, PORT_PROBING);
        deadline_set(&t->port_deadlines, &port->deadline,
                     since + t->config.classify_ms);
    }
    DL_FOREACH2 (port->sent, dir, sent_next) {
        resume_dir(t, dir, since);
    }
}

void topo_port_down(struct topology *t, struct dp_key key)
{
    struct topo_port *port = topo_find_port(t, key);
    struct topo_dir *dir, *next;

    if (!port || !port->up) {
        return;
    }
    deadline_cancel(&t->port_deadlines, &port->deadline);
    set_multi_access(t, port, false);
    port->prev_replaced = -1;
    while (port->heard) {
        remove_dir(t, port->heard);
    }
    DL_FOREACH_SAFE2 (port->sent, dir, next, sent_next) {
        if (t->config.ttl_ms) {
            remove_dir(t, dir);
        } else if (!dir->suspended) {
            withdraw_dir(t, dir);
        }
    }
    port->up = false;
    topo_release_port(t, port);
}

void topo_dp_lost(struct topology *t, uint32_t ct_id, uint64_t dp_id)
{
    struct topo_dp *dp = topo_find_dp(t, ct_id, dp_id);
    struct topo_port *port;
    size_t n = 0;

    if (!dp) {
        return;
    }
    /* One port that goes may free another: two of them may be cabled to each other. */
    DL_FOREACH (dp->ports, port) {
        n++;
    }
    struct dp_key *keys = xmalloc(n * sizeof *keys);
    n = 0;
    DL_FOREACH (dp->ports, port) {
        keys[n++] = port->port;
    }
    for (size_t i = 0; i < n; i++) {
        topo_port_down(t, keys[i]);
    }
    free(keys);
}

void topo_seen(struct topology *t, struct dp_key src_key, struct dp_key dst_key,
               int64_t now)
{
    struct topo_port *dst = topo_find_port(t, dst_key);
    struct topo_dir *dir = topo_find_dir(t, src_key, dst_key, false);

    tell_now(t, now);
    if (!dst || !dst->up) {
        return;
    }
    if (dir) {
        dir->seen = now; /* Its deadline moves when it comes up: topo_tick(). */
        resume_dir(t, dir, now);
        return;
    }
    make_internal(t, dst);
    if (!dp_key_equal(src_key, dst_key) && !accept_neighbour(t, dst, src_key, now)) {
        struct topo_port *known = topo_find_port(t, src_key);
        if (known) {
            make_internal(t, known);
        }
        return;
    }
    if (t->config.ttl_ms) {
        /* After a silent cut an old broadcast must not speak for it. */
        topo_heard_lost(t, src_key, dst_key);
    }
    struct topo_port *src = topo_get_port(t, src_key);
    make_internal(t, src);
    add_dir(t, src, dst, false, now);
}

void topo_heard(struct topology *t, struct dp_key src_key, struct dp_key dst_key,
                int64_t now)
{
    struct topo_port *dst = topo_find_port(t, dst_key);
    struct topo_dir *dir = topo_find_dir(t, src_key, dst_key, true);

    tell_now(t, now);
    if (!dst || !dst->up) {
        return;
    }
    make_internal(t, dst);
    if (dp_key_equal(src_key, dst_key)) {
        return; /* A loop behind the port. */
    }
    if (!accept_broadcast(t, dst, src_key, now)) {
        return;
    }
    if (dir) {
        dir->seen = now;
        resume_dir(t, dir, now);
    } else {
        struct topo_port *src = topo_get_port(t, src_key);
        make_internal(t, src);
        add_dir(t, src, dst, true, now);
    }
}

static void dir_lost(struct topology *t, struct topo_dir *dir)
{
    if (dir) {
        remove_dir(t, dir);
    }
}

void topo_dir_lost(struct topology *t, struct dp_key src, struct dp_key dst)
{
    dir_lost(t, topo_find_dir(t, src, dst, false));
}

void topo_heard_lost(struct topology *t, struct dp_key src, struct dp_key dst)
{
    dir_lost(t, topo_find_dir(t, src, dst, true));
}

void topo_set_ttl(struct topology *t, struct dp_key a, struct dp_key b, int64_t ttl_ms,
                  int64_t now)
{
    struct topo_dir *dirs[] = {topo_find_dir(t, a, b, false),
                               topo_find_dir(t, b, a, false)};

    for (size_t i = 0; i < ARRAY_SIZE(dirs); i++) {
        if (dirs[i]) {
            dirs[i]->ttl_ms = ttl_ms;
            dirs[i]->seen = now;
            watch_dir(t, dirs[i]);
        }
    }
}

static int64_t tick_dirs(struct topology *t, int64_t now)
{
    struct deadline *first;

    while ((first = deadlines_first(&t->dir_deadlines))) {
        struct topo_dir *dir = CONTAINER_OF(first, struct topo_dir, deadline);
        if (dir->seen + topo_ttl_of(t, dir) > first->at) {
            watch_dir(t, dir);
        } else if (first->at <= now) {
            remove_dir(t, dir);
        } else {
            return first->at;
        }
    }
    return TOPO_NEVER;
}

static int64_t tick_ports(struct topology *t, int64_t now)
{
    struct deadline *first;

    while ((first = deadlines_first(&t->port_deadlines))) {
        struct topo_port *port = CONTAINER_OF(first, struct topo_port, deadline);
        if (port->multi_access && port->multi_until > first->at) {
            deadline_set(&t->port_deadlines, first, port->multi_until);
        } else if (first->at > now) {
            return first->at;
        } else {
            deadline_cancel(&t->port_deadlines, first);
            if (port->class == PORT_PROBING) {
                set_class(t, port, PORT_EDGE);
            }
            set_multi_access(t, port, false);
        }
    }
    return TOPO_NEVER;
}

int64_t topo_tick(struct topology *t, int64_t now)
{
    tell_now(t, now);
    int64_t dirs = tick_dirs(t, now);
    int64_t ports = tick_ports(t, now);

    return MIN(dirs, ports);
}
