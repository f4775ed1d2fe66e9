#include "rfvs.h"

#include <stdlib.h>

#include "vswitch.h"

#define LOG_MODULE "rfvs"
#include "base/log.h"

#define HOUSEKEEPING_MS 500

static void housekeeping(void *rfvs_)
{
    struct rfvs *rfvs = rfvs_;
    const int64_t now = loop_now();
    struct vswitch *vs, *next;

    HASH_ITER (hh, rfvs->vswitches, vs, next) {
        vswitch_housekeeping(vs, now);
    }
}

struct rfvs *rfvs_create(struct loop *loop, struct zctx *zctx,
                         const struct rfvs_config *config)
{
    struct rfvs *rfvs = xcalloc(1, sizeof *rfvs);

    rfvs->config = *config;
    rfvs->loop = loop;
    rfvs->zctx = zctx;
    rfvs->housekeeping = loop_timer_create(loop, housekeeping, rfvs);
    loop_timer_every(rfvs->housekeeping, HOUSEKEEPING_MS);
    rfvs->mapping = mapping_create(rfvs);
    rfvs->relay = relay_create(rfvs);
    if (!rfvs->relay || !(rfvs->server = server_create(rfvs)) ||
        !connection_listen(rfvs)) {
        rfvs_destroy(rfvs);
        return NULL;
    }
    rfvs->config.curve = NULL; /* It was for server_create() only. */
    return rfvs;
}

void rfvs_destroy(struct rfvs *rfvs)
{
    struct vswitch *vs, *next;

    if (!rfvs) {
        return;
    }
    connection_close_all(rfvs);
    HASH_ITER (hh, rfvs->vswitches, vs, next) {
        vswitch_destroy(vs);
    }
    server_destroy(rfvs->server);
    relay_destroy(rfvs->relay);
    mapping_destroy(rfvs->mapping);
    loop_timer_destroy(rfvs->housekeeping);
    free(rfvs);
}
