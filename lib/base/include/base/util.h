#ifndef BASE_UTIL_H
#define BASE_UTIL_H 1

/* Allocation that cannot fail, and the few macros that every module wants.
 *
 * Memory exhaustion ends the process by abort(): no daemon here can do anything useful
 * without memory, and its state is rebuilt by the resync that follows a restart. */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define ARRAY_SIZE(A) (sizeof(A) / sizeof((A)[0]))
#define MIN(A, B) ((A) < (B) ? (A) : (B))
#define MAX(A, B) ((A) > (B) ? (A) : (B))
#define CONTAINER_OF(PTR, TYPE, MEMBER) \
    ((TYPE *)(void *)((char *)(PTR)-offsetof(TYPE, MEMBER)))

void *xmalloc(size_t size);
void *xcalloc(size_t n, size_t size);
void *xrealloc(void *p, size_t size);
char *xstrdup(const char *s);
char *xasprintf(const char *format, ...) __attribute__((format(printf, 1, 2)));

/* Copies `src` into dst[size], cut if need be, always terminated. */
void str_copy(char *dst, const char *src, size_t size);

/* Whole-string unsigned number in `base` (10 or 16; "0x" allowed with 16) in [0, max].
 * Returns false, leaving *ret alone, for anything else, signs and blanks included. */
bool parse_u64(const char *s, int base, uint64_t max, uint64_t *ret);

#endif
