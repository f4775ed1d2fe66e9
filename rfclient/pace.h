#ifndef RFCLIENT_PACE_H
#define RFCLIENT_PACE_H 1

/* How often the kernel's events are read, and rfserver is told of what they changed.
 *
 * The first events in each millisecond are read as they come, of a stream the others
 * together: to be woken for each costs more than to read it, and whoever writes the
 * routes pays for the waking.
 *
 * A change is told at once when nothing was told for so long.  Those of a stream of
 * which none is urgent go together until they are many, the stream ends, or the first
 * has waited for some time: each batch has its price in rfserver, rfproxy and most of
 * all in the switch. */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum {
    PACE_READ_AT_ONCE = 8, /* Events in a millisecond; more are a stream. */
    PACE_READ_MS = 2,      /* Between two reads of a stream that was read to its end. */
    PACE_TELL_MS = 1,      /* Between two batches ... */
    PACE_STREAM_MS = 4,    /* ... and of a stream, unless so many routes wait. */
    PACE_STREAM_ROUTES = 768,
};

/* All zero is how it begins. */
struct pace {
    int64_t read_ms;        /* In this millisecond, monotonic ... */
    uint64_t n_read_before; /* ... after so many events in all. */
    bool stream;            /* What was read last. */
    int64_t told_us;        /* The last batch, monotonic. */
};

/* Around each read: `n_read` is the number of events so far.  Of a stream are those
 * that came since the millisecond began, or since the pause before it: true if it is
 * one. */
void pace_read_begins(struct pace *, int64_t now_ms, uint64_t n_read);
bool pace_read_ends(struct pace *, uint64_t n_read);

/* When to tell, us, monotonic; in the past: at once.  `urgent`: something is;
 * `pending`: routes that wait. */
int64_t pace_tell_at(const struct pace *, bool urgent, size_t pending);

#endif
