#include <stdlib.h>
#include <utlist.h>

#include "core/backoff.h"
#include "recon_impl.h"

static void stop_waiting(struct recon *r, struct failure *f)
{
    if (f->waiting) {
        unsigned level = MIN(f->failures, FAILURE_LEVELS) - 1;
        DL_DELETE(r->waiting[level], f);
        f->waiting = false;
    }
}

void recon_failure_add(struct recon *r, struct failure_key key, const char *error,
                       int64_t now, bool at_once)
{
    uint16_t *flags = recon_flags_of(r, (enum recon_what)key.what, key.ref);
    struct failure *f;

    HASH_FIND(hh, r->failures, &key, sizeof key, f);
    if (!f) {
        f = xcalloc(1, sizeof *f);
        f->key = key;
        HASH_ADD(hh, r->failures, key, sizeof f->key, f);
        r->counts[key.what].failed++;
    }
    stop_waiting(r, f);
    if (f->failures < FAILURE_LEVELS) {
        f->failures++;
    }
    str_copy(f->error, error, sizeof f->error);
    f->retry_at = now;
    *flags |= I_FAILED;
    if (at_once && f->failures == 1) {
        return;
    }
    f->retry_at += backoff_delay(r->retry_min_ms, r->retry_max_ms, f->failures);
    *flags |= I_WAIT;
    f->waiting = true;
    DL_APPEND(r->waiting[f->failures - 1], f);
}

static void failure_free(struct recon *r, struct failure *f)
{
    stop_waiting(r, f);
    r->counts[f->key.what].failed--;
    HASH_DELETE(hh, r->failures, f);
    free(f);
}

void recon_failure_clear(struct recon *r, enum recon_what what, uint64_t ref,
                         uint16_t *flags)
{
    struct failure_key key = {.what = what, .ref = ref};
    struct failure *f;

    if (*flags & I_FAILED) {
        HASH_FIND(hh, r->failures, &key, sizeof key, f);
        failure_free(r, f);
        *flags &= (uint16_t) ~(I_FAILED | I_WAIT);
    }
}

void recon_failure_clear_all(struct recon *r)
{
    struct failure *f, *next;

    HASH_ITER (hh, r->failures, f, next) {
        *recon_flags_of(r, (enum recon_what)f->key.what, f->key.ref) &=
            (uint16_t) ~(I_FAILED | I_WAIT);
        failure_free(r, f);
    }
}

void recon_failure_wake(struct recon *r, int64_t now)
{
    for (int level = 0; level < FAILURE_LEVELS; level++) {
        struct failure *f;
        while ((f = r->waiting[level]) && f->retry_at <= now) {
            enum recon_what what = (enum recon_what)f->key.what;
            uint64_t ref = f->key.ref;

            stop_waiting(r, f);
            *recon_flags_of(r, what, ref) &= (uint16_t)~I_WAIT;
            if (what == RECON_FIB) {
                recon_evaluate_fib(r, (uint32_t)ref);
            } else {
                recon_evaluate_object(r, recon_object(ref));
            }
        }
    }
}

int64_t recon_next_retry(const struct recon *r)
{
    int64_t at = INT64_MAX;

    for (int level = 0; level < FAILURE_LEVELS; level++) {
        const struct failure *f = r->waiting[level];
        at = f ? MIN(at, f->retry_at) : at;
    }
    return at;
}

void recon_each_failed(const struct recon *r, recon_failed_fn *fn, void *aux)
{
    for (const struct failure *f = r->failures; f; f = f->hh.next) {
        struct recon_failed out = {.what = (enum recon_what)f->key.what,
                                   .failures = f->failures,
                                   .retry_at = f->retry_at,
                                   .error = f->error};
        if (out.what == RECON_FIB) {
            out.prefix = ptable_prefix(r->fib, (uint32_t)f->key.ref);
        } else {
            const struct object *o = recon_object(f->key.ref);
            if (out.what == RECON_GROUP) {
                out.group_id = recon_group_id(o);
            } else {
                out.aux_key = (struct recon_blob){o->key, o->key_len};
            }
        }
        fn(aux, &out);
    }
}
