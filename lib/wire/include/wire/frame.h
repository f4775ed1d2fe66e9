#ifndef WIRE_FRAME_H
#define WIRE_FRAME_H 1

/* What our two kinds of probe frames have in common (wire/lldp.h,
 * wire/mapping_frame.h): a key, an HMAC, a time and a counter, so that a frame which
 * somebody else made or recorded is found out (DESIGN: security).
 *
 * The HMAC is HMAC-SHA-256 (RFC 2104, FIPS 180-4) cut to 16 octets, over all octets of
 * the frame before it, Ethernet header included. */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define FRAME_HMAC_LEN 16

struct frame_key {
    const uint8_t *data;
    size_t n; /* Any length, 0 included. */
};

enum frame_verdict {
    FRAME_OK,
    FRAME_NOT_OURS,  /* Another protocol, or LLDP of somebody else: ignore it. */
    FRAME_MALFORMED, /* Claims to be ours, but its layout is wrong. */
    FRAME_FORGED,    /* Bad HMAC. */
    FRAME_STALE,     /* Genuine, but its time is outside now ± window: a recording. */
};

/* For a log: "ok", "not ours", "forged, expected ...". */
const char *frame_verdict_name(enum frame_verdict);

/* Replay guard of one sender: of genuine frames, each counter is taken once and must
 * increase.  A sender starts its counter from its wall clock in microseconds and adds 1
 * per frame, so that it is ahead of itself after a restart.  Zero-initialized: nothing
 * seen yet. */
struct replay_guard {
    uint64_t counter;
    bool seen;
};

/* True if the frame is new, and then remembers its counter. */
bool replay_guard_accept(struct replay_guard *, uint64_t counter);

#endif
