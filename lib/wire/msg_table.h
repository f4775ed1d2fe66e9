#ifndef MSG_TABLE_H
#define MSG_TABLE_H 1

/* wire/schema.def as tables, for the codec and the printer. */

#include "wire/msg.h"

enum wire_type {
    WIRE_T_U32,
    WIRE_T_U64,
    WIRE_T_I64,
    WIRE_T_BOOL,
    WIRE_T_STR,
    WIRE_T_STRS,
    WIRE_T_BIN,
    WIRE_T_DOC,
    WIRE_T_ETH,
    WIRE_T_VM_KEY,
    WIRE_T_DP_KEY,
    WIRE_T_VS_KEY,
};

struct wire_field {
    const char *name;
    enum wire_type type;
    size_t ofs; /* In struct msg_…, or in the key struct. */
};

/* A message, or one of the key documents in it. */
struct wire_desc {
    const char *name;
    uint32_t from;
    size_t size;
    unsigned n_fields;
    const struct wire_field *fields;
};

#define WIRE_MAX_FIELDS 32

const struct wire_desc *wire_desc_of(enum msg_type); /* NULL if there is none. */
const struct wire_desc *wire_desc_by_name(const char *name, enum msg_type *ret);
/* Of WIRE_T_VM_KEY, …; NULL for other types. */
const struct wire_desc *wire_desc_of_key(enum wire_type);

#endif
