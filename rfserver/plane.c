/* From the RIB of a VM to the proxy of its datapath: a download (BEGIN, everything,
 * END) for each new session, then changes.
 *
 * END lets the proxy sweep what was not named, so it waits until the client's report
 * and the associations are complete (server_dp_settled()): a restarted rfserver must
 * not tear holes. */

#include "server.h"

#include <stdlib.h>

#include <utlist.h>

#define LOG_MODULE "plane"
#include "base/buf.h"
#include "base/log.h"
#include "base/util.h"
#include "wire/record.h"

/* Batches are filled up to here, so that the record that crosses it still fits. */
#define BATCH_FULL (WIRE_BATCH_GOOD - RECORD_MAX_LEN)

/* Who belongs to whom.  A VM may span several datapaths (rfisl.csv), and then even have
 * one at which it has no port of its own; a datapath belongs to one VM. */

struct server_pair *plane_pair(struct server *s, uint64_t dp_id)
{
    struct server_pair *pair;
    HASH_FIND(hh, s->pairs, &dp_id, sizeof dp_id, pair);
    return pair;
}

static struct server_pair *pair_of_vm(struct server *s, uint64_t vm_id)
{
    struct server_pair *pair;
    HASH_FIND(hh_vm, s->pairs_by_vm, &vm_id, sizeof vm_id, pair);
    return pair;
}

uint64_t plane_vm_of(struct server *s, uint64_t dp_id)
{
    const struct server_pair *pair = plane_pair(s, dp_id);
    return pair ? pair->vm_id : 0;
}

const struct server_pair *plane_dps_of(struct server *s, uint64_t vm_id)
{
    return pair_of_vm(s, vm_id);
}

static void pair_add(struct server *s, uint64_t dp_id, uint64_t vm_id)
{
    struct server_pair *pair = plane_pair(s, dp_id);

    if (pair) {
        if (pair->vm_id != vm_id) {
            log_warn_limited(&s->strange,
                             "datapath 0x%016llx is mapped to the vms 0x%012llx and "
                             "0x%012llx: only the first one's routes reach it",
                             (unsigned long long)dp_id, (unsigned long long)pair->vm_id,
                             (unsigned long long)vm_id);
        }
        return;
    }
    pair = xcalloc(1, sizeof *pair);
    pair->dp_id = dp_id;
    pair->vm_id = vm_id;
    HASH_ADD(hh, s->pairs, dp_id, sizeof pair->dp_id, pair);
    struct server_pair *first = pair_of_vm(s, vm_id);
    if (!first) {
        HASH_ADD(hh_vm, s->pairs_by_vm, vm_id, sizeof pair->vm_id, pair);
    } else { /* The first stays the first. */
        pair->next = first->next;
        first->next = pair;
    }
}

void plane_destroy_all(struct server *s)
{
    struct server_pair *pair, *tmp;

    HASH_CLEAR(hh_vm, s->pairs_by_vm);
    HASH_ITER (hh, s->pairs, pair, tmp) {
        HASH_DEL(s->pairs, pair);
        free(pair);
    }
}

void plane_remap(struct server *s)
{
    struct server_dp *dp, *tmp;

    plane_destroy_all(s);
    for (size_t i = 0; i < s->mapping.n_rows; i++) {
        const struct mapping_row *row = &s->mapping.rows[i];
        pair_add(s, row->dp.dp_id, row->vm.vm_id);
    }
    for (size_t i = 0; i < s->mapping.n_isls; i++) {
        const struct mapping_isl *isl = &s->mapping.isls[i];
        pair_add(s, isl->a.dp_id, isl->vm_id);
        pair_add(s, isl->b.dp_id, isl->vm_id);
    }
    span_remap(s);
    HASH_ITER (hh, s->dps, dp, tmp) {
        if (dp->connected && dp->plane_vm != plane_vm_of(s, dp->id)) {
            plane_start(dp);
        }
    }
}

static struct rib *rib_of(struct server_dp *dp)
{
    struct server_vm *vm = vm_find(dp->server, plane_vm_of(dp->server, dp->id));
    struct server_rib *r = vm ? vm_rib(vm, dp->id) : NULL;
    return r ? r->rib : NULL;
}

static void set_phase(struct server_dp *dp, enum plane_phase phase)
{
    dp->phase = phase;
    dp->phase_since = loop_now();
}

void plane_start(struct server_dp *dp)
{
    dp->plane_vm = plane_vm_of(dp->server, dp->id);
    set_phase(dp, PLANE_BEGIN);
    plane_due(dp);
    server_wake(dp->server);
}

const char *plane_phase_text(struct server_dp *dp)
{
    switch (dp->phase) {
    case PLANE_IDLE:
        return "not connected";
    case PLANE_BEGIN:
    case PLANE_OPEN:
        return "waits for its VM";
    case PLANE_DONE:
        break;
    }
    return !dp->has_status      ? "downloading"
           : dp->status.failed  ? "refused entries"
           : dp->status.in_sync ? "in sync"
                                : "changing";
}

/* Fills one batch.  Returns whether there is anything in it. */
static bool fill(struct server_dp *dp, struct rib *rib, struct buf *out)
{
    struct plane_change change;

    if (dp->phase == PLANE_BEGIN) {
        record_put_begin(out);
        if (rib) {
            rib_snapshot_begin(rib);
        }
        set_phase(dp, PLANE_OPEN);
    }
    while (rib && out->len < BATCH_FULL && rib_next_small(rib, &change)) {
        record_put_plane(out, &change);
    }
    /* The other way for a lost link does not wait for a pass over a million routes,
     * which the next batch begins with. */
    if (out->len) {
        return true;
    }
    while (rib && out->len < BATCH_FULL && rib_next_change(rib, &change)) {
        record_put_plane(out, &change);
    }
    if (dp->phase == PLANE_OPEN && out->len < BATCH_FULL &&
        !(rib && rib_snapshot_active(rib)) && server_dp_settled(dp->server, dp->id)) {
        record_put_end(out);
        set_phase(dp, PLANE_DONE);
    }
    return out->len > 0;
}

/* Sends one batch, if there is anything to send. */
static bool dp_send(struct server_dp *dp)
{
    struct buf out = {0};
    bool sent = fill(dp, rib_of(dp), &out) &&
                /* If not, the session is about to end: the next one starts afresh. */
                !ipc_peer_batch_send(dp->peer, dp->id, &out);

    buf_uninit(&out);
    return sent;
}

void plane_due(struct server_dp *dp)
{
    if (dp && !dp->due) {
        dp->due = true;
        DL_APPEND2(dp->server->due, dp, due_prev, due_next);
    }
}

void plane_due_vm(struct server *s, uint64_t vm_id)
{
    for (const struct server_pair *p = plane_dps_of(s, vm_id); p; p = p->next) {
        plane_due(dp_find(s, p->dp_id));
    }
}

void plane_not_due(struct server_dp *dp)
{
    if (dp->due) {
        dp->due = false;
        DL_DELETE2(dp->server->due, dp, due_prev, due_next);
    }
}

void plane_due_all(struct server *s)
{
    struct server_dp *dp, *tmp;

    HASH_ITER (hh, s->dps, dp, tmp) {
        plane_due(dp);
    }
}

/* In turns: a change of one datapath must not wait for the download of another, with
 * which it shares the window of a proxy. */
void plane_flush(struct server *s)
{
    struct server_dp *waiting = NULL, *dp;

    while ((dp = s->due)) {
        DL_DELETE2(s->due, dp, due_prev, due_next);
        if (!dp->peer || !dp->connected) {
            dp->due = false; /* Until plane_start(). */
        } else if (proxy_is_reporting(s, dp->ct_id) || !ipc_peer_batch_room(dp->peer)) {
            DL_APPEND2(waiting, dp, due_prev, due_next);
        } else if (dp_send(dp)) {
            DL_APPEND2(s->due, dp, due_prev, due_next); /* There may be more. */
        } else {
            dp->due = false;
        }
    }
    s->due = waiting;
}

void batch_send_all(struct ipc_peer *peer, uint64_t id, struct buf *records)
{
    size_t sent = 0;

    while (peer && sent < records->len && ipc_peer_batch_room(peer)) {
        struct cursor c = cursor_of(records->data + sent, records->len - sent);
        size_t whole = 0;
        struct record r;

        while (c.n && !record_get(&c, &r) &&
               c.p - records->data - sent <= WIRE_BATCH_MAX) {
            whole = (size_t)(c.p - records->data) - sent;
        }
        struct buf part = {.data = records->data + sent, .len = whole, .cap = whole};
        if (ipc_peer_batch_send(peer, id, &part)) {
            break;
        }
        sent += whole;
    }
    if (sent) {
        buf_pull(records, sent);
    }
}
