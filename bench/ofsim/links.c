/* Topologies.  Ports are numbered from 1, switches from first_id. */

#include "ofsim.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

bool links_size(const struct topology_options *t, uint32_t *n, uint32_t *n_ports)
{
    uint32_t need = 0, ports = 0;

    if (t->width && t->height) {
        need = t->width * t->height;
        ports = 4;
    } else if (t->ring) {
        need = t->ring;
        ports = 2;
    } else if (t->fat_tree) {
        if (t->fat_tree % 2) {
            fprintf(stderr, "ofsim: --fat-tree %u: expected an even number\n",
                    t->fat_tree);
            return false;
        }
        need = t->fat_tree * t->fat_tree * 5 / 4;
        ports = t->fat_tree;
    }
    if (*n < need) {
        *n = need;
    }
    if (*n_ports < ports) {
        fprintf(stderr, "ofsim: --ports %u: the topology needs %u\n", *n_ports, ports);
        return false;
    }
    return true;
}

static bool join(struct sim *sim, uint32_t a, uint32_t a_port, uint32_t b,
                 uint32_t b_port)
{
    struct sim_switch *sa = a < sim->n ? &sim->switches[a] : NULL;
    struct sim_switch *sb = b < sim->n ? &sim->switches[b] : NULL;
    struct sim_port *pa = sa ? switch_port(sa, a_port) : NULL;
    struct sim_port *pb = sb ? switch_port(sb, b_port) : NULL;

    if (!pa || !pb || pa->peer || pb->peer || pa == pb) {
        return false;
    }
    pa->peer = sb;
    pa->peer_port = b_port;
    pb->peer = sa;
    pb->peer_port = a_port;
    return true;
}

static bool make_grid(struct sim *sim, uint32_t width, uint32_t height)
{
    for (uint32_t y = 0; y < height; y++) {
        for (uint32_t x = 0; x < width; x++) {
            const uint32_t i = y * width + x;
            if ((x + 1 < width && !join(sim, i, 1, i + 1, 2)) ||
                (y + 1 < height && !join(sim, i, 3, i + width, 4))) {
                return false;
            }
        }
    }
    return true;
}

static bool make_ring(struct sim *sim, uint32_t n)
{
    for (uint32_t i = 0; i < n; i++) {
        if (!join(sim, i, 1, (i + 1) % n, 2)) {
            return false;
        }
    }
    return true;
}

/* M. Al-Fares, A. Loukissas, A. Vahdat, "A scalable, commodity data center network
 * architecture", 2008, section 2.2: first the core switches, then each pod's
 * aggregation and edge switches.  Edge switches have hosts at ports 1 to k/2. */
static bool make_fat_tree(struct sim *sim, uint32_t k)
{
    const uint32_t half = k / 2, core = half * half;

    for (uint32_t pod = 0; pod < k; pod++) {
        const uint32_t aggregation = core + pod * k, edge = aggregation + half;
        for (uint32_t i = 0; i < half; i++) {
            for (uint32_t j = 0; j < half; j++) {
                if (!join(sim, aggregation + i, half + j + 1, i * half + j, pod + 1) ||
                    !join(sim, edge + j, half + i + 1, aggregation + i, j + 1)) {
                    return false;
                }
            }
        }
    }
    return true;
}

static bool make_line(struct sim *sim, const char *line)
{
    char a[32], b[32], more;
    unsigned a_port, b_port;
    uint64_t a_id, b_id;

    return sscanf(line, "%31s %u %31s %u %c", a, &a_port, b, &b_port, &more) == 4 &&
           id_parse(a, &a_id) && id_parse(b, &b_id) && a_id - sim->first_id < sim->n &&
           b_id - sim->first_id < sim->n &&
           join(sim, (uint32_t)(a_id - sim->first_id), a_port,
                (uint32_t)(b_id - sim->first_id), b_port);
}

static bool read_file(struct sim *sim, const char *path)
{
    FILE *file = fopen(path, "r");
    char *line = NULL;
    size_t size = 0;
    unsigned n = 0;
    bool ok = true;

    if (!file) {
        fprintf(stderr, "ofsim: %s: %s\n", path, strerror(errno));
        return false;
    }
    while (ok && getline(&line, &size, file) > 0) {
        n++;
        ok =
            line[strspn(line, " \t\n")] == '\0' || *line == '#' || make_line(sim, line);
    }
    if (!ok) {
        fprintf(stderr,
                "ofsim: %s:%u: expected DPID PORT DPID PORT, ports that are "
                "there and free\n",
                path, n);
    }
    free(line);
    fclose(file);
    return ok;
}

bool links_make(struct sim *sim, const struct topology_options *t)
{
    if (t->file) {
        return read_file(sim, t->file);
    }
    const bool ok = t->width && t->height ? make_grid(sim, t->width, t->height)
                    : t->ring             ? make_ring(sim, t->ring)
                    : t->fat_tree         ? make_fat_tree(sim, t->fat_tree)
                                          : true;
    if (!ok) {
        fprintf(stderr, "ofsim: the topology has a link to a port that is taken\n");
    }
    return ok;
}
