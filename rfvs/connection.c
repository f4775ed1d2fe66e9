/* Which RFVS a connection belongs to, or why it is refused. */

#include <stdio.h>

#include "vswitch.h"

#define MAX_STRANGERS 64

static void *identified(void *rfvs_, struct ofconn *conn,
                        const struct of_session_up *up,
                        char ret_why[static OFCONN_WHY_LEN])
{
    struct rfvs *rfvs = rfvs_;
    char id[ID_STRLEN];

    if (!dpid_is_virtual(up->datapath_id)) {
        snprintf(ret_why, OFCONN_WHY_LEN,
                 "datapath %s is a real switch: it belongs to rfproxy, port 6653",
                 id_format(up->datapath_id, id));
        return NULL;
    }
    if (up->auxiliary_id) {
        str_copy(ret_why, "auxiliary connections are not used here", OFCONN_WHY_LEN);
        return NULL;
    }
    struct vswitch *vs = vswitch_get(rfvs, up->datapath_id);
    if (!vs) {
        str_copy(ret_why, "too many virtual switches", OFCONN_WHY_LEN);
        return NULL;
    }
    if (vs->conn) {
        snprintf(
            ret_why, OFCONN_WHY_LEN,
            "a virtual switch with this id is connected from %s; ids must be unique",
            vs->peer);
        return NULL;
    }
    vswitch_attach(vs, conn, up);
    return vs;
}

static void event(void *vs, const struct of_event *ev)
{
    vswitch_event(vs, ev);
}

static void writable(void *vs_)
{
    struct vswitch *vs = vs_;

    if (vs->blocked) {
        sync_schedule(vs);
    }
}

static void gone(void *vs, const char *reason)
{
    vswitch_detach(vs, reason);
}

bool connection_listen(struct rfvs *rfvs)
{
    static const struct ofconn_ops ops = {
        .identified = identified, .event = event, .writable = writable, .gone = gone};

    const struct ofconn_config config = {.endpoints = rfvs->config.listen,
                                         .what = "RFVS",
                                         .max_strangers = MAX_STRANGERS,
                                         .tls = rfvs->config.tls,
                                         .tls_allow = rfvs->config.tls_allow};

    rfvs->connections = ofconn_listen(rfvs->loop, &config, &ops, rfvs);
    return rfvs->connections != NULL;
}

void connection_reload(struct rfvs *rfvs)
{
    ofconn_reload(rfvs->connections);
}

void connection_close_all(struct rfvs *rfvs)
{
    struct vswitch *vs, *next;

    HASH_ITER (hh, rfvs->vswitches, vs, next) {
        vs->conn = NULL;
        vs->session = NULL;
    }
    ofconn_server_destroy(rfvs->connections);
    rfvs->connections = NULL;
}
