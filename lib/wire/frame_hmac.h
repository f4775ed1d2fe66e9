#ifndef FRAME_HMAC_H
#define FRAME_HMAC_H 1

/* The HMAC and the freshness of probe frames, for lldp.c and mapping_frame.c. */

#include "base/util.h"
#include "wire/frame.h"

void frame_hmac(struct frame_key, const void *data, size_t n,
                uint8_t ret[static FRAME_HMAC_LEN]);

/* Checks the HMAC over data[n], then that |time - now| <= window (>= 0). */
enum frame_verdict frame_check(struct frame_key, const void *data, size_t n,
                               const uint8_t hmac[static FRAME_HMAC_LEN],
                               int64_t time_ms, int64_t wall_now_ms, int64_t window_ms);

#endif
