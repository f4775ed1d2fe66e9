#include "base/addr.h"

#include <arpa/inet.h>
#include <endian.h>
#include <stdio.h>
#include <string.h>

#include "base/hash.h"

bool eth_equal(struct eth_addr a, struct eth_addr b)
{
    return !memcmp(a.ea, b.ea, sizeof a.ea);
}

bool eth_is_zero(struct eth_addr a)
{
    return !eth_to_u64(a);
}

bool eth_is_multicast(struct eth_addr a)
{
    return a.ea[0] & 1;
}

bool eth_parse(const char *s, struct eth_addr *ret)
{
    struct eth_addr a;
    int n = -1;

    if (strlen(s) != 17 ||
        sscanf(s, "%2hhx:%2hhx:%2hhx:%2hhx:%2hhx:%2hhx%n", &a.ea[0], &a.ea[1], &a.ea[2],
               &a.ea[3], &a.ea[4], &a.ea[5], &n) != 6 ||
        n != 17) {
        return false;
    }
    *ret = a;
    return true;
}

const char *eth_format(struct eth_addr a, char buf[static ETH_STRLEN])
{
    snprintf(buf, ETH_STRLEN, ETH_FMT, ETH_ARGS(a));
    return buf;
}

uint64_t eth_to_u64(struct eth_addr a)
{
    uint64_t v = 0;
    for (int i = 0; i < 6; i++) {
        v = v << 8 | a.ea[i];
    }
    return v;
}

struct eth_addr eth_from_u64(uint64_t v)
{
    struct eth_addr a;
    for (int i = 5; i >= 0; i--) {
        a.ea[i] = (uint8_t)v;
        v >>= 8;
    }
    return a;
}

struct ip_addr ip_from_v4(uint32_t v)
{
    return (struct ip_addr){.version = IP_V4,
                            .bytes = {(uint8_t)(v >> 24), (uint8_t)(v >> 16),
                                      (uint8_t)(v >> 8), (uint8_t)v}};
}

uint32_t ip_to_v4(struct ip_addr a)
{
    return a.version != IP_V4
               ? 0
               : (uint32_t)a.bytes[0] << 24 | (uint32_t)a.bytes[1] << 16 |
                     (uint32_t)a.bytes[2] << 8 | a.bytes[3];
}

struct ip_addr ip_from_bytes(enum ip_version version, const void *bytes)
{
    struct ip_addr a = {.version = (uint8_t)version};
    if (version == IP_V4) { /* Lengths that the compiler knows. */
        memcpy(a.bytes, bytes, 4);
    } else if (version == IP_V6) {
        memcpy(a.bytes, bytes, 16);
    }
    return a;
}

int ip_compare(const struct ip_addr *a, const struct ip_addr *b)
{
    return a->version != b->version ? (a->version < b->version ? -1 : 1)
                                    : memcmp(a->bytes, b->bytes, sizeof a->bytes);
}

bool ip_equal(const struct ip_addr *a, const struct ip_addr *b)
{
    return !ip_compare(a, b);
}

bool ip_is_unspecified(const struct ip_addr *a)
{
    static const uint8_t zeros[16];
    return !memcmp(a->bytes, zeros, sizeof zeros);
}

bool ip_is_link_local(const struct ip_addr *a)
{
    return a->version == IP_V4 ? a->bytes[0] == 169 && a->bytes[1] == 254
                               : a->version == IP_V6 && a->bytes[0] == 0xfe &&
                                     (a->bytes[1] & 0xc0) == 0x80;
}

bool ip_is_multicast(const struct ip_addr *a)
{
    return a->version == IP_V4 ? (a->bytes[0] & 0xf0) == 0xe0
                               : a->version == IP_V6 && a->bytes[0] == 0xff;
}

bool ip_is_loopback(const struct ip_addr *a)
{
    static const uint8_t one[16] = {[15] = 1};
    return a->version == IP_V4
               ? a->bytes[0] == 127
               : a->version == IP_V6 && !memcmp(a->bytes, one, sizeof one);
}

bool ip_parse(const char *s, struct ip_addr *ret)
{
    uint8_t bytes[16];

    if (inet_pton(AF_INET, s, bytes) == 1) {
        *ret = ip_from_bytes(IP_V4, bytes);
        return true;
    }
    if (inet_pton(AF_INET6, s, bytes) == 1) {
        *ret = ip_from_bytes(IP_V6, bytes);
        return true;
    }
    return false;
}

const char *ip_format(const struct ip_addr *a, char buf[static IP_STRLEN])
{
    if (a->version == IP_NONE) {
        str_copy(buf, "-", IP_STRLEN);
    } else {
        inet_ntop(a->version == IP_V4 ? AF_INET : AF_INET6, a->bytes, buf, IP_STRLEN);
    }
    return buf;
}

bool prefix_parse(const char *s, struct ip_prefix *ret)
{
    char addr[IP_STRLEN];
    const char *slash = strchr(s, '/');
    struct ip_prefix p;
    uint64_t plen;

    if (!slash || (size_t)(slash - s) >= sizeof addr) {
        return false;
    }
    memcpy(addr, s, (size_t)(slash - s));
    addr[slash - s] = '\0';
    if (!ip_parse(addr, &p.addr) ||
        !parse_u64(slash + 1, 10, ip_width(p.addr.version), &plen)) {
        return false;
    }
    p.plen = (uint8_t)plen;
    *ret = p;
    return true;
}

const char *prefix_format(const struct ip_prefix *p, char buf[static IP_PREFIX_STRLEN])
{
    char addr[IP_STRLEN];
    snprintf(buf, IP_PREFIX_STRLEN, "%s/%u", ip_format(&p->addr, addr),
             p->plen % 1000u);
    return buf;
}

/* The bits of bytes[0..7] and bytes[8..15] that a prefix of this length may have. */
static void mask_of(unsigned plen, uint64_t ret[static 2])
{
    ret[0] = !plen ? 0 : htobe64(UINT64_MAX << (64 - MIN(plen, 64)));
    ret[1] = plen <= 64 ? 0 : htobe64(UINT64_MAX << (128 - MIN(plen, 128)));
}

void prefix_canonicalize(struct ip_prefix *p)
{
    uint64_t mask[2], v[2];

    mask_of(p->plen, mask);
    memcpy(v, p->addr.bytes, sizeof v);
    v[0] &= mask[0];
    v[1] &= mask[1];
    memcpy(p->addr.bytes, v, sizeof v);
}

bool prefix_is_canonical(const struct ip_prefix *p)
{
    uint64_t mask[2], v[2];

    mask_of(p->plen, mask);
    memcpy(v, p->addr.bytes, sizeof v);
    return !((v[0] & ~mask[0]) | (v[1] & ~mask[1]));
}

bool prefix_equal(const struct ip_prefix *a, const struct ip_prefix *b)
{
    return !prefix_compare(a, b);
}

int prefix_compare(const struct ip_prefix *a, const struct ip_prefix *b)
{
    int d = ip_compare(&a->addr, &b->addr);
    return d ? d : (int)a->plen - (int)b->plen;
}

bool prefix_contains(const struct ip_prefix *p, const struct ip_addr *a)
{
    struct ip_prefix host = {.addr = *a, .plen = p->plen};
    struct ip_prefix net = *p;

    if (a->version != p->addr.version) {
        return false;
    }
    prefix_canonicalize(&host);
    prefix_canonicalize(&net);
    return prefix_equal(&host, &net);
}

bool prefix_is_host(const struct ip_prefix *p)
{
    return p->plen == ip_width(p->addr.version);
}

struct ip_prefix prefix_of_host(const struct ip_addr *a)
{
    return (struct ip_prefix){.addr = *a, .plen = (uint8_t)ip_width(a->version)};
}

uint32_t prefix_hash_of(enum ip_version version, const uint8_t *bytes, uint8_t plen)
{
    uint32_t v4;

    if (version == IP_V6) {
        return (uint32_t)hash_bytes(bytes, 16, plen);
    }
    memcpy(&v4, bytes, sizeof v4);
    return (uint32_t)hash_u64((uint64_t)plen << 32 | le32toh(v4));
}

bool id_parse(const char *s, uint64_t *ret)
{
    return parse_u64(s, 16, UINT64_MAX, ret);
}

const char *id_format(uint64_t id, char buf[static ID_STRLEN])
{
    snprintf(buf, ID_STRLEN, "0x%016llx", (unsigned long long)id);
    return buf;
}

bool dpid_is_virtual(uint64_t dpid)
{
    return dpid >> 32 == 0x72667673;
}
