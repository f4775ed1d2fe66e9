/* The reference of one route: the same way with nothing on it.
 *
 *     bench-chain NETNS BRIDGE ROUNDS GAP-US [ZEBRA-SOCKET]
 *
 * Three processes that only hand on, as rfclient, rfserver and rfproxy are three: one
 * hears of a route by netlink, one between them, one sends a flow-mod and a barrier;
 * ZeroMQ over TCP and then over a UNIX socket.  Adds, changes and deletes one route in
 * NETNS, which has eth1 and eth2, or in its zebra (single.h). */

#include <arpa/inet.h>
#include <errno.h>
#include <inttypes.h>
#include <linux/rtnetlink.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <unistd.h>

#include <zmq.h>

#include "netns.h"
#include "ofconn.h"
#include "single.h"

enum { FIB_TABLE = 1, FIB_PRIORITY = 0x100, FIRST_GROUP = 1, REPLY_MS = 5000 };

struct change {
    bool del;
    uint32_t addr; /* In network order. */
};

struct chain {
    char dir[32];
    char first[64], second[64]; /* Endpoints. */
    int ready, done;            /* Pipes: each link is up; the barrier's time. */
};

/* Links of the chain: each a process. */

static void *open_socket(void *ctx, int type, const char *endpoint, char *ret_bound)
{
    void *s = zmq_socket(ctx, type);
    size_t size = 64;

    if (!s || (ret_bound ? zmq_bind(s, endpoint) : zmq_connect(s, endpoint))) {
        bench_fail("%s: %s", endpoint, zmq_strerror(errno));
    }
    if (ret_bound) {
        zmq_getsockopt(s, ZMQ_LAST_ENDPOINT, ret_bound, &size);
    }
    return s;
}

static bool parse(const struct nlmsghdr *h, struct change *ret)
{
    const struct rtmsg *rtm = NLMSG_DATA(h);
    int left = (int)RTM_PAYLOAD(h);

    *ret = (struct change){.del = h->nlmsg_type == RTM_DELROUTE};
    for (const struct rtattr *a = RTM_RTA(rtm); RTA_OK(a, left);
         a = RTA_NEXT(a, left)) {
        if (a->rta_type == RTA_DST) {
            memcpy(&ret->addr, RTA_DATA(a), sizeof ret->addr);
        }
    }
    return rtm->rtm_table == RT_TABLE_MAIN && ret->addr;
}

_Noreturn static void run_client(const struct chain *chain, int netlink)
{
    void *out = open_socket(zmq_ctx_new(), ZMQ_PUSH, chain->first, NULL);
    static _Alignas(struct nlmsghdr) uint8_t bytes[65536];
    struct change change;

    ssize_t n = write(chain->ready, "", 1);
    while ((n = recv(netlink, bytes, sizeof bytes, 0)) > 0) {
        unsigned left = (unsigned)n;
        for (struct nlmsghdr *h = (void *)bytes; NLMSG_OK(h, left);
             h = NLMSG_NEXT(h, left)) {
            if (parse(h, &change)) {
                zmq_send(out, &change, sizeof change, 0);
            }
        }
    }
    _exit(1);
}

_Noreturn static void run_server(const struct chain *chain, int bound)
{
    void *ctx = zmq_ctx_new();
    char first[64] = "";
    void *in = open_socket(ctx, ZMQ_PULL, "tcp://127.0.0.1:*", first);
    void *out = open_socket(ctx, ZMQ_PUSH, chain->second, NULL);
    struct change change;

    ssize_t n = write(bound, first, sizeof first);
    while (zmq_recv(in, &change, sizeof change, 0) == sizeof change) {
        zmq_send(out, &change, sizeof change, 0);
    }
    _exit(n < 0);
}

static void put_group(struct ofconn *c, uint32_t id)
{
    struct of_bucket bucket;

    of_bucket_init(&bucket);
    of_actions_dec_nw_ttl(&bucket.actions);
    of_actions_output(&bucket.actions, id);
    of_put_group_mod(of_session_output(ofconn_session(c)),
                     of_session_xid(ofconn_session(c)), OFPGC_ADD, OFPGT_INDIRECT, id,
                     &bucket, 1);
}

static void put_flow(struct ofconn *c, const struct change *change, unsigned turn)
{
    struct of_flow_mod fm;
    struct ip_prefix prefix = {.addr = ip_from_v4(ntohl(change->addr)), .plen = 24};

    of_flow_mod_init(&fm, change->del ? OFPFC_DELETE_STRICT : OFPFC_ADD, FIB_TABLE,
                     FIB_PRIORITY + prefix.plen);
    of_match_set_eth_type(&fm.match, 0x0800);
    of_match_set_ip_dst(&fm.match, &prefix);
    if (!change->del) {
        of_actions_group(of_instructions_apply(&fm.inst), FIRST_GROUP + turn % 2);
    }
    of_put_flow_mod(of_session_output(ofconn_session(c)),
                    of_session_xid(ofconn_session(c)), &fm);
}

_Noreturn static void run_proxy(const struct chain *chain, const char *bridge)
{
    char unused[64];
    void *in = open_socket(zmq_ctx_new(), ZMQ_PULL, chain->second, unused);
    struct ofconn *c = ofconn_open(bridge);
    struct change change;

    of_put_group_mod(of_session_output(ofconn_session(c)),
                     of_session_xid(ofconn_session(c)), OFPGC_DELETE, OFPGT_INDIRECT,
                     OFPG_ALL, NULL, 0);
    put_group(c, FIRST_GROUP);
    put_group(c, FIRST_GROUP + 1);
    ofconn_barrier(c);
    ssize_t n = write(chain->ready, "", 1);
    for (unsigned turn = 0; n > 0; turn++) {
        if (zmq_recv(in, &change, sizeof change, 0) != sizeof change) {
            break;
        }
        put_flow(c, &change, turn);
        ofconn_barrier(c);
        int64_t now = bench_now_us();
        n = write(chain->done, &now, sizeof now);
    }
    _exit(1);
}

/* Ends with its parent. */
static bool is_child(void)
{
    pid_t pid = fork();

    if (pid < 0) {
        bench_fail("fork: %s", strerror(errno));
    }
    if (!pid) {
        prctl(PR_SET_PDEATHSIG, SIGKILL);
    }
    return !pid;
}

static void on_child_end(int signum)
{
    static const char text[] = "bench: a link of the chain ended\n";
    _exit(write(STDERR_FILENO, text, sizeof text - 1) < 0 ? 2 : 1);
}

static void read_all(int fd, void *data, size_t n)
{
    if (read(fd, data, n) != (ssize_t)n) {
        bench_fail("the chain broke");
    }
}

static int open_netlink(void)
{
    struct sockaddr_nl sa = {.nl_family = AF_NETLINK, .nl_groups = RTMGRP_IPV4_ROUTE};
    int fd = socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, NETLINK_ROUTE);

    if (fd < 0 || bind(fd, (struct sockaddr *)&sa, sizeof sa)) {
        bench_fail("netlink: %s", strerror(errno));
    }
    return fd;
}

/* Starts the three; returns the pipe from which the times of barriers are read. */
static int start(struct chain *chain, const char *bridge)
{
    int ready[2], done[2], bound[2];
    char byte;

    if (pipe(ready) || pipe(done) || pipe(bound)) {
        bench_fail("pipe: %s", strerror(errno));
    }
    chain->ready = ready[1];
    chain->done = done[1];
    str_copy(chain->dir, "/tmp/bench-chain-XXXXXX", sizeof chain->dir);
    if (!mkdtemp(chain->dir)) {
        bench_fail("%s: %s", chain->dir, strerror(errno));
    }
    snprintf(chain->second, sizeof chain->second, "ipc://%s/s", chain->dir);
    int netlink = open_netlink();
    if (is_child()) {
        run_proxy(chain, bridge);
    }
    read_all(ready[0], &byte, 1);
    if (is_child()) {
        run_server(chain, bound[1]);
    }
    read_all(bound[0], chain->first, sizeof chain->first);
    if (is_child()) {
        run_client(chain, netlink);
    }
    read_all(ready[0], &byte, 1);
    return done[0];
}

static int64_t wait_single(void *done, uint32_t addr)
{
    int64_t at;

    read_all(*(int *)done, &at, sizeof at);
    return at;
}

int main(int argc, char **argv)
{
    struct chain chain;
    uint64_t rounds, gap_us;

    if (argc < 5 || !parse_u64(argv[3], 10, 1000000, &rounds) ||
        !parse_u64(argv[4], 10, 1000000, &gap_us)) {
        bench_fail("see the top of bench/chain_main.c for what to say");
    }
    signal(SIGCHLD, on_child_end);
    netns_enter(argv[1]);
    int done = start(&chain, argv[2]);
    single_run(argv[5], (uint32_t)rounds, (uint32_t)gap_us, wait_single, &done);
    unlink(chain.second + strlen("ipc://"));
    rmdir(chain.dir);
    return 0;
}
