/* rfserver and rfvs for tests of rfproxy: accepts its session and its relay, prints
 * what it says, a line each, and sends the records it is told to.
 *
 *     rfproxy_peer SERVER-ENDPOINT RELAY-ENDPOINT
 *
 * Standard output:  up NAME | down REASON | any message as "DP_UP dp_id=..." |
 *                   relay ID PORT HEX | relay-connected | sent (all was acknowledged)
 * Standard input:
 *     begin DP | end DP                     DP 0: of the relay map
 *     [-]port DP PORT CLASS MAC             CLASS as enum port_class
 *     [-]addr DP ADDRESS
 *     [-]group DP ID [mtu=N] [PORT,WEIGHT,SRC,DST ...]
 *     [-]fib DP PREFIX group ID | punt | drop
 *     bulk DP COUNT GROUP                   COUNT prefixes 10.0.0.0/32, 10.0.0.1/32 ...
 *     [-]map DP PORT VS VSPORT
 *     frame DP PORT HEX                     through the relay
 * It ends with its standard input.  Numbers are decimal, or 0x and hexadecimal. */

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/util.h"
#include "ipc/client.h"
#include "ipc/server.h"
#include "relay/relay.h"
#include "wire/record.h"

/* Records of one id that wait for the window. */
struct outbox {
    uint64_t id;
    struct buf records;
    struct outbox *next;
};

struct tool {
    struct loop *loop;
    struct ipc_server *server;
    struct ipc_peer *proxy;
    struct relay_server *relay;
    struct loop_fd *input;
    struct buf line;
    struct outbox *outboxes;
    bool sending;
    struct loop_timer *sent;
};

/* Out. */

static void put(struct tool *t, uint64_t id, const struct record *r)
{
    struct outbox **last = &t->outboxes, *box;

    while (*last && (*last)->next) {
        last = &(*last)->next;
    }
    box = *last;
    if (!box || box->id != id || box->records.len + RECORD_MAX_LEN > WIRE_BATCH_MAX) {
        box = xcalloc(1, sizeof *box);
        box->id = id;
        if (*last) {
            (*last)->next = box;
        } else {
            *last = box;
        }
    }
    record_put(&box->records, r);
}

static void flush(struct tool *t)
{
    struct outbox *box;

    while (t->proxy && (box = t->outboxes) && ipc_peer_batch_room(t->proxy) &&
           !ipc_peer_batch_send(t->proxy, box->id, &box->records)) {
        t->outboxes = box->next;
        buf_uninit(&box->records);
        free(box);
        t->sending = true;
    }
}

static void check_sent(void *t_)
{
    struct tool *t = t_;

    if (t->sending && t->proxy && !t->outboxes && !ipc_peer_batch_pending(t->proxy)) {
        t->sending = false;
        puts("sent");
        fflush(stdout);
    }
}

/* Commands. */

static uint64_t number(const char *word)
{
    return word ? strtoull(word, NULL, 0) : 0;
}

static bool parse_hop(const char *word, struct fib_hop *ret)
{
    unsigned port, weight;
    char src[32], dst[32];

    if (sscanf(word, "%u,%u,%31[^,],%31s", &port, &weight, src, dst) != 4) {
        return false;
    }
    ret->dp_port = port;
    ret->weight = (uint16_t)weight;
    return eth_parse(src, &ret->src) && eth_parse(dst, &ret->dst);
}

static bool parse_target(char **words, struct fib_target *ret)
{
    ret->verdict = !words[0]                    ? 0
                   : !strcmp(words[0], "group") ? FIB_GROUP
                   : !strcmp(words[0], "punt")  ? FIB_PUNT
                   : !strcmp(words[0], "drop")  ? FIB_DROP
                                                : 0;
    ret->group = (uint32_t)number(words[1]);
    return ret->verdict != 0;
}

static bool plane_command(const char *what, char **words, struct plane_change *ret)
{
    if (!strcmp(what, "port")) {
        ret->kind = PLANE_PORT;
        ret->port.dp_port = (uint32_t)number(words[0]);
        ret->port.class = (enum port_class)number(words[1]);
        return ret->remove || eth_parse(words[2], &ret->port.mac);
    }
    if (!strcmp(what, "addr")) {
        ret->kind = PLANE_ADDR;
        return ip_parse(words[0], &ret->addr.addr);
    }
    if (!strcmp(what, "group")) {
        ret->kind = PLANE_GROUP;
        ret->group.id = (uint32_t)number(words[0]);
        if (words[1] && !strncmp(words[1], "mtu=", 4)) {
            ret->group.mtu = (uint16_t)number(words[1] + 4);
            words++;
        }
        while (words[1 + ret->group.n_hops]) {
            const char *hop = words[1 + ret->group.n_hops];
            if (!parse_hop(hop, &ret->group.hops[ret->group.n_hops++])) {
                return false;
            }
        }
        return true;
    }
    if (!strcmp(what, "fib")) {
        ret->kind = PLANE_FIB;
        return prefix_parse(words[0], &ret->fib.prefix) &&
               (ret->remove || parse_target(&words[1], &ret->fib.target));
    }
    return false;
}

static void bulk(struct tool *t, uint64_t dp_id, uint32_t count, uint32_t group)
{
    struct record r = {
        .kind = REC_PLANE,
        .plane = {.kind = PLANE_FIB,
                  .fib = {.prefix = {.plen = 32}, .target = {FIB_GROUP, group}}}};

    for (uint32_t i = 0; i < count; i++) {
        r.plane.fib.prefix.addr = ip_from_v4(0x0a000000 + i);
        put(t, dp_id, &r);
    }
}

static void send_frame(struct tool *t, uint64_t id, uint32_t port, const char *hex)
{
    uint8_t octets[2048];
    struct relay_frame frame = {.id = id, .port = port, .data = octets};
    unsigned octet;

    while (frame.n < sizeof octets && sscanf(hex + 2 * frame.n, "%2x", &octet) == 1) {
        octets[frame.n++] = (uint8_t)octet;
    }
    relay_server_put(t->relay, &frame);
}

static bool run_command(struct tool *t, char **words)
{
    const bool remove = words[0][0] == '-';
    const char *what = words[0] + remove;
    const uint64_t id = number(words[1]);
    struct record r = {.remove = remove};

    if (!strcmp(what, "begin") || !strcmp(what, "end")) {
        r.kind = *what == 'b' ? REC_BEGIN : REC_END;
    } else if (!strcmp(what, "bulk")) {
        bulk(t, id, (uint32_t)number(words[2]), (uint32_t)number(words[3]));
        return true;
    } else if (!strcmp(what, "frame")) {
        send_frame(t, id, (uint32_t)number(words[2]), words[3] ? words[3] : "");
        return true;
    } else if (!strcmp(what, "map")) {
        r.kind = REC_RELAY;
        r.relay.dp =
            (struct dp_key){.dp_id = id, .dp_port = (uint32_t)number(words[2])};
        r.relay.vs = (struct vs_key){.vs_id = number(words[3]),
                                     .vs_port = (uint32_t)number(words[4])};
        put(t, 0, &r);
        return true;
    } else {
        r.kind = REC_PLANE;
        r.plane.remove = remove;
        if (!words[1] || !words[2] || !plane_command(what, &words[2], &r.plane)) {
            return false;
        }
    }
    put(t, id, &r);
    return true;
}

static void run_line(struct tool *t, char *line)
{
    char *words[VM_MAX_HOPS + 8] = {0};
    size_t n = 0;

    for (char *w = strtok(line, " "); w && n < ARRAY_SIZE(words) - 4;
         w = strtok(NULL, " ")) {
        words[n++] = w;
    }
    if (n && !run_command(t, words)) {
        printf("bad command: %s\n", words[0]);
        fflush(stdout);
    }
}

static void on_input(void *t_, int events)
{
    struct tool *t = t_;
    const uint8_t *end;

    ssize_t n = read(STDIN_FILENO, buf_put_uninit(&t->line, 65536), 65536);
    t->line.len -= 65536 - (n > 0 ? (size_t)n : 0);
    if (n <= 0) {
        loop_stop(t->loop);
        return;
    }
    while ((end = t->line.len ? memchr(t->line.data, '\n', t->line.len) : NULL)) {
        size_t len = (size_t)(end - t->line.data);
        t->line.data[len] = '\0';
        run_line(t, (char *)t->line.data);
        buf_pull(&t->line, len + 1);
    }
    flush(t);
}

/* In. */

static void on_peer_up(void *t_, struct ipc_peer *peer)
{
    struct tool *t = t_;

    t->proxy = peer;
    printf("up %s\n", ipc_peer_name(peer));
    fflush(stdout);
    flush(t);
}

static void on_peer_down(void *t_, struct ipc_peer *peer, const char *reason)
{
    struct tool *t = t_;

    t->proxy = NULL;
    printf("down %s\n", reason);
    fflush(stdout);
}

static void on_message(void *t_, struct ipc_peer *peer, const struct msg *m)
{
    struct buf text = {0};

    msg_format(m, &text);
    puts(buf_cstr(&text));
    fflush(stdout);
    buf_uninit(&text);
}

static void on_window(void *t_, struct ipc_peer *peer)
{
    flush(t_);
}

static void on_relay(void *t_, const struct relay_frame *f)
{
    printf("relay 0x%016llx %u ", (unsigned long long)f->id, f->port);
    for (size_t i = 0; i < f->n; i++) {
        printf("%02x", f->data[i]);
    }
    putchar('\n');
    fflush(stdout);
}

static void on_relay_connected(void *t_)
{
    puts("relay-connected");
    fflush(stdout);
}

static void on_relay_disconnected(void *t_, const char *reason)
{
}

static int run(struct tool *t, struct zctx *zctx, char **argv)
{
    static const struct ipc_server_ops ops = {.peer_up = on_peer_up,
                                              .peer_down = on_peer_down,
                                              .message = on_message,
                                              .window_open = on_window};
    static const struct relay_ops relay_ops = {.frame = on_relay,
                                               .connected = on_relay_connected,
                                               .disconnected = on_relay_disconnected};
    const struct ipc_server_config config = {.epoch = ipc_random_epoch(),
                                             .hold_ms = 120000};

    t->server = ipc_server_create(t->loop, zctx, &config, &ops, t);
    if (ipc_server_bind(t->server, argv[1]) ||
        relay_server_create(t->loop, argv[2], &relay_ops, t, &t->relay)) {
        fprintf(stderr, "cannot listen at %s or %s\n", argv[1], argv[2]);
        return EXIT_FAILURE;
    }
    loop_run(t->loop);
    return EXIT_SUCCESS;
}

int main(int argc, char **argv)
{
    struct tool t = {0};

    if (argc != 3) {
        fprintf(stderr, "usage: rfproxy_peer SERVER-ENDPOINT RELAY-ENDPOINT\n");
        return EXIT_FAILURE;
    }
    struct zctx *zctx = zctx_create();
    t.loop = loop_create();
    t.input = loop_fd_create(t.loop, STDIN_FILENO, LOOP_READ, on_input, &t);
    t.sent = loop_timer_create(t.loop, check_sent, &t);
    loop_timer_every(t.sent, 20);
    int status = run(&t, zctx, argv);

    loop_timer_destroy(t.sent);
    loop_fd_destroy(t.input);
    ipc_server_destroy(t.server);
    relay_server_destroy(t.relay);
    buf_uninit(&t.line);
    loop_destroy(t.loop);
    zctx_destroy(zctx);
    return status;
}
