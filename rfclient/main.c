#include <errno.h>
#include <linux/capability.h>
#include <net/if.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/util.h"
#include "client.h"
#include "daemon/curve.h"
#include "daemon/daemon.h"
#include "daemon/keyfile.h"
#include "daemon/options.h"
#include "net/zcurve.h"

#define LOG_MODULE "rfclient"
#include "base/log.h"

enum { KEY_MIN = 16, KEY_MAX = 128 }; /* Octets. */

static bool read_key(const char *path, struct buf *ret)
{
    uint8_t key[KEY_MAX];
    size_t n;

    if (!keyfile_read(path, KEY_MIN, KEY_MAX, key, &n)) {
        return false;
    }
    buf_put(ret, key, n);
    explicit_bzero(key, sizeof key);
    return true;
}

static bool read_mac(const char *ifname, uint64_t *ret)
{
    struct ifreq request = {0};
    struct eth_addr mac;
    int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);

    str_copy(request.ifr_name, ifname, sizeof request.ifr_name);
    bool found = fd >= 0 && !ioctl(fd, SIOCGIFHWADDR, &request);
    if (!found) {
        log_err("no MAC address of %s to be the vm_id (%s): set option vm-id", ifname,
                strerror(errno));
    } else {
        memcpy(mac.ea, request.ifr_hwaddr.sa_data, sizeof mac.ea);
        *ret = eth_to_u64(mac);
    }
    if (fd >= 0) {
        close(fd);
    }
    return found;
}

/* As a MAC or as a hexadecimal number; by default the management interface's MAC. */
static bool read_vm_id(const struct options *o, const struct port_pattern *ports,
                       uint64_t *ret)
{
    const char *text = options_get(o, "vm-id");
    char name[2 * VM_IFNAME_LEN + 1];
    struct eth_addr mac;

    if (!text) {
        snprintf(name, sizeof name, "%s0%s", ports->prefix, ports->suffix);
        return read_mac(name, ret);
    }
    if (eth_parse(text, &mac)) {
        *ret = eth_to_u64(mac);
        return true;
    }
    uint64_t id;
    if (!id_parse(text, &id) || !id || id >> 48) {
        log_err(
            "option vm-id: \"%s\": expected a MAC address or 48 bits in hexadecimal",
            text);
        return false;
    }
    *ret = id;
    return true;
}

static bool read_options(const struct options *o, struct client_config *config,
                         struct zcurve *curve)
{
    const char *pattern = options_get(o, "interfaces");
    const char *key_file = options_get(o, "key-file");
    uint64_t probes, buffer;

    if (!port_pattern_parse(pattern, &config->ports)) {
        log_err(
            "option interfaces: \"%s\": expected a name with one %% for the number, "
            "such as eth%%",
            pattern);
        return false;
    }
    if (!key_file) {
        log_err(
            "option key-file is not set: RFVS believes no mapping frame without it");
        return false;
    }
    if (!options_u64(o, "probes", 1, 100000, &probes) ||
        !options_u64(o, "netlink-buffer", 4096, 1u << 30, &buffer) ||
        !options_ms(o, "validate", 1000, 86400000, &config->prober.validate_ms) ||
        !read_vm_id(o, &config->ports, &config->vm_id) ||
        !curve_read(o, curve, &config->curve) || !read_key(key_file, &config->key)) {
        return false;
    }
    config->server = options_get(o, "server");
    config->prober.max_in_flight = (unsigned)probes;
    config->netlink_buffer = (int)buffer;
    return true;
}

static void *start(struct daemon *d, const struct options *o)
{
    struct client_config config = {.prober = PROBER_DEFAULTS};
    struct zcurve curve;
    char id[ID_STRLEN];

    if (!read_options(o, &config, &curve)) {
        return NULL;
    }
    log_info("vm_id %s, server %s", id_format(config.vm_id, id), config.server);
    config.loop = daemon_loop(d);
    config.zctx = daemon_zctx(d);
    struct client *c = client_create(&config);
    if (!c) {
        buf_uninit(&config.key);
        return NULL;
    }
    return c;
}

static void stop(void *c)
{
    client_destroy(c);
}

static const struct option_spec options[] = {
    {.key = "server",
     .arg = "ENDPOINT",
     .doc = "rfserver's endpoint",
     .def = "tcp://127.0.0.1:25555"},
    {.key = "vm-id",
     .arg = "MAC",
     .doc = "id of this VM (default: the MAC of interface 0, eth0)"},
    {.key = "interfaces",
     .arg = "PATTERN",
     .doc = "interfaces that are VM ports; % stands for the port number, and "
            "interface 0 is for management",
     .def = "eth%"},
    {.key = "key-file",
     .arg = "FILE",
     .doc = "key of mapping frames, one line in hexadecimal"},
    {.key = "validate",
     .arg = "TIME",
     .doc = "ask stale neighbours whether they are there this often",
     .def = "30s"},
    {.key = "probes",
     .arg = "N",
     .doc = "neighbours being asked for at the same time, at most",
     .def = "64"},
    {.key = "netlink-buffer",
     .arg = "BYTES",
     .doc = "receive buffer for the kernel's events (850 bytes each)",
     .def = "67108864"},
    CURVE_OPTIONS,
    {0},
};

int main(int argc, char **argv)
{
    static const struct daemon_spec spec = {
        .name = "rfclient",
        .doc = "Tells rfserver the ports, addresses, routes and neighbours of the "
               "container it runs in.",
        .config = "/etc/routeflow/rfclient.ini",
        .options = options,
        /* Probing neighbours, and mapping frames. */
        .capabilities = UINT64_C(1) << CAP_NET_ADMIN | UINT64_C(1) << CAP_NET_RAW,
        .start = start,
        .stop = stop,
    };
    return daemon_run(&spec, argc, argv);
}
