#ifndef WIRE_MAPPING_FRAME_H
#define WIRE_MAPPING_FRAME_H 1

/* The mapping frame: sent by rfclient out of a VM port, caught by RFVS, and so the
 * proof that this VM port is plugged into that RFVS port (DESIGN 3, T5).
 *
 *   0  dst 03:72:66:6d:61:70, src the port's MAC, ethertype 0x0a0a (RouteFlow's)
 *  14  "RFMP", u8 version 1, u8 0, u64 vm_id, u32 vm_port, u64 time, u64 counter
 *  48  HMAC, 16 octets; the frame ends here, at 64 octets, and needs no padding */

#include <stddef.h>
#include <stdint.h>

#include "base/addr.h"
#include "core/keys.h"
#include "wire/frame.h"

#define MAPPING_ETHERTYPE 0x0a0a
#define MAPPING_FRAME_LEN 64

struct mapping_info {
    struct vm_key vm;
    int64_t time_ms;  /* Wall clock of the sender, ms since 1970. */
    uint64_t counter; /* struct replay_guard. */
};

void mapping_frame_encode(const struct mapping_info *, struct eth_addr src_mac,
                          struct frame_key,
                          uint8_t ret_frame[static MAPPING_FRAME_LEN]);

/* As lldp_decode(). */
enum frame_verdict mapping_frame_decode(const void *frame, size_t n, struct frame_key,
                                        int64_t wall_now_ms, int64_t window_ms,
                                        struct mapping_info *ret);

#endif
