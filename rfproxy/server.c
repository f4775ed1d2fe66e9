/* rfproxy's end of the message bus: reports to rfserver, records from it.
 *
 * While rfserver is away nothing changes here: switches keep what they have, and what
 * is heard meanwhile is told in the full report of the next session. */

#include <stdlib.h>

#include "datapath.h"
#include "ipc/client.h"

#define LOG_MODULE "server"
#include "base/log.h"

struct server {
    struct proxy *proxy;
    struct ipc_client *client;
    struct log_limit limit;
};

bool server_is_up(const struct server *server)
{
    return ipc_client_is_up(server->client);
}

void server_send(struct server *server, const struct msg *msg)
{
    if (server && server->client) {
        ipc_client_send(server->client, msg);
    }
}

/* The full report. */

static void report_links(struct server *server)
{
    size_t n;
    struct topo_heard *dirs = topo_directions(server->proxy->topology, &n);

    for (size_t i = 0; i < n; i++) {
        server_send(server,
                    &(struct msg){.type = MSG_LINK_DIR,
                                  .link_dir = {.src = dirs[i].src,
                                               .dst = dirs[i].dst,
                                               .up = true,
                                               .broadcast = dirs[i].broadcast}});
    }
    free(dirs);
}

static void on_up(void *server_, const struct msg_welcome *welcome, bool restarted)
{
    struct server *server = server_;

    log_info("rfserver is there%s", restarted ? ", restarted" : "");
    server_send(server, &(struct msg){.type = MSG_SYNC_BEGIN});
    for (struct datapath *dp = server->proxy->datapaths; dp; dp = dp->hh.next) {
        datapath_report(dp);
    }
    report_links(server);
    server_send(server, &(struct msg){.type = MSG_SYNC_END});
}

static void on_down(void *server_, const char *reason)
{
    struct server *server = server_;

    log_warn("rfserver is away: %s; switches keep their entries", reason);
    (void)server;
}

/* Records. */

static void plane_record(struct datapath *dp, const struct record *r)
{
    switch ((int)r->kind) {
    case REC_BEGIN:
        plane_begin(dp);
        break;
    case REC_END:
        plane_end(dp);
        break;
    case REC_PLANE:
        plane_apply(dp, &r->plane);
        break;
    }
}

static void relay_record(struct slowpath *sp, const struct record *r)
{
    switch ((int)r->kind) {
    case REC_BEGIN:
        slowpath_begin(sp);
        break;
    case REC_END:
        slowpath_end(sp);
        break;
    case REC_RELAY:
        slowpath_map(sp, &r->relay, r->remove);
        break;
    }
}

static void on_batch(struct server *server, const struct msg_batch *batch)
{
    struct cursor c = cursor_of(batch->records.data, batch->records.n);
    struct datapath *dp = NULL;
    struct record r;
    const char *error = NULL;

    if (batch->id) {
        dp = datapath_get(server->proxy, batch->id);
        if (!dp) {
            log_warn_limited(&server->limit, "batch from rfserver: too many datapaths");
            return;
        }
    }
    while (c.n && !(error = record_get(&c, &r))) {
        if (dp) {
            plane_record(dp, &r);
        } else {
            relay_record(server->proxy->slowpath, &r);
        }
    }
    if (dp) {
        plane_flush(dp);
    }
    if (error) {
        log_warn_limited(&server->limit, "batch from rfserver: %s", error);
    }
}

static void on_message(void *server_, const struct msg *msg)
{
    if (msg->type == MSG_BATCH) {
        on_batch(server_, &msg->batch);
    }
}

struct server *server_create(struct proxy *proxy)
{
    static const struct ipc_client_ops ops = {
        .up = on_up, .down = on_down, .message = on_message};
    const struct ipc_client_config config = {.endpoint = proxy->config.server,
                                             .role = ROLE_PROXY,
                                             .id = proxy->config.ct_id,
                                             .epoch = ipc_random_epoch(),
                                             .curve = proxy->config.curve};
    struct server *server = xcalloc(1, sizeof *server);

    server->proxy = proxy;
    server->client = ipc_client_create(proxy->loop, proxy->zctx, &config, &ops, server);
    if (!server->client) {
        log_err("cannot reach for rfserver at %s", proxy->config.server);
        free(server);
        return NULL;
    }
    return server;
}

void server_destroy(struct server *server)
{
    if (server) {
        struct ipc_client *client = server->client;
        server->client = NULL;
        ipc_client_destroy(client);
        free(server);
    }
}
