#include "endpoint.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <stdio.h>
#include <string.h>
#include <sys/un.h>

#include "base/util.h"

/* `address` is IPv4, or IPv6 in brackets. */
static bool set_inet(const char *address, const char *port_text, struct endpoint *e)
{
    struct sockaddr_in *in = (struct sockaddr_in *)&e->sa;
    struct sockaddr_in6 *in6 = (struct sockaddr_in6 *)&e->sa;
    size_t n = strlen(address);
    uint64_t port;
    char bare[64];

    if (!parse_u64(port_text, 10, UINT16_MAX, &port)) {
        return false;
    }
    if (address[0] != '[') {
        in->sin_family = AF_INET;
        in->sin_port = htons((uint16_t)port);
        e->sa_len = sizeof *in;
        return inet_pton(AF_INET, address, &in->sin_addr) == 1;
    }
    if (n < 4 || n >= sizeof bare || address[n - 1] != ']') {
        return false;
    }
    str_copy(bare, address + 1, n - 1);
    in6->sin6_family = AF_INET6;
    in6->sin6_port = htons((uint16_t)port);
    e->sa_len = sizeof *in6;
    return inet_pton(AF_INET6, bare, &in6->sin6_addr) == 1;
}

static bool set_unix(const char *path, struct endpoint *e)
{
    struct sockaddr_un *un = (struct sockaddr_un *)&e->sa;

    if (!*path || strlen(path) >= sizeof un->sun_path) {
        return false;
    }
    un->sun_family = AF_UNIX;
    str_copy(un->sun_path, path, sizeof un->sun_path);
    str_copy(e->path, path, sizeof e->path);
    e->sa_len = sizeof *un;
    return true;
}

static bool parse_listening(const char *text, struct endpoint *e)
{
    char port[8];

    if (!strncmp(text, "punix:", 6)) {
        return set_unix(text + 6, e);
    }
    e->tls = !strncmp(text, "pssl:", 5);
    if (strncmp(text, "ptcp:", 5) && !e->tls) {
        return false;
    }
    text += 5;
    const char *colon = strchr(text, ':');
    if (!colon) {
        return set_inet("127.0.0.1", text, e);
    }
    str_copy(port, text, MIN(sizeof port, (size_t)(colon - text) + 1));
    return set_inet(colon + 1, port, e);
}

static bool parse_connecting(const char *text, struct endpoint *e)
{
    char address[64];

    if (!strncmp(text, "unix:", 5)) {
        return set_unix(text + 5, e);
    }
    e->tls = !strncmp(text, "ssl:", 4);
    if (strncmp(text, "tcp:", 4) && !e->tls) {
        return false;
    }
    text += 4;
    const char *colon = strrchr(text, ':');
    if (!colon || (size_t)(colon - text) >= sizeof address) {
        return false;
    }
    str_copy(address, text, (size_t)(colon - text) + 1);
    return set_inet(address, colon + 1, e);
}

bool endpoint_parse(const char *text, bool listening, struct endpoint *ret)
{
    struct endpoint e = {0};

    if (!(listening ? parse_listening(text, &e) : parse_connecting(text, &e))) {
        return false;
    }
    *ret = e;
    return true;
}

void endpoint_format(const struct sockaddr_storage *sa, const char *path, char *ret,
                     size_t size)
{
    const struct sockaddr_in *in = (const struct sockaddr_in *)sa;
    const struct sockaddr_in6 *in6 = (const struct sockaddr_in6 *)sa;
    char address[INET6_ADDRSTRLEN];

    if (path[0]) {
        snprintf(ret, size, "unix:%s", path);
    } else if (sa->ss_family == AF_INET6) {
        inet_ntop(AF_INET6, &in6->sin6_addr, address, sizeof address);
        snprintf(ret, size, "[%s]:%u", address, ntohs(in6->sin6_port));
    } else {
        inet_ntop(AF_INET, &in->sin_addr, address, sizeof address);
        snprintf(ret, size, "%s:%u", address, ntohs(in->sin_port));
    }
}
