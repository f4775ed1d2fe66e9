#ifndef KEYFILE_H
#define KEYFILE_H 1

/* The key of the HMAC in our probe frames: a file with hexadecimal digits, blanks and
 * line feeds allowed, made by `openssl rand -hex 32`.  Only its owner should be able to
 * read it. */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Reads at least `min` and at most `max` octets into ret_key.  False after logging what
 * is wrong. */
bool keyfile_read(const char *path, size_t min, size_t max, uint8_t *ret_key,
                  size_t *ret_len);

#endif
