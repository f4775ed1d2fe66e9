/* From recon to the switch: operations out, barriers and errors back.
 *
 * Operations are pulled only while the session has room and few enough are in flight;
 * what is desired meanwhile coalesces in recon.  Frames of the slow path and urgent
 * entries go out behind what is in flight, and a hello must not wait for 20 ms of
 * flow-mods: hence the small window, which costs a download some percent.  Urgent
 * entries do not wait until there is room in it.  A barrier follows each SYNC_BATCH
 * operations and the urgent ones, and is sent when there is nothing more to send now
 * and no other is under way, whose reply has us look again (in the manner of RFC 896):
 * it is the confirmation, the window, and on long downloads the sign of life. */

#include <stdlib.h>
#include <string.h>

#include "datapath.h"
#include "of/print.h"

#define LOG_MODULE "sync"
#include "base/log.h"

#define SYNC_BATCH 64
#define SYNC_WINDOW 256  /* Operations in flight ... */
#define URGENT_EXTRA 256 /* ... and as many more while an urgent one waits. */
#define SENT_OPS 1024    /* No less than both. */

/* What an operation in flight is about, by serial % SENT_OPS: an error names no more
 * than the serial. */
struct sent_op {
    uint32_t serial;
    enum recon_what what;
    enum recon_action action;
    enum pipeline_sort sort; /* Of an aux item. */
    bool checks_length;      /* A FIB entry whose group has an MTU. */
    char *aux;               /* What an aux item is, in words. */
    union {
        uint32_t group;
        struct ip_prefix prefix;
    };
};

static void remember(struct sync *sync, const struct recon_op *op)
{
    struct sent_op *sent = &sync->sent[op->serial % SENT_OPS];

    free(sent->aux);
    *sent =
        (struct sent_op){.serial = op->serial, .what = op->what, .action = op->action};
    if (op->what == RECON_AUX) {
        struct buf text = {0};
        pipeline_describe(op, &text);
        sent->aux = xstrdup(buf_cstr(&text));
        buf_uninit(&text);
        if (op->action != RECON_DELETE) {
            sent->sort = pipeline_aux_sort(op->aux.key, op->aux.value);
        }
    } else if (op->what == RECON_GROUP) {
        sent->group = op->group.id;
    } else {
        sent->prefix = op->fib.prefix;
        sent->checks_length = op->action != RECON_DELETE && op->fib.target.mtu;
    }
}

static void describe(const struct sent_op *sent, char *ret, size_t size)
{
    struct recon_op op = {.what = sent->what, .action = sent->action};
    struct buf text = {0};

    if (sent->what == RECON_AUX) {
        str_copy(ret, sent->aux, size);
        return;
    }
    if (sent->what == RECON_GROUP) {
        op.group.id = sent->group;
    } else {
        op.fib.prefix = sent->prefix;
    }
    pipeline_describe(&op, &text);
    str_copy(ret, buf_cstr(&text), size);
    buf_uninit(&text);
}

static void send_barrier(struct datapath *dp)
{
    recon_barrier_sent(dp->recon, of_session_barrier(dp->session));
    dp->sync.unbarriered = 0;
}

static void note_sync(struct datapath *dp)
{
    struct sync *sync = &dp->sync;
    const bool in_sync = recon_in_sync(dp->recon);
    const int64_t now = loop_now();

    if (in_sync == sync->was_in_sync) {
        return;
    }
    sync->was_in_sync = in_sync;
    if (!in_sync) {
        sync->since = now;
        sync->changes_before = recon_changes(dp->recon);
    } else {
        const uint64_t n = recon_changes(dp->recon) - sync->changes_before;
        const long long ms = now - sync->since;
        if (!sync->announced) {
            sync->announced = true;
            log_info("datapath %s: in sync after %llu changes in %lld ms", dp->name,
                     (unsigned long long)n, ms);
        } else {
            log_debug("datapath %s: in sync after %llu changes in %lld ms", dp->name,
                      (unsigned long long)n, ms);
        }
    }
    datapath_status_changed(dp);
}

static bool has_room(const struct datapath *dp)
{
    const size_t extra = recon_has_urgent(dp->recon) ? URGENT_EXTRA : 0;

    return of_session_room(dp->session) &&
           recon_in_flight(dp->recon) < SYNC_WINDOW + extra;
}

static void pump(void *dp_)
{
    struct datapath *dp = dp_;
    struct sync *sync = &dp->sync;
    const int64_t now = loop_now();
    struct recon_op op;

    if (!dp->session) {
        return;
    }
    while (has_room(dp) && recon_next_op(dp->recon, now, &op)) {
        remember(sync, &op);
        pipeline_render(&dp->pipeline, &op, of_session_output(dp->session));
        if (++sync->unbarriered >= SYNC_BATCH ||
            (op.urgent && !recon_has_urgent(dp->recon))) {
            send_barrier(dp);
        }
    }
    if (recon_needs_barrier(dp->recon) && !recon_awaits_barrier(dp->recon)) {
        send_barrier(dp);
    }
    loop_timer_at(sync->retry, recon_next_retry(dp->recon));
    datapath_kick(dp);
    note_sync(dp);
}

void sync_init(struct datapath *dp)
{
    dp->sync.defer = loop_defer_create(dp->proxy->loop, pump, dp);
    dp->sync.retry = loop_timer_create(dp->proxy->loop, pump, dp);
    dp->sync.since = loop_now();
}

void sync_uninit(struct datapath *dp)
{
    loop_defer_destroy(dp->sync.defer);
    loop_timer_destroy(dp->sync.retry);
    sync_disconnected(dp);
}

void sync_connected(struct datapath *dp)
{
    struct sync *sync = &dp->sync;

    sync->sent = xcalloc(SENT_OPS, sizeof *sync->sent);
    sync->unbarriered = 0;
    sync->was_in_sync = false;
    sync->announced = false;
    sync->since = loop_now();
    sync->changes_before = recon_changes(dp->recon);
}

void sync_disconnected(struct datapath *dp)
{
    struct sync *sync = &dp->sync;

    for (size_t i = 0; sync->sent && i < SENT_OPS; i++) {
        free(sync->sent[i].aux);
    }
    free(sync->sent);
    sync->sent = NULL;
    sync->was_in_sync = false;
}

void sync_kick(struct datapath *dp)
{
    loop_defer_schedule(dp->sync.defer);
}

void sync_barrier(struct datapath *dp, uint32_t xid)
{
    recon_barrier_done(dp->recon, xid);
    sync_kick(dp);
}

static enum recon_failure failure_of(uint16_t type, uint16_t code)
{
    if ((type == OFPET_GROUP_MOD_FAILED && code == OFPGMFC_GROUP_EXISTS) ||
        (type == OFPET_METER_MOD_FAILED && code == OFPMMFC_METER_EXISTS)) {
        return RECON_EXISTS;
    }
    if ((type == OFPET_GROUP_MOD_FAILED && code == OFPGMFC_UNKNOWN_GROUP) ||
        (type == OFPET_METER_MOD_FAILED && code == OFPMMFC_UNKNOWN_METER) ||
        (type == OFPET_BAD_ACTION && code == OFPBAC_BAD_OUT_GROUP)) {
        return RECON_ABSENT;
    }
    return RECON_REFUSED;
}

/* Only Open vSwitch matches the TTL in OpenFlow 1.3; go on without. */
static void give_up_ttl(struct datapath *dp)
{
    struct pipeline_config config = dp->pipeline;

    if (!config.nw_ttl) {
        return; /* It was asked once per family. */
    }
    config.nw_ttl = false;
    log_info("datapath %s: cannot match the TTL: traceroute will not see this hop",
             dp->name);
    plane_configure(dp, &config);
}

/* Nothing installed changes by it: the groups that were refused are tried again. */
static void give_up_watch(struct datapath *dp)
{
    if (dp->pipeline.watch) {
        dp->pipeline.watch = false;
        recon_set_alternates(dp->recon, false);
        log_info("datapath %s: its groups do not watch ports: a next hop that is lost "
                 "waits for us",
                 dp->name);
    }
}

/* The entries that were refused are tried again, without. */
static void give_up_lengths(struct datapath *dp)
{
    struct pipeline_config config = dp->pipeline;

    config.lengths = false;
    plane_configure(dp, &config);
}

/* What the switch says of an action, or of a table, that it does not have. */
static bool is_unknown_extension(uint16_t type, uint16_t code)
{
    return (type == OFPET_BAD_ACTION && code != OFPBAC_BAD_OUT_GROUP) ||
           type == OFPET_BAD_INSTRUCTION;
}

bool sync_error(struct datapath *dp, uint32_t xid, uint16_t type, uint16_t code)
{
    const struct sent_op *sent = &dp->sync.sent[xid % SENT_OPS];
    const enum recon_failure failure = failure_of(type, code);
    struct buf error = {0};
    char what[160] = "an entry";

    of_error_print(&error, type, code);
    if (!recon_op_failed(dp->recon, xid, failure, buf_cstr(&error), loop_now())) {
        buf_uninit(&error);
        return false;
    }
    if (sent->serial == xid && sent->what) {
        describe(sent, what, sizeof what);
    }
    if (sent->serial == xid && sent->sort == PIPE_TTL && type == OFPET_BAD_MATCH) {
        give_up_ttl(dp);
    } else if (type == OFPET_GROUP_MOD_FAILED &&
               (code == OFPGMFC_WATCH_UNSUPPORTED || code == OFPGMFC_BAD_WATCH ||
                code == OFPGMFC_BAD_TYPE)) {
        give_up_watch(dp);
    } else if (sent->serial == xid && sent->checks_length &&
               is_unknown_extension(type, code)) {
        give_up_lengths(dp);
    } else if (failure == RECON_REFUSED) {
        str_copy(dp->last_error, buf_cstr(&error), sizeof dp->last_error);
        log_warn_limited(&dp->sync.limit, "datapath %s refuses %s: %s", dp->name, what,
                         buf_cstr(&error));
        server_send(dp->proxy->server,
                    &(struct msg){.type = MSG_FLOW_ERROR,
                                  .flow_error = {.dp_id = dp->id,
                                                 .what = what,
                                                 .error = buf_cstr(&error)}});
    }
    buf_uninit(&error);
    sync_kick(dp);
    return true;
}
