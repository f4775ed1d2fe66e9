/* rfvs: options, and the life of the daemon. */

#include "daemon/daemon.h"
#include "daemon/keyfile.h"
#include "rfvs.h"

#define LOG_MODULE "rfvs"
#include "base/log.h"

static const struct option_spec options[] = {
    {"server", "ENDPOINT", "rfserver", "ipc:///run/routeflow/rfserver.ipc", 's'},
    {"listen", "ENDPOINTS",
     "where RFVS connects: ptcp:PORT[:ADDRESS], punix:PATH; several, comma-separated",
     "ptcp:6654:127.0.0.1", 'l'},
    {"relay", "ENDPOINT", "the relay socket, where rfproxy connects",
     "ipc:///run/routeflow/relay.ipc", 'r'},
    {"key-file", "FILE", "key of mapping frames, hexadecimal; required", NULL, 'k'},
    {"curve", "PATH",
     "our CURVE keys, PATH.key and PATH.secret, for tcp:// to rfserver", NULL, 0},
    {"curve-server", "PATH", "rfserver's public CURVE key, PATH.key", NULL, 0},
    {"audit-interval", "TIME", "between two readings of the flow entries", "30s", 0},
    {"hold-time", "TIME", "how long the state of a lost RFVS is kept", "120s", 0},
    {NULL, NULL, NULL, NULL, 0},
};

static bool read_curve(const struct options *o, struct zcurve *curve,
                       const struct zcurve **ret)
{
    const char *own = options_get(o, "curve");
    const char *server = options_get(o, "curve-server");
    char error[ZCURVE_ERR_LEN];

    if (!own && !server) {
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
           read_curve(o, curve, &config->curve) &&
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
        .options = options,
        .start = start,
        .stop = stop,
    };
    return daemon_run(&spec, argc, argv);
}
