#include "zapi.h"

#include <errno.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/cursor.h"
#include "netns.h"

enum {
    HEADER_LEN = 10,
    MARKER = 254,
    VERSION = 6,
    CMD_ROUTE_ADD = 8,
    CMD_ROUTE_DELETE = 9,
    CMD_ROUTE_NOTIFY_OWNER = 10,
    CMD_HELLO = 18,
    PROTO_BGP = 9,
    SAFI_UNICAST = 1,
    MESSAGE_NEXTHOP = 1,
    NEXTHOP_IPV4_IFINDEX = 3,
    READ_BYTES = 256 * 1024,
    SILENCE_MS = 60000,
};

struct zapi {
    int fd;
    struct buf out, in;
    size_t written;
    uint32_t notices;
    int64_t last_notice;
};

static size_t begin(struct zapi *z, uint16_t command)
{
    size_t ofs = z->out.len;

    buf_put_u16(&z->out, 0);
    buf_put_u8(&z->out, MARKER);
    buf_put_u8(&z->out, VERSION);
    buf_put_u32(&z->out, 0); /* The default VRF. */
    buf_put_u16(&z->out, command);
    return ofs;
}

static void end(struct zapi *z, size_t ofs)
{
    buf_set_u16(&z->out, ofs, (uint16_t)(z->out.len - ofs));
}

static void hello(struct zapi *z)
{
    size_t ofs = begin(z, CMD_HELLO);

    buf_put_u8(&z->out, PROTO_BGP);
    buf_put_u16(&z->out, 0); /* Instance. */
    buf_put_u32(&z->out, 0); /* Session. */
    buf_put_u8(&z->out, 1);  /* Notices. */
    buf_put_u8(&z->out, 0);
    end(z, ofs);
}

struct zapi *zapi_open(const char *path, bool notify)
{
    struct zapi *z = xcalloc(1, sizeof *z);
    struct sockaddr_un sa = {.sun_family = AF_UNIX};

    str_copy(sa.sun_path, path, sizeof sa.sun_path);
    z->fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (z->fd < 0 || connect(z->fd, (struct sockaddr *)&sa, sizeof sa)) {
        bench_fail("zebra at %s: %s", path, strerror(errno));
    }
    if (notify) {
        hello(z);
    }
    return z;
}

void zapi_close(struct zapi *z)
{
    close(z->fd);
    buf_uninit(&z->out);
    buf_uninit(&z->in);
    free(z);
}

static void put_route(struct zapi *z, const struct ip_prefix *prefix, uint32_t message)
{
    buf_put_u8(&z->out, PROTO_BGP);
    buf_put_u16(&z->out, 0); /* Instance. */
    buf_put_u32(&z->out, 0); /* Flags. */
    buf_put_u32(&z->out, message);
    buf_put_u8(&z->out, SAFI_UNICAST);
    buf_put_u8(&z->out, AF_INET);
    buf_put_u8(&z->out, prefix->plen);
    buf_put(&z->out, prefix->addr.bytes, (prefix->plen + 7u) / 8);
}

void zapi_add(struct zapi *z, const struct ip_prefix *prefix, uint32_t gateway,
              uint32_t ifindex)
{
    size_t ofs = begin(z, CMD_ROUTE_ADD);

    put_route(z, prefix, MESSAGE_NEXTHOP);
    buf_put_u16(&z->out, 1);
    buf_put_u32(&z->out, 0); /* VRF of the next hop. */
    buf_put_u8(&z->out, NEXTHOP_IPV4_IFINDEX);
    buf_put_u8(&z->out, 0); /* Flags. */
    buf_put_u32(&z->out, gateway);
    buf_put_u32(&z->out, ifindex);
    end(z, ofs);
}

void zapi_delete(struct zapi *z, const struct ip_prefix *prefix)
{
    size_t ofs = begin(z, CMD_ROUTE_DELETE);

    put_route(z, prefix, 0);
    end(z, ofs);
}

static void take_messages(struct zapi *z)
{
    size_t used = 0;

    while (z->in.len - used >= HEADER_LEN) {
        const uint8_t *p = z->in.data + used;
        size_t n = (size_t)p[0] << 8 | p[1];
        if (n < HEADER_LEN) {
            bench_fail("zebra sent a message of %zu octets", n);
        }
        if (n > z->in.len - used) {
            break;
        }
        if ((p[8] << 8 | p[9]) == CMD_ROUTE_NOTIFY_OWNER) {
            z->notices++;
            z->last_notice = bench_now_us();
        }
        used += n;
    }
    buf_pull(&z->in, used);
}

static void read_some(struct zapi *z)
{
    buf_reserve(&z->in, READ_BYTES);
    ssize_t n = recv(z->fd, z->in.data + z->in.len, READ_BYTES, MSG_DONTWAIT);

    if (!n || (n < 0 && errno != EAGAIN)) {
        bench_fail("zebra: %s", n ? strerror(errno) : "it closed the connection");
    }
    if (n > 0) {
        z->in.len += (size_t)n;
        take_messages(z);
    }
}

static void write_some(struct zapi *z)
{
    ssize_t n = send(z->fd, z->out.data + z->written, z->out.len - z->written,
                     MSG_DONTWAIT | MSG_NOSIGNAL);

    if (n < 0 && errno != EAGAIN) {
        bench_fail("zebra: %s", strerror(errno));
    }
    z->written += n > 0 ? (size_t)n : 0;
    if (z->written == z->out.len) {
        buf_clear(&z->out);
        z->written = 0;
    }
}

int64_t zapi_run(struct zapi *z, uint32_t n_notices)
{
    while (z->out.len || z->notices < n_notices) {
        struct pollfd p = {z->fd, (short)(POLLIN | (z->out.len ? POLLOUT : 0)), 0};
        if (!poll(&p, 1, SILENCE_MS)) {
            bench_fail("zebra is silent; %u of %u notices have come", z->notices,
                       n_notices);
        }
        if (p.revents & POLLOUT) {
            write_some(z);
        }
        if (p.revents & (POLLIN | POLLHUP)) {
            read_some(z);
        }
    }
    return z->last_notice;
}
