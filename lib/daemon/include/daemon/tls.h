#ifndef DAEMON_TLS_H
#define DAEMON_TLS_H 1

/* Options of those to whom OpenFlow switches connect by TLS; named as in Open vSwitch.
 */

#include <stdbool.h>

#include "daemon/options.h"
#include "net/tls.h"

#define TLS_OPTIONS                                                                   \
    {"certificate", "FILE", "our certificate (PEM), for pssl: in --listen", NULL, 0}, \
        {"private-key", "FILE", "its private key (PEM)", NULL, 0},                    \
        {"ca-cert", "FILE", "the CA that signs the switches' certificates", NULL, 0}, \
    {                                                                                 \
        "tls-allow", "FILE",                                                          \
            "fingerprints of certificates and the datapath ids that each may use; "   \
            "without it, the certificate must name its datapath",                     \
            NULL, 0                                                                   \
    }

/* The files, all NULL where they are not set.  False after logging what is wrong. */
bool tls_read(const struct options *, struct tls_files *ret, const char **ret_allow);

#endif
