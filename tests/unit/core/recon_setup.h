#ifndef RECON_SETUP_H
#define RECON_SETUP_H 1

/* What the tests of recon begin with. */

#include "core/recon.h"
#include "dice.h"
#include "unit.h"

#define RETRY_MIN 1000
#define RETRY_MAX 8000

/* Of a switch that has nothing. */
static inline struct recon *make_known(void)
{
    struct recon *r = recon_create(RETRY_MIN, RETRY_MAX);

    recon_audit_begin(r);
    ck_assert_uint_eq(recon_audit_end(r), 0);
    return r;
}

static inline struct fib_group make_group(uint32_t id, uint32_t dp_port)
{
    return (struct fib_group){
        .id = id, .n_hops = 1, .hops = {{.dp_port = dp_port, .weight = 1}}};
}

static inline void want_group(struct recon *r, uint32_t id, uint32_t dp_port)
{
    struct fib_group g = make_group(id, dp_port);
    ck_assert(recon_desire_group(r, &g));
}

/* The switch has done all that was handed out. */
static inline void confirm(struct recon *r)
{
    recon_barrier_sent(r, 77);
    ck_assert(recon_barrier_done(r, 77));
}

#endif
