/* When alternates (core/lfa.h) are looked for: some time after something has changed,
 * in slices, so that whatever else is to be done is done first.
 *
 * A port that was lost has set local repair to work.  The pass after that ends it for
 * routes that still hang on the lost port, so it leaves the routing suites the time for
 * an answer. */

#include <stdlib.h>

#include "base/util.h"
#include "core/lfa.h"
#include "server.h"

enum {
    QUIET_MS = 1000,
    PATIENCE_MS = 10000, /* With changes that never end. */
    REPAIR_MS = 5000,
    SLICE_ROUTES = 200,
    SLICE_GAP_MS = 2,
};

struct backup {
    struct server *server;
    struct lfa *lfa;
    struct loop_timer *timer;
    bool wanted;
    int64_t since;      /* The first change that no pass has seen. */
    int64_t due;        /* When the next pass should begin. */
    int64_t not_before; /* Repair has this long. */
    uint64_t *vms;      /* Those of the passes that are under way. */
    size_t n_vms;       /* Left. */
};

static struct rib *rib_of(void *s, uint64_t vm_id)
{
    struct server_vm *vm = vm_find(s, vm_id);
    return vm ? vm->ribs->rib : NULL;
}

static bool peer_of(void *s_, struct vm_key port, struct vm_key *ret)
{
    struct server *s = s_;
    const struct assoc_row *row = assoc_by_vm(s->assoc, port);
    struct dp_key peer;

    if (!row || !assoc_has_dp(row)) {
        return false;
    }
    if (!topo_peer(s->topo, row->dp, &peer)) {
        /* On a segment there are several. */
        *ret = (struct vm_key){0};
        return topo_segment_of(s->topo, row->dp) != 0;
    }
    row = assoc_by_dp(s->assoc, peer);
    /* A switch without a VM: nobody knows where packets go from there. */
    *ret = row && assoc_has_vm(row) ? row->vm : (struct vm_key){0};
    return true;
}

static void pass_begin(struct backup *b)
{
    struct server_vm *vm, *next;

    b->wanted = false;
    b->vms = xrealloc(b->vms, HASH_COUNT(b->server->vms) * sizeof *b->vms);
    b->n_vms = 0;
    HASH_ITER (hh, b->server->vms, vm, next) {
        b->vms[b->n_vms++] = vm->id;
    }
    if (b->n_vms) {
        lfa_begin(b->lfa, b->vms[b->n_vms - 1]);
    }
}

static void run(void *b_)
{
    struct backup *b = b_;
    const int64_t now = loop_now();

    if (b->n_vms) {
        if (!lfa_run(b->lfa, SLICE_ROUTES)) {
            /* A set may have lost what it used. */
            plane_due_vm(b->server, b->vms[b->n_vms - 1]);
            server_wake(b->server);
            if (--b->n_vms) {
                lfa_begin(b->lfa, b->vms[b->n_vms - 1]);
            }
        }
    } else if (b->wanted && now >= b->due) {
        pass_begin(b);
    }
    if (b->n_vms) {
        loop_timer_once(b->timer, SLICE_GAP_MS);
    } else if (b->wanted) {
        loop_timer_at(b->timer, b->due);
    }
}

void backup_changed(struct server *s, bool port_lost)
{
    struct backup *b = s->backup;
    const int64_t now = loop_now();

    if (port_lost) {
        b->not_before = now + REPAIR_MS;
        b->n_vms = 0; /* A pass that is under way comes too soon. */
    }
    b->since = b->wanted ? b->since : now;
    b->wanted = true;
    b->due = MAX(MIN(now + QUIET_MS, b->since + PATIENCE_MS), b->not_before);
    if (!loop_timer_is_set(b->timer)) {
        loop_timer_at(b->timer, b->due);
    }
}

bool backup_is_at_work(const struct server *s)
{
    return s->backup->wanted || s->backup->n_vms;
}

struct backup *backup_create(struct server *s)
{
    static const struct lfa_ops ops = {.rib = rib_of, .peer = peer_of};
    struct backup *b = xcalloc(1, sizeof *b);

    b->server = s;
    b->lfa = lfa_create(&ops, s);
    b->timer = loop_timer_create(s->loop, run, b);
    return b;
}

void backup_destroy(struct backup *b)
{
    if (b) {
        loop_timer_destroy(b->timer);
        lfa_destroy(b->lfa);
        free(b->vms);
        free(b);
    }
}
