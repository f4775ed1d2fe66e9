#include "daemon/curve.h"

#include <stddef.h>

#define LOG_MODULE "options"
#include "base/log.h"

bool curve_read(const struct options *o, struct zcurve *curve,
                const struct zcurve **ret)
{
    const char *own = options_get(o, "curve");
    const char *server = options_get(o, "curve-server");
    char error[ZCURVE_ERR_LEN];

    if (!own && !server) {
        *ret = NULL;
        return true;
    }
    if (!own || !server) {
        log_err("options curve and curve-server: expected both or neither");
        return false;
    }
    if (zcurve_load(own, server, curve, error)) {
        log_err("option curve: %s", error);
        return false;
    }
    *ret = curve;
    return true;
}
