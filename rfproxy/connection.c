/* Which datapath a connection belongs to, or why it is refused. */

#include <stdio.h>

#include "datapath.h"

#define MAX_STRANGERS 1024

static const char *refusal(const struct of_session_up *up)
{
    if (up->auxiliary_id != 0) {
        return "auxiliary connections are not used: disable them in the switch";
    }
    if (up->datapath_id == 0) {
        return "datapath id 0 is not allowed: set one in the switch";
    }
    if (dpid_is_virtual(up->datapath_id)) {
        return "that is a virtual switch: it belongs to rfvs, port 6654";
    }
    return NULL;
}

static void *identified(void *proxy_, struct ofconn *conn,
                        const struct of_session_up *up,
                        char ret_why[static OFCONN_WHY_LEN])
{
    struct proxy *proxy = proxy_;
    const char *why = refusal(up);
    struct datapath *dp = why ? NULL : datapath_get(proxy, up->datapath_id);

    if (!dp) {
        str_copy(ret_why, why ? why : "too many datapaths", OFCONN_WHY_LEN);
        return NULL;
    }
    if (dp->conn) {
        snprintf(ret_why, OFCONN_WHY_LEN,
                 "a switch with this id is connected from %s; ids must be unique",
                 dp->peer);
        return NULL;
    }
    datapath_attach(dp, conn, up);
    return dp;
}

static void event(void *dp, const struct of_event *ev)
{
    datapath_event(dp, ev);
}

static void writable(void *dp)
{
    sync_kick(dp);
}

static void gone(void *dp, const char *reason)
{
    datapath_detach(dp, reason);
}

bool proxy_listen(struct proxy *proxy)
{
    static const struct ofconn_ops ops = {
        .identified = identified, .event = event, .writable = writable, .gone = gone};

    const struct ofconn_config config = {.endpoints = proxy->config.listen,
                                         .what = "switches",
                                         .max_strangers = MAX_STRANGERS,
                                         .tls = proxy->config.tls,
                                         .tls_allow = proxy->config.tls_allow};

    proxy->connections = ofconn_listen(proxy->loop, &config, &ops, proxy);
    return proxy->connections != NULL;
}

void proxy_reload(struct proxy *proxy)
{
    ofconn_reload(proxy->connections);
}

void proxy_unlisten(struct proxy *proxy)
{
    struct datapath *dp, *next;

    HASH_ITER (hh, proxy->datapaths, dp, next) {
        dp->conn = NULL;
        dp->session = NULL;
    }
    ofconn_server_destroy(proxy->connections);
    proxy->connections = NULL;
}
