#include "ofconn.h"

#include <errno.h>
#include <netinet/in.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

#include "netns.h"

#define READ_BYTES (256 * 1024)
#define TIMEOUT_MS 120000

struct ofconn {
    int fd;
    struct of_session *session;
    uint8_t *bytes;
};

static int64_t now_ms(void)
{
    struct timespec ts;

    clock_gettime(CLOCK_MONOTONIC, &ts);
    return (int64_t)ts.tv_sec * 1000 + ts.tv_nsec / 1000000;
}

static int try_connect(int family, const void *sa, socklen_t sa_len)
{
    int fd = socket(family, SOCK_STREAM | SOCK_CLOEXEC, 0);

    if (fd >= 0 && connect(fd, sa, sa_len)) {
        close(fd);
        return -1;
    }
    return fd;
}

static int connect_to(const char *endpoint)
{
    struct sockaddr_un un = {.sun_family = AF_UNIX};
    struct sockaddr_in in = {.sin_family = AF_INET,
                             .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    uint64_t port;
    int fd;

    if (!strncmp(endpoint, "unix:", 5)) {
        str_copy(un.sun_path, endpoint + 5, sizeof un.sun_path);
        fd = try_connect(AF_UNIX, &un, sizeof un);
    } else if (!strncmp(endpoint, "tcp:", 4) &&
               parse_u64(endpoint + 4, 10, UINT16_MAX, &port)) {
        in.sin_port = htons((uint16_t)port);
        fd = try_connect(AF_INET, &in, sizeof in);
    } else {
        bench_fail("%s: expected unix:PATH or tcp:PORT", endpoint);
    }
    if (fd < 0) {
        bench_fail("%s: %s", endpoint, strerror(errno));
    }
    return fd;
}

static void write_some(struct ofconn *c)
{
    struct cursor out = of_session_pending(c->session);
    ssize_t n = send(c->fd, out.p, out.n, MSG_DONTWAIT | MSG_NOSIGNAL);

    if (n > 0) {
        of_session_sent(c->session, (size_t)n);
    } else if (errno != EAGAIN) {
        bench_fail("switch: %s", strerror(errno));
    }
}

static void read_some(struct ofconn *c)
{
    ssize_t n = recv(c->fd, c->bytes, READ_BYTES, MSG_DONTWAIT);

    if (n > 0) {
        of_session_input(c->session, c->bytes, (size_t)n, now_ms());
    } else if (!n) {
        bench_fail("the switch has closed the connection");
    } else if (errno != EAGAIN) {
        bench_fail("switch: %s", strerror(errno));
    }
}

struct pollfd ofconn_pollfd(struct ofconn *c)
{
    of_session_tick(c->session, now_ms());
    const bool writing = of_session_pending(c->session).n;

    return (struct pollfd){c->fd, (short)(POLLIN | (writing ? POLLOUT : 0)), 0};
}

void ofconn_ready(struct ofconn *c, const struct pollfd *p)
{
    if (p->revents & POLLIN) {
        read_some(c);
    }
    if (of_session_pending(c->session).n) {
        write_some(c);
    }
}

void ofconn_run(struct ofconn *c, ofconn_fn *done, void *aux, int timeout_ms)
{
    int64_t deadline = now_ms() + timeout_ms;
    struct of_event ev;

    for (;;) {
        while (of_session_next(c->session, &ev)) {
            if (ev.type == OF_EV_DOWN) {
                bench_fail("switch: %s", ev.text);
            }
            if (done(aux, &ev)) {
                return;
            }
        }
        struct pollfd p = ofconn_pollfd(c);
        poll(&p, 1, 500);
        ofconn_ready(c, &p);
        if (now_ms() > deadline) {
            bench_fail("the switch did not answer within %d ms", timeout_ms);
        }
    }
}

static bool is_up(void *aux, const struct of_event *ev)
{
    return ev->type == OF_EV_UP;
}

struct ofconn *ofconn_open(const char *endpoint)
{
    struct ofconn *c = xcalloc(1, sizeof *c);
    struct of_session_config config;

    of_session_config_init(&config);
    config.output_max = SIZE_MAX;
    /* An echo request would wait behind a million flow-mods. */
    config.echo_idle_ms = TIMEOUT_MS;
    config.echo_dead_ms = 2 * TIMEOUT_MS;
    c->fd = connect_to(endpoint);
    c->bytes = xmalloc(READ_BYTES);
    c->session = of_session_create(&config, now_ms());
    ofconn_run(c, is_up, NULL, TIMEOUT_MS);
    return c;
}

void ofconn_close(struct ofconn *c)
{
    close(c->fd);
    of_session_destroy(c->session);
    free(c->bytes);
    free(c);
}

struct of_session *ofconn_session(struct ofconn *c)
{
    return c->session;
}

static void check_no_error(const struct of_event *ev)
{
    if (ev->type == OF_EV_ERROR || ev->type == OF_EV_FAULT) {
        bench_fail("switch: %s", ev->text);
    }
}

static bool is_barrier(void *xid, const struct of_event *ev)
{
    check_no_error(ev);
    return ev->type == OF_EV_BARRIER && ev->xid == *(uint32_t *)xid;
}

void ofconn_barrier(struct ofconn *c)
{
    uint32_t xid = of_session_barrier(c->session);

    ofconn_run(c, is_barrier, &xid, TIMEOUT_MS);
}

/* Multipart replies. */

struct reply {
    uint32_t xid;
    uint8_t table_id;
    uint32_t count;
    ofconn_dump_fn *fn;
    void *aux;
};

static bool is_last_part(const struct reply *r, const struct of_event *ev)
{
    check_no_error(ev);
    return ev->type == OF_EV_MESSAGE && ev->msg->h.type == OFPT_MULTIPART_REPLY &&
           ev->msg->h.xid == r->xid && !(ev->msg->multipart.flags & OFPMPF_MORE);
}

static bool is_part(const struct reply *r, const struct of_event *ev)
{
    return ev->type == OF_EV_MESSAGE && ev->msg->h.type == OFPT_MULTIPART_REPLY &&
           ev->msg->h.xid == r->xid;
}

static bool on_tables(void *r_, const struct of_event *ev)
{
    struct reply *r = r_;
    struct of_table_stats table;
    enum of_err err;

    if (is_part(r, ev)) {
        struct cursor body = ev->msg->multipart.body;
        while (of_table_stats_next(&body, &table, &err)) {
            r->count += table.table_id == r->table_id ? table.active_count : 0;
        }
    }
    return is_last_part(r, ev);
}

uint32_t ofconn_table_count(struct ofconn *c, uint8_t table_id)
{
    struct reply r = {.xid = of_session_xid(c->session), .table_id = table_id};

    of_put_multipart_request(of_session_output(c->session), r.xid, OFPMP_TABLE);
    ofconn_run(c, on_tables, &r, TIMEOUT_MS);
    return r.count;
}

static bool on_flows(void *r_, const struct of_event *ev)
{
    struct reply *r = r_;

    if (is_part(r, ev)) {
        r->fn(r->aux, ev->msg->multipart.body);
    }
    return is_last_part(r, ev);
}

void ofconn_dump(struct ofconn *c, uint8_t table_id, ofconn_dump_fn *fn, void *aux)
{
    struct reply r = {.xid = of_session_xid(c->session), .fn = fn, .aux = aux};
    struct of_flow_request request;

    of_flow_request_init(&request);
    request.table_id = table_id;
    of_put_flow_stats_request(of_session_output(c->session), r.xid, &request);
    ofconn_run(c, on_flows, &r, TIMEOUT_MS);
}
