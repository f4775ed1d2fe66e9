/* Sessions of proxies: one per controller id. */

#include "server.h"

#include <stdlib.h>

#include "base/util.h"

static void listened(void *aux)
{
    struct server_proxy *proxy = aux;
    links_sweep(proxy->server, proxy->ct_id);
}

struct server_proxy *proxy_find(struct server *s, uint32_t ct_id)
{
    struct server_proxy *proxy;
    HASH_FIND(hh, s->proxies, &ct_id, sizeof ct_id, proxy);
    return proxy;
}

bool proxy_is_reporting(struct server *s, uint32_t ct_id)
{
    const struct server_proxy *proxy = proxy_find(s, ct_id);

    return proxy && !proxy->synced && loop_now() < proxy->since + s->config.classify_ms;
}

void proxy_listen(struct server *s, uint32_t ct_id)
{
    struct server_proxy *proxy = proxy_find(s, ct_id);

    if (proxy) {
        loop_timer_once(proxy->sweep, LINKS_LISTEN_MS);
    }
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
    proxy->phase = PLANE_BEGIN;
    proxy->sweep = loop_timer_create(s->loop, listened, proxy);
    HASH_ADD(hh, s->proxies, ct_id, sizeof proxy->ct_id, proxy);
    proxy_listen(s, proxy->ct_id);
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
    server_topology(s); /* It may have waited for the end of the report. */
}

void proxy_destroy_all(struct server *s)
{
    struct server_proxy *proxy, *tmp;

    HASH_ITER (hh, s->proxies, proxy, tmp) {
        proxy_free(s, proxy);
    }
}
