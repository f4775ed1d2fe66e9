#include "pace.h"

void pace_read_begins(struct pace *p, int64_t now_ms, uint64_t n_read)
{
    if (now_ms != p->read_ms) {
        p->read_ms = now_ms;
        p->n_read_before = n_read;
    }
}

bool pace_read_ends(struct pace *p, uint64_t n_read)
{
    p->stream = n_read - p->n_read_before > PACE_READ_AT_ONCE;
    return p->stream;
}

int64_t pace_tell_at(const struct pace *p, bool urgent, size_t pending)
{
    const bool waits = p->stream && !urgent && pending < PACE_STREAM_ROUTES;

    return p->told_us + (waits ? PACE_STREAM_MS : PACE_TELL_MS) * 1000;
}
