/* Segments: what hangs together by pairs of ports that hear each other's broadcasts. */

#include <stdlib.h>

#include <utlist.h>

#include "base/util.h"
#include "topo_graph.h"

/* The ports that a search has found, in the order of finding. */
struct found {
    struct topo_port **v;
    size_t n, cap;
};

static void find(struct found *f, struct topo_port *port)
{
    if (!port->marked) {
        if (f->n == f->cap) {
            f->cap = f->cap ? 2 * f->cap : 16;
            f->v = xrealloc(f->v, f->cap * sizeof(struct topo_port *));
        }
        port->marked = true;
        f->v[f->n++] = port;
    }
}

/* All that hangs together with `from`, itself included. */
static struct found component(struct topo_port *from)
{
    struct found f = {0};
    const struct topo_dir *dir;

    find(&f, from);
    for (size_t i = 0; i < f.n; i++) {
        DL_FOREACH2 (f.v[i]->heard, dir, heard_next) {
            if (dir->paired) {
                find(&f, dir->src);
            }
        }
    }
    for (size_t i = 0; i < f.n; i++) {
        f.v[i]->marked = false;
    }
    return f;
}

static bool contains(const struct found *f, const struct topo_port *port)
{
    for (size_t i = 0; i < f->n; i++) {
        if (f->v[i] == port) {
            return true;
        }
    }
    return false;
}

static struct dp_key lowest(const struct found *f)
{
    struct dp_key key = f->v[0]->port;

    for (size_t i = 1; i < f->n; i++) {
        if (dp_key_compare(f->v[i]->port, key) < 0) {
            key = f->v[i]->port;
        }
    }
    return key;
}

static void set_segment(struct topology *t, const struct found *f, uint32_t segment)
{
    for (size_t i = 0; i < f->n; i++) {
        struct topo_port *port = f->v[i];
        if (port->segment != segment) {
            port->segment = segment;
            port->segment_since = t->now;
            topo_emit(t, TOPO_SEGMENT, port->port)->segment = segment;
        }
    }
}

static void join(struct topology *t, struct topo_port *a, struct topo_port *b)
{
    uint32_t segment = a->segment && b->segment ? MIN(a->segment, b->segment)
                                                : MAX(a->segment, b->segment);

    if (!segment) {
        segment = ++t->last_segment;
    } else if (a->segment == b->segment) {
        return;
    }
    struct found f = component(a);
    set_segment(t, &f, segment);
    free(f.v);
}

/* They were a pair: do they still hang together? */
static void part(struct topology *t, struct topo_port *a, struct topo_port *b)
{
    const uint32_t segment = a->segment;
    struct found with_a = component(a);

    if (!contains(&with_a, b)) {
        struct found with_b = component(b);
        const bool a_keeps = with_a.n != with_b.n
                                 ? with_a.n > with_b.n
                                 : dp_key_compare(lowest(&with_a), lowest(&with_b)) < 0;
        const struct found *keeps = a_keeps ? &with_a : &with_b;
        const struct found *leaves = a_keeps ? &with_b : &with_a;
        set_segment(t, leaves, leaves->n > 1 ? ++t->last_segment : 0);
        set_segment(t, keeps, keeps->n > 1 ? segment : 0);
        free(with_b.v);
    }
    free(with_a.v);
}

void topo_judge_pair(struct topology *t, struct topo_dir *dir)
{
    struct topo_dir *reverse = topo_find_dir(t, dir->dst->port, dir->src->port, true);
    const bool ordered = dp_key_compare(dir->src->port, dir->dst->port) < 0;
    struct topo_port *a = ordered ? dir->src : dir->dst;
    struct topo_port *b = ordered ? dir->dst : dir->src;

    if (!reverse) {
        return;
    }
    const bool pair =
        topo_reverse_of(t, dir) && !topo_is_linked(t, a) && !topo_is_linked(t, b);
    if (pair == dir->paired) {
        return;
    }
    dir->paired = reverse->paired = pair;
    topo_emit(t, pair ? TOPO_PAIR_UP : TOPO_PAIR_DOWN, a->port)->b = b->port;
    if (pair) {
        join(t, a, b);
    } else {
        part(t, a, b);
    }
}

void topo_judge_pairs_of(struct topology *t, struct topo_port *port)
{
    struct topo_dir *dir;

    DL_FOREACH2 (port->heard, dir, heard_next) {
        if (dir->broadcast) {
            topo_judge_pair(t, dir);
        }
    }
}

/* Public. */

uint32_t topo_segment_of(const struct topology *t, struct dp_key key)
{
    const struct topo_port *port = topo_find_port(t, key);

    return port ? port->segment : 0;
}

static int compare_keys(const void *a, const void *b)
{
    return dp_key_compare(*(const struct dp_key *)a, *(const struct dp_key *)b);
}

size_t topo_pairs_of(const struct topology *t, struct dp_key key, struct dp_key *ret,
                     size_t max)
{
    const struct topo_port *port = topo_find_port(t, key);
    const struct topo_dir *dir;
    size_t n = 0;

    DL_FOREACH2 (port ? port->heard : NULL, dir, heard_next) {
        if (dir->paired) {
            if (n < max) {
                ret[n] = dir->src->port;
            }
            n++;
        }
    }
    if (MIN(n, max)) {
        qsort(ret, MIN(n, max), sizeof *ret, compare_keys);
    }
    return n;
}

static int compare_members(const void *a_, const void *b_)
{
    const struct topo_member *a = a_, *b = b_;

    return a->segment != b->segment ? (a->segment > b->segment ? 1 : -1)
                                    : dp_key_compare(a->port, b->port);
}

struct topo_member *topo_members(const struct topology *t, size_t *ret_n)
{
    struct topo_member *members = NULL;
    size_t n = 0, cap = 0;

    for (const struct topo_port *port = t->ports; port; port = port->hh.next) {
        if (port->segment) {
            if (n == cap) {
                cap = cap ? 2 * cap : 16;
                members = xrealloc(members, cap * sizeof *members);
            }
            members[n++] =
                (struct topo_member){.segment = port->segment,
                                     .port = port->port,
                                     .n_pairs = topo_pairs_of(t, port->port, NULL, 0),
                                     .since = port->segment_since};
        }
    }
    if (n) {
        qsort(members, n, sizeof *members, compare_members);
    }
    *ret_n = n;
    return members;
}
