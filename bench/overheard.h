#ifndef OVERHEARD_H
#define OVERHEARD_H 1

/* One direction of an OpenFlow connection, put together from TCP segments of which
 * somebody else is the receiver.
 *
 * It may begin in the middle of the connection, and there in the middle of a message;
 * two processors may show segments in another order than they were sent, the first ones
 * too.  Messages are told from the first place on that is certain to be the beginning
 * of one: behind the SYN, where a segment is nothing but whole messages, or where
 * OVERHEARD_CHAIN whole messages follow each other, such that decode and that this side
 * may send. */

#include <stdbool.h>
#include <stdint.h>

#include "base/buf.h"
#include "base/cursor.h"

enum {
    OVERHEARD_CHAIN = 4, /* So many messages are no accident. */
    OVERHEARD_HELD = 64, /* Segments that came before one that precedes them. */
};

struct overheard_segment {
    uint32_t seq;
    int64_t at;
    struct buf bytes;
};

/* Zeroed but for `by` is ready for use. */
struct overheard {
    uint8_t by;      /* OF_BY_SWITCH or OF_BY_CONTROLLER: the sender. */
    bool in_order;   /* next_seq is known ... */
    bool guessed;    /* ... from the first one seen, which others may precede. */
    bool synced;     /* `bytes` begin where a message does. */
    unsigned n_gaps; /* So often some were missing for good, and it began anew. */
    uint32_t first_seq, next_seq;
    struct buf bytes; /* Not yet decoded. */
    struct overheard_segment held[OVERHEARD_HELD];
    unsigned n_held;
};

/* Told for each message, with the time of the segment that completed it; true: no more
 * of them now, they stay for the next call. */
typedef bool overheard_fn(void *aux, uint8_t type, struct cursor raw, int64_t at);

void overheard_uninit(struct overheard *);

/* A new connection, whose first octet has number seq + 1. */
void overheard_syn(struct overheard *, uint32_t seq);

/* A segment with its number and the time at which it was seen.  Returns true as soon as
 * fn does. */
bool overheard_take(struct overheard *, uint32_t seq, int64_t at, const uint8_t *p,
                    size_t n, overheard_fn *, void *aux);

#endif
