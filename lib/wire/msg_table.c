#include "msg_table.h"

#include <string.h>

/* static const struct wire_field hello_fields[] = {{"version", WIRE_T_U32, 0}, ...}; */
#define WIRE_MSG(NAME, name, FROM, DOC) \
    static const struct wire_field name##_fields[] = {
#define WIRE_FIELD(name, field, TYPE, DOC) \
    {#field, WIRE_T_##TYPE, offsetof(struct msg_##name, field)},
/* clang-format off */
#define WIRE_END(name) };
/* clang-format on */
#include "wire/schema.def"
#undef WIRE_MSG
#undef WIRE_FIELD
#undef WIRE_END

static const struct wire_desc descs[MSG_N_TYPES] = {
#define WIRE_MSG(NAME, name, FROM, DOC)                     \
    [MSG_##NAME] = {#NAME, FROM, sizeof(struct msg_##name), \
                    sizeof name##_fields / sizeof(struct wire_field), name##_fields},
#define WIRE_FIELD(name, field, TYPE, DOC)
#define WIRE_END(name)
#include "wire/schema.def"
#undef WIRE_MSG
#undef WIRE_FIELD
#undef WIRE_END
};

static const struct wire_field vm_key_fields[] = {
    {"vm_id", WIRE_T_U64, offsetof(struct vm_key, vm_id)},
    {"vm_port", WIRE_T_U32, offsetof(struct vm_key, vm_port)},
};

static const struct wire_field dp_key_fields[] = {
    {"ct_id", WIRE_T_U32, offsetof(struct dp_key, ct_id)},
    {"dp_id", WIRE_T_U64, offsetof(struct dp_key, dp_id)},
    {"dp_port", WIRE_T_U32, offsetof(struct dp_key, dp_port)},
};

static const struct wire_field vs_key_fields[] = {
    {"vs_id", WIRE_T_U64, offsetof(struct vs_key, vs_id)},
    {"vs_port", WIRE_T_U32, offsetof(struct vs_key, vs_port)},
};

const struct wire_desc *wire_desc_of(enum msg_type type)
{
    return type > MSG_NONE && type < MSG_N_TYPES ? &descs[type] : NULL;
}

const struct wire_desc *wire_desc_by_name(const char *name, enum msg_type *ret)
{
    for (int i = MSG_NONE + 1; i < MSG_N_TYPES; i++) {
        if (!strcmp(descs[i].name, name)) {
            *ret = (enum msg_type)i;
            return &descs[i];
        }
    }
    return NULL;
}

const struct wire_desc *wire_desc_of_key(enum wire_type type)
{
    static const struct wire_desc vm = {"vm_key", 0, sizeof(struct vm_key),
                                        ARRAY_SIZE(vm_key_fields), vm_key_fields};
    static const struct wire_desc dp = {"dp_key", 0, sizeof(struct dp_key),
                                        ARRAY_SIZE(dp_key_fields), dp_key_fields};
    static const struct wire_desc vs = {"vs_key", 0, sizeof(struct vs_key),
                                        ARRAY_SIZE(vs_key_fields), vs_key_fields};

    return type == WIRE_T_VM_KEY   ? &vm
           : type == WIRE_T_DP_KEY ? &dp
           : type == WIRE_T_VS_KEY ? &vs
                                   : NULL;
}

const char *msg_type_name(enum msg_type type)
{
    const struct wire_desc *desc = wire_desc_of(type);
    return desc ? desc->name : "no message";
}

uint32_t msg_type_senders(enum msg_type type)
{
    const struct wire_desc *desc = wire_desc_of(type);
    return desc ? desc->from : 0;
}

const char *wire_role_name(uint32_t role)
{
    static const char *const names[] = {
        [ROLE_CLIENT] = "rfclient",
        [ROLE_PROXY] = "rfproxy",
        [ROLE_VS] = "rfvs",
        [ROLE_CTL] = "rfctl",
    };
    return role >= ROLE_CLIENT && role <= WIRE_ROLE_MAX ? names[role] : "unknown role";
}
