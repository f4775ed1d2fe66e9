/* The directions of real links, as proxies report them, into the topology.
 *
 * A proxy says what it hears and what it no longer hears.  When its session is new it
 * says everything again, but a restarted one must first listen for a while: what it has
 * not named by then is lost. */

#include "server.h"

#include <stdlib.h>

#include "base/util.h"

void links_report(struct server *s, const struct msg_link_dir *m)
{
    const struct server_dir_key key = {m->src, m->dst};
    struct server_dir *dir;

    HASH_FIND(hh, s->dirs, &key, sizeof key, dir);
    if (m->up) {
        if (!dir) {
            dir = xcalloc(1, sizeof *dir);
            dir->key = key;
            HASH_ADD(hh, s->dirs, key, sizeof dir->key, dir);
        }
        dir->seen = true;
        topo_seen(s->topo, m->src, m->dst, loop_now());
    } else {
        if (dir) {
            HASH_DEL(s->dirs, dir);
            free(dir);
        }
        topo_dir_lost(s->topo, m->src, m->dst);
    }
    server_topology(s);
}

void links_peer_up(struct server *s, uint32_t ct_id)
{
    struct server_dir *dir, *tmp;

    HASH_ITER (hh, s->dirs, dir, tmp) {
        if (dir->key.dst.ct_id == ct_id) {
            dir->seen = false;
        }
    }
}

void links_sweep(struct server *s, uint32_t ct_id)
{
    struct server_dir *dir, *tmp;

    HASH_ITER (hh, s->dirs, dir, tmp) {
        if (dir->key.dst.ct_id == ct_id && !dir->seen) {
            topo_dir_lost(s->topo, dir->key.src, dir->key.dst);
            HASH_DEL(s->dirs, dir);
            free(dir);
        }
    }
    server_topology(s);
}

void links_destroy_all(struct server *s)
{
    struct server_dir *dir, *tmp;

    HASH_ITER (hh, s->dirs, dir, tmp) {
        HASH_DEL(s->dirs, dir);
        free(dir);
    }
}
