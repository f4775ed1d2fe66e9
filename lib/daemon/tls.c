#include "daemon/tls.h"

#include <stddef.h>

#define LOG_MODULE "options"
#include "base/log.h"

bool tls_read(const struct options *o, struct tls_files *ret, const char **ret_allow)
{
    const struct tls_files files = {.certificate = options_get(o, "certificate"),
                                    .private_key = options_get(o, "private-key"),
                                    .ca_cert = options_get(o, "ca-cert")};
    const char *allow = options_get(o, "tls-allow");
    const bool all = files.certificate && files.private_key && files.ca_cert;

    if (!all && (files.certificate || files.private_key || files.ca_cert || allow)) {
        log_err("options certificate, private-key and ca-cert: expected all or none");
        return false;
    }
    *ret = files;
    *ret_allow = allow;
    return true;
}
