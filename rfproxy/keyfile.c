#include "keyfile.h"

#include <ctype.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#define LOG_MODULE "key"
#include "base/log.h"

static int digit_value(int c)
{
    return c >= '0' && c <= '9' ? c - '0' : (tolower(c) - 'a') + 10;
}

/* Returns what is wrong, or NULL. */
static const char *read_hex(FILE *file, size_t max, uint8_t *ret_key, size_t *ret_len)
{
    size_t digits = 0;
    int c;

    while ((c = getc(file)) != EOF) {
        if (isspace(c)) {
            continue;
        }
        if (!isxdigit(c)) {
            return "expected hexadecimal digits only";
        }
        if (digits / 2 == max) {
            return "too long";
        }
        uint8_t *octet = &ret_key[digits / 2];
        *octet = (uint8_t)(digits % 2 ? *octet << 4 | digit_value(c) : digit_value(c));
        digits++;
    }
    *ret_len = digits / 2;
    return digits % 2 ? "odd number of hexadecimal digits" : NULL;
}

bool keyfile_read(const char *path, size_t min, size_t max, uint8_t *ret_key,
                  size_t *ret_len)
{
    FILE *file = fopen(path, "re");
    struct stat st;
    size_t n = 0;

    if (!file) {
        log_err("key file %s: %s", path, strerror(errno));
        return false;
    }
    if (fstat(fileno(file), &st) == 0 && (st.st_mode & (S_IROTH | S_IWOTH))) {
        log_warn("key file %s: everybody may read or write it; chmod 600", path);
    }
    const char *fault = read_hex(file, max, ret_key, &n);
    fclose(file);
    if (fault) {
        log_err("key file %s: %s", path, fault);
        return false;
    }
    if (n < min) {
        log_err("key file %s: %zu octets, expected at least %zu (openssl rand -hex 32)",
                path, n, min);
        return false;
    }
    *ret_len = n;
    return true;
}
