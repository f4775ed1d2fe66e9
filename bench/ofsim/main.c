#include "ofsim.h"

#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>

static const char usage[] =
    "usage: ofsim [options]\n"
    "Simulates OpenFlow 1.3 switches, all ports up.  Ends with its standard input.\n"
    "  --connect ENDPOINT   controller, tcp:ADDRESS:PORT or unix:PATH\n"
    "                       (default tcp:127.0.0.1:6653)\n"
    "  --datapaths N        how many (default: as the topology needs, or 1)\n"
    "  --ports N            ports of each (default 24)\n"
    "  --first DPID         id of the first, hexadecimal (default 1); the next is 1 "
    "more\n"
    "  --backoff MS         before a lost or refused connection is tried again (1000)\n"
    "  --grid WxH           links: port 1 to the east's port 2, 3 to the south's 4\n"
    "  --ring N             links: port 1 to the next one's port 2\n"
    "  --fat-tree K         links of a fat tree of K-port switches, K even\n"
    "  --links FILE         links: lines of DPID PORT DPID PORT, ids hexadecimal\n"
    "Commands: see `help` on standard input.\n";

struct options {
    uint32_t datapaths, ports;
    uint64_t first;
    int64_t backoff_ms;
    const char *endpoint;
    struct topology_options topology;
};

static bool number(const char *text, uint64_t max, uint32_t *ret)
{
    uint64_t value;

    if (!parse_u64(text, 10, max, &value)) {
        fprintf(stderr, "ofsim: \"%s\": expected a number up to %llu\n", text,
                (unsigned long long)max);
        return false;
    }
    *ret = (uint32_t)value;
    return true;
}

static bool grid(char *text, struct topology_options *t)
{
    char *height = strchr(text, 'x');

    if (!height) {
        fprintf(stderr, "ofsim: \"%s\": expected WIDTHxHEIGHT\n", text);
        return false;
    }
    *height++ = '\0';
    return number(text, 1000, &t->width) && number(height, 1000, &t->height);
}

static bool option(int c, char *text, struct options *o)
{
    uint32_t ms;

    switch (c) {
    case 'c':
        o->endpoint = text;
        return true;
    case 'n':
        return number(text, 100000, &o->datapaths);
    case 'p':
        return number(text, SIM_PORTS_MAX, &o->ports);
    case 'i':
        if (!id_parse(text, &o->first)) {
            fprintf(stderr, "ofsim: \"%s\": expected a datapath id\n", text);
            return false;
        }
        return true;
    case 'b':
        if (!number(text, 3600000, &ms)) {
            return false;
        }
        o->backoff_ms = ms;
        return true;
    case 'g':
        return grid(text, &o->topology);
    case 'r':
        return number(text, 100000, &o->topology.ring);
    case 'f':
        return number(text, 64, &o->topology.fat_tree);
    case 'l':
        o->topology.file = text;
        return true;
    default:
        fputs(usage, c == 'h' ? stdout : stderr);
        return false;
    }
}

static bool read_options(int argc, char **argv, struct options *o)
{
    static const struct option table[] = {{"connect", required_argument, NULL, 'c'},
                                          {"datapaths", required_argument, NULL, 'n'},
                                          {"ports", required_argument, NULL, 'p'},
                                          {"first", required_argument, NULL, 'i'},
                                          {"backoff", required_argument, NULL, 'b'},
                                          {"grid", required_argument, NULL, 'g'},
                                          {"ring", required_argument, NULL, 'r'},
                                          {"fat-tree", required_argument, NULL, 'f'},
                                          {"links", required_argument, NULL, 'l'},
                                          {"help", no_argument, NULL, 'h'},
                                          {0}};
    int c;

    while ((c = getopt_long(argc, argv, "", table, NULL)) >= 0) {
        if (!option(c, optarg, o)) {
            return false;
        }
    }
    if (optind < argc) {
        fputs(usage, stderr);
        return false;
    }
    return links_size(&o->topology, &o->datapaths, &o->ports);
}

/* A descriptor each, and some. */
static void raise_descriptors(uint32_t n)
{
    struct rlimit limit;

    if (!getrlimit(RLIMIT_NOFILE, &limit) && limit.rlim_cur < n + 64) {
        limit.rlim_cur = MIN((rlim_t)n + 64, limit.rlim_max);
        setrlimit(RLIMIT_NOFILE, &limit);
    }
}

int main(int argc, char **argv)
{
    struct options o = {.datapaths = 1,
                        .ports = 24,
                        .first = 1,
                        .backoff_ms = 1000,
                        .endpoint = "tcp:127.0.0.1:6653"};
    bool ok;

    if (!read_options(argc, argv, &o)) {
        return 2;
    }
    raise_descriptors(o.datapaths);
    struct sim sim = {.loop = loop_create(),
                      .endpoint = o.endpoint,
                      .backoff_ms = o.backoff_ms,
                      .first_id = o.first,
                      .n = o.datapaths,
                      .n_ports = o.ports};
    sim.switches = xcalloc(sim.n, sizeof *sim.switches);
    for (uint32_t i = 0; i < sim.n; i++) {
        switch_init(&sim.switches[i], &sim, i);
    }
    ok = links_make(&sim, &o.topology);
    if (ok) {
        control_start(&sim);
        loop_run(sim.loop);
        control_stop(&sim);
    }
    for (uint32_t i = 0; i < sim.n; i++) {
        switch_uninit(&sim.switches[i]);
    }
    free(sim.switches);
    loop_destroy(sim.loop);
    return ok ? 0 : 2;
}
