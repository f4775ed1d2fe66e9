/* An rfserver's ear for tests of rfclient: accepts its session and prints what it says,
 * a line each.
 *
 *     rfclient_peer ENDPOINT
 *
 * Standard output:  up VM_ID NAME | down REASON | begin | end
 *                   [-]port N ... | [-]addr N PREFIX | [-]neigh N ADDR MAC
 *                   [-]route PREFIX KIND METRIC PROTOCOL PORT,GATEWAY,WEIGHT ...
 * Standard input:   config PORT MAPPING ACTIVE    sends PORT_CONFIG, with 0 or 1
 * It ends with its standard input. */

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/util.h"
#include "ipc/client.h"
#include "ipc/server.h"
#include "wire/record.h"

struct peer_tool {
    struct loop *loop;
    struct ipc_server *server;
    struct ipc_peer *client;
    struct loop_fd *input;
    char line[256];
    size_t n;
};

static void print_hops(const struct vm_route *r)
{
    for (unsigned i = 0; i < r->n_hops; i++) {
        char via[IP_STRLEN];
        printf(" %u,%s,%u", r->hops[i].vm_port,
               r->hops[i].gateway.version ? ip_format(&r->hops[i].gateway, via) : "-",
               r->hops[i].weight);
    }
}

static void print_record(const struct record *r)
{
    static const char *const kinds[] = {[VM_ROUTE_UNICAST] = "unicast",
                                        [VM_ROUTE_BLACKHOLE] = "blackhole",
                                        [VM_ROUTE_UNREACHABLE] = "unreachable"};
    char text[IP_PREFIX_STRLEN];

    fputs(r->remove ? "-" : "", stdout);
    switch (r->kind) {
    case REC_BEGIN:
        printf("begin");
        break;
    case REC_END:
        printf("end");
        break;
    case REC_VM_PORT:
        printf("port %u", r->vm_port.vm_port);
        if (!r->remove) {
            printf(" %s " ETH_FMT " %u %s %s", r->vm_port.name,
                   ETH_ARGS(r->vm_port.hwaddr), r->vm_port.mtu,
                   r->vm_port.admin_up ? "up" : "down",
                   r->vm_port.carrier ? "carrier" : "no-carrier");
        }
        break;
    case REC_VM_ADDR:
        printf("addr %u %s", r->vm_addr.vm_port, prefix_format(&r->vm_addr.addr, text));
        break;
    case REC_VM_NEIGH:
        printf("neigh %u %s", r->vm_neigh.vm_port, ip_format(&r->vm_neigh.addr, text));
        if (!r->remove) {
            printf(" " ETH_FMT, ETH_ARGS(r->vm_neigh.hwaddr));
        }
        break;
    case REC_VM_ROUTE:
        printf("route %s", prefix_format(&r->vm_route.prefix, text));
        if (!r->remove) {
            printf(" %s %u %u", kinds[r->vm_route.kind], r->vm_route.metric,
                   r->vm_route.protocol);
            print_hops(&r->vm_route);
        }
        break;
    default:
        printf("unexpected record %d", r->kind);
    }
    putchar('\n');
}

static void on_peer_up(void *t_, struct ipc_peer *p)
{
    struct peer_tool *t = t_;
    char id[ID_STRLEN];

    t->client = p;
    printf("up %s %s\n", id_format(ipc_peer_id(p), id), ipc_peer_name(p));
    fflush(stdout);
}

static void on_peer_down(void *t_, struct ipc_peer *p, const char *reason)
{
    struct peer_tool *t = t_;

    t->client = NULL;
    printf("down %s\n", reason);
    fflush(stdout);
}

static void on_message(void *t_, struct ipc_peer *p, const struct msg *m)
{
    if (m->type != MSG_BATCH) {
        printf("unexpected %s\n", msg_type_name(m->type));
        return;
    }
    struct cursor c = cursor_of(m->batch.records.data, m->batch.records.n);
    while (c.n) {
        struct record r;
        const char *error = record_get(&c, &r);
        if (error) {
            printf("bad record: %s\n", error);
            break;
        }
        print_record(&r);
    }
    fflush(stdout);
}

static void run_command(struct peer_tool *t, const char *line)
{
    unsigned port, mapping, active;

    if (sscanf(line, "config %u %u %u", &port, &mapping, &active) == 3 && t->client) {
        struct msg m = {.type = MSG_PORT_CONFIG,
                        .port_config = {port, mapping != 0, active != 0}};
        ipc_peer_send(t->client, &m);
    } else {
        printf("bad command: %s\n", line);
        fflush(stdout);
    }
}

static void on_input(void *t_, int events)
{
    struct peer_tool *t = t_;
    char *end;

    ssize_t n = read(STDIN_FILENO, t->line + t->n, sizeof t->line - 1 - t->n);
    if (n <= 0) {
        loop_stop(t->loop);
        return;
    }
    t->n += (size_t)n;
    t->line[t->n] = '\0';
    while ((end = strchr(t->line, '\n'))) {
        *end = '\0';
        run_command(t, t->line);
        t->n -= (size_t)(end + 1 - t->line);
        memmove(t->line, end + 1, t->n + 1);
    }
}

int main(int argc, char **argv)
{
    static const struct ipc_server_ops ops = {
        .peer_up = on_peer_up, .peer_down = on_peer_down, .message = on_message};
    struct ipc_server_config config = {.epoch = ipc_random_epoch(), .hold_ms = 1000};
    struct peer_tool t = {.loop = loop_create()};
    struct zctx *zctx = zctx_create();

    if (argc != 2) {
        fprintf(stderr, "usage: %s ENDPOINT\n", argv[0]);
        return EXIT_FAILURE;
    }
    t.server = ipc_server_create(t.loop, zctx, &config, &ops, &t);
    int error = ipc_server_bind(t.server, argv[1]);
    if (error) {
        fprintf(stderr, "%s: %s\n", argv[1], zsock_strerror(error));
        return EXIT_FAILURE;
    }
    t.input = loop_fd_create(t.loop, STDIN_FILENO, LOOP_READ, on_input, &t);
    loop_run(t.loop);
    loop_fd_destroy(t.input);
    ipc_server_destroy(t.server);
    zctx_destroy(zctx);
    loop_destroy(t.loop);
    return EXIT_SUCCESS;
}
