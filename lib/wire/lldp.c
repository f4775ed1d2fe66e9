#include "wire/lldp.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "base/cursor.h"
#include "frame_hmac.h"

/* TLV types (IEEE 802.1AB-2016, table 8-1). */
enum { TLV_END = 0, TLV_CHASSIS_ID = 1, TLV_PORT_ID = 2, TLV_TTL = 3, TLV_ORG = 127 };
enum { CHASSIS_LOCAL = 7, PORT_LOCAL = 7 }; /* Subtypes: locally assigned. */

#define FRAME_MIN 60 /* Without FCS. */

/* OUI 00:26:e1 (OpenFlow), subtype 'R'; then ct_id, dp_id, dp_port, time, counter. */
static const uint8_t our_org[4] = {0x00, 0x26, 0xe1, 0x52};
#define OUR_BODY_LEN (4 + 8 + 4 + 8 + 8)
#define OUR_TLV_LEN (sizeof our_org + OUR_BODY_LEN + FRAME_HMAC_LEN)

static const struct eth_addr nearest_bridge = {{0x01, 0x80, 0xc2, 0x00, 0x00, 0x0e}};
static const struct eth_addr everybody = {{0xff, 0xff, 0xff, 0xff, 0xff, 0xff}};

static void put_tlv_header(struct buf *b, unsigned type, size_t len)
{
    buf_put_u16(b, (uint16_t)(type << 9 | len));
}

static void put_text_tlv(struct buf *b, unsigned type, uint8_t subtype,
                         const char *text)
{
    put_tlv_header(b, type, 1 + strlen(text));
    buf_put_u8(b, subtype);
    buf_put(b, text, strlen(text));
}

void lldp_encode(const struct lldp_info *info, struct eth_addr src_mac, uint16_t ttl_s,
                 struct frame_key key, struct buf *out)
{
    size_t start = out->len;
    uint8_t hmac[FRAME_HMAC_LEN];
    char text[32];

    buf_put_eth(out, info->broadcast ? everybody : nearest_bridge);
    buf_put_eth(out, src_mac);
    buf_put_u16(out, info->broadcast ? BDDP_ETHERTYPE : LLDP_ETHERTYPE);

    snprintf(text, sizeof text, "dpid:%016" PRIx64, info->src.dp_id);
    put_text_tlv(out, TLV_CHASSIS_ID, CHASSIS_LOCAL, text);
    snprintf(text, sizeof text, "%" PRIu32, info->src.dp_port);
    put_text_tlv(out, TLV_PORT_ID, PORT_LOCAL, text);
    put_tlv_header(out, TLV_TTL, 2);
    buf_put_u16(out, ttl_s);

    put_tlv_header(out, TLV_ORG, OUR_TLV_LEN);
    buf_put(out, our_org, sizeof our_org);
    buf_put_u32(out, info->src.ct_id);
    buf_put_u64(out, info->src.dp_id);
    buf_put_u32(out, info->src.dp_port);
    buf_put_u64(out, (uint64_t)info->time_ms);
    buf_put_u64(out, info->counter);
    frame_hmac(key, out->data + start, out->len - start, hmac);
    buf_put(out, hmac, sizeof hmac);
    put_tlv_header(out, TLV_END, 0);
    if (out->len - start < FRAME_MIN) {
        buf_put_zeros(out, FRAME_MIN - (out->len - start));
    }
}

/* Finds our TLV: its contents after the subtype go to *ret.  NOT_OURS if there is none;
 * MALFORMED if what precedes it is broken, or there are two. */
static enum frame_verdict find_our_tlv(struct cursor c, struct cursor *ret)
{
    enum frame_verdict verdict = FRAME_NOT_OURS;
    uint16_t header;
    struct cursor tlv;

    while (cursor_u16(&c, &header) && header >> 9 != TLV_END) {
        if (!cursor_sub(&c, header & 0x1ff, &tlv)) {
            return verdict == FRAME_OK ? FRAME_MALFORMED : FRAME_NOT_OURS;
        }
        if (header >> 9 == TLV_ORG && tlv.n >= sizeof our_org &&
            !memcmp(tlv.p, our_org, sizeof our_org)) {
            if (verdict == FRAME_OK) {
                return FRAME_MALFORMED;
            }
            cursor_skip(&tlv, sizeof our_org);
            *ret = tlv;
            verdict = FRAME_OK;
        }
    }
    return verdict;
}

enum frame_verdict lldp_decode(const void *frame, size_t n, struct frame_key key,
                               int64_t wall_now_ms, int64_t window_ms,
                               struct lldp_info *ret)
{
    struct cursor c = cursor_of(frame, n);
    struct cursor body;
    struct lldp_info info;
    uint64_t time_ms;
    uint16_t ethertype;

    if (!cursor_skip(&c, 12) || !cursor_u16(&c, &ethertype) ||
        (ethertype != LLDP_ETHERTYPE && ethertype != BDDP_ETHERTYPE)) {
        return FRAME_NOT_OURS;
    }
    info.broadcast = ethertype == BDDP_ETHERTYPE;
    enum frame_verdict verdict = find_our_tlv(c, &body);
    if (verdict != FRAME_OK) {
        return verdict;
    }
    if (!cursor_u32(&body, &info.src.ct_id) || !cursor_u64(&body, &info.src.dp_id) ||
        !cursor_u32(&body, &info.src.dp_port) || !cursor_u64(&body, &time_ms) ||
        !cursor_u64(&body, &info.counter) || body.n != FRAME_HMAC_LEN) {
        return FRAME_MALFORMED;
    }
    info.time_ms = (int64_t)time_ms;
    verdict = frame_check(key, frame, (size_t)(body.p - (const uint8_t *)frame), body.p,
                          info.time_ms, wall_now_ms, window_ms);
    if (verdict != FRAME_FORGED) {
        *ret = info;
    }
    return verdict;
}
