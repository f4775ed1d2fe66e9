#ifndef WIRE_RELAY_H
#define WIRE_RELAY_H 1

/* Slow-path frames between rfproxy and rfvs: a stream of records
 *     u64 dp_id or vs_id of the *destination*, u32 port, u16 length, the frame
 * each of which tells where it ends, so that there is nothing around them.  The sender
 * knows the peer port from its REC_RELAY records; the receiver only sends the frame
 * out. */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/buf.h"
#include "base/cursor.h"

#define RELAY_HEADER_LEN (8 + 4 + 2)
#define RELAY_FRAME_MIN 14    /* An Ethernet header. */
#define RELAY_FRAME_MAX 16384 /* A longer one is not relayed. */

struct relay_frame {
    uint64_t id; /* dp_id or vs_id. */
    uint32_t port;
    const uint8_t *data; /* Borrowed. */
    size_t n;
};

/* Appends a frame, with RELAY_HEADER_LEN bytes before it; false if its length is out of
 * range. */
bool relay_put(struct buf *, const struct relay_frame *);

enum relay_got {
    RELAY_FRAME,
    RELAY_PARTIAL,   /* Nothing wrong so far, but some of the next record is missing. */
    RELAY_MALFORMED, /* Its length is out of range: nothing can be found after it. */
};

/* Takes the next frame off `c`.  For all else than RELAY_FRAME both stay as they are.
 */
enum relay_got relay_get(struct cursor *c, struct relay_frame *ret);

#endif
