#ifndef OFCONN_BINDING_H
#define OFCONN_BINDING_H 1

/* Which certificate may be which datapath.
 *
 * A certificate names a datapath by "dpid-" and the id in hexadecimal, as common name
 * or as DNS name; what follows a blank is not looked at, because ovs-pki makes
 * "dpid-0000000000000005 id:UUID".  Who has several bridges has several DNS names.
 *
 * Or a file says it, and then it alone: in each line the SHA-256 fingerprint of a
 * certificate (as `openssl x509 -fingerprint -sha256` prints it, colons or not), then
 * the ids of its datapaths; `#` begins a line of comment. */

#include <stdbool.h>
#include <stdint.h>

#define BINDING_FINGERPRINT_LEN 32 /* Octets. */
#define BINDING_ERR_LEN 640

bool binding_name_is(const char *name, uint64_t dp_id);

struct binding_list;

/* 0 or an errno, with file:line: and what is wrong in ret_error. */
int binding_list_read(const char *path, struct binding_list **ret,
                      char ret_error[static BINDING_ERR_LEN]);
void binding_list_destroy(struct binding_list *); /* NULL is allowed. */
bool binding_list_has(const struct binding_list *,
                      const uint8_t fingerprint[static BINDING_FINGERPRINT_LEN],
                      uint64_t dp_id);

#endif
