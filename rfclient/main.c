#include <errno.h>
#include <net/if.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/util.h"
#include "client.h"
#include "daemon/daemon.h"
#include "daemon/options.h"
#include "net/zcurve.h"
#include "privileges.h"

#define LOG_MODULE "rfclient"
#include "base/log.h"

enum { KEY_MIN = 16, KEY_MAX = 128 }; /* Octets. */

/* The key: hexadecimal, on one line. */
static bool read_key(const char *path, struct buf *ret)
{
    FILE *f = fopen(path, "re");
    char line[2 * KEY_MAX + 2];

    if (!f) {
        log_err("option key-file: cannot open %s: %s", path, strerror(errno));
        return false;
    }
    bool any = fgets(line, sizeof line, f);
    fclose(f);
    size_t n = any ? strcspn(line, "\r\n") : 0;
    bool good = n % 2 == 0 && n / 2 >= KEY_MIN && n / 2 <= KEY_MAX;
    for (size_t i = 0; good && i < n; i += 2) {
        char digits[3] = {line[i], line[i + 1], '\0'};
        uint64_t v;
        good = parse_u64(digits, 16, 0xff, &v);
        if (good) {
            buf_put_u8(ret, (uint8_t)v);
        }
    }
    explicit_bzero(line, sizeof line);
    if (!good) {
        log_err("option key-file: %s: expected one line of %d to %d hexadecimal digits",
                path, 2 * KEY_MIN, 2 * KEY_MAX);
        buf_uninit(ret);
    }
    return good;
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

static bool read_curve(const struct options *o, struct zcurve *curve,
                       const struct zcurve **ret)
{
    const char *own = options_get(o, "curve"), *server = options_get(o, "curve-server");
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
        !read_curve(o, curve, &config->curve) || !read_key(key_file, &config->key)) {
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
    int error = privileges_drop();
    if (error) {
        log_warn("cannot drop privileges: %s", strerror(error));
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
     .def = "16777216"},
    {.key = "curve",
     .arg = "NAME",
     .doc = "encrypt with the key pair NAME.key, NAME.secret"},
    {.key = "curve-server", .arg = "NAME", .doc = "rfserver's public key is NAME.key"},
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
        .start = start,
        .stop = stop,
    };
    return daemon_run(&spec, argc, argv);
}
