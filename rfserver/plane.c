/* From the RIB of a VM to the proxy of its datapath: a download (BEGIN, everything,
 * END) for each new session, then changes.
 *
 * END lets the proxy sweep what was not named, so it waits until the client's report
 * and the associations are complete (server_dp_settled()): a restarted rfserver must
 * not tear holes. */

#include "server.h"

#include "base/buf.h"
#include "base/util.h"
#include "wire/record.h"

/* Batches are filled up to here, so that the record that crosses it still fits. */
#define BATCH_FULL (WIRE_BATCH_MAX - RECORD_MAX_LEN)

uint64_t plane_vm_of(struct server *s, uint64_t dp_id)
{
    for (size_t i = 0; i < s->mapping.n_rows; i++) {
        if (s->mapping.rows[i].dp.dp_id == dp_id) {
            return s->mapping.rows[i].vm.vm_id;
        }
    }
    return 0;
}

static struct rib *rib_of(struct server_dp *dp)
{
    struct server_vm *vm = vm_find(dp->server, plane_vm_of(dp->server, dp->id));
    return vm ? vm->rib : NULL;
}

static void set_phase(struct server_dp *dp, enum plane_phase phase)
{
    dp->phase = phase;
    dp->phase_since = loop_now();
}

void plane_start(struct server_dp *dp)
{
    set_phase(dp, PLANE_BEGIN);
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

static void dp_flush(struct server_dp *dp)
{
    struct rib *rib = rib_of(dp);
    struct buf out = {0};

    while (ipc_peer_batch_room(dp->peer) && fill(dp, rib, &out)) {
        if (ipc_peer_batch_send(dp->peer, dp->id, &out)) {
            break; /* The session is about to end: the next one starts afresh. */
        }
        buf_clear(&out);
    }
    buf_uninit(&out);
}

void plane_flush(struct server *s)
{
    struct server_dp *dp, *tmp;

    HASH_ITER (hh, s->dps, dp, tmp) {
        if (dp->peer && dp->connected) {
            dp_flush(dp);
        }
    }
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
    buf_pull(records, sent);
}
