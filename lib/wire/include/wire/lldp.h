#ifndef WIRE_LLDP_H
#define WIRE_LLDP_H 1

/* The LLDP frames (IEEE 802.1AB-2016, 8 and 9) by which rfproxy finds the links between
 * datapaths: sent by packet-out from every port, seen by packet-in at the other end.
 *
 * Besides the mandatory TLVs (chassis id: "dpid:…" as text, port id: the port number as
 * text, TTL) there is one organizationally specific TLV, OUI 00:26:e1 subtype 0x52,
 * with ct_id, dp_id, dp_port, time, counter and HMAC.  Everybody may read the standard
 * TLVs; only the organizational one counts here.
 *
 * Bridges do not pass LLDP (802.1D, 7.12.6).  The same as a broadcast, with an
 * ethertype that other controllers use for that, too ("BDDP"), goes through them. */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/addr.h"
#include "base/buf.h"
#include "core/keys.h"
#include "wire/frame.h"

#define LLDP_ETHERTYPE 0x88cc
#define BDDP_ETHERTYPE 0x8942

struct lldp_info {
    struct dp_key src;
    int64_t time_ms;  /* Wall clock of the sender, ms since 1970. */
    uint64_t counter; /* struct replay_guard. */
    bool broadcast;   /* Not LLDP. */
};

/* Appends a whole frame to 01:80:c2:00:00:0e, or to everybody, from `src_mac`, `ttl_s`
 * seconds valid. */
void lldp_encode(const struct lldp_info *, struct eth_addr src_mac, uint16_t ttl_s,
                 struct frame_key, struct buf *out);

/* Reads a frame as it came in by packet-in.  *ret is set with FRAME_OK, and also with
 * FRAME_STALE, so that a log can name the sender. */
enum frame_verdict lldp_decode(const void *frame, size_t n, struct frame_key,
                               int64_t wall_now_ms, int64_t window_ms,
                               struct lldp_info *ret);

#endif
