/* The directions of real links, as proxies report them, into the topology.
 *
 * A proxy says what it hears and what it no longer hears.  When its session is new it
 * says everything again, but a restarted one must first wait for its switches and then
 * listen for a while: what it has not named by then is lost. */

#include "server.h"

#include <stdlib.h>

#define LOG_MODULE "links"
#include "base/log.h"
#include "base/util.h"

static void lost(struct server *s, const struct server_dir_key *key)
{
    (key->broadcast ? topo_heard_lost : topo_dir_lost)(s->topo, key->src, key->dst);
}

void links_report(struct server *s, struct ipc_peer *peer, const struct msg_link_dir *m)
{
    const struct server_dir_key key = {m->src, m->dst, m->broadcast};
    struct server_dp_port *heard_at = dp_port_find(s, m->dst);
    struct server_dir *dir;

    if (m->dst.ct_id != ipc_peer_id(peer) || (m->up && (!heard_at || !heard_at->up))) {
        char src[KEY_STRLEN], dst[KEY_STRLEN];
        log_warn_limited(&s->strange,
                         "%s reports a link from %s to %s: expected a port of its own "
                         "that is up",
                         ipc_peer_name(peer), dp_key_format(m->src, src),
                         dp_key_format(m->dst, dst));
        return;
    }
    HASH_FIND(hh, s->dirs, &key, sizeof key, dir);
    if (m->up) {
        if (!dir) {
            dir = xcalloc(1, sizeof *dir);
            dir->key = key;
            HASH_ADD(hh, s->dirs, key, sizeof dir->key, dir);
        }
        dir->seen = true;
        (m->broadcast ? topo_heard : topo_seen)(s->topo, m->src, m->dst, loop_now());
    } else {
        if (dir) {
            HASH_DEL(s->dirs, dir);
            free(dir);
        }
        lost(s, &key);
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

/* Whether what is not heard by now will not be heard any more. */
static bool listened(struct server *s, uint64_t dp_id)
{
    const struct server_dp *dp = dp_find(s, dp_id);

    return !dp || (dp->connected ? loop_now() - dp->since >= LINKS_LISTEN_MS
                                 : !loop_timer_is_set(dp->hold));
}

void links_sweep(struct server *s, uint32_t ct_id)
{
    struct server_dir *dir, *tmp;

    HASH_ITER (hh, s->dirs, dir, tmp) {
        if (dir->key.dst.ct_id == ct_id && !dir->seen &&
            listened(s, dir->key.src.dp_id) && listened(s, dir->key.dst.dp_id)) {
            lost(s, &dir->key);
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
