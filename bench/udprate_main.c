/* Datagrams one way at a steady rate, and how many of them arrive.
 *
 *     bench-udprate NETNS-FROM ADDR-FROM NETNS-TO ADDR-TO RATE MS
 *
 * NETNS-TO "-": nobody listens, it is but a flood.  Every millisecond a thousandth of
 * the rate is sent in a burst.  Prints one JSON object: "sent", "received", "rate" (as
 * sent, a second), "out_of_order". */

#include <arpa/inet.h>
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/util.h"
#include "netns.h"

enum { PORT = 7002, MAX_BURST = 1000, LAST_WAIT_MS = 500, DATA = 64 };

struct bench {
    int from, to; /* to: -1 when nobody listens. */
    struct sockaddr_in self, peer;
    uint32_t sent, received, out_of_order, last;
};

static struct sockaddr_in address(const char *text)
{
    struct sockaddr_in sa = {.sin_family = AF_INET, .sin_port = htons(PORT)};

    if (inet_pton(AF_INET, text, &sa.sin_addr) != 1) {
        bench_fail("%s is no IPv4 address", text);
    }
    return sa;
}

static int open_socket(const char *netns, const struct sockaddr_in *self)
{
    int size = 16 << 20;

    netns_enter(netns);
    int fd = socket(AF_INET, SOCK_DGRAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (fd < 0 || bind(fd, (const struct sockaddr *)self, sizeof *self)) {
        bench_fail("UDP socket: %s", strerror(errno));
    }
    setsockopt(fd, SOL_SOCKET, SO_RCVBUFFORCE, &size, sizeof size);
    setsockopt(fd, SOL_SOCKET, SO_SNDBUFFORCE, &size, sizeof size);
    return fd;
}

static void send_burst(struct bench *b, unsigned n)
{
    uint8_t data[MAX_BURST][DATA];
    struct iovec iov[MAX_BURST];
    struct mmsghdr m[MAX_BURST];

    for (unsigned i = 0; i < n; i++) {
        const uint32_t seq = htonl(b->sent + i);
        memset(data[i], 0, DATA);
        memset(&m[i], 0, sizeof m[i]);
        memcpy(data[i], &seq, sizeof seq);
        iov[i] = (struct iovec){data[i], DATA};
        m[i].msg_hdr = (struct msghdr){.msg_name = &b->peer,
                                       .msg_namelen = sizeof b->peer,
                                       .msg_iov = &iov[i],
                                       .msg_iovlen = 1};
    }
    for (unsigned done = 0; done < n;) {
        int sent = sendmmsg(b->from, m + done, n - done, 0);
        if (sent > 0) {
            done += (unsigned)sent;
        } else if (errno != EAGAIN && errno != ECONNREFUSED && errno != ENOBUFS) {
            bench_fail("sending: %s", strerror(errno));
        }
    }
    b->sent += n;
}

static void receive(struct bench *b)
{
    uint8_t data[DATA];
    uint32_t seq;

    while (b->to >= 0 && recv(b->to, data, sizeof data, 0) == DATA) {
        memcpy(&seq, data, sizeof seq);
        seq = ntohl(seq);
        b->out_of_order += b->received && seq < b->last;
        b->last = seq;
        b->received++;
    }
}

int main(int argc, char **argv)
{
    struct bench b = {.to = -1};

    if (argc != 7) {
        bench_fail(
            "usage: bench-udprate NETNS-FROM ADDR-FROM NETNS-TO ADDR-TO RATE MS");
    }
    const unsigned long rate = strtoul(argv[5], NULL, 10);
    const unsigned long ms = strtoul(argv[6], NULL, 10);
    if (rate < 1000 || rate > MAX_BURST * 1000 || !ms || ms > 600000) {
        bench_fail("a rate is 1000..%d, a time 1..600000 ms", MAX_BURST * 1000);
    }
    b.self = address(argv[2]);
    b.peer = address(argv[4]);
    b.from = open_socket(argv[1], &b.self);
    if (strcmp(argv[3], "-")) {
        b.to = open_socket(argv[3], &b.peer);
    }
    const int64_t start = bench_now_us();
    for (unsigned long i = 0; i < ms; i++) {
        send_burst(&b, (unsigned)(rate / 1000));
        do {
            receive(&b);
            bench_sleep_us(50);
        } while (bench_now_us() < start + (int64_t)(i + 1) * 1000);
    }
    const int64_t took = bench_now_us() - start;
    for (int i = 0; i < LAST_WAIT_MS && b.received < b.sent; i++) {
        bench_sleep_us(1000);
        receive(&b);
    }
    printf("{\"sent\": %u, \"received\": %u, \"rate\": %" PRId64
           ", \"out_of_order\": %u}\n",
           b.sent, b.received, (int64_t)b.sent * 1000000 / took, b.out_of_order);
    close(b.from);
    if (b.to >= 0) {
        close(b.to);
    }
    return 0;
}
