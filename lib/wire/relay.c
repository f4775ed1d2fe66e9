#include "wire/relay.h"

bool relay_put(struct buf *b, const struct relay_frame *f)
{
    if (f->n < RELAY_FRAME_MIN || f->n > RELAY_FRAME_MAX) {
        return false;
    }
    buf_put_u64(b, f->id);
    buf_put_u32(b, f->port);
    buf_put_u16(b, (uint16_t)f->n);
    buf_put(b, f->data, f->n);
    return true;
}

enum relay_got relay_get(struct cursor *c, struct relay_frame *ret)
{
    struct cursor left = *c;
    struct relay_frame f;
    uint16_t n;

    if (!cursor_u64(&left, &f.id) || !cursor_u32(&left, &f.port) ||
        !cursor_u16(&left, &n)) {
        return RELAY_PARTIAL;
    }
    if (n < RELAY_FRAME_MIN || n > RELAY_FRAME_MAX) {
        return RELAY_MALFORMED;
    }
    if (!cursor_bytes(&left, n, &f.data)) {
        return RELAY_PARTIAL;
    }
    f.n = n;
    *ret = f;
    *c = left;
    return RELAY_FRAME;
}
