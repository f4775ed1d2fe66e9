#include "wire/msg.h"

#include <inttypes.h>
#include <string.h>

#include "msg_table.h"

static bool is_id(const char *name)
{
    size_t n = strlen(name);
    return (n >= 2 && !strcmp(name + n - 2, "id")) || !strcmp(name, "epoch");
}

static void format_fields(const struct wire_desc *desc, const void *base,
                          struct buf *out);

static void format_field(const struct wire_field *f, const void *p, struct buf *out)
{
    buf_printf(out, "%s=", f->name);
    switch (f->type) {
    case WIRE_T_U32:
        buf_printf(out, "%" PRIu32, *(const uint32_t *)p);
        break;
    case WIRE_T_U64:
        buf_printf(out, is_id(f->name) ? "0x%016" PRIx64 : "%" PRIu64,
                   *(const uint64_t *)p);
        break;
    case WIRE_T_I64:
        buf_printf(out, "%" PRId64, *(const int64_t *)p);
        break;
    case WIRE_T_BOOL:
        buf_printf(out, "%s", *(const bool *)p ? "true" : "false");
        break;
    case WIRE_T_STR: {
        const char *s = *(const char *const *)p;
        buf_printf(out, "\"%s\"", s ? s : "");
        break;
    }
    case WIRE_T_STRS: {
        const struct wire_strs *strs = p;
        for (unsigned i = 0; i < MIN(strs->n, WIRE_MAX_STRS); i++) {
            buf_printf(out, "%s\"%s\"", i ? "," : "", strs->s[i]);
        }
        break;
    }
    case WIRE_T_BIN:
    case WIRE_T_DOC:
        buf_printf(out, "(%zu bytes)", ((const struct wire_bytes *)p)->n);
        break;
    case WIRE_T_ETH:
        buf_printf(out, ETH_FMT, ETH_ARGS(*(const struct eth_addr *)p));
        break;
    case WIRE_T_VM_KEY:
    case WIRE_T_DP_KEY:
    case WIRE_T_VS_KEY:
        buf_printf(out, "{");
        format_fields(wire_desc_of_key(f->type), p, out);
        buf_printf(out, "}");
        break;
    }
}

static void format_fields(const struct wire_desc *desc, const void *base,
                          struct buf *out)
{
    for (unsigned i = 0; i < desc->n_fields; i++) {
        if (i) {
            buf_printf(out, " ");
        }
        format_field(&desc->fields[i], (const char *)base + desc->fields[i].ofs, out);
    }
}

void msg_format(const struct msg *m, struct buf *out)
{
    const struct wire_desc *desc = wire_desc_of(m->type);

    buf_printf(out, "%s", msg_type_name(m->type));
    if (desc && desc->n_fields) {
        buf_printf(out, " ");
        format_fields(desc, &m->hello, out);
    }
}
