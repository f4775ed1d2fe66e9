/* The gap that a failure tears into a steady stream.
 *
 *     bench-udpgap NETNS-A ADDR-A NETNS-B ADDR-B LIMIT-MS COMMAND ARG...
 *
 * One datagram a millisecond goes from A to B and one from B to A.  After WARM_MS the
 * command runs, which breaks something; the streams go on until both have been whole
 * for WHOLE_MS again, or until LIMIT-MS after the command was started.
 *
 * Prints one JSON object: "cut", when the command was started, and "done", when it had
 * ended, in microseconds of the wall clock; for each direction "gap", microseconds from
 * the sending of the first lost datagram to the sending of the first one after the last
 * lost one, "lost", how many, "first", when the first lost one was sent, in
 * microseconds after "cut", and "whole", whether the stream was whole again.
 *
 * Times are those of sending, so that a receiver that is scheduled late does not count.
 */

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <poll.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "base/util.h"
#include "netns.h"

enum {
    PORT = 7001,
    TICK_US = 1000,
    WARM_MS = 300,
    WHOLE_MS = 150,
    FLIGHT_MS = 50, /* What has not arrived by then is lost. */
    MAX_MS = 60000,
};

struct datagram {
    uint32_t magic;
    uint32_t seq;
};
#define MAGIC 0x72667567

struct side {
    int fd;
    struct sockaddr_in self;
};

struct stream {
    struct side *from, *to;
    int64_t *sent_at; /* By sequence number. */
    bool *arrived;
};

struct bench {
    struct side sides[2];
    struct stream streams[2];
    uint32_t n_sent, max;
    int64_t cut_at, done_at;
    uint32_t cut_seq; /* The first one sent after the cut. */
    pid_t child;
};

static struct side side_open(const char *netns, const char *addr)
{
    struct side side = {.self = {.sin_family = AF_INET, .sin_port = htons(PORT)}};

    netns_enter(netns);
    if (inet_pton(AF_INET, addr, &side.self.sin_addr) != 1) {
        bench_fail("%s is no IPv4 address", addr);
    }
    side.fd = socket(AF_INET, SOCK_DGRAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (side.fd < 0 || bind(side.fd, (struct sockaddr *)&side.self, sizeof side.self)) {
        bench_fail("UDP socket at %s: %s", addr, strerror(errno));
    }
    return side;
}

static void send_all(struct bench *b)
{
    const struct datagram d = {.magic = MAGIC, .seq = b->n_sent};

    for (int i = 0; i < 2; i++) {
        struct stream *s = &b->streams[i];
        s->sent_at[d.seq] = bench_now_us();
        /* An error is that of an earlier one, or loss. */
        if (sendto(s->from->fd, &d, sizeof d, 0, (struct sockaddr *)&s->to->self,
                   sizeof s->to->self) < 0) {
            sendto(s->from->fd, &d, sizeof d, 0, (struct sockaddr *)&s->to->self,
                   sizeof s->to->self);
        }
    }
    b->n_sent++;
}

static void receive_all(struct bench *b)
{
    struct datagram d;
    ssize_t n;

    for (int i = 0; i < 2; i++) {
        struct stream *s = &b->streams[i];
        while ((n = recv(s->to->fd, &d, sizeof d, 0)) >= 0 || errno != EAGAIN) {
            if (n == (ssize_t)sizeof d && d.magic == MAGIC && d.seq < b->n_sent) {
                s->arrived[d.seq] = true;
            }
        }
    }
}

/* Sends at each tick and receives in between. */
static void tick(struct bench *b, int64_t at)
{
    for (;;) {
        struct pollfd fds[2] = {{b->sides[0].fd, POLLIN, 0},
                                {b->sides[1].fd, POLLIN, 0}};
        const int64_t left = at - bench_now_us();
        if (left <= 0) {
            break;
        }
        struct timespec ts = {.tv_nsec = left * 1000};
        ppoll(fds, 2, &ts, NULL);
        receive_all(b);
    }
    send_all(b);
    if (b->child && waitpid(b->child, NULL, WNOHANG) == b->child) {
        b->child = 0;
        b->done_at = bench_now_us();
    }
}

static bool is_whole(const struct bench *b)
{
    const uint32_t end = b->n_sent - FLIGHT_MS;

    for (uint32_t seq = end - WHOLE_MS; seq < end; seq++) {
        if (!b->streams[0].arrived[seq] || !b->streams[1].arrived[seq]) {
            return false;
        }
    }
    return true;
}

static void cut(struct bench *b, char **argv)
{
    b->cut_at = bench_now_us();
    b->cut_seq = b->n_sent;
    b->child = vfork();
    if (!b->child) {
        execvp(argv[0], argv);
        _exit(127);
    }
}

static void run(struct bench *b, char **argv, uint32_t limit_ms)
{
    const int64_t start = bench_now_us();
    uint32_t n = 0;

    while (n < WARM_MS) {
        tick(b, start + ++n * TICK_US);
    }
    cut(b, argv);
    while (n < b->max &&
           (b->child || n < b->cut_seq + 2 * WHOLE_MS + FLIGHT_MS || !is_whole(b)) &&
           n < b->cut_seq + limit_ms) {
        tick(b, start + ++n * TICK_US);
    }
    for (int i = 0; i < FLIGHT_MS; i++) {
        bench_sleep_us(1000);
        receive_all(b);
    }
}

static void report(const struct bench *b, const struct stream *s, const char *name)
{
    uint32_t first = UINT32_MAX, last = 0, lost = 0, before = 0;

    for (uint32_t seq = 0; seq < b->n_sent; seq++) {
        if (s->arrived[seq]) {
            continue;
        }
        /* What was under way when the link broke is lost with it. */
        if (seq + 5 < b->cut_seq) {
            before++;
            continue;
        }
        first = MIN(first, seq);
        last = seq;
        lost++;
    }
    const bool whole = !lost || last + 1 < b->n_sent;
    const int64_t gap = lost && whole ? s->sent_at[last + 1] - s->sent_at[first] : 0;
    printf(", \"%s\": {\"gap\": %" PRId64 ", \"lost\": %u, \"lost_before\": %u, "
           "\"first\": %" PRId64 ", \"whole\": %s}",
           name, gap, lost, before, lost ? s->sent_at[first] - b->cut_at : 0,
           whole ? "true" : "false");
}

int main(int argc, char **argv)
{
    struct bench b = {0};
    struct sched_param priority = {.sched_priority = 10};
    char *end;
    const int own = open("/proc/self/ns/net", O_RDONLY | O_CLOEXEC);

    if (argc < 7) {
        bench_fail("usage: bench-udpgap NETNS-A ADDR-A NETNS-B ADDR-B LIMIT-MS "
                   "COMMAND...");
    }
    const unsigned long limit = strtoul(argv[5], &end, 10);
    if (*end || !limit || limit > MAX_MS) {
        bench_fail("%s is no limit in milliseconds", argv[5]);
    }
    b.max = WARM_MS + (uint32_t)limit + 1;
    for (int i = 0; i < 2; i++) {
        b.sides[i] = side_open(argv[1 + 2 * i], argv[2 + 2 * i]);
        b.streams[i] = (struct stream){.from = &b.sides[i],
                                       .to = &b.sides[!i],
                                       .sent_at = xcalloc(b.max, sizeof(int64_t)),
                                       .arrived = xcalloc(b.max, sizeof(bool))};
    }
    /* The command runs where this program was started. */
    if (own < 0 || setns(own, CLONE_NEWNET)) {
        bench_fail("cannot return to where it was started: %s", strerror(errno));
    }
    close(own);
    /* Not to be mistaken for the network when the machine is busy. */
    sched_setscheduler(0, SCHED_FIFO | SCHED_RESET_ON_FORK, &priority);
    run(&b, argv + 6, (uint32_t)limit);
    printf("{\"cut\": %" PRId64 ", \"done\": %" PRId64, b.cut_at, b.done_at);
    report(&b, &b.streams[0], "ab");
    report(&b, &b.streams[1], "ba");
    printf("}\n");
    for (int i = 0; i < 2; i++) {
        close(b.sides[i].fd);
        free(b.streams[i].sent_at);
        free(b.streams[i].arrived);
    }
    return 0;
}
