#ifndef BASE_BUF_H
#define BASE_BUF_H 1

/* A growing byte buffer, for messages and for text.  Zero-initialized is empty and
 * valid; buf_uninit() frees.  Numbers are written in network byte order. */

#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include "base/addr.h"

struct buf {
    uint8_t *data;
    size_t len;
    size_t cap;
};

void buf_uninit(struct buf *b);
void buf_clear(struct buf *b); /* Keeps the memory. */
void buf_reserve(struct buf *b, size_t extra);
/* Appends n bytes, uninitialized for the caller to fill, and returns where they are. */
void *buf_put_uninit(struct buf *b, size_t n);
void buf_put(struct buf *b, const void *data, size_t n);
void buf_put_zeros(struct buf *b, size_t n);
void buf_put_u8(struct buf *b, uint8_t v);
void buf_put_u16(struct buf *b, uint16_t v);
void buf_put_u32(struct buf *b, uint32_t v);
void buf_put_u64(struct buf *b, uint64_t v);
void buf_put_eth(struct buf *b, struct eth_addr a);
void buf_set_u16(struct buf *b, size_t ofs, uint16_t v); /* Must lie inside. */
void buf_set_u32(struct buf *b, size_t ofs, uint32_t v);
void buf_pull(struct buf *b, size_t n); /* Drops the first n bytes. */

void buf_printf(struct buf *b, const char *format, ...)
    __attribute__((format(printf, 2, 3)));
void buf_vprintf(struct buf *b, const char *format, va_list args);
/* The text so far, terminated; valid until the next change. */
const char *buf_cstr(struct buf *b);
/* "b0 0b 1e 50 …", 16 octets a line. */
void buf_put_hex(struct buf *b, const void *data, size_t n);

#endif
