/* Sessions of proxies: one per controller id. */

#include "server.h"

#include <stdlib.h>

#include "base/util.h"

/* A restarted proxy has heard every link by then: probes go out each second, and a link
 * is lost after three. */
#define LISTEN_MS 4000

static void listened(void *aux)
{
    struct server_proxy *proxy = aux;
    links_sweep(proxy->server, proxy->ct_id);
}

static void proxy_free(struct server *s, struct server_proxy *proxy)
{
    HASH_DEL(s->proxies, proxy);
    loop_timer_destroy(proxy->sweep);
    buf_uninit(&proxy->outbox);
    free(proxy);
}

void proxy_peer_up(struct server *s, struct ipc_peer *peer)
{
    struct server_proxy *proxy = xcalloc(1, sizeof *proxy);

    proxy->ct_id = (uint32_t)ipc_peer_id(peer);
    proxy->server = s;
    proxy->peer = peer;
    proxy->since = loop_now();
    proxy->relay_full = true;
    proxy->sweep = loop_timer_create(s->loop, listened, proxy);
    loop_timer_once(proxy->sweep, LISTEN_MS);
    HASH_ADD(hh, s->proxies, ct_id, sizeof proxy->ct_id, proxy);
    links_peer_up(s, proxy->ct_id);
    journal_event(s, "proxy", "controller %u connected (%s)", proxy->ct_id,
                  ipc_peer_name(peer));
}

void proxy_peer_down(struct server *s, struct ipc_peer *peer, const char *reason)
{
    struct server_proxy *proxy, *tmp;

    HASH_ITER (hh, s->proxies, proxy, tmp) {
        if (proxy->peer == peer) {
            proxy_free(s, proxy);
        }
    }
    journal_event(s, "proxy", "controller %llu (%s) lost: %s",
                  (unsigned long long)ipc_peer_id(peer), ipc_peer_name(peer), reason);
    dp_proxy_lost(s, peer);
}

void proxy_destroy_all(struct server *s)
{
    struct server_proxy *proxy, *tmp;

    HASH_ITER (hh, s->proxies, proxy, tmp) {
        proxy_free(s, proxy);
    }
}
