#include "wire/msg.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <bson/bson.h>

#include "base/util.h"
#include "msg_table.h"

/* Deepest nesting of a DOC field: deeper than any of ours, and bounded, because bytes
 * from a peer must not choose how much stack is used. */
#define DOC_MAX_DEPTH 16

/* Encoding. */

static void append_str(bson_t *b, const char *key, const char *s)
{
    size_t n = s ? strlen(s) : 0;

    if (!n || bson_utf8_validate(s, n, false)) {
        bson_append_utf8(b, key, -1, s ? s : "", (int)n);
        return;
    }
    char *clean = xstrdup(s);
    for (size_t i = 0; i < n; i++) {
        if ((unsigned char)clean[i] >= 0x80) {
            clean[i] = '?';
        }
    }
    bson_append_utf8(b, key, -1, clean, (int)n);
    free(clean);
}

static void append_strs(bson_t *b, const char *key, const struct wire_strs *strs)
{
    bson_t array;

    bson_append_array_begin(b, key, -1, &array);
    for (unsigned i = 0; i < MIN(strs->n, WIRE_MAX_STRS); i++) {
        char number[16];
        const char *index;
        bson_uint32_to_string(i, &index, number, sizeof number);
        append_str(&array, index, strs->s[i]);
    }
    bson_append_array_end(b, &array);
}

static void append_doc(bson_t *b, const char *key, const struct wire_bytes *doc)
{
    bson_t sub;

    if (!doc->data || !bson_init_static(&sub, doc->data, doc->n)) {
        bson_init(&sub);
    }
    bson_append_document(b, key, -1, &sub);
    bson_destroy(&sub);
}

static void append_fields(bson_t *b, const struct wire_desc *desc, const void *base);

static void append_field(bson_t *b, const struct wire_field *f, const void *p)
{
    switch (f->type) {
    case WIRE_T_U32:
        bson_append_int64(b, f->name, -1, *(const uint32_t *)p);
        break;
    case WIRE_T_U64:
        bson_append_int64(b, f->name, -1, (int64_t) * (const uint64_t *)p);
        break;
    case WIRE_T_I64:
        bson_append_int64(b, f->name, -1, *(const int64_t *)p);
        break;
    case WIRE_T_BOOL:
        bson_append_bool(b, f->name, -1, *(const bool *)p);
        break;
    case WIRE_T_STR:
        append_str(b, f->name, *(const char *const *)p);
        break;
    case WIRE_T_STRS:
        append_strs(b, f->name, p);
        break;
    case WIRE_T_BIN: {
        const struct wire_bytes *bytes = p;
        bson_append_binary(b, f->name, -1, BSON_SUBTYPE_BINARY,
                           bytes->n ? bytes->data : (const uint8_t *)"",
                           (uint32_t)bytes->n);
        break;
    }
    case WIRE_T_DOC:
        append_doc(b, f->name, p);
        break;
    case WIRE_T_ETH:
        bson_append_binary(b, f->name, -1, BSON_SUBTYPE_BINARY,
                           ((const struct eth_addr *)p)->ea, sizeof(struct eth_addr));
        break;
    case WIRE_T_VM_KEY:
    case WIRE_T_DP_KEY:
    case WIRE_T_VS_KEY: {
        bson_t sub;
        bson_append_document_begin(b, f->name, -1, &sub);
        append_fields(&sub, wire_desc_of_key(f->type), p);
        bson_append_document_end(b, &sub);
        break;
    }
    }
}

static void append_fields(bson_t *b, const struct wire_desc *desc, const void *base)
{
    for (unsigned i = 0; i < desc->n_fields; i++) {
        append_field(b, &desc->fields[i], (const char *)base + desc->fields[i].ofs);
    }
}

void msg_encode(const struct msg *m, struct buf *out)
{
    const struct wire_desc *desc = wire_desc_of(m->type);
    bson_t b = BSON_INITIALIZER;

    bson_append_utf8(&b, "t", 1, desc->name, -1);
    append_fields(&b, desc, &m->hello);
    buf_put(out, bson_get_data(&b), b.len);
    bson_destroy(&b);
}

/* Decoding.  The iterator checks lengths as it goes; nothing is read that it has not
 * checked, and bson_validate() is not used because it recurses without a bound. */

static bool get_integer(const bson_iter_t *it, int64_t *ret)
{
    if (BSON_ITER_HOLDS_INT32(it) || BSON_ITER_HOLDS_INT64(it)) {
        *ret = bson_iter_as_int64(it);
        return true;
    }
    return false;
}

static bool get_str(const bson_iter_t *it, const char **ret)
{
    uint32_t n;

    if (!BSON_ITER_HOLDS_UTF8(it)) {
        return false;
    }
    const char *s = bson_iter_utf8(it, &n);
    if (!bson_utf8_validate(s, n, false)) { /* A NUL inside is refused as well. */
        return false;
    }
    *ret = s;
    return true;
}

static bool get_strs(const bson_iter_t *it, struct wire_strs *ret)
{
    bson_iter_t element;

    ret->n = 0;
    if (!BSON_ITER_HOLDS_ARRAY(it) || !bson_iter_recurse(it, &element)) {
        return false;
    }
    while (bson_iter_next(&element)) {
        if (ret->n == WIRE_MAX_STRS || !get_str(&element, &ret->s[ret->n])) {
            return false;
        }
        ret->n++;
    }
    return !element.err_off;
}

static bool get_binary(const bson_iter_t *it, struct wire_bytes *ret)
{
    bson_subtype_t subtype;
    uint32_t n;

    if (!BSON_ITER_HOLDS_BINARY(it)) {
        return false;
    }
    bson_iter_binary(it, &subtype, &n, &ret->data);
    ret->n = n;
    return ret->data != NULL;
}

/* Whether everything in the document that `parent` stands on is well-formed. */
static bool doc_is_sound(const bson_iter_t *parent, int depth)
{
    bson_iter_t it;
    const char *s;

    if (depth > DOC_MAX_DEPTH || !bson_iter_recurse(parent, &it)) {
        return false;
    }
    while (bson_iter_next(&it)) {
        if (BSON_ITER_HOLDS_DOCUMENT(&it) || BSON_ITER_HOLDS_ARRAY(&it)
                ? !doc_is_sound(&it, depth + 1)
                : BSON_ITER_HOLDS_UTF8(&it) && !get_str(&it, &s)) {
            return false;
        }
    }
    return !it.err_off;
}

static bool get_doc(const bson_iter_t *it, struct wire_bytes *ret)
{
    uint32_t n;

    if (!BSON_ITER_HOLDS_DOCUMENT(it) || !doc_is_sound(it, 0)) {
        return false;
    }
    bson_iter_document(it, &n, &ret->data);
    ret->n = n;
    return true;
}

/* What goes wrong, and where; "" in a key that is not nested. */
struct fault {
    const char *outer, *field, *what;
};

static bool get_fields(bson_iter_t *it, const struct wire_desc *desc, void *base,
                       struct fault *fault);

static bool get_scalar(const bson_iter_t *it, enum wire_type type, void *p)
{
    int64_t v;
    struct wire_bytes bytes;

    switch (type) {
    case WIRE_T_U32:
        return get_integer(it, &v) && v >= 0 && v <= UINT32_MAX &&
               (*(uint32_t *)p = (uint32_t)v, true);
    case WIRE_T_U64:
        return get_integer(it, &v) && (*(uint64_t *)p = (uint64_t)v, true);
    case WIRE_T_I64:
        return get_integer(it, p);
    case WIRE_T_BOOL:
        return BSON_ITER_HOLDS_BOOL(it) && (*(bool *)p = bson_iter_bool(it), true);
    case WIRE_T_STR:
        return get_str(it, p);
    case WIRE_T_STRS:
        return get_strs(it, p);
    case WIRE_T_BIN:
        return get_binary(it, p);
    case WIRE_T_DOC:
        return get_doc(it, p);
    case WIRE_T_ETH:
        return get_binary(it, &bytes) && bytes.n == sizeof(struct eth_addr) &&
               (memcpy(p, bytes.data, bytes.n), true);
    default:
        return false;
    }
}

static bool get_field(bson_iter_t *it, const struct wire_field *f, void *p,
                      struct fault *fault)
{
    static const char *const wants[] = {
        [WIRE_T_U32] = "is not a number of 32 bits",
        [WIRE_T_U64] = "is not an integer",
        [WIRE_T_I64] = "is not an integer",
        [WIRE_T_BOOL] = "is not a bool",
        [WIRE_T_STR] = "is not a UTF-8 string",
        [WIRE_T_STRS] = "is not an array of at most 16 UTF-8 strings",
        [WIRE_T_BIN] = "is not a binary",
        [WIRE_T_DOC] = "is not a well-formed document",
        [WIRE_T_ETH] = "is not a binary of 6 octets",
        [WIRE_T_VM_KEY] = "is not a document",
        [WIRE_T_DP_KEY] = "is not a document",
        [WIRE_T_VS_KEY] = "is not a document",
    };
    const struct wire_desc *key = wire_desc_of_key(f->type);
    bson_iter_t sub;

    fault->what = wants[f->type];
    fault->field = f->name;
    if (!key) {
        return get_scalar(it, f->type, p);
    }
    if (!BSON_ITER_HOLDS_DOCUMENT(it) || !bson_iter_recurse(it, &sub)) {
        return false;
    }
    fault->outer = f->name;
    bool ok = get_fields(&sub, key, p, fault);
    if (ok) {
        fault->outer = NULL;
    }
    return ok;
}

static bool get_fields(bson_iter_t *it, const struct wire_desc *desc, void *base,
                       struct fault *fault)
{
    uint32_t seen = 0;
    unsigned next = 0;

    while (bson_iter_next(it)) {
        const char *key = bson_iter_key(it);
        /* Fields usually come in the order of the table: look there first. */
        for (unsigned i = 0; i < desc->n_fields; i++) {
            unsigned k = (next + i) % desc->n_fields;
            const struct wire_field *f = &desc->fields[k];
            if (!strcmp(f->name, key)) {
                if (!get_field(it, f, (char *)base + f->ofs, fault)) {
                    return false;
                }
                seen |= UINT32_C(1) << k;
                next = k + 1;
                break;
            }
        }
    }
    if (it->err_off) {
        fault->field = NULL;
        fault->what = "is not well-formed BSON";
        return false;
    }
    for (unsigned i = 0; i < desc->n_fields; i++) {
        if (!(seen & UINT32_C(1) << i)) {
            fault->field = desc->fields[i].name;
            fault->what = "is missing";
            return false;
        }
    }
    return true;
}

static const struct wire_desc *get_type(const bson_t *b, enum msg_type *ret,
                                        char ret_error[static MSG_ERR_LEN])
{
    const struct wire_desc *desc = NULL;
    const char *name;
    bson_iter_t it;

    if (!bson_iter_init_find(&it, b, "t") || !get_str(&it, &name)) {
        snprintf(ret_error, MSG_ERR_LEN, "document without message type t");
    } else if (!(desc = wire_desc_by_name(name, ret))) {
        snprintf(ret_error, MSG_ERR_LEN, "unknown message type \"%.40s\"", name);
    }
    return desc;
}

bool msg_decode(const void *data, size_t n, struct msg *ret,
                char ret_error[static MSG_ERR_LEN])
{
    struct fault fault = {0};
    const struct wire_desc *desc;
    struct msg m;
    bson_iter_t it;
    bson_t b;

    if (!data || !bson_init_static(&b, data, n)) {
        snprintf(ret_error, MSG_ERR_LEN, "%zu bytes that are no BSON document", n);
        return false;
    }
    if (!(desc = get_type(&b, &m.type, ret_error))) {
        return false;
    }
    if (!bson_iter_init(&it, &b) || !get_fields(&it, desc, &m.hello, &fault)) {
        const char *outer = fault.outer ? fault.outer : "";
        const char *field = fault.field ? fault.field : "";
        snprintf(ret_error, MSG_ERR_LEN, "%s: %s%s%s%s%s", desc->name, outer,
                 *outer && *field ? "." : "", field, *outer || *field ? " " : "",
                 fault.what ? fault.what : "is not well-formed BSON");
        return false;
    }
    ret->type = m.type;
    memcpy(&ret->hello, &m.hello, desc->size);
    return true;
}
