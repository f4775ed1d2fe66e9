#include "wire/frame.h"

#include <string.h>

#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <openssl/hmac.h>

#include "frame_hmac.h"

const char *frame_verdict_name(enum frame_verdict verdict)
{
    static const char *const names[] = {
        "ok", "not ours", "malformed, expected the length and layout of ours",
        "forged, expected an HMAC made with our key",
        "stale, expected a time close to the present"};
    return (unsigned)verdict < ARRAY_SIZE(names) ? names[verdict] : "unknown";
}

bool replay_guard_accept(struct replay_guard *guard, uint64_t counter)
{
    if (guard->seen && counter <= guard->counter) {
        return false;
    }
    guard->seen = true;
    guard->counter = counter;
    return true;
}

void frame_hmac(struct frame_key key, const void *data, size_t n,
                uint8_t ret[static FRAME_HMAC_LEN])
{
    uint8_t full[EVP_MAX_MD_SIZE] = {0};
    unsigned len = sizeof full;

    HMAC(EVP_sha256(), key.n ? (const void *)key.data : "", (int)key.n, data, n, full,
         &len);
    memcpy(ret, full, FRAME_HMAC_LEN);
}

enum frame_verdict frame_check(struct frame_key key, const void *data, size_t n,
                               const uint8_t hmac[static FRAME_HMAC_LEN],
                               int64_t time_ms, int64_t wall_now_ms, int64_t window_ms)
{
    uint8_t expected[FRAME_HMAC_LEN];

    frame_hmac(key, data, n, expected);
    /* In constant time: how much of it was right is nobody's business. */
    if (CRYPTO_memcmp(expected, hmac, FRAME_HMAC_LEN)) {
        return FRAME_FORGED;
    }
    /* Unsigned, because a sender may put any time there. */
    uint64_t age = time_ms < wall_now_ms ? (uint64_t)wall_now_ms - (uint64_t)time_ms
                                         : (uint64_t)time_ms - (uint64_t)wall_now_ms;
    return age > (uint64_t)window_ms ? FRAME_STALE : FRAME_OK;
}
