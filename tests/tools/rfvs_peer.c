/* rfserver and rfproxy for tests of rfvs: accepts its session, connects to its relay,
 * prints what it says, a line each, and sends the records and frames it is told to.
 *
 *     rfvs_peer SERVER-ENDPOINT RELAY-ENDPOINT KEY
 *
 * Standard output:  up NAME | down REASON | any message as "VS_UP vs_id=..." |
 *                   relay DP PORT HEX | counted N | mapping HEX |
 *                   sent (all batches were acknowledged)
 * Standard input:
 *     begin VS | end VS
 *     [-]vlink VS FROM TO
 *     [-]relay VS PORT DP DPPORT
 *     carrier VS PORT off|on
 *     frame VS PORT HEX        through the relay
 *     frames VS PORT COUNT     the same, COUNT frames that bear their number
 *     count                    from now on frames from the relay are counted, not shown
 *     echo VS PORT             from now on each of them goes back there
 *     counted                  how many there were
 *     mapping VM PORT AGE      makes a mapping frame, AGE ms old
 * It ends with its standard input.  Numbers are decimal, or 0x and hexadecimal. */

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/util.h"
#include "ipc/client.h"
#include "ipc/server.h"
#include "relay/relay.h"
#include "wire/mapping_frame.h"
#include "wire/record.h"

#define MAX_WORDS 8

struct tool {
    struct loop *loop;
    struct ipc_server *server;
    struct ipc_peer *rfvs;
    struct relay_client *relay;
    struct loop_fd *input;
    struct buf line;
    struct buf records; /* Not sent yet. */
    uint64_t id;        /* Whose. */
    bool sending;
    struct loop_timer *sent;
    const char *key;
    uint64_t last_counter;
    bool counting;
    uint64_t counted;
    struct relay_frame echo; /* Where to; id 0: nowhere. */
};

static void say(const char *text)
{
    puts(text);
    fflush(stdout);
}

/* Records. */

static void flush(struct tool *t)
{
    if (t->rfvs && t->records.len &&
        !ipc_peer_batch_send(t->rfvs, t->id, &t->records)) {
        buf_clear(&t->records);
        t->sending = true;
    }
}

static void check_sent(void *t_)
{
    struct tool *t = t_;

    if (t->sending && t->rfvs && !ipc_peer_batch_pending(t->rfvs)) {
        t->sending = false;
        say("sent");
    }
}

static void put(struct tool *t, uint64_t id, const struct record *r)
{
    if (t->id != id) {
        flush(t);
        buf_clear(&t->records);
        t->id = id;
    }
    record_put(&t->records, r);
}

/* Frames. */

static void send_frame(struct tool *t, uint64_t id, uint32_t port, const char *hex)
{
    uint8_t octets[2048];
    struct relay_frame f = {.id = id, .port = port, .data = octets};
    unsigned octet;

    while (f.n < sizeof octets && sscanf(hex + 2 * f.n, "%2x", &octet) == 1) {
        octets[f.n++] = (uint8_t)octet;
    }
    relay_client_put(t->relay, &f);
}

static void send_frames(struct tool *t, uint64_t id, uint32_t port, unsigned count)
{
    uint8_t octets[64] = {0x02, 0, 0, 0, 0, 1, 0x02, 0, 0, 0, 0, 2, 0x88, 0xb5};
    struct relay_frame f = {.id = id, .port = port, .data = octets, .n = sizeof octets};

    for (unsigned i = 0; i < count; i++) {
        octets[14] = (uint8_t)(i >> 8);
        octets[15] = (uint8_t)i;
        relay_client_put(t->relay, &f);
    }
}

static void show_hex(const char *what, const uint8_t *data, size_t n)
{
    printf("%s ", what);
    for (size_t i = 0; i < n; i++) {
        printf("%02x", data[i]);
    }
    say("");
}

static void make_mapping(struct tool *t, uint64_t vm_id, uint32_t port, int64_t age)
{
    const struct frame_key key = {(const uint8_t *)t->key, strlen(t->key)};
    const struct eth_addr src = {{0x02, 0, 0, 0, 0, 0x77}};
    struct mapping_info info = {.vm = {.vm_id = vm_id, .vm_port = port},
                                .time_ms = loop_wall_now() - age};
    uint8_t frame[MAPPING_FRAME_LEN];

    if (!t->last_counter) {
        t->last_counter = (uint64_t)loop_wall_now() * 1000;
    }
    info.counter = ++t->last_counter;
    mapping_frame_encode(&info, src, key, frame);
    show_hex("mapping", frame, sizeof frame);
}

/* Commands. */

static uint64_t number(const char *word)
{
    return word ? strtoull(word, NULL, 0) : 0;
}

static bool record_command(const char *what, char **w, struct record *ret)
{
    const uint32_t port = (uint32_t)number(w[2]);

    if (!strcmp(what, "begin") || !strcmp(what, "end")) {
        ret->kind = *what == 'b' ? REC_BEGIN : REC_END;
    } else if (!strcmp(what, "vlink")) {
        ret->kind = REC_VLINK;
        ret->vlink = (struct record_vlink){port, (uint32_t)number(w[3])};
    } else if (!strcmp(what, "relay")) {
        ret->kind = REC_RELAY;
        ret->relay.vs = (struct vs_key){number(w[1]), port};
        ret->relay.dp =
            (struct dp_key){.dp_id = number(w[3]), .dp_port = (uint32_t)number(w[4])};
    } else if (!strcmp(what, "carrier")) {
        ret->kind = REC_CARRIER;
        ret->carrier = (struct record_carrier){port, w[3] && !strcmp(w[3], "off")};
    } else {
        return false;
    }
    return true;
}

static bool run_command(struct tool *t, char **w)
{
    const bool remove = w[0][0] == '-';
    struct record r = {.remove = remove};

    if (record_command(w[0] + remove, w, &r)) {
        put(t, number(w[1]), &r);
    } else if (!strcmp(w[0], "frame")) {
        send_frame(t, number(w[1]), (uint32_t)number(w[2]), w[3] ? w[3] : "");
    } else if (!strcmp(w[0], "frames")) {
        send_frames(t, number(w[1]), (uint32_t)number(w[2]), (unsigned)number(w[3]));
    } else if (!strcmp(w[0], "mapping")) {
        make_mapping(t, number(w[1]), (uint32_t)number(w[2]), (int64_t)number(w[3]));
    } else if (!strcmp(w[0], "count")) {
        t->counting = true;
        t->counted = 0;
    } else if (!strcmp(w[0], "echo")) {
        t->echo.id = number(w[1]);
        t->echo.port = (uint32_t)number(w[2]);
    } else if (!strcmp(w[0], "counted")) {
        printf("counted %llu\n", (unsigned long long)t->counted);
        fflush(stdout);
    } else {
        return false;
    }
    return true;
}

static void run_line(struct tool *t, char *line)
{
    char *words[MAX_WORDS + 1] = {0};
    size_t n = 0;

    for (char *w = strtok(line, " "); w && n < MAX_WORDS; w = strtok(NULL, " ")) {
        words[n++] = w;
    }
    if (n && !run_command(t, words)) {
        say("bad command");
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
        const size_t len = (size_t)(end - t->line.data);
        t->line.data[len] = '\0';
        run_line(t, (char *)t->line.data);
        buf_pull(&t->line, len + 1);
    }
    flush(t);
}

/* What rfvs says. */

static void on_peer_up(void *t_, struct ipc_peer *peer)
{
    struct tool *t = t_;

    t->rfvs = peer;
    printf("up %s\n", ipc_peer_name(peer));
    fflush(stdout);
    flush(t);
}

static void on_peer_down(void *t_, struct ipc_peer *peer, const char *reason)
{
    struct tool *t = t_;

    t->rfvs = NULL;
    printf("down %s\n", reason);
    fflush(stdout);
}

static void on_message(void *t_, struct ipc_peer *peer, const struct msg *m)
{
    struct buf text = {0};

    msg_format(m, &text);
    say(buf_cstr(&text));
    buf_uninit(&text);
}

static void on_window(void *t_, struct ipc_peer *peer)
{
    flush(t_);
}

static void on_relay(void *t_, const struct relay_frame *f)
{
    struct tool *t = t_;

    t->counted++;
    if (t->echo.id) {
        struct relay_frame back = *f;
        back.id = t->echo.id;
        back.port = t->echo.port;
        relay_client_put(t->relay, &back);
    }
    if (!t->counting) {
        printf("relay 0x%016llx %u ", (unsigned long long)f->id, f->port);
        show_hex("", f->data, f->n);
    }
}

static void on_relay_connected(void *t_)
{
    say("relay-connected");
}

static void on_relay_disconnected(void *t_, const char *reason)
{
    say("relay-disconnected");
}

static bool start(struct tool *t, struct zctx *zctx, char **argv)
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
        relay_client_create(t->loop, argv[2], &relay_ops, t, &t->relay)) {
        fprintf(stderr, "cannot use %s or %s\n", argv[1], argv[2]);
        return false;
    }
    return true;
}

int main(int argc, char **argv)
{
    struct tool t = {0};

    if (argc != 4) {
        fprintf(stderr, "usage: rfvs_peer SERVER-ENDPOINT RELAY-ENDPOINT KEY\n");
        return EXIT_FAILURE;
    }
    struct zctx *zctx = zctx_create();
    t.key = argv[3];
    t.loop = loop_create();
    t.input = loop_fd_create(t.loop, STDIN_FILENO, LOOP_READ, on_input, &t);
    t.sent = loop_timer_create(t.loop, check_sent, &t);
    loop_timer_every(t.sent, 10);
    const bool ok = start(&t, zctx, argv);
    if (ok) {
        loop_run(t.loop);
    }
    loop_timer_destroy(t.sent);
    loop_fd_destroy(t.input);
    ipc_server_destroy(t.server);
    relay_client_destroy(t.relay);
    buf_uninit(&t.line);
    buf_uninit(&t.records);
    loop_destroy(t.loop);
    zctx_destroy(zctx);
    return ok ? EXIT_SUCCESS : EXIT_FAILURE;
}
