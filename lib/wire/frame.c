#include "wire/frame.h"

#include <stdlib.h>
#include <string.h>

#include <openssl/core_names.h>
#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <openssl/params.h>

#include "base/util.h"
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

/* The context of the last key is kept, which is nearly always the next one: to fetch
 * the digest and to hash the key takes six times as long as a frame. */
static EVP_MAC_CTX *keyed(struct frame_key key)
{
    static EVP_MAC_CTX *ctx;
    static uint8_t *data;
    static size_t n;
    char digest[] = "SHA256";
    const OSSL_PARAM params[] = {
        OSSL_PARAM_construct_utf8_string(OSSL_MAC_PARAM_DIGEST, digest, 0),
        OSSL_PARAM_construct_end()};

    if (!ctx) {
        EVP_MAC *mac = EVP_MAC_fetch(NULL, "HMAC", NULL);
        ctx = EVP_MAC_CTX_new(mac);
        EVP_MAC_free(mac);
    } else if (key.n == n && (!n || !memcmp(key.data, data, n))) {
        return EVP_MAC_init(ctx, NULL, 0, NULL) ? ctx : NULL;
    }
    data = xrealloc(data, key.n + 1); /* Never null, which is the key before. */
    if (key.n) {
        memcpy(data, key.data, key.n);
    }
    n = key.n;
    return EVP_MAC_init(ctx, data, n, params) ? ctx : NULL;
}

void frame_hmac(struct frame_key key, const void *data, size_t n,
                uint8_t ret[static FRAME_HMAC_LEN])
{
    uint8_t full[EVP_MAX_MD_SIZE];
    size_t len = 0;
    EVP_MAC_CTX *ctx = keyed(key);

    if (!ctx || !EVP_MAC_update(ctx, data, n) ||
        !EVP_MAC_final(ctx, full, &len, sizeof full)) {
        abort(); /* Out of memory, or a libcrypto without SHA-256. */
    }
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
