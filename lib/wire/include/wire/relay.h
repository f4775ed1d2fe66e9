#ifndef WIRE_RELAY_H
#define WIRE_RELAY_H 1

/* Slow-path frames between rfproxy and rfvs: one ZeroMQ message holds any number of
 *     u64 dp_id or vs_id of the *destination*, u32 port, u16 length, the frame
 * The sender knows the peer port from its REC_RELAY records; the receiver only sends
 * the frame out. */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/buf.h"
#include "base/cursor.h"

#define RELAY_FRAME_MIN 14        /* An Ethernet header. */
#define RELAY_FRAME_MAX 16384     /* A longer one is not relayed. */
#define RELAY_MSG_MAX (128 << 10) /* Bytes of a message. */

struct relay_frame {
    uint64_t id; /* dp_id or vs_id. */
    uint32_t port;
    const uint8_t *data; /* Borrowed. */
    size_t n;
};

/* Appends a frame; false if its length is out of range or the message is full. */
bool relay_put(struct buf *, const struct relay_frame *);

/* Takes the next frame off `c`; false if what is left is malformed. */
bool relay_get(struct cursor *c, struct relay_frame *ret);

#endif
