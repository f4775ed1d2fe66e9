#ifndef OF_PRINT_H
#define OF_PRINT_H 1

/* OpenFlow in words: for logs, for debugging and for golden tests. */

#include <stddef.h>
#include <stdint.h>

#include "base/buf.h"
#include "of/msg.h"

/* One line without a line feed for the message in msg[len], which may be any bytes at
 * all: "OFPT_FLOW_MOD (xid=0x5): ADD table=1 priority=124,ip,nw_dst=10.0.0.0/24 ...".
 * What cannot be decoded is named and shown in hexadecimal. */
void of_print(struct buf *, const void *msg, size_t len);
void of_msg_print(struct buf *, const struct of_msg *);

/* Names as in the specification, "OFPET_FLOW_MOD_FAILED", "OFPFMFC_TABLE_FULL"; NULL
 * when the number has none. */
const char *of_error_type_name(uint16_t type);
const char *of_error_code_name(uint16_t type, uint16_t code);
const char *of_multipart_name(uint16_t type); /* "OFPMP_FLOW". */
/* "OFPET_FLOW_MOD_FAILED/OFPFMFC_TABLE_FULL", numbers for what has no name. */
void of_error_print(struct buf *, uint16_t type, uint16_t code);

#endif
