/* Round trips: ICMP echo at a steady pace, or as fast as answers come.
 *
 *     bench-echo NETNS ADDR COUNT INTERVAL-US
 *
 * NETNS is a file; ADDR answers.  Interval 0: the next one as soon as the answer is
 * there.  Prints one JSON object: "sent", "received", and of those received "min",
 * "p50", "p90", "p99" and "max" in microseconds; "gap" is the longest time without an
 * answer. */

#include <arpa/inet.h>
#include <errno.h>
#include <inttypes.h>
#include <netinet/ip_icmp.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include "base/util.h"
#include "netns.h"

enum { LAST_WAIT_US = 1000000, MAX_COUNT = 1000000 };

struct echo {
    struct icmphdr icmp;
    uint8_t data[48];
};

struct bench {
    int fd;
    struct sockaddr_in to;
    uint16_t id;
    uint32_t count, sent, received;
    int64_t *sent_at, *rtt; /* By number. */
    int64_t heard_at, gap;
};

static uint16_t checksum(const void *data, size_t n)
{
    const uint16_t *p = data;
    uint32_t sum = 0;

    for (size_t i = 0; i < n / 2; i++) {
        sum += p[i];
    }
    sum = (sum >> 16) + (sum & 0xffff);
    return (uint16_t) ~(sum + (sum >> 16));
}

/* The number of the echo, modulo 65536, is its sequence; its upper half is in data. */
static void send_one(struct bench *b)
{
    struct echo e = {.icmp = {.type = ICMP_ECHO}};
    const uint32_t number = b->sent;

    e.icmp.un.echo.id = htons(b->id);
    e.icmp.un.echo.sequence = htons((uint16_t)number);
    memcpy(e.data, &number, sizeof number);
    e.icmp.checksum = checksum(&e, sizeof e);
    b->sent_at[number] = bench_now_us();
    sendto(b->fd, &e, sizeof e, 0, (struct sockaddr *)&b->to, sizeof b->to);
    b->sent++;
}

static void receive(struct bench *b)
{
    uint8_t packet[256];
    struct echo e;
    uint32_t number;
    ssize_t n;

    while ((n = recv(b->fd, packet, sizeof packet, MSG_DONTWAIT)) >= 0) {
        const size_t header = (packet[0] & 0xf) * 4u;
        if ((size_t)n < header + sizeof e) {
            continue;
        }
        memcpy(&e, packet + header, sizeof e);
        memcpy(&number, e.data, sizeof number);
        if (e.icmp.type != ICMP_ECHOREPLY || ntohs(e.icmp.un.echo.id) != b->id ||
            number >= b->sent || b->rtt[number]) {
            continue;
        }
        const int64_t now = bench_now_us();
        b->rtt[number] = MAX(now - b->sent_at[number], 1);
        b->gap = MAX(b->gap, now - b->heard_at);
        b->heard_at = now;
        b->received++;
    }
}

/* Receives until then, or until all that was sent has been answered. */
static void wait_until(struct bench *b, int64_t at, bool all)
{
    int64_t left;

    while ((left = at - bench_now_us()) > 0 && !(all && b->received == b->sent)) {
        struct pollfd p = {b->fd, POLLIN, 0};
        struct timespec ts = {.tv_sec = left / 1000000,
                              .tv_nsec = left % 1000000 * 1000};
        ppoll(&p, 1, &ts, NULL);
        receive(b);
    }
}

static void run(struct bench *b, int64_t interval)
{
    const int64_t start = bench_now_us();

    b->heard_at = start;
    while (b->sent < b->count) {
        send_one(b);
        if (interval) {
            wait_until(b, start + interval * b->sent, false);
        } else {
            wait_until(b, bench_now_us() + LAST_WAIT_US, true);
        }
    }
    wait_until(b, bench_now_us() + LAST_WAIT_US, true);
}

static int compare(const void *a_, const void *b_)
{
    const int64_t *a = a_, *b = b_;
    return (*a > *b) - (*a < *b);
}

static void report(struct bench *b)
{
    static const struct {
        const char *name;
        unsigned permille;
    } points[] = {{"min", 0}, {"p50", 500}, {"p90", 900}, {"p99", 990}, {"max", 1000}};
    uint32_t n = 0;

    for (uint32_t i = 0; i < b->sent; i++) {
        if (b->rtt[i]) {
            b->rtt[n++] = b->rtt[i];
        }
    }
    qsort(b->rtt, n, sizeof *b->rtt, compare);
    printf("{\"sent\": %u, \"received\": %u, \"gap\": %" PRId64, b->sent, n, b->gap);
    for (size_t i = 0; n && i < ARRAY_SIZE(points); i++) {
        printf(", \"%s\": %" PRId64, points[i].name,
               b->rtt[MIN((uint64_t)n * points[i].permille / 1000, n - 1)]);
    }
    printf("}\n");
}

int main(int argc, char **argv)
{
    struct bench b = {.to = {.sin_family = AF_INET}, .id = (uint16_t)getpid()};
    int size = 4 << 20;

    if (argc != 5 || inet_pton(AF_INET, argv[2], &b.to.sin_addr) != 1) {
        bench_fail("usage: bench-echo NETNS ADDR COUNT INTERVAL-US");
    }
    b.count = (uint32_t)strtoul(argv[3], NULL, 10);
    if (!b.count || b.count > MAX_COUNT) {
        bench_fail("a count is 1..%d", MAX_COUNT);
    }
    netns_enter(argv[1]);
    b.fd = socket(AF_INET, SOCK_RAW | SOCK_CLOEXEC, IPPROTO_ICMP);
    if (b.fd < 0) {
        bench_fail("raw socket: %s", strerror(errno));
    }
    setsockopt(b.fd, SOL_SOCKET, SO_RCVBUFFORCE, &size, sizeof size);
    b.sent_at = xcalloc(b.count, sizeof *b.sent_at);
    b.rtt = xcalloc(b.count, sizeof *b.rtt);
    run(&b, strtoll(argv[4], NULL, 10));
    report(&b);
    close(b.fd);
    free(b.sent_at);
    free(b.rtt);
    return 0;
}
