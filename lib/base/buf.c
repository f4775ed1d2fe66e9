#include "base/buf.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/util.h"

void buf_uninit(struct buf *b)
{
    free(b->data);
    *b = (struct buf){0};
}

void buf_clear(struct buf *b)
{
    b->len = 0;
}

void buf_reserve(struct buf *b, size_t extra)
{
    if (b->cap - b->len < extra) {
        size_t cap = MAX(b->cap * 2, b->len + extra);
        b->cap = MAX(cap, 64);
        b->data = xrealloc(b->data, b->cap);
    }
}

void *buf_put_uninit(struct buf *b, size_t n)
{
    buf_reserve(b, n);
    void *p = b->data + b->len;
    b->len += n;
    return p;
}

void buf_put(struct buf *b, const void *data, size_t n)
{
    if (n) {
        memcpy(buf_put_uninit(b, n), data, n);
    }
}

void buf_put_zeros(struct buf *b, size_t n)
{
    if (n) {
        memset(buf_put_uninit(b, n), 0, n);
    }
}

static void store_number(uint8_t *p, size_t n, uint64_t v)
{
    while (n--) {
        p[n] = (uint8_t)v;
        v >>= 8;
    }
}

void buf_put_u8(struct buf *b, uint8_t v)
{
    *(uint8_t *)buf_put_uninit(b, 1) = v;
}

void buf_put_u16(struct buf *b, uint16_t v)
{
    store_number(buf_put_uninit(b, 2), 2, v);
}

void buf_put_u32(struct buf *b, uint32_t v)
{
    store_number(buf_put_uninit(b, 4), 4, v);
}

void buf_put_u64(struct buf *b, uint64_t v)
{
    store_number(buf_put_uninit(b, 8), 8, v);
}

void buf_put_eth(struct buf *b, struct eth_addr a)
{
    buf_put(b, a.ea, sizeof a.ea);
}

void buf_set_u16(struct buf *b, size_t ofs, uint16_t v)
{
    store_number(b->data + ofs, 2, v);
}

void buf_set_u32(struct buf *b, size_t ofs, uint32_t v)
{
    store_number(b->data + ofs, 4, v);
}

void buf_pull(struct buf *b, size_t n)
{
    b->len -= n;
    memmove(b->data, b->data + n, b->len);
}

void buf_vprintf(struct buf *b, const char *format, va_list args)
{
    va_list copy;

    va_copy(copy, args);
    int n = vsnprintf(NULL, 0, format, copy);
    va_end(copy);
    if (n > 0) {
        buf_reserve(b, (size_t)n + 1);
        vsnprintf((char *)b->data + b->len, (size_t)n + 1, format, args);
        b->len += (size_t)n;
    }
}

void buf_printf(struct buf *b, const char *format, ...)
{
    va_list args;

    va_start(args, format);
    buf_vprintf(b, format, args);
    va_end(args);
}

const char *buf_cstr(struct buf *b)
{
    buf_reserve(b, 1);
    b->data[b->len] = '\0';
    return (const char *)b->data;
}

void buf_put_hex(struct buf *b, const void *data, size_t n)
{
    const uint8_t *p = data;

    for (size_t i = 0; i < n; i++) {
        buf_printf(b, "%s%02x", !i ? "" : i % 16 ? " " : "\n", p[i]);
    }
}
