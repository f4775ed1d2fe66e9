#include "print.h"

#include <inttypes.h>
#include <time.h>

static void put_string(const char *s, uint32_t n, struct buf *out)
{
    buf_printf(out, "\"");
    for (uint32_t i = 0; i < n; i++) {
        unsigned char c = (unsigned char)s[i];
        if (c == '"' || c == '\\') {
            buf_printf(out, "\\%c", c);
        } else if (c < 0x20) {
            buf_printf(out, "\\u%04x", c);
        } else {
            buf_put_u8(out, c);
        }
    }
    buf_printf(out, "\"");
}

static void put_date(int64_t ms, struct buf *out)
{
    time_t seconds = (time_t)(ms / 1000);
    struct tm tm;
    char text[32];

    gmtime_r(&seconds, &tm);
    strftime(text, sizeof text, "%Y-%m-%dT%H:%M:%S", &tm);
    buf_printf(out, "\"%s.%03dZ\"", text, (int)(ms % 1000));
}

void print_json_value(const bson_iter_t *it, struct buf *out)
{
    const uint8_t *data;
    const char *text;
    uint32_t n;
    bson_t sub;

    switch (bson_iter_type(it)) {
    case BSON_TYPE_UTF8:
        text = bson_iter_utf8(it, &n);
        put_string(text, n, out);
        break;
    case BSON_TYPE_INT32:
    case BSON_TYPE_INT64:
        buf_printf(out, "%" PRId64, bson_iter_as_int64(it));
        break;
    case BSON_TYPE_BOOL:
        buf_printf(out, bson_iter_bool(it) ? "true" : "false");
        break;
    case BSON_TYPE_DATE_TIME:
        put_date(bson_iter_date_time(it), out);
        break;
    case BSON_TYPE_DOCUMENT:
        bson_iter_document(it, &n, &data);
        print_json(bson_init_static(&sub, data, n) ? &sub : NULL, false, out);
        break;
    case BSON_TYPE_ARRAY:
        bson_iter_array(it, &n, &data);
        print_json(bson_init_static(&sub, data, n) ? &sub : NULL, true, out);
        break;
    default:
        buf_printf(out, "null");
    }
}

void print_json(const bson_t *doc, bool is_array, struct buf *out)
{
    bson_iter_t it;
    bool first = true;

    buf_printf(out, is_array ? "[" : "{");
    if (doc && bson_iter_init(&it, doc)) {
        while (bson_iter_next(&it)) {
            buf_printf(out, first ? "" : ", ");
            first = false;
            if (!is_array) {
                put_string(bson_iter_key(&it), bson_iter_key_len(&it), out);
                buf_printf(out, ": ");
            }
            print_json_value(&it, out);
        }
    }
    buf_printf(out, is_array ? "]" : "}");
}
