/* LLDP: one signed frame out of each port that is up, every interval; what is heard
 * makes the topology.  A port that hears nobody by LLDP sends the same as a broadcast,
 * too, which reaches whom a foreign switch joins it with; an edge port only now and
 * then, and when it hears such a broadcast itself.
 *
 * A port that came up is probed at once, PROBE_BURST times more at short intervals, so
 * that a link is there some milliseconds after its ports are, and then at the regular
 * interval.  The ports of a switch are probed together, which is one write, but each
 * switch at a moment of its own: a thousand of them do not make a burst each second
 * that everything else would have to wait for.
 *
 * What a host could do, and what is done about it: a forged frame fails its HMAC; a
 * recorded one its time or its counter; a copy of one that another switch has heard is
 * known by its counter (not of broadcasts, of which copies are nothing strange); one
 * that a host relays from another edge port
 * is genuine and fresh, but a port where a host was seen has no link until the host was
 * silent for HOST_SILENT_MS or the port was down.  (So a foreign switch with hosts,
 * too, is an edge, unless the switches meet first; the mapping file can tell.) */

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/hash.h"
#include "datapath.h"
#include "of/put.h"
#include "wire/lldp.h"

#define LOG_MODULE "lldp"
#include "base/log.h"

#define PROBE_BURST 5
#define PROBE_BURST_MS 200
#define EDGE_SHARE 5 /* An edge port sends a broadcast with every fifth probe. */
#define HOST_SILENT_MS 60000
#define FRAME_MIN_LEN 60
#define TICK_MS 500

/* The counter of the last frame from src heard at dst; at any port, if dst is zero.
 * Broadcasts are counted apart: a switch may be faster to hand over the one of a pair
 * that was sent second, and the other is none that somebody replayed. */
struct guard_key {
    struct dp_key src, dst;
    uint32_t broadcast;
};

struct guard {
    struct guard_key key;
    struct replay_guard seen;
    UT_hash_handle hh;
};

static struct frame_key hmac_key(const struct proxy *proxy)
{
    return (struct frame_key){.data = proxy->config.key, .n = proxy->config.key_len};
}

static struct dp_key key_of(const struct datapath *dp, uint32_t no)
{
    return (struct dp_key){
        .dp_id = dp->id, .ct_id = dp->proxy->config.ct_id, .dp_port = no};
}

/* Out. */

/* A broadcast comes from the router's address, so that foreign switches learn where it
 * is and need not flood what is sent to it. */
static struct eth_addr source(const struct datapath *dp, const struct dp_port *port,
                              bool broadcast)
{
    const struct plane_port *plane = broadcast ? plane_port(dp, port->no) : NULL;

    return plane && !eth_is_zero(plane->mac) ? plane->mac : port->hwaddr;
}

static void probe_send(struct datapath *dp, const struct dp_port *port, bool broadcast)
{
    struct proxy *proxy = dp->proxy;
    const struct lldp_info info = {.src = key_of(dp, port->no),
                                   .time_ms = loop_wall_now(),
                                   .counter = ++proxy->lldp_counter,
                                   .broadcast = broadcast};
    struct of_actions actions;
    struct buf frame = {0};

    lldp_encode(&info, source(dp, port, broadcast),
                (uint16_t)MAX(1, (proxy->config.lldp_ttl_ms + 999) / 1000),
                hmac_key(proxy), &frame);
    if (frame.len < FRAME_MIN_LEN) {
        buf_put_zeros(&frame, FRAME_MIN_LEN - frame.len);
    }
    of_actions_init(&actions);
    of_actions_output(&actions, port->no);
    of_put_packet_out(of_session_output(dp->session), datapath_xid(dp), OFPP_CONTROLLER,
                      &actions, frame.data, frame.len);
    buf_uninit(&frame);
}

/* Whether the probe that is due now is to be a broadcast, too.  Not the first after a
 * port came up: nearly always LLDP finds what is there. */
static bool broadcast_is_due(const struct datapath *dp, struct dp_port *port)
{
    const bool first = port->burst == PROBE_BURST;
    const bool answer = port->answer;

    port->answer = false;
    if (first) {
        return false;
    }
    if (port->class == PORT_EDGE && !answer && ++port->unanswered < EDGE_SHARE) {
        return false;
    }
    port->unanswered = 0;
    return !topo_hears_lldp(dp->proxy->topology, key_of(dp, port->no));
}

/* When the port is probed after it was at `now`. */
static int64_t next_probe(const struct datapath *dp, struct dp_port *port, int64_t now)
{
    const struct proxy_config *config = &dp->proxy->config;
    const int64_t interval = config->lldp_interval_ms;

    if (port->confirmed && config->fast_links) {
        return now + FAST_PROBE_MS;
    }
    if (port->burst) {
        port->burst--;
        return now + MIN(PROBE_BURST_MS, interval);
    }
    const int64_t phase = (int64_t)(hash_u64(dp->id) % (uint64_t)interval);
    return now + interval - (now + phase) % interval;
}

void probe_timer(void *dp_)
{
    struct datapath *dp = dp_;
    const int64_t now = loop_now();

    if (!dp->session) {
        return;
    }
    for (struct dp_port *port = dp->ports; port; port = port->hh.next) {
        if (port->up && port->probe_at <= now) {
            probe_send(dp, port, false);
            if (broadcast_is_due(dp, port)) {
                probe_send(dp, port, true);
            }
            port->probe_at = next_probe(dp, port, now);
        }
    }
    audit_leaks(dp, now);
    datapath_kick(dp);
    probe_schedule(dp);
}

void probe_schedule(struct datapath *dp)
{
    int64_t at = INT64_MAX;

    for (struct dp_port *port = dp->ports; port; port = port->hh.next) {
        if (port->up) {
            at = MIN(at, port->probe_at);
        }
    }
    loop_timer_at(dp->probe_timer, dp->session ? at : INT64_MAX);
}

void probe_port_changed(struct datapath *dp, struct dp_port *port, bool was_up)
{
    if (port->up && !was_up) {
        port->probe_at = loop_now();
        port->burst = PROBE_BURST;
        port->confirmed = false;
    }
    probe_schedule(dp);
}

/* Several times, like a port that came up: a switch that was started anew has no entry
 * yet that would punt the first probe, and by the next its links would be too old. */
void probe_connected(struct datapath *dp)
{
    for (struct dp_port *port = dp->ports; port; port = port->hh.next) {
        port->probe_at = loop_now();
        port->burst = PROBE_BURST;
    }
    probe_schedule(dp);
}

void probe_disconnected(struct datapath *dp)
{
    loop_timer_cancel(dp->probe_timer);
}

/* In. */

static bool is_fresh(struct proxy *proxy, const struct lldp_info *info,
                     struct dp_key dst)
{
    struct guard_key key;
    struct guard *guard;

    memset(&key, 0, sizeof key); /* It is hashed as octets. */
    key.src = info->src;
    key.dst = dst;
    key.broadcast = info->broadcast;
    HASH_FIND(hh, proxy->guards, &key, sizeof key, guard);
    if (!guard) {
        guard = xcalloc(1, sizeof *guard);
        guard->key = key;
        HASH_ADD(hh, proxy->guards, key, sizeof guard->key, guard);
    }
    return replay_guard_accept(&guard->seen, info->counter);
}

/* Whether a host has seen a frame on its way between two switches and repeats it: the
 * other switch was faster.  Of ports that are no edge it says nothing, because behind a
 * hub several hear each frame. */
static bool is_copy(struct proxy *proxy, const struct dp_port *port,
                    const struct lldp_info *info)
{
    const struct dp_key any = {0};

    return !is_fresh(proxy, info, any) && port->class == PORT_EDGE;
}

void guards_destroy(struct proxy *proxy)
{
    struct guard *guard, *next;

    HASH_ITER (hh, proxy->guards, guard, next) {
        HASH_DEL(proxy->guards, guard);
        free(guard);
    }
}

static const char *class_name(enum port_class class)
{
    switch (class) {
    case PORT_INTERNAL:
        return "inter-switch";
    case PORT_EDGE:
        return "edge";
    default:
        return "new";
    }
}

static void ignore(struct datapath *dp, struct dp_port *port, const char *why,
                   const struct lldp_info *info)
{
    char from[KEY_STRLEN + 8] = "";

    dp->counters.lldp_forged++;
    if (info) {
        char key[KEY_STRLEN];
        snprintf(from, sizeof from, " (of %s)", dp_key_format(info->src, key));
    }
    log_warn_limited(&port->limit, "lldp on %s port %u (%s) of datapath %s: %s%s",
                     class_name(port->class), port->no, port->name, dp->name, why,
                     from);
}

void probe_heard(struct datapath *dp, uint32_t in_port, struct cursor frame)
{
    struct proxy *proxy = dp->proxy;
    struct dp_port *port = datapath_port(dp, in_port);
    const struct dp_key dst = key_of(dp, in_port);
    const int64_t now = loop_now();
    struct lldp_info info;

    if (!port || !port->up || !dp->reported) {
        return;
    }
    const enum frame_verdict verdict =
        lldp_decode(frame.p, frame.n, hmac_key(proxy), loop_wall_now(),
                    proxy->config.lldp_ttl_ms, &info);
    if (verdict == FRAME_NOT_OURS) {
        log_debug("lldp of somebody else on port %u of datapath %s", in_port, dp->name);
    } else if (verdict != FRAME_OK) {
        ignore(dp, port, frame_verdict_name(verdict),
               verdict == FRAME_STALE ? &info : NULL);
    } else if (!is_fresh(proxy, &info, dst)) {
        ignore(dp, port, "replayed, expected a counter not seen before", &info);
    } else if (!info.broadcast && is_copy(proxy, port, &info)) {
        ignore(dp, port, "copied, another port has heard this very frame", &info);
    } else if (port->host_seen_at != HOST_NEVER &&
               now - port->host_seen_at < HOST_SILENT_MS) {
        if (!info.broadcast) { /* Behind a foreign switch that is nothing strange. */
            ignore(dp, port, "relayed by a host", &info);
        }
    } else {
        (info.broadcast ? topo_heard : topo_seen)(proxy->topology, info.src, dst, now);
        topology_effects(proxy);
    }
}

static bool is_switch_or_router(const struct proxy *proxy, struct eth_addr mac)
{
    for (const struct datapath *dp = proxy->datapaths; dp; dp = dp->hh.next) {
        for (const struct dp_port *port = dp->ports; port; port = port->hh.next) {
            if (eth_equal(port->hwaddr, mac)) {
                return true;
            }
        }
        for (const struct plane_port_entry *e = dp->plane_ports; e; e = e->hh.next) {
            if (eth_equal(e->port.mac, mac)) {
                return true;
            }
        }
    }
    return false;
}

void probe_watch_host(struct datapath *dp, uint32_t in_port, struct cursor frame)
{
    struct dp_port *port = datapath_port(dp, in_port);
    struct eth_addr src;
    uint16_t type;

    if (!port || !cursor_skip(&frame, sizeof src) || !cursor_eth(&frame, &src) ||
        !cursor_u16(&frame, &type) || type != 0x0806) {
        return;
    }
    const int64_t now = loop_now();
    if (port->host_seen_at != HOST_NEVER && now - port->host_seen_at < 1000) {
        return; /* Noted not long ago. */
    }
    if (!is_switch_or_router(dp->proxy, src)) {
        port->host_seen_at = now;
    }
}

/* The topology. */

static struct dp_port *own_port(struct proxy *proxy, struct dp_key key,
                                struct datapath **ret_dp)
{
    struct datapath *dp =
        key.ct_id == proxy->config.ct_id ? datapath_find(proxy, key.dp_id) : NULL;

    *ret_dp = dp;
    return dp ? datapath_port(dp, key.dp_port) : NULL;
}

static void link_changed(struct proxy *proxy, const struct topo_effect *e)
{
    const bool up = e->kind == TOPO_LINK_UP;
    const struct dp_key ends[] = {e->a, e->b};
    char a[KEY_STRLEN], b[KEY_STRLEN];
    unsigned n_own = 0;

    log_info("link %s: %s - %s", up ? "up" : "down", dp_key_format(e->a, a),
             dp_key_format(e->b, b));
    for (size_t i = 0; i < ARRAY_SIZE(ends); i++) {
        struct datapath *dp;
        struct dp_port *port = own_port(proxy, ends[i], &dp);
        if (port) {
            n_own++;
            port->confirmed = up;
            port->burst = up ? 0 : port->burst; /* It has reached what it was for. */
            port->probe_at = MIN(port->probe_at, loop_now() + FAST_PROBE_MS);
            probe_schedule(dp);
        }
    }
    if (up && n_own == 2 && proxy->config.fast_links) {
        topo_set_ttl(proxy->topology, e->a, e->b, FAST_TTL_MS, loop_now());
    }
}

static void dir_changed(struct proxy *proxy, const struct topo_effect *e)
{
    const bool up = e->kind == TOPO_DIR_UP;
    struct datapath *dp;
    struct dp_port *port = own_port(proxy, e->b, &dp);

    server_send(proxy->server, &(struct msg){.type = MSG_LINK_DIR,
                                             .link_dir = {.src = e->a,
                                                          .dst = e->b,
                                                          .up = up,
                                                          .broadcast = e->broadcast}});
    if (port && up && e->broadcast) {
        port->answer = true; /* Whoever is new has not heard of us, either. */
        port->probe_at = loop_now();
        probe_schedule(dp);
    }
}

static void effect(struct proxy *proxy, const struct topo_effect *e)
{
    char a[KEY_STRLEN];
    struct datapath *dp;
    struct dp_port *port;

    switch (e->kind) {
    case TOPO_CLASS:
        port = own_port(proxy, e->a, &dp);
        if (port) {
            port->class = e->class;
        }
        log_debug("%s is %s", dp_key_format(e->a, a), topo_class_name(e->class));
        break;
    case TOPO_DIR_UP:
    case TOPO_DIR_DOWN:
        dir_changed(proxy, e);
        break;
    case TOPO_LINK_UP:
    case TOPO_LINK_DOWN:
        link_changed(proxy, e);
        break;
    case TOPO_MULTI_ACCESS:
        log_info("%s %s more than one neighbour%s", dp_key_format(e->a, a),
                 e->on ? "hears" : "no longer hears", e->on ? ": no link there" : "");
        break;
    case TOPO_SEGMENT: /* rfserver's business: its members may be somebody else's. */
    case TOPO_PAIR_UP:
    case TOPO_PAIR_DOWN:
        break;
    }
}

static void topology_wake(struct proxy *proxy, int64_t at)
{
    proxy->topo_due = at;
    loop_timer_at(proxy->topo_timer, at);
}

void topology_effects(struct proxy *proxy)
{
    struct topo_effect e;

    while (topo_next_effect(proxy->topology, &e)) {
        effect(proxy, &e);
    }
    if (!loop_timer_is_set(proxy->topo_timer)) {
        topology_wake(proxy, loop_now());
    }
}

void topology_timer(void *proxy_)
{
    struct proxy *proxy = proxy_;
    const int64_t now = loop_now();
    const bool fast = proxy->config.fast_links;

    if (now - proxy->topo_due > (fast ? FAST_PROBE_MS : TICK_MS)) {
        /* We were asleep ourselves: nothing was sent and what came was not read. */
        const int64_t ms = fast ? FAST_TTL_MS : proxy->config.lldp_interval_ms;
        log_debug("late by %lld ms: links get %lld ms more",
                  (long long)(now - proxy->topo_due), (long long)ms);
        topology_wake(proxy, now + ms);
        return;
    }
    const int64_t at = topo_tick(proxy->topology, now);
    topology_effects(proxy);
    /* What came meanwhile may be due earlier than `at`, but no earlier than its ttl. */
    topology_wake(proxy, MIN(at, now + (fast ? FAST_PROBE_MS : TICK_MS)));
}
