#include "netlink/request.h"

#include <errno.h>
#include <linux/neighbour.h>
#include <linux/rtnetlink.h>
#include <netlink/msg.h>
#include <netlink/netlink.h>
#include <netlink/socket.h>
#include <string.h>
#include <sys/socket.h>

#include "base/cursor.h"
#include "base/util.h"
#include "netlink/rtnl.h"

struct nl_request {
    struct nl_sock *sock;
};

int nl_request_create(struct nl_request **ret)
{
    struct nl_sock *sock = nl_socket_alloc();

    if (!sock) {
        return ENOMEM;
    }
    errno = 0;
    if (nl_connect(sock, NETLINK_ROUTE) < 0 || nl_socket_set_nonblocking(sock) < 0) {
        int error = errno ? errno : EIO;
        nl_socket_free(sock);
        return error;
    }
    struct nl_request *r = xcalloc(1, sizeof *r);
    r->sock = sock;
    *ret = r;
    return 0;
}

void nl_request_destroy(struct nl_request *r)
{
    if (r) {
        nl_socket_free(r->sock);
        free(r);
    }
}

/* The kernel answers inside sendmsg(), so the acknowledgement is there already. */
static int read_ack(struct nl_request *r, uint32_t seq)
{
    uint8_t bytes[4096] __attribute__((aligned(NLMSG_ALIGNTO)));

    for (;;) {
        ssize_t n = recv(nl_socket_get_fd(r->sock), bytes, sizeof bytes, MSG_DONTWAIT);
        if (n < 0) {
            if (errno == EINTR || errno == ENOBUFS) {
                continue;
            }
            return errno;
        }
        struct cursor datagram = cursor_of(bytes, (size_t)n), msg;
        while (rtnl_next(&datagram, &msg)) {
            struct nlmsghdr h;
            int32_t error;
            cursor_copy(&msg, &h, sizeof h);
            if (h.nlmsg_type == NLMSG_ERROR && h.nlmsg_seq == seq &&
                cursor_copy(&msg, &error, sizeof error)) {
                return -error;
            }
        }
    }
}

int nl_request_probe(struct nl_request *r, uint32_t ifindex, const struct ip_addr *addr,
                     enum nl_probe how)
{
    struct ndmsg ndm = {
        .ndm_family = addr->version == IP_V4 ? AF_INET : AF_INET6,
        .ndm_ifindex = (int)ifindex,
        .ndm_state = how == NL_PROBE_VALIDATE ? NUD_PROBE : NUD_NONE,
        .ndm_flags = how == NL_PROBE_RESOLVE ? NTF_USE : 0,
    };
    int flags =
        NLM_F_REQUEST | NLM_F_ACK |
        (how == NL_PROBE_RESOLVE ? NLM_F_CREATE | NLM_F_REPLACE : NLM_F_REPLACE);
    struct nl_msg *m = nlmsg_alloc_simple(RTM_NEWNEIGH, flags);

    if (!m) {
        return ENOMEM;
    }
    nlmsg_append(m, &ndm, sizeof ndm, NLMSG_ALIGNTO);
    nla_put(m, NDA_DST, (int)ip_width(addr->version) / 8, addr->bytes);
    errno = 0;
    int sent = nl_send_auto(r->sock, m);
    int error = sent < 0 ? (errno ? errno : EIO) : 0;
    uint32_t seq = nlmsg_hdr(m)->nlmsg_seq;
    nlmsg_free(m);
    return error ? error : read_ack(r, seq);
}
