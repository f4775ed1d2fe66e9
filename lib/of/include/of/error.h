#ifndef OF_ERROR_H
#define OF_ERROR_H 1

/* What can be wrong with the bytes of a message.  Every decoder of this library returns
 * one of these; each stands for the OpenFlow error (type, code) to send back to the
 * peer (OpenFlow 1.3.5, 7.4.4). */

#include <stdint.h>

enum of_err {
    OF_OK = 0,
    OF_ERR_VERSION,     /* Version is not the negotiated one. */
    OF_ERR_TYPE,        /* Unknown message type. */
    OF_ERR_LEN,         /* Length below the type's minimum, or a part sticks out. */
    OF_ERR_MULTIPART,   /* Unknown multipart type. */
    OF_ERR_MATCH_TYPE,  /* ofp_match of another type than OXM. */
    OF_ERR_MATCH_LEN,   /* ofp_match or an OXM field of a wrong length. */
    OF_ERR_MATCH_VALUE, /* Value bits outside the mask. */
    OF_ERR_MATCH_DUP,   /* A field twice. */
    OF_ERR_ACTION_LEN,  /* An action's length. */
    OF_ERR_ACTION_SET,  /* A set-field's length. */
    OF_ERR_INSTRUCTION, /* Unknown instruction type. */
    OF_ERR_INST_LEN,    /* An instruction's length. */
    OF_ERR_BUCKET,      /* A group bucket's length. */
    OF_ERR_BAND,        /* A meter band's length. */
    OF_N_ERRS,
};

/* Words for a log line, such as "length of an action". */
const char *of_err_text(enum of_err);
/* The OpenFlow error to answer with; not for OF_OK. */
void of_err_code(enum of_err, uint16_t *ret_type, uint16_t *ret_code);

#endif
