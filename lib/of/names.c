/* Names of errors and multipart types, 7.4.4 and 7.3.5. */

#include <stddef.h>

#include "base/util.h"
#include "of/of13.h"
#include "of/print.h"

static const char *const hello_failed[] = {"OFPHFC_INCOMPATIBLE", "OFPHFC_EPERM"};

static const char *const bad_request[] = {
    "OFPBRC_BAD_VERSION",    "OFPBRC_BAD_TYPE",
    "OFPBRC_BAD_MULTIPART",  "OFPBRC_BAD_EXPERIMENTER",
    "OFPBRC_BAD_EXP_TYPE",   "OFPBRC_EPERM",
    "OFPBRC_BAD_LEN",        "OFPBRC_BUFFER_EMPTY",
    "OFPBRC_BUFFER_UNKNOWN", "OFPBRC_BAD_TABLE_ID",
    "OFPBRC_IS_SLAVE",       "OFPBRC_BAD_PORT",
    "OFPBRC_BAD_PACKET",     "OFPBRC_MULTIPART_BUFFER_OVERFLOW",
};

static const char *const bad_action[] = {
    "OFPBAC_BAD_TYPE",
    "OFPBAC_BAD_LEN",
    "OFPBAC_BAD_EXPERIMENTER",
    "OFPBAC_BAD_EXP_TYPE",
    "OFPBAC_BAD_OUT_PORT",
    "OFPBAC_BAD_ARGUMENT",
    "OFPBAC_EPERM",
    "OFPBAC_TOO_MANY",
    "OFPBAC_BAD_QUEUE",
    "OFPBAC_BAD_OUT_GROUP",
    "OFPBAC_MATCH_INCONSISTENT",
    "OFPBAC_UNSUPPORTED_ORDER",
    "OFPBAC_BAD_TAG",
    "OFPBAC_BAD_SET_TYPE",
    "OFPBAC_BAD_SET_LEN",
    "OFPBAC_BAD_SET_ARGUMENT",
};

static const char *const bad_instruction[] = {
    "OFPBIC_UNKNOWN_INST",
    "OFPBIC_UNSUP_INST",
    "OFPBIC_BAD_TABLE_ID",
    "OFPBIC_UNSUP_METADATA",
    "OFPBIC_UNSUP_METADATA_MASK",
    "OFPBIC_BAD_EXPERIMENTER",
    "OFPBIC_BAD_EXP_TYPE",
    "OFPBIC_BAD_LEN",
    "OFPBIC_EPERM",
};

static const char *const bad_match[] = {
    "OFPBMC_BAD_TYPE",         "OFPBMC_BAD_LEN",          "OFPBMC_BAD_TAG",
    "OFPBMC_BAD_DL_ADDR_MASK", "OFPBMC_BAD_NW_ADDR_MASK", "OFPBMC_BAD_WILDCARDS",
    "OFPBMC_BAD_FIELD",        "OFPBMC_BAD_VALUE",        "OFPBMC_BAD_MASK",
    "OFPBMC_BAD_PREREQ",       "OFPBMC_DUP_FIELD",        "OFPBMC_EPERM",
};

static const char *const flow_mod_failed[] = {
    "OFPFMFC_UNKNOWN",     "OFPFMFC_TABLE_FULL", "OFPFMFC_BAD_TABLE_ID",
    "OFPFMFC_OVERLAP",     "OFPFMFC_EPERM",      "OFPFMFC_BAD_TIMEOUT",
    "OFPFMFC_BAD_COMMAND", "OFPFMFC_BAD_FLAGS",
};

static const char *const group_mod_failed[] = {
    "OFPGMFC_GROUP_EXISTS",
    "OFPGMFC_INVALID_GROUP",
    "OFPGMFC_WEIGHT_UNSUPPORTED",
    "OFPGMFC_OUT_OF_GROUPS",
    "OFPGMFC_OUT_OF_BUCKETS",
    "OFPGMFC_CHAINING_UNSUPPORTED",
    "OFPGMFC_WATCH_UNSUPPORTED",
    "OFPGMFC_LOOP",
    "OFPGMFC_UNKNOWN_GROUP",
    "OFPGMFC_CHAINED_GROUP",
    "OFPGMFC_BAD_TYPE",
    "OFPGMFC_BAD_COMMAND",
    "OFPGMFC_BAD_BUCKET",
    "OFPGMFC_BAD_WATCH",
    "OFPGMFC_EPERM",
};

static const char *const port_mod_failed[] = {
    "OFPPMFC_BAD_PORT",      "OFPPMFC_BAD_HW_ADDR", "OFPPMFC_BAD_CONFIG",
    "OFPPMFC_BAD_ADVERTISE", "OFPPMFC_EPERM",
};

static const char *const table_mod_failed[] = {"OFPTMFC_BAD_TABLE",
                                               "OFPTMFC_BAD_CONFIG", "OFPTMFC_EPERM"};

static const char *const queue_op_failed[] = {"OFPQOFC_BAD_PORT", "OFPQOFC_BAD_QUEUE",
                                              "OFPQOFC_EPERM"};

static const char *const switch_config_failed[] = {"OFPSCFC_BAD_FLAGS",
                                                   "OFPSCFC_BAD_LEN", "OFPSCFC_EPERM"};

static const char *const role_request_failed[] = {"OFPRRFC_STALE", "OFPRRFC_UNSUP",
                                                  "OFPRRFC_BAD_ROLE"};

static const char *const meter_mod_failed[] = {
    "OFPMMFC_UNKNOWN",        "OFPMMFC_METER_EXISTS",  "OFPMMFC_INVALID_METER",
    "OFPMMFC_UNKNOWN_METER",  "OFPMMFC_BAD_COMMAND",   "OFPMMFC_BAD_FLAGS",
    "OFPMMFC_BAD_RATE",       "OFPMMFC_BAD_BURST",     "OFPMMFC_BAD_BAND",
    "OFPMMFC_BAD_BAND_VALUE", "OFPMMFC_OUT_OF_METERS", "OFPMMFC_OUT_OF_BANDS",
};

static const char *const table_features_failed[] = {
    "OFPTFFC_BAD_TABLE", "OFPTFFC_BAD_METADATA", "OFPTFFC_BAD_TYPE",
    "OFPTFFC_BAD_LEN",   "OFPTFFC_BAD_ARGUMENT", "OFPTFFC_EPERM",
};

#define ROW(TYPE, CODES) [TYPE] = {#TYPE, CODES, ARRAY_SIZE(CODES)}

static const struct {
    const char *name;
    const char *const *codes;
    size_t n_codes;
} errors[] = {
    ROW(OFPET_HELLO_FAILED, hello_failed),
    ROW(OFPET_BAD_REQUEST, bad_request),
    ROW(OFPET_BAD_ACTION, bad_action),
    ROW(OFPET_BAD_INSTRUCTION, bad_instruction),
    ROW(OFPET_BAD_MATCH, bad_match),
    ROW(OFPET_FLOW_MOD_FAILED, flow_mod_failed),
    ROW(OFPET_GROUP_MOD_FAILED, group_mod_failed),
    ROW(OFPET_PORT_MOD_FAILED, port_mod_failed),
    ROW(OFPET_TABLE_MOD_FAILED, table_mod_failed),
    ROW(OFPET_QUEUE_OP_FAILED, queue_op_failed),
    ROW(OFPET_SWITCH_CONFIG_FAILED, switch_config_failed),
    ROW(OFPET_ROLE_REQUEST_FAILED, role_request_failed),
    ROW(OFPET_METER_MOD_FAILED, meter_mod_failed),
    ROW(OFPET_TABLE_FEATURES_FAILED, table_features_failed),
};

const char *of_error_type_name(uint16_t type)
{
    return type < ARRAY_SIZE(errors)    ? errors[type].name
           : type == OFPET_EXPERIMENTER ? "OFPET_EXPERIMENTER"
                                        : NULL;
}

const char *of_error_code_name(uint16_t type, uint16_t code)
{
    return type < ARRAY_SIZE(errors) && code < errors[type].n_codes
               ? errors[type].codes[code]
               : NULL;
}

void of_error_print(struct buf *b, uint16_t type, uint16_t code)
{
    const char *type_name = of_error_type_name(type);
    const char *code_name = of_error_code_name(type, code);

    if (type_name) {
        buf_printf(b, "%s/", type_name);
    } else {
        buf_printf(b, "%u/", type);
    }
    if (code_name) {
        buf_printf(b, "%s", code_name);
    } else {
        buf_printf(b, "%u", code);
    }
}

const char *of_multipart_name(uint16_t type)
{
    static const char *const names[OFPMP_N_TYPES] = {
        "OFPMP_DESC",           "OFPMP_FLOW",         "OFPMP_AGGREGATE",
        "OFPMP_TABLE",          "OFPMP_PORT_STATS",   "OFPMP_QUEUE",
        "OFPMP_GROUP",          "OFPMP_GROUP_DESC",   "OFPMP_GROUP_FEATURES",
        "OFPMP_METER",          "OFPMP_METER_CONFIG", "OFPMP_METER_FEATURES",
        "OFPMP_TABLE_FEATURES", "OFPMP_PORT_DESC",
    };
    return type < OFPMP_N_TYPES         ? names[type]
           : type == OFPMP_EXPERIMENTER ? "OFPMP_EXPERIMENTER"
                                        : NULL;
}
