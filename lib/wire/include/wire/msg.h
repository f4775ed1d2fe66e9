#ifndef WIRE_MSG_H
#define WIRE_MSG_H 1

/* The messages between the daemons: one struct each, made from wire/schema.def, and one
 * table-driven codec for all of them.  A message is one BSON document.
 *
 * Strings, bytes and documents in a decoded message are borrowed from the bytes that
 * were decoded, and live as long as those.  Any bytes at all are safe to decode. */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/addr.h"
#include "base/buf.h"
#include "core/keys.h"

#define WIRE_VERSION 3
#define WIRE_MAX_STRS 16      /* Elements of a STRS field. */
#define WIRE_BATCH_MAX 65536  /* Bytes of records in a BATCH. */
#define WIRE_BATCH_GOOD 16384 /* As many in one of routes: urgent ones come behind. */
#define WIRE_MSG_MAX (256 << 10) /* Bytes of any message to the server. */

enum wire_role { ROLE_CLIENT = 1, ROLE_PROXY, ROLE_VS, ROLE_CTL };
#define WIRE_ROLE_MAX ROLE_CTL
const char *wire_role_name(uint32_t role); /* "rfclient", ...; "unknown role". */

/* Who may send a message: bit 0 is the server, bit N enum wire_role N. */
enum {
    FROM_SERVER = 1,
    FROM_CLIENT = 1 << ROLE_CLIENT,
    FROM_PROXY = 1 << ROLE_PROXY,
    FROM_VS = 1 << ROLE_VS,
    FROM_CTL = 1 << ROLE_CTL,
    FROM_PEERS = FROM_CLIENT | FROM_PROXY | FROM_VS | FROM_CTL,
    FROM_ANY = FROM_SERVER | FROM_PEERS,
};

struct wire_bytes {
    const uint8_t *data;
    size_t n;
};

struct wire_strs {
    unsigned n;
    const char *s[WIRE_MAX_STRS];
};

/* struct msg_hello { uint32_t version; ... }, and so on for each message. */
#define WIRE_C_U32 uint32_t
#define WIRE_C_U64 uint64_t
#define WIRE_C_I64 int64_t
#define WIRE_C_BOOL bool
#define WIRE_C_STR const char *
#define WIRE_C_STRS struct wire_strs
#define WIRE_C_BIN struct wire_bytes
#define WIRE_C_DOC struct wire_bytes
#define WIRE_C_ETH struct eth_addr
#define WIRE_C_VM_KEY struct vm_key
#define WIRE_C_DP_KEY struct dp_key
#define WIRE_C_VS_KEY struct vs_key
#define WIRE_MSG(NAME, name, FROM, DOC) struct msg_##name {
#define WIRE_FIELD(name, field, TYPE, DOC) WIRE_C_##TYPE field;
/* clang-format off */
#define WIRE_END(name) };
/* clang-format on */
#include "wire/schema.def"
#undef WIRE_MSG
#undef WIRE_FIELD
#undef WIRE_END

/* MSG_HELLO, ... */
enum msg_type {
    MSG_NONE,
#define WIRE_MSG(NAME, name, FROM, DOC) MSG_##NAME,
#define WIRE_FIELD(name, field, TYPE, DOC)
#define WIRE_END(name)
#include "wire/schema.def"
#undef WIRE_MSG
#undef WIRE_FIELD
#undef WIRE_END
    MSG_N_TYPES
};

/* One message of any type: m.type = MSG_HELLO goes with m.hello. */
struct msg {
    enum msg_type type;
    union {
#define WIRE_MSG(NAME, name, FROM, DOC) struct msg_##name name;
#define WIRE_FIELD(name, field, TYPE, DOC)
#define WIRE_END(name)
#include "wire/schema.def"
#undef WIRE_MSG
#undef WIRE_FIELD
#undef WIRE_END
    };
};

#define MSG_ERR_LEN 160

/* Appends the BSON of `m` to `out`.  A NULL string is sent as "", an empty DOC as {},
 * and bytes of a string that are not UTF-8 (a switch may say anything) as '?'. */
void msg_encode(const struct msg *m, struct buf *out);

/* Decodes exactly n bytes.  On failure returns false, leaves *ret alone and writes one
 * line that names message and field, such as "LINK_DIR: src.dp_id is missing". */
bool msg_decode(const void *data, size_t n, struct msg *ret,
                char ret_error[static MSG_ERR_LEN]);

const char *msg_type_name(enum msg_type);       /* "HELLO". */
uint32_t msg_type_senders(enum msg_type);       /* Bits FROM_…. */
static inline uint32_t wire_from(uint32_t role) /* The bit of a checked role. */
{
    return UINT32_C(1) << role;
}

/* Appends "MAPPING_SEEN vm={vm_id=0x… vm_port=1} vs={…}", for debug logs. */
void msg_format(const struct msg *m, struct buf *out);

#endif
