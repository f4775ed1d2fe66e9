#ifndef BENCH_H
#define BENCH_H 1

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/log.h"
#include "ipc/client.h"
#include "ipc/server.h"
#include "wire/record.h"

/* A server and clients in one loop over ipc:// in a directory of their own.  Short
 * times, so that death is quick; still far longer than a busy machine's pauses. */

#define WAIT_MS 20000
static const struct ipc_timing timing = {
    .heartbeat_ms = 100, .dead_ms = 5000, .backoff_min_ms = 10, .backoff_max_ms = 50};

#define MAX_LOG 65536

struct bench {
    struct loop *loop;
    struct zctx *ctx;
    struct ipc_server *server;
    char dir[64], endpoint[96], events[96];
    char log[MAX_LOG];
    /* What the server saw. */
    int ups, downs, opened;
    char down_reason[256];
    struct ipc_peer *last;
    uint64_t records, batches, last_port;
    int requests;
};

struct end {
    struct ipc_client *c;
    int ups, downs, restarts, opened, messages;
    char down_reason[256];
    uint64_t records;
    bool began, ended;
};

static struct bench b;

static inline void log_sink(void *aux, enum log_level level, const char *module,
                            const char *message)
{
    size_t n = strlen(b.log);
    snprintf(b.log + n, sizeof b.log - n, "%s\n", message);
}

static inline int64_t log_clock(void *aux)
{
    return loop_now();
}

static inline void peer_up(void *aux, struct ipc_peer *p)
{
    b.ups++;
    b.last = p;
}

static inline void peer_down(void *aux, struct ipc_peer *p, const char *reason)
{
    b.downs++;
    str_copy(b.down_reason, reason, sizeof b.down_reason);
    b.last = b.last == p ? NULL : b.last;
}

static inline void count_records(const struct msg *m, uint64_t *n)
{
    struct cursor c = cursor_of(m->batch.records.data, m->batch.records.n);
    struct record r;

    while (c.n) {
        ck_assert_ptr_null(record_get(&c, &r));
        ck_assert_int_eq(r.kind, REC_VM_ROUTE);
        (*n)++;
        ck_assert_uint_eq(r.vm_route.metric, *n); /* In order, none missing. */
    }
}

static inline void server_message(void *aux, struct ipc_peer *p, const struct msg *m)
{
    if (m->type == MSG_BATCH) {
        b.batches++;
        count_records(m, &b.records);
    } else if (m->type == MSG_REQUEST) {
        static const uint8_t body[] = {12, 0, 0, 0, 0x10, 'a', 0, 1, 0, 0, 0, 0};
        b.requests++;
        ck_assert_str_eq(m->request.cmd, "show");
        ck_assert_uint_eq(m->request.args.n, 1);
        ck_assert_str_eq(m->request.args.s[0], "links");
        ipc_peer_send(
            p, &(struct msg){.type = MSG_REPLY, .reply = {7, {body, sizeof body}}});
    }
}

static inline void server_window_open(void *aux, struct ipc_peer *p)
{
    b.opened++;
}

static const struct ipc_server_ops server_ops = {peer_up, peer_down, server_message,
                                                 server_window_open};

static inline void start_server(uint64_t epoch)
{
    struct ipc_server_config config = {.timing = timing, .epoch = epoch, .hold_ms = 5};

    b.server = ipc_server_create(b.loop, b.ctx, &config, &server_ops, NULL);
    ck_assert_int_eq(ipc_server_bind(b.server, b.endpoint), 0);
    ck_assert_int_eq(ipc_server_bind_events(b.server, b.events), 0);
}

static inline void bench_start(void)
{
    memset(&b, 0, sizeof b);
    log_set_sink(log_sink, NULL);
    log_set_clock(log_clock, NULL);
    b.loop = loop_create();
    b.ctx = zctx_create();
    strcpy(b.dir, "/tmp/rf-ipc-test.XXXXXX");
    ck_assert_ptr_nonnull(mkdtemp(b.dir));
    snprintf(b.endpoint, sizeof b.endpoint, "ipc://%s/bus", b.dir);
    snprintf(b.events, sizeof b.events, "ipc://%s/events", b.dir);
    start_server(1);
}

static inline void bench_stop(void)
{
    char path[128];

    ipc_server_destroy(b.server);
    zctx_destroy(b.ctx);
    loop_destroy(b.loop);
    snprintf(path, sizeof path, "%s/bus", b.dir);
    unlink(path);
    snprintf(path, sizeof path, "%s/events", b.dir);
    unlink(path);
    rmdir(b.dir);
}

static inline void up(void *aux, const struct msg_welcome *m, bool restarted)
{
    struct end *e = aux;
    e->ups++;
    e->restarts += restarted;
}

static inline void down(void *aux, const char *reason)
{
    struct end *e = aux;
    e->downs++;
    str_copy(e->down_reason, reason, sizeof e->down_reason);
}

static inline void client_message(void *aux, const struct msg *m)
{
    struct end *e = aux;
    if (m->type == MSG_BATCH) {
        count_records(m, &e->records);
    } else {
        e->messages++;
    }
}

static inline void client_window_open(void *aux)
{
    ((struct end *)aux)->opened++;
}

static const struct ipc_client_ops client_ops = {up, down, client_message,
                                                 client_window_open};

static inline void client_start(struct end *e, uint64_t id, uint64_t epoch,
                                const char *name)
{
    struct ipc_client_config config = {.endpoint = b.endpoint,
                                       .role = ROLE_CLIENT,
                                       .id = id,
                                       .epoch = epoch,
                                       .name = name,
                                       .timing = timing};
    memset(e, 0, sizeof *e);
    e->c = ipc_client_create(b.loop, b.ctx, &config, &client_ops, e);
}

struct at_least {
    const int *value;
    int wanted;
};

static inline bool is_reached(void *aux)
{
    struct at_least *a = aux;
    return *a->value >= a->wanted;
}

#define WAIT_FOR(VALUE, WANTED)                                           \
    do {                                                                  \
        struct at_least a_ = {&(VALUE), WANTED};                          \
        ck_assert_msg(loop_run_until(b.loop, is_reached, &a_, WAIT_MS),   \
                      #VALUE " is %d, not %d\n%s", VALUE, WANTED, b.log); \
    } while (0)

static inline bool never(void *aux)
{
    return false;
}

static inline void put_routes(struct buf *records, uint64_t *n, size_t limit)
{
    struct vm_route route = {.prefix = {{IP_V4, {10}}, 8}, .kind = VM_ROUTE_BLACKHOLE};

    while (records->len + RECORD_MAX_LEN <= limit) {
        route.metric = (uint32_t)++ * n;
        record_put_vm_route(records, &route, false, false);
    }
}

#endif
