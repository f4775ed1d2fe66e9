#ifndef DAEMON_CURVE_H
#define DAEMON_CURVE_H 1

/* Options `curve` and `curve-server`: encryption towards rfserver over tcp://, the same
 * in all its peers. */

#include <stdbool.h>

#include "daemon/options.h"
#include "net/zcurve.h"

/* For the option table of a peer. */
#define CURVE_OPTIONS                                                            \
    {"curve", "NAME",                                                            \
     "encrypt with the key pair NAME.key, NAME.secret (rfctl keygen)", NULL, 0}, \
    {                                                                            \
        "curve-server", "NAME", "rfserver's public key is NAME.key", NULL, 0     \
    }

/* Reads the keys into *curve and points *ret at it, or at NULL where the options are
 * not set.  False after logging what is wrong. */
bool curve_read(const struct options *, struct zcurve *curve,
                const struct zcurve **ret);

#endif
