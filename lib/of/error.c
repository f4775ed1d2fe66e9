#include "of/error.h"

#include "base/util.h"
#include "of/of13.h"

static const struct {
    uint16_t type, code;
    const char *text;
} table[OF_N_ERRS] = {
    [OF_OK] = {0, 0, "no error"},
    [OF_ERR_VERSION] = {OFPET_BAD_REQUEST, OFPBRC_BAD_VERSION, "wrong version"},
    [OF_ERR_TYPE] = {OFPET_BAD_REQUEST, OFPBRC_BAD_TYPE, "unknown message type"},
    [OF_ERR_LEN] = {OFPET_BAD_REQUEST, OFPBRC_BAD_LEN, "wrong length"},
    [OF_ERR_MULTIPART] = {OFPET_BAD_REQUEST, OFPBRC_BAD_MULTIPART,
                          "unknown multipart type"},
    [OF_ERR_MATCH_TYPE] = {OFPET_BAD_MATCH, OFPBMC_BAD_TYPE, "match is not OXM"},
    [OF_ERR_MATCH_LEN] = {OFPET_BAD_MATCH, OFPBMC_BAD_LEN, "wrong length in a match"},
    [OF_ERR_MATCH_VALUE] = {OFPET_BAD_MATCH, OFPBMC_BAD_WILDCARDS,
                            "match value has bits outside its mask"},
    [OF_ERR_MATCH_DUP] = {OFPET_BAD_MATCH, OFPBMC_DUP_FIELD, "match field twice"},
    [OF_ERR_ACTION_LEN] = {OFPET_BAD_ACTION, OFPBAC_BAD_LEN,
                           "wrong length of an action"},
    [OF_ERR_ACTION_SET] = {OFPET_BAD_ACTION, OFPBAC_BAD_SET_LEN,
                           "wrong length in a set-field action"},
    [OF_ERR_INSTRUCTION] = {OFPET_BAD_INSTRUCTION, OFPBIC_UNKNOWN_INST,
                            "unknown instruction"},
    [OF_ERR_INST_LEN] = {OFPET_BAD_INSTRUCTION, OFPBIC_BAD_LEN,
                         "wrong length of an instruction"},
    [OF_ERR_BUCKET] = {OFPET_GROUP_MOD_FAILED, OFPGMFC_BAD_BUCKET,
                       "wrong length of a bucket"},
    [OF_ERR_BAND] = {OFPET_METER_MOD_FAILED, OFPMMFC_BAD_BAND,
                     "wrong length of a meter band"},
};

const char *of_err_text(enum of_err err)
{
    return (unsigned)err < OF_N_ERRS ? table[err].text : "unknown error";
}

void of_err_code(enum of_err err, uint16_t *ret_type, uint16_t *ret_code)
{
    enum of_err e = (unsigned)err < OF_N_ERRS && err ? err : OF_ERR_LEN;
    *ret_type = table[e].type;
    *ret_code = table[e].code;
}
