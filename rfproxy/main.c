#include <linux/capability.h>
#include <stdlib.h>
#include <string.h>

#include "daemon/curve.h"
#include "daemon/daemon.h"
#include "daemon/keyfile.h"
#include "daemon/tls.h"
#include "proxy.h"

#define LOG_MODULE "main"
#include "base/log.h"

static const struct option_spec options[] = {
    {"server", "ENDPOINT", "rfserver", "ipc:///run/routeflow/rfserver.ipc", 0},
    {"listen", "ENDPOINTS",
     "where switches connect: ptcp:PORT[:ADDRESS], pssl:PORT[:ADDRESS] (TLS), "
     "punix:PATH; several, comma-separated",
     "ptcp:6653:127.0.0.1", 0},
    {"ct-id", "NUMBER", "controller id of this rfproxy, as in rfserver.csv", "0", 0},
    {"relay", "ENDPOINT", "the relay socket of rfvs", "ipc:///run/routeflow/relay.ipc",
     0},
    {"key-file", "FILE", "key of LLDP frames, hexadecimal; required", NULL, 0},
    TLS_OPTIONS,
    CURVE_OPTIONS,
    {"lldp-interval", "TIME", "between two LLDP frames of a port", "1s", 0},
    {"lldp-ttl", "TIME", "a link is lost after this silence", "3s", 0},
    {"fast-links", "on|off", "probe confirmed links every 50 ms, lost after 150 ms",
     "off", 0},
    {"audit-interval", "TIME", "at most between two readings of a switch's entries",
     "60s", 0},
    {"punt-rate", "NUMBER", "packets per second that a port may send to its VM", "1000",
     0},
    {"reconnect-grace", "TIME",
     "a switch that is back within this is not reported as lost", "2500ms", 0},
    {"hold-time", "TIME", "how long the state of a lost switch is kept", "120s", 0},
    {0}};

static bool read_fast_links(const char *text, bool *ret)
{
    if (!strcmp(text, "on") || !strcmp(text, "off")) {
        *ret = !strcmp(text, "on");
        return true;
    }
    log_err("option fast-links: \"%s\", expected on or off", text);
    return false;
}

static bool read_options(const struct options *o, struct zcurve *curve,
                         struct proxy_config *config)
{
    const char *key_file = options_get(o, "key-file");
    uint64_t ct_id, rate;

    if (!key_file) {
        log_err("option key-file is required: links are told from forgeries by it");
        return false;
    }
    config->server = options_get(o, "server");
    config->relay = options_get(o, "relay");
    config->listen = options_get(o, "listen");
    if (!options_u64(o, "ct-id", 0, UINT32_MAX, &ct_id) ||
        !options_u64(o, "punt-rate", 1, 1000000, &rate) ||
        !options_ms(o, "lldp-interval", 50, 60000, &config->lldp_interval_ms) ||
        !options_ms(o, "lldp-ttl", 150, 600000, &config->lldp_ttl_ms) ||
        !options_ms(o, "audit-interval", 100, 86400000, &config->audit_interval_ms) ||
        !options_ms(o, "reconnect-grace", 0, 600000, &config->grace_ms) ||
        !options_ms(o, "hold-time", 0, 86400000, &config->hold_ms) ||
        !read_fast_links(options_get(o, "fast-links"), &config->fast_links) ||
        !tls_read(o, &config->tls, &config->tls_allow) ||
        !curve_read(o, curve, &config->curve) ||
        !keyfile_read(key_file, KEY_MIN_LEN, KEY_MAX_LEN, config->key,
                      &config->key_len)) {
        return false;
    }
    if (config->lldp_ttl_ms <= config->lldp_interval_ms) {
        log_err("option lldp-ttl: must be longer than lldp-interval");
        return false;
    }
    config->ct_id = (uint32_t)ct_id;
    config->punt_rate = (uint32_t)rate;
    return true;
}

static void *start(struct daemon *daemon, const struct options *o)
{
    struct proxy_config config = {0};
    struct zcurve curve;

    if (!read_options(o, &curve, &config)) {
        return NULL;
    }
    return proxy_create(daemon_loop(daemon), daemon_zctx(daemon), &config);
}

static void reload(void *proxy)
{
    proxy_reload(proxy);
}

static void stop(void *proxy)
{
    proxy_destroy(proxy);
}

int main(int argc, char **argv)
{
    static const struct daemon_spec spec = {
        .name = "rfproxy",
        .doc = "Drives the real switches: finds links by LLDP, installs the flow "
               "entries that rfserver wants, and relays packets for the VMs.",
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
