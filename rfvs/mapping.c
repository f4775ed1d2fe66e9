/* Mapping frames: the proof of which VM port is plugged into which port of RFVS.
 *
 * A frame counts if its HMAC is right, its time is near ours, and its counter is higher
 * than any that this VM port sent before: a frame that was recorded and sent again,
 * perhaps into another port, proves nothing. */

#include <stdlib.h>

#include "vswitch.h"
#include "wire/mapping_frame.h"

#define LOG_MODULE "mapping"
#include "base/log.h"

#define WINDOW_MS 30000 /* Clocks of the containers are the host's. */

struct guard {
    struct {
        uint64_t vm_id;
        uint64_t vm_port; /* 64 bits: no padding in a hash key. */
    } key;
    struct replay_guard replay;
    UT_hash_handle hh;
};

struct mapping {
    struct rfvs *rfvs;
    struct guard *guards; /* Grows by genuine frames only. */
};

struct mapping *mapping_create(struct rfvs *rfvs)
{
    struct mapping *m = xcalloc(1, sizeof *m);
    m->rfvs = rfvs;
    return m;
}

void mapping_destroy(struct mapping *m)
{
    struct guard *g, *next;

    if (m) {
        HASH_ITER (hh, m->guards, g, next) {
            HASH_DEL(m->guards, g);
            free(g);
        }
        free(m);
    }
}

static struct guard *guard_of(struct mapping *m, struct vm_key vm)
{
    const struct guard key = {.key = {vm.vm_id, vm.vm_port}};
    struct guard *g;

    HASH_FIND(hh, m->guards, &key.key, sizeof key.key, g);
    if (!g) {
        g = xcalloc(1, sizeof *g);
        g->key = key.key;
        HASH_ADD(hh, m->guards, key, sizeof g->key, g);
    }
    return g;
}

static void refuse(struct vswitch *vs, struct vs_port *port, const char *why)
{
    vs->counters.mapping_forged++;
    vswitch_status_changed(vs);
    log_warn_limited(&port->forged, "rfvs %s port %u (%s): mapping frame refused: %s",
                     vs->name, port->no, port->name, why);
}

static void note(struct vswitch *vs, struct vs_port *port, struct vm_key vm)
{
    char text[KEY_STRLEN], before[KEY_STRLEN];

    if (!port->mapped) {
        log_info("rfvs %s: %s is at port %u (%s)", vs->name, vm_key_format(vm, text),
                 port->no, port->name);
    } else if (!vm_key_equal(port->vm, vm)) {
        log_warn("rfvs %s: %s is at port %u (%s) now, where %s was", vs->name,
                 vm_key_format(vm, text), port->no, port->name,
                 vm_key_format(port->vm, before));
    }
    /* It is at one port: what an earlier one showed must not be reported again. */
    for (struct vs_port *p = vs->ports; p; p = p->hh.next) {
        p->mapped = p->mapped && !vm_key_equal(p->vm, vm);
    }
    port->mapped = true;
    port->vm = vm;
}

void mapping_frame(struct vswitch *vs, struct vs_port *port, struct cursor frame)
{
    const struct rfvs_config *config = &vs->rfvs->config;
    const struct frame_key key = {.data = config->key, .n = config->key_len};
    struct mapping_info info;

    const enum frame_verdict verdict =
        mapping_frame_decode(frame.p, frame.n, key, loop_wall_now(), WINDOW_MS, &info);
    if (verdict != FRAME_OK) {
        refuse(vs, port, frame_verdict_name(verdict));
        return;
    }
    if (!replay_guard_accept(&guard_of(vs->rfvs->mapping, info.vm)->replay,
                             info.counter)) {
        refuse(vs, port, "replayed, expected a counter not seen before");
        return;
    }
    note(vs, port, info.vm);
    server_send(
        vs->rfvs->server,
        &(struct msg){.type = MSG_MAPPING_SEEN,
                      .mapping_seen = {.vm = info.vm,
                                       .vs = {.vs_id = vs->id, .vs_port = port->no}}});
}
