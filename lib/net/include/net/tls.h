#ifndef NET_TLS_H
#define NET_TLS_H 1

/* Who we are on TLS connections, and whose certificates we accept.
 *
 * TLS 1.2 or later.  Both sides show a certificate; the peer's must be signed by our
 * CA, be valid now, and be good for its side of a connection.  Sessions are not
 * resumed: each connection shows its certificate anew.  Who the peer may be beyond that
 * is for the user of the stream to decide (stream_tls_fingerprint(),
 * stream_tls_names()).
 *
 * Certificates and keys are PEM files, as Open vSwitch has them.  The process must
 * ignore SIGPIPE. */

#include <stdint.h>

#define TLS_ERR_LEN 640
#define TLS_FINGERPRINT_LEN 32 /* SHA-256 of the certificate (DER). */

struct tls_files {
    const char *certificate; /* Ours; certificates between it and its CA may follow. */
    const char *private_key; /* Its key; others must not be able to read it. */
    const char *ca_cert;     /* Of the CAs that sign the certificates of peers. */
};

struct tls;

/* 0 or an errno, with a line for people in ret_error. */
int tls_create(const struct tls_files *, struct tls **ret,
               char ret_error[static TLS_ERR_LEN]);
/* Reads the files again, for connections to come.  After a failure what was in force
 * stays. */
int tls_reload(struct tls *, char ret_error[static TLS_ERR_LEN]);
/* Connections that exist go on.  NULL is allowed. */
void tls_destroy(struct tls *);

#endif
