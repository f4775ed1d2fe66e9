#include "client.h"

#include <stdlib.h>
#include <string.h>

#include "base/util.h"
#include "ipc/client.h"
#include "mapping.h"
#include "netlink/request.h"
#include "netlink/watch.h"
#include "pace.h"
#include "state.h"
#include "wire/record.h"

#define LOG_MODULE "rfclient"
#include "base/log.h"

/* Batches made in one turn of the loop, so that the kernel's events are read on. */
enum { BATCHES_PER_TURN = 4 };

struct client {
    uint64_t vm_id;
    struct buf key;
    struct buf records; /* Scratch. */
    struct vm_state *state;
    struct nl_watch *watch;
    struct nl_request *request;
    struct mapping *mapping;
    struct ipc_client *ipc;
    struct loop_fd *events, *express, *dumps;
    struct loop_timer *watch_timer, *probe_timer, *due_timer;
    struct loop_timer *pause;
    struct pace pace;
    struct loop_defer *send;
    struct loop_timer *coalesce;
    bool synced;       /* The kernel was read completely, once. */
    bool resync;       /* The session has not begun its BEGIN ... END yet. */
    uint64_t overruns; /* Of the last report. */
    struct log_limit progress_limit;
};

/* From the kernel. */

static void on_ahead(void *c_, const struct rtnl_msg *m)
{
    const struct client *c = c_;

    vm_state_prefetch(c->state, m);
}

static void on_message(void *c_, const struct rtnl_msg *m, bool in_dump)
{
    struct client *c = c_;
    int64_t now = loop_now();

    if (!in_dump && log_enabled(LOGL_DEBUG)) {
        struct buf text = {0};
        rtnl_format(m, &text);
        log_debug("%s", buf_cstr(&text));
        buf_uninit(&text);
    }
    unsigned doubtful = vm_state_message(c->state, m, in_dump, now);
    if (doubtful) {
        nl_watch_verify(c->watch, doubtful, now);
    }
    if (m->kind == RTNL_LINK && !m->del) {
        uint32_t vm_port = vm_state_port_of(c->state, m->link.ifindex);
        if (vm_port) {
            mapping_hurry(c->mapping, vm_port);
        }
    }
}

static void on_dump_begin(void *c_, enum rtnl_kind kind)
{
    struct client *c = c_;

    vm_state_dump_begin(c->state, kind);
}

static void on_dump_end(void *c_, enum rtnl_kind kind, bool complete)
{
    struct client *c = c_;

    vm_state_dump_end(c->state, kind, complete, loop_now());
}

static const struct nl_watch_ops watch_ops = {on_ahead, on_message, on_dump_begin,
                                              on_dump_end};

static int on_probe(void *c_, uint32_t ifindex, const struct ip_addr *addr,
                    enum nl_probe how)
{
    struct client *c = c_;
    char text[IP_STRLEN];

    int error = nl_request_probe(c->request, ifindex, addr, how);
    log_debug("%s %s on interface %u: %s",
              how == NL_PROBE_RESOLVE ? "resolve" : "validate", ip_format(addr, text),
              ifindex, error ? strerror(error) : "asked");
    return error;
}

static void probe(struct client *c)
{
    vm_state_probe(c->state, loop_now(), on_probe, c);
    loop_timer_at(c->probe_timer, vm_state_wakeup(c->state));
}

static void on_probe_timer(void *c_)
{
    struct client *c = c_;

    probe(c);
    loop_defer_schedule(c->send); /* A neighbour that was in doubt may be lost. */
}

static void note_progress(struct client *c)
{
    struct nl_watch_stats stats;
    struct vm_state_counts n;

    nl_watch_stats(c->watch, &stats);
    if (!nl_watch_synced(c->watch) || nl_watch_is_dirty(c->watch) ||
        (c->synced && stats.overruns == c->overruns)) {
        return;
    }
    vm_state_counts(c->state, &n);
    log_info_limited(&c->progress_limit,
                     "%s: %zu ports, %zu addresses, %zu neighbours, %zu routes",
                     c->synced ? "recovered from netlink overrun" : "kernel state read",
                     n.ports, n.addrs, n.neighs, n.routes);
    c->overruns = stats.overruns;
    c->synced = true;
}

static void schedule_send(struct client *c)
{
    const int64_t now = loop_now_us();
    const int64_t at =
        pace_tell_at(&c->pace, vm_state_hurries(c->state), vm_state_pending(c->state));

    if (at <= now) {
        loop_defer_schedule(c->send);
    } else {
        loop_timer_once(c->coalesce, (at - now + 999) / 1000);
    }
}

static uint64_t n_read(const struct client *c)
{
    struct nl_watch_stats stats;

    nl_watch_stats(c->watch, &stats);
    return stats.messages;
}

static void watch(void *c_)
{
    struct client *c = c_;
    const int64_t now = loop_now();

    pace_read_begins(&c->pace, now, n_read(c));
    const bool drained = nl_watch_run(c->watch, now);
    const bool stream = pace_read_ends(&c->pace, n_read(c));
    const bool dumping = nl_watch_is_dumping(c->watch);
    const bool pause = stream && drained && !dumping;
    if (pause) {
        loop_timer_once(c->pause, PACE_READ_MS);
    }
    loop_fd_set_events(c->events, dumping || pause ? 0 : LOOP_READ);
    loop_fd_set_events(c->express, dumping ? 0 : LOOP_READ);
    loop_fd_set_events(c->dumps, dumping ? LOOP_READ : 0);
    loop_timer_at(c->watch_timer, nl_watch_wakeup(c->watch));
    note_progress(c);
    probe(c);
    schedule_send(c);
}

static void coalesced(void *c_)
{
    struct client *c = c_;

    loop_defer_schedule(c->send);
}

static void on_readable(void *c, int events)
{
    watch(c);
}

static void on_express(void *c_, int events)
{
    struct client *c = c_;

    nl_watch_run_express(c->watch, loop_now());
    loop_timer_at(c->watch_timer, nl_watch_wakeup(c->watch));
    probe(c);
    schedule_send(c);
}

/* To rfserver. */

/* What goes into the next batch: where there is room for the urgent only, these. */
static void fill(struct client *c, bool room)
{
    buf_clear(&c->records);
    while (c->records.len + RECORD_MAX_LEN <= WIRE_BATCH_GOOD &&
           (room || vm_state_hurries(c->state)) &&
           vm_state_put_next(c->state, loop_now(), &c->records)) {
    }
}

/* False if an event will have this called again: on_up(), on_window_open(). */
static bool put_batches(struct client *c)
{
    /* A BEGIN ... END of half the kernel's state would have rfserver drop the rest. */
    if (!c->synced || !ipc_client_is_up(c->ipc)) {
        return false;
    }
    if (c->resync) {
        c->resync = false;
        vm_state_resync(c->state);
    }
    for (int i = 0; i < BATCHES_PER_TURN; i++) {
        const bool room = ipc_client_batch_room(c->ipc);
        if (!room &&
            !(vm_state_hurries(c->state) && ipc_client_batch_room_urgent(c->ipc))) {
            return false;
        }
        fill(c, room);
        if (!c->records.len) {
            break;
        }
        int error = ipc_client_batch_send(c->ipc, c->vm_id, &c->records, !room);
        c->pace.told_us = loop_now_us();
        if (error) {
            /* What is in the batch is marked as told: say everything again. */
            log_warn("a batch was not taken: %s", strerror(error));
            c->resync = true;
            return false;
        }
    }
    if (vm_state_pending(c->state)) {
        loop_defer_schedule(c->send);
    }
    return true;
}

static void send_batches(void *c_)
{
    struct client *c = c_;
    bool again = put_batches(c);

    loop_timer_at(c->due_timer, again ? vm_state_due(c->state) : INT64_MAX);
}

static void on_up(void *c_, const struct msg_welcome *welcome, bool server_restarted)
{
    struct client *c = c_;

    log_info("connected to rfserver%s",
             server_restarted ? ", which was restarted" : "");
    c->resync = true;
    loop_defer_schedule(c->send);
}

static void on_down(void *c_, const char *reason)
{
    struct client *c = c_;

    mapping_want_none(c->mapping);
}

static void on_server_message(void *c_, const struct msg *m)
{
    struct client *c = c_;

    if (m->type == MSG_PORT_CONFIG) {
        const struct msg_port_config *p = &m->port_config;
        log_info("port %u: rfserver says %s%s", p->vm_port,
                 p->active ? "active" : "not active",
                 p->mapping ? ", wants mapping frames" : "");
        mapping_want(c->mapping, p->vm_port, p->mapping && !p->active);
    }
}

static void on_window_open(void *c_)
{
    struct client *c = c_;

    loop_defer_schedule(c->send);
}

static const struct ipc_client_ops ipc_ops = {on_up, on_down, on_server_message,
                                              on_window_open};

/* Life. */

static bool port_link(void *c_, uint32_t vm_port, struct rtnl_link *ret)
{
    struct client *c = c_;

    return vm_state_port(c->state, vm_port, ret);
}

static bool open_sockets(struct client *c, const struct client_config *config)
{
    struct mapping_config mapping = {.loop = config->loop,
                                     .vm_id = config->vm_id,
                                     .key = &c->key,
                                     .port = port_link,
                                     .aux = c};
    int error = nl_watch_create(&watch_ops, c, config->netlink_buffer, &c->watch);

    if (!error) {
        error = nl_request_create(&c->request);
    }
    if (error) {
        log_err("cannot open a netlink socket: %s", strerror(error));
        return false;
    }
    error = mapping_create(&mapping, &c->mapping);
    if (error) {
        log_err("cannot open a packet socket for mapping frames: %s", strerror(error));
        return false;
    }
    return true;
}

struct client *client_create(const struct client_config *config)
{
    struct client *c = xcalloc(1, sizeof *c);
    struct ipc_client_config ipc = {.endpoint = config->server,
                                    .role = ROLE_CLIENT,
                                    .id = config->vm_id,
                                    .epoch = ipc_random_epoch(),
                                    .curve = config->curve};

    c->vm_id = config->vm_id;
    if (!open_sockets(c, config)) {
        client_destroy(c);
        return NULL;
    }
    c->key = config->key;
    c->state = vm_state_create(&config->ports, &config->prober);
    c->events = loop_fd_create(config->loop, nl_watch_event_fd(c->watch), LOOP_READ,
                               on_readable, c);
    c->express = loop_fd_create(config->loop, nl_watch_express_fd(c->watch), LOOP_READ,
                                on_express, c);
    c->dumps =
        loop_fd_create(config->loop, nl_watch_dump_fd(c->watch), 0, on_readable, c);
    c->watch_timer = loop_timer_create(config->loop, watch, c);
    c->pause = loop_timer_create(config->loop, watch, c);
    c->probe_timer = loop_timer_create(config->loop, on_probe_timer, c);
    c->due_timer = loop_timer_create(config->loop, send_batches, c);
    c->send = loop_defer_create(config->loop, send_batches, c);
    c->coalesce = loop_timer_create(config->loop, coalesced, c);
    c->ipc = ipc_client_create(config->loop, config->zctx, &ipc, &ipc_ops, c);
    loop_timer_once(c->watch_timer, 0);
    return c;
}

void client_destroy(struct client *c)
{
    if (!c) {
        return;
    }
    if (c->ipc) {
        ipc_client_destroy(c->ipc);
        loop_timer_destroy(c->coalesce);
        loop_defer_destroy(c->send);
        loop_timer_destroy(c->due_timer);
        loop_timer_destroy(c->probe_timer);
        loop_timer_destroy(c->watch_timer);
        loop_timer_destroy(c->pause);
        loop_fd_destroy(c->dumps);
        loop_fd_destroy(c->express);
        loop_fd_destroy(c->events);
    }
    mapping_destroy(c->mapping);
    nl_request_destroy(c->request);
    nl_watch_destroy(c->watch);
    vm_state_destroy(c->state);
    buf_uninit(&c->records);
    buf_uninit(&c->key);
    free(c);
}
