#ifndef CORE_BACKOFF_H
#define CORE_BACKOFF_H 1

/* When to try again what failed: after `min` ms, then twice as long each time, at most
 * `max` ms.  Plain values, no memory. */

#include <stdbool.h>
#include <stdint.h>

struct backoff {
    int64_t min_ms; /* 1... */
    int64_t max_ms; /* min_ms... */
    unsigned failures;
    int64_t retry_at; /* Meaningful after a failure. */
};

/* The wait after the failure number `failures` (1...) in a row. */
int64_t backoff_delay(int64_t min_ms, int64_t max_ms, unsigned failures);

static inline struct backoff backoff_make(int64_t min_ms, int64_t max_ms)
{
    return (struct backoff){.min_ms = min_ms, .max_ms = max_ms};
}

void backoff_failed(struct backoff *, int64_t now); /* Sets retry_at. */
void backoff_succeeded(struct backoff *);
bool backoff_due(const struct backoff *, int64_t now); /* True before any failure. */

#endif
