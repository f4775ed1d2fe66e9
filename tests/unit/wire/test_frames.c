#include "unit.h"

#include <string.h>

#include "wire/lldp.h"
#include "wire/mapping_frame.h"
#include "wire/relay.h"

#define NOW INT64_C(1700000000000)
#define WINDOW 5000

static const uint8_t secret[] = "a key of this network";
static const struct frame_key key = {secret, sizeof secret - 1};
static const struct frame_key other_key = {secret, 5};
static const struct eth_addr mac = {{2, 0, 0, 0, 0, 9}};
static const struct lldp_info lldp_info = {
    {0x8000000000000005, 1, 7}, NOW, 12345, false};
static const struct mapping_info mapping_info = {{0x02a0a0a0a0a0, 3}, NOW, 678};

static enum frame_verdict decode_lldp(const void *frame, size_t n, struct frame_key k,
                                      int64_t now)
{
    struct lldp_info info;
    /* A copy of its own, so that the sanitizer sees a read beyond it. */
    uint8_t *copy = xmalloc(n);
    memcpy(copy, frame, n);
    enum frame_verdict verdict = lldp_decode(copy, n, k, now, WINDOW, &info);
    free(copy);
    if (verdict == FRAME_OK) {
        ck_assert(dp_key_equal(info.src, lldp_info.src));
        ck_assert_int_eq(info.time_ms, lldp_info.time_ms);
        ck_assert_uint_eq(info.counter, lldp_info.counter);
        ck_assert(!info.broadcast);
    }
    return verdict;
}

static enum frame_verdict decode_mapping(const void *frame, size_t n,
                                         struct frame_key k, int64_t now)
{
    struct mapping_info info;
    uint8_t *copy = xmalloc(n);
    memcpy(copy, frame, n);
    enum frame_verdict verdict = mapping_frame_decode(copy, n, k, now, WINDOW, &info);
    free(copy);
    if (verdict == FRAME_OK) {
        ck_assert(vm_key_equal(info.vm, mapping_info.vm));
        ck_assert_int_eq(info.time_ms, mapping_info.time_ms);
        ck_assert_uint_eq(info.counter, mapping_info.counter);
    }
    return verdict;
}

static struct buf lldp_frame(void)
{
    struct buf b = {0};
    lldp_encode(&lldp_info, mac, 4, key, &b);
    return b;
}

START_TEST(lldp_frame_is_genuine_only_with_its_key_and_in_its_time)
{
    struct buf b = lldp_frame();

    ck_assert_uint_ge(b.len, 60);
    ck_assert_int_eq(decode_lldp(b.data, b.len, key, NOW), FRAME_OK);
    ck_assert_int_eq(decode_lldp(b.data, b.len, key, NOW + WINDOW), FRAME_OK);
    ck_assert_int_eq(decode_lldp(b.data, b.len, key, NOW - WINDOW), FRAME_OK);
    ck_assert_int_eq(decode_lldp(b.data, b.len, key, NOW + WINDOW + 1), FRAME_STALE);
    ck_assert_int_eq(decode_lldp(b.data, b.len, key, NOW - WINDOW - 1), FRAME_STALE);
    ck_assert_int_eq(decode_lldp(b.data, b.len, key, INT64_MIN), FRAME_STALE);
    ck_assert_int_eq(decode_lldp(b.data, b.len, other_key, NOW), FRAME_FORGED);
    buf_uninit(&b);
}
END_TEST

START_TEST(no_changed_byte_of_an_lldp_frame_passes)
{
    struct buf b = lldp_frame();
    /* All up to the end of the HMAC; End TLV and padding follow. */
    size_t end = b.len;

    ck_assert(!memcmp(b.data + end - 2, "\0\0", 2));
    for (size_t i = 0; i < end - 2; i++) {
        b.data[i] ^= 0x10;
        ck_assert_int_ne(decode_lldp(b.data, b.len, key, NOW), FRAME_OK);
        b.data[i] ^= 0x10;
    }
    for (size_t n = 0; n < end - 2; n++) {
        ck_assert_int_ne(decode_lldp(b.data, n, key, NOW), FRAME_OK);
    }
    buf_uninit(&b);
}
END_TEST

START_TEST(broadcast_is_told_from_lldp_and_neither_can_be_made_of_the_other)
{
    struct lldp_info info = lldp_info, got;
    struct buf b = {0};

    info.broadcast = true;
    lldp_encode(&info, mac, 4, key, &b);
    ck_assert(!memcmp(b.data, "\xff\xff\xff\xff\xff\xff", 6));
    ck_assert(!memcmp(b.data + 12, "\x89\x42", 2));
    ck_assert_int_eq(lldp_decode(b.data, b.len, key, NOW, WINDOW, &got), FRAME_OK);
    ck_assert(got.broadcast);
    ck_assert(dp_key_equal(got.src, info.src));
    memcpy(b.data + 12, "\x88\xcc", 2);
    ck_assert_int_eq(lldp_decode(b.data, b.len, key, NOW, WINDOW, &got), FRAME_FORGED);
    buf_uninit(&b);
}
END_TEST

START_TEST(lldp_of_other_people_is_not_ours)
{
    /* lldpd on a host: chassis MAC, port name, TTL, an IEEE 802.3 TLV, end. */
    static const uint8_t frame[] = {
        0x01, 0x80, 0xc2, 0x00, 0x00, 0x0e, 2,   0,   0,    0,    0,
        1,    0x88, 0xcc, 0x02, 0x07, 0x04, 2,   0,   0,    0,    0,
        1,    4,    5,    5,    'e',  't',  'h', '0', 0x06, 0x02, 0,
        120,  0xfe, 0x05, 0x00, 0x12, 0x0f, 4,   1,   0,    0};
    static const uint8_t ip[60] = {[12] = 8};

    ck_assert_int_eq(decode_lldp(frame, sizeof frame, key, NOW), FRAME_NOT_OURS);
    ck_assert_int_eq(decode_lldp(ip, sizeof ip, key, NOW), FRAME_NOT_OURS);
    ck_assert_int_eq(decode_lldp(frame, 0, key, NOW), FRAME_NOT_OURS);
}
END_TEST

START_TEST(lldp_frame_with_a_short_tlv_of_ours_is_malformed)
{
    static const uint8_t frame[] = {0x01, 0x80, 0xc2, 0x00, 0x00, 0x0e, 2,    0,
                                    0,    0,    0,    1,    0x88, 0xcc, 0xfe, 0x06,
                                    0x00, 0x26, 0xe1, 0x52, 1,    2,    0,    0};
    ck_assert_int_eq(decode_lldp(frame, sizeof frame, key, NOW), FRAME_MALFORMED);
}
END_TEST

START_TEST(lldp_frame_has_the_mandatory_tlvs_in_order)
{
    struct buf b = lldp_frame();
    static const uint8_t head[] = {0x01, 0x80, 0xc2, 0,   0,    0x0e, 2,    0,
                                   0,    0,    0,    9,   0x88, 0xcc, 0x02, 22,
                                   7,    'd',  'p',  'i', 'd',  ':'};

    ck_assert(!memcmp(b.data, head, sizeof head));
    /* Then port id "7" and TTL 4 s. */
    ck_assert(!memcmp(b.data + 14 + 24,
                      "\x04\x02\x07"
                      "7\x06\x02\x00\x04",
                      8));
    buf_uninit(&b);
}
END_TEST

START_TEST(mapping_frame_is_genuine_only_with_its_key_and_in_its_time)
{
    uint8_t f[MAPPING_FRAME_LEN];

    mapping_frame_encode(&mapping_info, mac, key, f);
    ck_assert_int_eq(decode_mapping(f, sizeof f, key, NOW), FRAME_OK);
    ck_assert_int_eq(decode_mapping(f, sizeof f, key, NOW + WINDOW + 1), FRAME_STALE);
    ck_assert_int_eq(decode_mapping(f, sizeof f, other_key, NOW), FRAME_FORGED);
    for (size_t i = 0; i < sizeof f; i++) {
        f[i] ^= 1;
        ck_assert_int_ne(decode_mapping(f, sizeof f, key, NOW), FRAME_OK);
        f[i] ^= 1;
    }
}
END_TEST

START_TEST(truncated_or_padded_mapping_frames_are_malformed)
{
    uint8_t f[MAPPING_FRAME_LEN + 8] = {0};

    mapping_frame_encode(&mapping_info, mac, key, f);
    for (size_t n = 14; n < MAPPING_FRAME_LEN; n++) {
        ck_assert_int_eq(decode_mapping(f, n, key, NOW), FRAME_MALFORMED);
    }
    for (size_t n = MAPPING_FRAME_LEN + 1; n <= sizeof f; n++) {
        ck_assert_int_eq(decode_mapping(f, n, key, NOW), FRAME_MALFORMED);
    }
    ck_assert_int_eq(decode_mapping(f, 13, key, NOW), FRAME_NOT_OURS);
}
END_TEST

START_TEST(an_empty_key_still_signs)
{
    uint8_t f[MAPPING_FRAME_LEN];

    mapping_frame_encode(&mapping_info, mac, (struct frame_key){0}, f);
    ck_assert_int_eq(decode_mapping(f, sizeof f, (struct frame_key){0}, NOW), FRAME_OK);
    ck_assert_int_eq(decode_mapping(f, sizeof f, key, NOW), FRAME_FORGED);
}
END_TEST

START_TEST(replay_guard_takes_each_counter_once_and_only_upwards)
{
    struct replay_guard guard = {0};

    ck_assert(replay_guard_accept(&guard, 0));
    ck_assert(!replay_guard_accept(&guard, 0));
    ck_assert(replay_guard_accept(&guard, 5));
    ck_assert(!replay_guard_accept(&guard, 5));
    ck_assert(!replay_guard_accept(&guard, 4));
    ck_assert(replay_guard_accept(&guard, UINT64_MAX));
    ck_assert(!replay_guard_accept(&guard, UINT64_MAX));
}
END_TEST

START_TEST(relayed_frames_follow_each_other)
{
    struct buf b = {0};
    uint8_t data[1500];

    memset(data, 0xab, sizeof data);
    struct relay_frame f = {.id = 0x7266767300000001, .port = 4, .data = data};
    for (f.n = RELAY_FRAME_MIN; f.n <= sizeof data; f.n++) {
        ck_assert(relay_put(&b, &f));
    }
    struct cursor c = cursor_of(b.data, b.len);
    for (size_t n = RELAY_FRAME_MIN; n <= sizeof data; n++) {
        struct relay_frame got;
        ck_assert_int_eq(relay_get(&c, &got), RELAY_FRAME);
        ck_assert_uint_eq(got.id, f.id);
        ck_assert_uint_eq(got.port, 4);
        ck_assert_uint_eq(got.n, n);
        ck_assert(!memcmp(got.data, data, got.n));
    }
    ck_assert_uint_eq(c.n, 0);
    ck_assert_int_eq(relay_get(&c, &f), RELAY_PARTIAL);
    buf_uninit(&b);
}
END_TEST

START_TEST(relayed_frames_of_wrong_length_are_refused)
{
    struct buf b = {0};
    static const uint8_t data[RELAY_FRAME_MAX + 1];
    struct relay_frame f = {1, 1, data, RELAY_FRAME_MIN - 1};

    ck_assert(!relay_put(&b, &f));
    f.n = RELAY_FRAME_MAX + 1;
    ck_assert(!relay_put(&b, &f));
    ck_assert_uint_eq(b.len, 0);
    f.n = 60;
    ck_assert(relay_put(&b, &f));
    for (unsigned n = 0; n <= UINT16_MAX; n++) {
        struct cursor c = cursor_of(b.data, b.len);
        buf_set_u16(&b, RELAY_HEADER_LEN - 2, (uint16_t)n);
        ck_assert_int_eq(relay_get(&c, &f), n < RELAY_FRAME_MIN || n > RELAY_FRAME_MAX
                                                ? RELAY_MALFORMED
                                            : n <= 60 ? RELAY_FRAME
                                                      : RELAY_PARTIAL);
    }
    buf_uninit(&b);
}
END_TEST

START_TEST(a_relayed_frame_that_is_not_all_there_stays)
{
    struct buf b = {0};
    static const uint8_t data[60];
    struct relay_frame f = {1, 1, data, sizeof data};

    ck_assert(relay_put(&b, &f));
    for (size_t n = 0; n < b.len; n++) {
        struct cursor c = cursor_of(b.data, n);
        ck_assert_int_eq(relay_get(&c, &f), RELAY_PARTIAL);
        ck_assert_uint_eq(c.n, n);
    }
    buf_uninit(&b);
}
END_TEST

UNIT_MAIN("wire/frames", lldp_frame_is_genuine_only_with_its_key_and_in_its_time,
          no_changed_byte_of_an_lldp_frame_passes,
          broadcast_is_told_from_lldp_and_neither_can_be_made_of_the_other,
          lldp_of_other_people_is_not_ours,
          lldp_frame_with_a_short_tlv_of_ours_is_malformed,
          lldp_frame_has_the_mandatory_tlvs_in_order,
          mapping_frame_is_genuine_only_with_its_key_and_in_its_time,
          truncated_or_padded_mapping_frames_are_malformed, an_empty_key_still_signs,
          replay_guard_takes_each_counter_once_and_only_upwards,
          relayed_frames_follow_each_other, relayed_frames_of_wrong_length_are_refused,
          a_relayed_frame_that_is_not_all_there_stays)
