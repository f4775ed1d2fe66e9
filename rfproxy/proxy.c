#include "proxy.h"

#include <stdlib.h>

#include "datapath.h"

#define LOG_MODULE "proxy"
#include "base/log.h"

#define HOUSEKEEPING_MS 250

static void housekeeping(void *proxy_)
{
    struct proxy *proxy = proxy_;
    const int64_t now = loop_now();
    struct datapath *dp, *next;

    HASH_ITER (hh, proxy->datapaths, dp, next) {
        datapath_housekeeping(dp, now);
    }
}

struct proxy *proxy_create(struct loop *loop, struct zctx *zctx,
                           const struct proxy_config *config)
{
    const struct topo_config topo = {.ttl_ms = config->lldp_ttl_ms,
                                     .classify_ms = config->lldp_ttl_ms};
    struct proxy *proxy = xcalloc(1, sizeof *proxy);

    proxy->config = *config;
    proxy->loop = loop;
    proxy->zctx = zctx;
    proxy->topology = topo_create(&topo);
    proxy->topo_timer = loop_timer_create(loop, topology_timer, proxy);
    proxy->housekeeping = loop_timer_create(loop, housekeeping, proxy);
    /* Ahead of where an earlier process stopped: nobody sends a frame per µs. */
    proxy->lldp_counter = (uint64_t)loop_wall_now() * 1000;
    proxy->slowpath = slowpath_create(proxy);
    proxy->server = proxy->slowpath ? server_create(proxy) : NULL;
    if (!proxy->server || !proxy_listen(proxy)) {
        proxy_destroy(proxy);
        return NULL;
    }
    loop_timer_every(proxy->housekeeping, HOUSEKEEPING_MS);
    return proxy;
}

void proxy_destroy(struct proxy *proxy)
{
    struct datapath *dp, *next;

    if (!proxy) {
        return;
    }
    proxy_unlisten(proxy);
    server_destroy(proxy->server);
    proxy->server = NULL;
    HASH_ITER (hh, proxy->datapaths, dp, next) {
        datapath_destroy(dp);
    }
    slowpath_destroy(proxy->slowpath);
    guards_destroy(proxy);
    loop_timer_destroy(proxy->housekeeping);
    loop_timer_destroy(proxy->topo_timer);
    topo_destroy(proxy->topology);
    free(proxy);
}
