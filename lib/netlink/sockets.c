#include "sockets.h"

#include <errno.h>
#include <linux/filter.h>
#include <linux/rtnetlink.h>
#include <netlink/netlink.h>
#include <netlink/socket.h>
#include <stddef.h>
#include <sys/socket.h>

#include "netlink/express.h"

/* Older headers know these for the kernel only. */
#ifndef SOL_NETLINK
#define SOL_NETLINK 270
#endif
#ifndef NETLINK_GET_STRICT_CHK
#define NETLINK_GET_STRICT_CHK 12
#endif

static int open_socket(struct nl_sock **ret)
{
    struct nl_sock *sock = nl_socket_alloc();

    if (!sock) {
        return ENOMEM;
    }
    nl_socket_disable_auto_ack(sock);
    errno = 0;
    if (nl_connect(sock, NETLINK_ROUTE) < 0 || nl_socket_set_nonblocking(sock) < 0) {
        int error = errno ? errno : EIO;
        nl_socket_free(sock);
        return error;
    }
    *ret = sock;
    return 0;
}

static int set_option(struct nl_sock *sock, int option, const void *value, socklen_t n)
{
    return setsockopt(nl_socket_get_fd(sock), SOL_SOCKET, option, value, n) ? errno : 0;
}

/* Subscribing comes last: nothing is to be lost for want of a buffer, or passed for
 * want of a filter. */
static int open_with_buffer(int rcvbuf, struct nl_sock **ret)
{
    int error = open_socket(ret);

    if (!error && set_option(*ret, SO_RCVBUFFORCE, &rcvbuf, sizeof rcvbuf)) {
        error = set_option(*ret, SO_RCVBUF, &rcvbuf, sizeof rcvbuf);
    }
    return error;
}

int socket_events(int rcvbuf, struct nl_sock **ret)
{
    int error = open_with_buffer(rcvbuf, ret);

    errno = 0;
    if (!error && nl_socket_add_memberships(*ret, RTNLGRP_LINK, RTNLGRP_IPV4_IFADDR,
                                            RTNLGRP_IPV6_IFADDR, RTNLGRP_IPV4_ROUTE,
                                            RTNLGRP_IPV6_ROUTE, RTNLGRP_NEIGH, 0) < 0) {
        error = errno ? errno : EIO;
    }
    if (!error) {
        /* Kernels before 5.3 have no nexthop objects, and no such group. */
        nl_socket_add_membership(*ret, RTNLGRP_NEXTHOP);
    }
    return error;
}

static int filter(struct nl_sock *sock)
{
    enum { AT = sizeof(struct nlmsghdr) + offsetof(struct rtmsg, rtm_protocol) };
    const uint8_t *protocols;
    const size_t n = express_protocols(&protocols);
    struct sock_filter code[UINT8_MAX + 3];
    struct sock_fprog program = {.len = (unsigned short)(n + 3), .filter = code};

    code[0] = (struct sock_filter)BPF_STMT(BPF_LD | BPF_B | BPF_ABS, AT);
    for (size_t i = 0; i < n; i++) {
        code[i + 1] = (struct sock_filter)BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K,
                                                   protocols[i], (uint8_t)(n - i), 0);
    }
    code[n + 1] = (struct sock_filter)BPF_STMT(BPF_RET | BPF_K, 0);
    code[n + 2] = (struct sock_filter)BPF_STMT(BPF_RET | BPF_K, UINT32_MAX);
    return set_option(sock, SO_ATTACH_FILTER, &program, sizeof program);
}

int socket_express(int rcvbuf, struct nl_sock **ret)
{
    int error = open_with_buffer(rcvbuf, ret);

    if (!error) {
        error = filter(*ret);
    }
    errno = 0;
    if (!error && nl_socket_add_memberships(*ret, RTNLGRP_IPV4_ROUTE,
                                            RTNLGRP_IPV6_ROUTE, 0) < 0) {
        error = errno ? errno : EIO;
    }
    return error;
}

int socket_dumps(struct nl_sock **ret)
{
    int error = open_socket(ret), one = 1;

    if (!error) {
        /* With strict checking the kernel filters by table; without, the parser does.
         */
        setsockopt(nl_socket_get_fd(*ret), SOL_NETLINK, NETLINK_GET_STRICT_CHK, &one,
                   sizeof one);
    }
    return error;
}
