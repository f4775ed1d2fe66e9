#include "wire/mapping_frame.h"

#include <string.h>

#include "base/buf.h"
#include "base/cursor.h"
#include "frame_hmac.h"

#define MAPPING_VERSION 1

static const uint8_t mapping_dst[6] = {0x03, 0x72, 0x66, 0x6d, 0x61, 0x70};
static const uint8_t mapping_magic[4] = {'R', 'F', 'M', 'P'};

void mapping_frame_encode(const struct mapping_info *info, struct eth_addr src_mac,
                          struct frame_key key,
                          uint8_t ret_frame[static MAPPING_FRAME_LEN])
{
    struct buf b = {0};
    size_t signed_len = MAPPING_FRAME_LEN - FRAME_HMAC_LEN;

    buf_put(&b, mapping_dst, sizeof mapping_dst);
    buf_put_eth(&b, src_mac);
    buf_put_u16(&b, MAPPING_ETHERTYPE);
    buf_put(&b, mapping_magic, sizeof mapping_magic);
    buf_put_u8(&b, MAPPING_VERSION);
    buf_put_u8(&b, 0);
    buf_put_u64(&b, info->vm.vm_id);
    buf_put_u32(&b, info->vm.vm_port);
    buf_put_u64(&b, (uint64_t)info->time_ms);
    buf_put_u64(&b, info->counter);
    memcpy(ret_frame, b.data, signed_len);
    frame_hmac(key, ret_frame, signed_len, ret_frame + signed_len);
    buf_uninit(&b);
}

enum frame_verdict mapping_frame_decode(const void *frame, size_t n,
                                        struct frame_key key, int64_t wall_now_ms,
                                        int64_t window_ms, struct mapping_info *ret)
{
    struct cursor c = cursor_of(frame, n);
    struct mapping_info info;
    uint8_t magic[sizeof mapping_magic];
    uint8_t version, zero;
    uint16_t ethertype;
    uint64_t time_ms;

    if (!cursor_skip(&c, 12) || !cursor_u16(&c, &ethertype) ||
        ethertype != MAPPING_ETHERTYPE) {
        return FRAME_NOT_OURS;
    }
    if (n != MAPPING_FRAME_LEN || !cursor_copy(&c, magic, sizeof magic) ||
        memcmp(magic, mapping_magic, sizeof magic) || !cursor_u8(&c, &version) ||
        version != MAPPING_VERSION || !cursor_u8(&c, &zero) || zero ||
        !cursor_u64(&c, &info.vm.vm_id) || !cursor_u32(&c, &info.vm.vm_port) ||
        !cursor_u64(&c, &time_ms) || !cursor_u64(&c, &info.counter) ||
        c.n != FRAME_HMAC_LEN) {
        return FRAME_MALFORMED;
    }
    info.time_ms = (int64_t)time_ms;
    enum frame_verdict verdict = frame_check(key, frame, n - FRAME_HMAC_LEN, c.p,
                                             info.time_ms, wall_now_ms, window_ms);
    if (verdict != FRAME_FORGED) {
        *ret = info;
    }
    return verdict;
}
