#ifndef VECTORS_H
#define VECTORS_H 1

/* Reads tests/vectors/of/NAME.txt: lines of octets in hexadecimal, then a line of what
 * they mean; blank lines and lines that start with '#' do not count. */

#include <ctype.h>
#include <stdio.h>
#include <string.h>

#include "unit.h"

#include "base/buf.h"

struct vector {
    struct buf octets;
    struct buf text;
    int line; /* Of the text. */
};

struct vectors {
    const char *name;
    struct vector v[256];
    size_t n;
};

static inline bool vectors_pull_octets(const char *line, struct buf *b)
{
    size_t start = b->len;

    for (const char *s = line; *s; s += *s == ' ') {
        unsigned octet;
        if (!isxdigit((unsigned char)s[0]) || !isxdigit((unsigned char)s[1]) ||
            sscanf(s, "%2x", &octet) != 1 || (s[2] && s[2] != ' ')) {
            b->len = start;
            return false;
        }
        buf_put_u8(b, (uint8_t)octet);
        s += 2;
    }
    return true;
}

static inline struct vectors *vectors_read(const char *name)
{
    char path[512], line[8192];
    struct vectors *vs = xcalloc(1, sizeof *vs);
    int number = 0;

    vs->name = name;
    snprintf(path, sizeof path, TEST_VECTORS "/of/%s.txt", name);
    FILE *f = fopen(path, "r");
    ck_assert_msg(f != NULL, "cannot read %s", path);
    while (fgets(line, sizeof line, f)) {
        number++;
        line[strcspn(line, "\n")] = '\0';
        if (!line[0] || line[0] == '#') {
            continue;
        }
        struct vector *v = &vs->v[vs->n];
        if (!vectors_pull_octets(line, &v->octets)) {
            buf_put(&v->text, line, strlen(line));
            v->line = number;
            vs->n++;
            ck_assert_uint_lt(vs->n, ARRAY_SIZE(vs->v));
        }
    }
    fclose(f);
    ck_assert_uint_gt(vs->n, 5);
    return vs;
}

static inline void vectors_free(struct vectors *vs)
{
    for (size_t i = 0; i < vs->n; i++) {
        buf_uninit(&vs->v[i].octets);
        buf_uninit(&vs->v[i].text);
    }
    free(vs);
}

#endif
