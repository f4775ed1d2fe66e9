#include "core/backoff.h"

#include "base/util.h"

int64_t backoff_delay(int64_t min_ms, int64_t max_ms, unsigned failures)
{
    int64_t delay = min_ms;

    for (unsigned i = 1; i < failures && delay < max_ms; i++) {
        delay = delay > max_ms / 2 ? max_ms : 2 * delay;
    }
    return MIN(delay, max_ms);
}

void backoff_failed(struct backoff *b, int64_t now)
{
    if (b->failures < UINT32_MAX) {
        b->failures++;
    }
    b->retry_at = now + backoff_delay(b->min_ms, b->max_ms, b->failures);
}

void backoff_succeeded(struct backoff *b)
{
    b->failures = 0;
}

bool backoff_due(const struct backoff *b, int64_t now)
{
    return !b->failures || now >= b->retry_at;
}
