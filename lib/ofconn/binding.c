#include "ofconn/binding.h"

#include <ctype.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/addr.h"
#include "base/util.h"

struct binding {
    uint8_t fingerprint[BINDING_FINGERPRINT_LEN];
    uint64_t dp_id;
};

struct binding_list {
    struct binding *bindings;
    size_t n;
};

bool binding_name_is(const char *name, uint64_t dp_id)
{
    char word[ID_STRLEN] = "";
    const size_t n = strcspn(name, " ");
    uint64_t id;

    if (n < 5 || strncasecmp(name, "dpid-", 5) || n - 5 >= sizeof word) {
        return false;
    }
    memcpy(word, name + 5, n - 5);
    return id_parse(word, &id) && id == dp_id;
}

/* Hexadecimal digits, in pairs that colons may separate. */
static bool parse_fingerprint(const char *text,
                              uint8_t ret[static BINDING_FINGERPRINT_LEN])
{
    char pair[3] = "";
    uint64_t octet;

    for (size_t i = 0; i < BINDING_FINGERPRINT_LEN; i++) {
        if (!isxdigit((unsigned char)text[0]) || !isxdigit((unsigned char)text[1])) {
            return false;
        }
        memcpy(pair, text, 2);
        parse_u64(pair, 16, UINT8_MAX, &octet);
        ret[i] = (uint8_t)octet;
        text += 2;
        text += *text == ':' && i < BINDING_FINGERPRINT_LEN - 1;
    }
    return !*text;
}

/* NULL, or what is wrong. */
static const char *parse_line(char *line, struct binding_list *list)
{
    char *save = NULL;
    struct binding b;
    const char *word = strtok_r(line, " \t\r\n", &save);
    unsigned n_ids = 0;

    if (!word || word[0] == '#') {
        return NULL;
    }
    if (!parse_fingerprint(word, b.fingerprint)) {
        return "expected a SHA-256 fingerprint of 64 hexadecimal digits";
    }
    while ((word = strtok_r(NULL, " \t\r\n", &save))) {
        if (!id_parse(word, &b.dp_id)) {
            return "expected hexadecimal datapath ids after the fingerprint";
        }
        list->bindings =
            xrealloc(list->bindings, (list->n + 1) * sizeof *list->bindings);
        list->bindings[list->n++] = b;
        n_ids++;
    }
    return n_ids ? NULL : "expected a datapath id after the fingerprint";
}

int binding_list_read(const char *path, struct binding_list **ret,
                      char ret_error[static BINDING_ERR_LEN])
{
    FILE *f = fopen(path, "re");
    const char *error = NULL;
    char *line = NULL;
    size_t size = 0;
    unsigned n = 0;

    if (!f) {
        snprintf(ret_error, BINDING_ERR_LEN, "%s: %s", path, strerror(errno));
        return errno;
    }
    struct binding_list *list = xcalloc(1, sizeof *list);
    while (!error && getline(&line, &size, f) >= 0) {
        n++;
        error = parse_line(line, list);
    }
    free(line);
    fclose(f);
    if (error) {
        snprintf(ret_error, BINDING_ERR_LEN, "%s:%u: %s", path, n, error);
        binding_list_destroy(list);
        return EINVAL;
    }
    *ret = list;
    return 0;
}

void binding_list_destroy(struct binding_list *list)
{
    if (list) {
        free(list->bindings);
        free(list);
    }
}

bool binding_list_has(const struct binding_list *list,
                      const uint8_t fingerprint[static BINDING_FINGERPRINT_LEN],
                      uint64_t dp_id)
{
    for (size_t i = 0; i < list->n; i++) {
        const struct binding *b = &list->bindings[i];
        if (b->dp_id == dp_id &&
            !memcmp(b->fingerprint, fingerprint, sizeof b->fingerprint)) {
            return true;
        }
    }
    return false;
}
