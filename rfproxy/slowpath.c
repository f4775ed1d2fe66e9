/* The slow path: what a switch punts goes to the VM through rfvs, and what a VM sends
 * out of an edge port comes back and leaves there.
 *
 * Nothing waits for rfvs: while it is not there, or does not keep up, frames are
 * dropped and counted, as a router does whose processor is busy. */

#include <stdlib.h>
#include <string.h>

#include "datapath.h"
#include "of/put.h"
#include "relay/relay.h"

#define LOG_MODULE "slowpath"
#include "base/log.h"

struct map_entry {
    struct dp_key dp;
    struct vs_key vs;
    bool stale;
    UT_hash_handle hh;
};

struct slowpath {
    struct proxy *proxy;
    struct relay_client *relay; /* NULL: no slow path. */
    uint64_t dropped;
    struct log_limit limit, gone;
    struct map_entry *map;
};

/* The map. */

static struct map_entry *map_find(const struct slowpath *sp, struct dp_key dp)
{
    struct map_entry *e;
    struct dp_key key;

    memset(&key, 0, sizeof key);
    key.dp_id = dp.dp_id;
    key.ct_id = dp.ct_id;
    key.dp_port = dp.dp_port;
    HASH_FIND(hh, sp->map, &key, sizeof key, e);
    return e;
}

static void map_remove(struct slowpath *sp, struct map_entry *e)
{
    HASH_DEL(sp->map, e);
    free(e);
}

void slowpath_begin(struct slowpath *sp)
{
    for (struct map_entry *e = sp->map; e; e = e->hh.next) {
        e->stale = true;
    }
}

void slowpath_end(struct slowpath *sp)
{
    struct map_entry *e, *next;

    HASH_ITER (hh, sp->map, e, next) {
        if (e->stale) {
            map_remove(sp, e);
        }
    }
}

void slowpath_map(struct slowpath *sp, const struct record_relay *relay, bool remove)
{
    struct map_entry *e = map_find(sp, relay->dp);

    if (remove) {
        if (e && vs_key_equal(e->vs, relay->vs)) {
            map_remove(sp, e);
        }
        return;
    }
    if (!e) {
        e = xcalloc(1, sizeof *e);
        e->dp = relay->dp;
        HASH_ADD(hh, sp->map, dp, sizeof e->dp, e);
    }
    e->vs = relay->vs;
    e->stale = false;
}

/* To rfvs. */

static void drop(struct slowpath *sp, const char *why)
{
    sp->dropped++;
    log_warn_limited(&sp->limit, "frames for the VMs are dropped: %s (%llu so far)",
                     why, (unsigned long long)sp->dropped);
}

static void relay_to_vs(struct slowpath *sp, const struct map_entry *e,
                        struct cursor frame)
{
    const struct relay_frame f = {
        .id = e->vs.vs_id, .port = e->vs.vs_port, .data = frame.p, .n = frame.n};

    if (!relay_client_is_connected(sp->relay)) {
        drop(sp, "rfvs is not there");
    } else if (f.n >= RELAY_FRAME_MIN && f.n <= RELAY_FRAME_MAX &&
               !relay_client_put(sp->relay, &f)) {
        drop(sp, "rfvs does not take them fast enough");
    }
}

void slowpath_punt(struct datapath *dp, const struct of_packet_in *pi,
                   enum pipeline_sort sort)
{
    struct slowpath *sp = dp->proxy->slowpath;

    dp->counters.punts++;
    if (!of_match_has(&pi->match, OF_F_IN_PORT) || !sp->relay ||
        pi->data.n < pi->total_len) {
        return;
    }
    const uint32_t in_port = pi->match.in_port;
    const struct plane_port *port = plane_port(dp, in_port);
    if (sort == PIPE_EDGE) {
        probe_watch_host(dp, in_port, pi->data);
    }
    if (!port || (!port_class_relays(port->class) && port->class != PORT_INTERNAL)) {
        return;
    }
    const struct map_entry *e = map_find(
        sp, (struct dp_key){
                .dp_id = dp->id, .ct_id = dp->proxy->config.ct_id, .dp_port = in_port});
    if (e) {
        dp->counters.relay_in++;
        relay_to_vs(sp, e, pi->data);
    }
}

/* From rfvs. */

/* Only to hosts: on an inter-switch link a frame of the virtual plane would be a leak,
 * and on a port that LLDP has not looked at yet it could be one. */
static bool may_leave(struct datapath *dp, uint32_t no)
{
    const struct plane_port *plane = plane_port(dp, no);
    const struct dp_port *port = datapath_port(dp, no);

    if (!plane || !port || !port->up) {
        return false;
    }
    return plane->class == PORT_OPEN ||
           (plane->class == PORT_EDGE && port->class != PORT_INTERNAL);
}

static void on_frame(void *sp_, const struct relay_frame *frame)
{
    struct slowpath *sp = sp_;
    struct datapath *dp = datapath_find(sp->proxy, frame->id);
    struct of_actions actions;

    if (!dp) {
        return; /* That of another rfproxy: each gets all frames. */
    }
    if (!dp->session) {
        drop(sp, "their datapath is not connected");
        return;
    }
    if (!may_leave(dp, frame->port)) {
        dp->counters.relay_refused++;
        log_debug("datapath %s port %u: frame of a VM refused, no edge port", dp->name,
                  frame->port);
        return;
    }
    if (!of_session_room(dp->session)) {
        drop(sp, "their datapath does not take them fast enough");
        return;
    }
    dp->counters.relay_out++;
    of_actions_init(&actions);
    of_actions_output(&actions, frame->port);
    of_put_packet_out(of_session_output(dp->session), datapath_xid(dp), OFPP_CONTROLLER,
                      &actions, frame->data, frame->n);
    datapath_kick(dp);
}

static void on_connected(void *sp_)
{
    const struct slowpath *sp = sp_;
    log_info("rfvs is there, %s", sp->proxy->config.relay);
}

static void on_disconnected(void *sp_, const char *reason)
{
    struct slowpath *sp = sp_;
    log_warn_limited(&sp->gone, "rfvs is gone, %s: %s", sp->proxy->config.relay,
                     reason);
}

struct slowpath *slowpath_create(struct proxy *proxy)
{
    static const struct relay_ops ops = {
        .frame = on_frame, .connected = on_connected, .disconnected = on_disconnected};
    struct slowpath *sp = xcalloc(1, sizeof *sp);

    sp->proxy = proxy;
    if (!proxy->config.relay) {
        log_warn("no relay: packets for the VMs themselves are dropped");
        return sp;
    }
    const int error =
        relay_client_create(proxy->loop, proxy->config.relay, &ops, sp, &sp->relay);
    if (error) {
        log_err("relay %s: %s", proxy->config.relay, relay_strerror(error));
        slowpath_destroy(sp);
        return NULL;
    }
    return sp;
}

void slowpath_destroy(struct slowpath *sp)
{
    if (sp) {
        slowpath_begin(sp);
        slowpath_end(sp);
        relay_client_destroy(sp->relay);
        free(sp);
    }
}
