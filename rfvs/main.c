/* rfvs: options, and the life of the daemon. */

#include <linux/capability.h>

#include "daemon/curve.h"
#include "daemon/daemon.h"
#include "daemon/keyfile.h"
#include "daemon/tls.h"
#include "rfvs.h"

#define LOG_MODULE "rfvs"
#include "base/log.h"

static const struct option_spec options[] = {
    {"server", "ENDPOINT", "rfserver", "ipc:///run/routeflow/rfserver.ipc", 0},
    {"listen", "ENDPOINTS",
     "where RFVS connects: ptcp:PORT[:ADDRESS], pssl:PORT[:ADDRESS] (TLS), "
     "punix:PATH; several, comma-separated",
     "ptcp:6654:127.0.0.1", 0},
    {"relay", "ENDPOINT", "the relay socket, where rfproxy connects",
     "ipc:///run/routeflow/relay.ipc", 0},
    {"key-file", "FILE", "key of mapping frames, hexadecimal; required", NULL, 0},
    {"audit-interval", "TIME", "at most between two readings of the flow entries",
     "30s", 0},
    {"hold-time", "TIME", "how long the state of a lost RFVS is kept", "120s", 0},
    TLS_OPTIONS,
    CURVE_OPTIONS,
    {NULL, NULL, NULL, NULL, 0},
};

static bool read_options(const struct options *o, struct zcurve *curve,
                         struct rfvs_config *config)
{
    const char *key_file = options_get(o, "key-file");

    if (!key_file) {
        log_err("option key-file is required: without it no mapping frame is genuine");
        return false;
    }
    config->server = options_get(o, "server");
    config->listen = options_get(o, "listen");
    config->relay = options_get(o, "relay");
    return options_ms(o, "hold-time", 0, 86400000, &config->hold_ms) &&
           options_ms(o, "audit-interval", 100, 86400000, &config->audit_ms) &&
           tls_read(o, &config->tls, &config->tls_allow) &&
           curve_read(o, curve, &config->curve) &&
           keyfile_read(key_file, KEY_MIN_LEN, KEY_MAX_LEN, config->key,
                        &config->key_len);
}

static void *start(struct daemon *daemon, const struct options *o)
{
    struct rfvs_config config = {0};
    struct zcurve curve;

    if (!read_options(o, &curve, &config)) {
        return NULL;
    }
    return rfvs_create(daemon_loop(daemon), daemon_zctx(daemon), &config);
}

static void reload(void *rfvs)
{
    connection_reload(rfvs);
}

static void stop(void *rfvs)
{
    rfvs_destroy(rfvs);
}

int main(int argc, char **argv)
{
    static const struct daemon_spec spec = {
        .name = "rfvs",
        .doc = "The controller of RFVS, the virtual switch in which the interfaces of "
               "the containers meet: virtual links, carriers, mapping frames, and the "
               "slow path between containers and real switches.",
        .config = "/etc/routeflow/routeflow.conf",
        /* To listen on ports below 1024, if it is told to. */
        .capabilities = UINT64_C(1) << CAP_NET_BIND_SERVICE,
        .options = options,
        .start = start,
        .reload = reload,
        .stop = stop,
    };
    return daemon_run(&spec, argc, argv);
}
