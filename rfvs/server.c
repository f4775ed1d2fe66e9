/* rfvs' end of the message bus: reports to rfserver, records from it.
 *
 * While rfserver is away nothing changes in RFVS, and what is seen meanwhile is in the
 * full report of the next session. */

#include <stdlib.h>

#include "ipc/client.h"
#include "vswitch.h"

#define LOG_MODULE "server"
#include "base/log.h"

struct server {
    struct rfvs *rfvs;
    struct ipc_client *client;
    struct log_limit limit;
};

bool server_is_up(const struct server *server)
{
    return server && server->client && ipc_client_is_up(server->client);
}

void server_send(struct server *server, const struct msg *msg)
{
    if (server && server->client) {
        ipc_client_send(server->client, msg);
    }
}

static void on_up(void *server_, const struct msg_welcome *welcome, bool restarted)
{
    struct server *server = server_;

    log_info("rfserver is there%s", restarted ? ", restarted" : "");
    server_send(server, &(struct msg){.type = MSG_SYNC_BEGIN});
    for (struct vswitch *vs = server->rfvs->vswitches; vs; vs = vs->hh.next) {
        vswitch_report(vs);
    }
    server_send(server, &(struct msg){.type = MSG_SYNC_END});
}

static void on_down(void *server_, const char *reason)
{
    log_warn("rfserver is away: %s; RFVS stays as it is", reason);
}

static void on_batch(struct server *server, const struct msg_batch *batch)
{
    struct cursor c = cursor_of(batch->records.data, batch->records.n);
    struct vswitch *vs = vswitch_find(server->rfvs, batch->id);
    const char *error = record_check(c.p, c.n);
    struct record r;
    char id[ID_STRLEN];

    if (!vs) {
        log_warn_limited(&server->limit, "batch from rfserver: no rfvs %s",
                         id_format(batch->id, id));
        return;
    }
    while (!error && c.n) {
        error = record_get(&c, &r);
        if (!error && !wiring_apply(vs->wiring, &r)) {
            error = "a record that is not for rfvs";
        }
    }
    if (error) {
        log_warn_limited(&server->limit, "batch from rfserver for rfvs %s: %s",
                         vs->name, error);
    }
    sync_run(vs); /* At once: what was lost must stop. */
}

static void on_message(void *server, const struct msg *msg)
{
    if (msg->type == MSG_BATCH) {
        on_batch(server, &msg->batch);
    }
}

struct server *server_create(struct rfvs *rfvs)
{
    static const struct ipc_client_ops ops = {
        .up = on_up, .down = on_down, .message = on_message};
    const struct ipc_client_config config = {.endpoint = rfvs->config.server,
                                             .role = ROLE_VS,
                                             .epoch = ipc_random_epoch(),
                                             .curve = rfvs->config.curve};
    struct server *server = xcalloc(1, sizeof *server);

    server->rfvs = rfvs;
    server->client = ipc_client_create(rfvs->loop, rfvs->zctx, &config, &ops, server);
    if (!server->client) {
        log_err("option server: cannot use \"%s\"", rfvs->config.server);
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
