/* rfserver: options, and the life of the daemon. */

#include <errno.h>
#include <linux/capability.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#define LOG_MODULE "rfserver"
#include "base/log.h"
#include "base/util.h"
#include "daemon/daemon.h"
#include "ipc/client.h"
#include "server.h"

static const struct option_spec option_table[] = {
    {"listen", "ENDPOINTS",
     "ZeroMQ endpoints for rfproxy, rfvs, rfclient and rfctl, comma-separated",
     "ipc:///run/routeflow/rfserver.ipc", 0},
    {"events", "ENDPOINTS", "where events are published for rfctl watch",
     "ipc:///run/routeflow/events.ipc", 0},
    {"mapping", "FILE", "which VM port is which datapath port",
     "/etc/routeflow/rfserver.csv", 0},
    {"isl", "FILE", "inter-switch links of VMs that span datapaths (rfisl.csv)", NULL,
     0},
    {"store", "URI", "sqlite:PATH or mongodb://HOST:PORT/DATABASE",
     "sqlite:/var/lib/routeflow/routeflow.db", 0},
    {"curve", "NAME", "key pair NAME.key, NAME.secret: tcp:// is encrypted", NULL, 0},
    {"curve-allow", "FILE",
     "public keys that are let in, a line each, and the id bound to it", NULL, 0},
    {"hold-time", "TIME", "keep state of a lost client, proxy or rfvs so long", "120s",
     0},
    {"datapath-hold", "TIME", "the same for a switch whose own connection is lost",
     "5s", 0},
    {"plane", "MODE",
     "closed: routing packets stay in RFVS; passthrough: they travel over the real "
     "links, as in the original RouteFlow",
     "closed", 0},
    {"mapping-auto", NULL,
     "rfctl plan proposes rows, containers and addresses for ports without a row", NULL,
     0},
    {"mapping-auto-links", "PREFIX:LENGTH", "for such links, networks of that length",
     "10.128.0.0/16:30", 0},
    {"mapping-auto-hosts", "PREFIX:LENGTH", "the same for edge ports",
     "172.24.0.0/16:24", 0},
    {"mapping-auto-loopbacks", "PREFIX", "for router ids and loopbacks",
     "192.168.128.0/17", 0},
    {"classify-time", "TIME",
     "a port that heard no LLDP of ours for so long after coming up is an edge port",
     "3s", 0},
    {NULL, NULL, NULL, NULL, 0},
};

static void each_second(void *aux)
{
    struct server *s = aux;
    store_log_changes(s->store);
    vm_age_all(s);
    plane_due_all(s); /* What waits for time to pass. */
    server_wake(s);
}

static void topology_due(void *aux)
{
    server_topology(aux);
}

static void flush(void *aux)
{
    struct server *s = aux;
    relay_flush(s);
    span_flush(s);
    vplane_flush(s);
    plane_flush(s);
}

static void server_destroy(void *context)
{
    struct server *s = context;

    if (!s) {
        return;
    }
    config_watch_stop(s);
    ipc_server_destroy(s->ipc);
    zauth_destroy(s->auth);
    vm_destroy_all(s);
    dp_destroy_all(s);
    vs_destroy_all(s);
    proxy_destroy_all(s);
    relay_destroy_all(s);
    links_destroy_all(s);
    ports_clear(s);
    span_destroy_all(s);
    plane_destroy_all(s);
    if (s->store) {
        store_flush(s->store, 2000);
        store_close(s->store);
    }
    backup_destroy(s->backup);
    loop_timer_destroy(s->topo_timer);
    loop_timer_destroy(s->second);
    loop_defer_destroy(s->flush);
    topo_destroy(s->topo);
    assoc_destroy(s->assoc);
    assoc_effects_uninit(&s->effects);
    mapping_uninit(&s->mapping);
    free(s->events);
    free(s);
}

static bool open_store(struct server *s, const char *uri)
{
    char error[STORE_ERROR_LEN];
    int err = store_open(uri, &s->store, error, sizeof error);

    if (err) {
        log_err("store %s: %s", uri, error);
        return false;
    }
    err = store_start(s->store);
    if (err) {
        log_err("store %s: writer thread: %s", uri, strerror(err));
        return false;
    }
    return true;
}

/* CURVE for tcp:// endpoints; local ones are guarded by the file system. */
static bool open_keys(struct server *s, struct daemon *daemon, const struct options *o,
                      struct zcurve *curve, const struct zcurve **ret)
{
    const char *name = options_get(o, "curve");
    const char *allow = options_get(o, "curve-allow");
    char error[ZCURVE_ERR_LEN];

    *ret = NULL;
    if (!name && !allow) {
        if (strstr(options_get(o, "listen"), "tcp://")) {
            log_warn("option curve is not set: whoever reaches tcp:// is let in, "
                     "unencrypted");
        }
        return true;
    }
    if (!name || !allow) {
        log_err("options curve and curve-allow: expected both or neither");
        return false;
    }
    if (zcurve_load(name, NULL, curve, error) ||
        zauth_create(s->loop, daemon_zctx(daemon), allow, &s->auth, error)) {
        log_err("option curve: %s", error);
        return false;
    }
    *ret = curve;
    return true;
}

static bool open_bus(struct server *s, struct daemon *daemon, const struct options *o)
{
    struct zcurve curve;
    struct ipc_server_config config = {.epoch = ipc_random_epoch(),
                                       .hold_ms = s->config.hold_ms};

    if (!open_keys(s, daemon, o, &curve, &config.curve)) {
        return false;
    }
    s->ipc = ipc_server_create(s->loop, daemon_zctx(daemon), &config, &peers_ops, s);
    return !ipc_server_bind(s->ipc, options_get(o, "listen")) &&
           !ipc_server_bind_events(s->ipc, options_get(o, "events"));
}

static void *server_start(struct daemon *daemon, const struct options *o)
{
    struct server *s = xcalloc(1, sizeof *s);

    s->loop = daemon_loop(daemon);
    s->started = loop_now();
    s->assoc = assoc_create();
    s->events = xcalloc(SERVER_EVENTS, sizeof *s->events);
    s->config.mapping_path = options_get(o, "mapping");
    s->config.isl_path = options_get(o, "isl");
    s->topo_timer = loop_timer_create(s->loop, topology_due, s);
    s->flush = loop_defer_create(s->loop, flush, s);
    s->second = loop_timer_create(s->loop, each_second, s);
    s->backup = backup_create(s);
    if (!options_ms(o, "hold-time", 0, 86400000, &s->config.hold_ms) ||
        !options_ms(o, "datapath-hold", 0, 86400000, &s->config.dp_hold_ms) ||
        !options_ms(o, "classify-time", 100, 3600000, &s->config.classify_ms)) {
        server_destroy(s);
        return NULL;
    }
    if (!propose_options(s, o)) {
        server_destroy(s);
        return NULL;
    }
    if (!ports_plane_parse(options_get(o, "plane"), &s->config.plane)) {
        log_err("option plane: \"%s\": expected closed or passthrough",
                options_get(o, "plane"));
        server_destroy(s);
        return NULL;
    }
    s->topo = topo_create(
        &(struct topo_config){.ttl_ms = 0, .classify_ms = s->config.classify_ms});
    if (!open_store(s, options_get(o, "store")) || !config_load(s) ||
        !open_bus(s, daemon, o)) {
        server_destroy(s);
        return NULL;
    }
    config_watch_start(s);
    loop_timer_every(s->second, 1000);
    log_info("listening on %s; mapping %s (%zu rows); store %s",
             options_get(o, "listen"), s->config.mapping_path, s->mapping.n_rows,
             options_get(o, "store"));
    return s;
}

static void server_reload(void *context)
{
    struct server *s = context;
    char error[ZCURVE_ERR_LEN];

    if (s->auth && zauth_reload(s->auth, error)) {
        log_err("%s; the keys in force stay", error);
    }
    config_load(context);
}

int main(int argc, char **argv)
{
    static const struct daemon_spec spec = {
        .name = "rfserver",
        .doc = "The brain of the routing platform: associates the ports of containers "
               "with those of datapaths, and turns the containers' routes into the "
               "flow tables that the datapaths should have.",
        .config = "/etc/routeflow/routeflow.conf",
        /* To listen on ports below 1024, if it is told to. */
        .capabilities = UINT64_C(1) << CAP_NET_BIND_SERVICE,
        .options = option_table,
        .start = server_start,
        .reload = server_reload,
        .stop = server_destroy,
    };
    return daemon_run(&spec, argc, argv);
}
