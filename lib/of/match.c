#include "of/match.h"

#include <string.h>

#include "base/hash.h"
#include "base/util.h"
#include "match_fields.h"
#include "of/of13.h"
#include "wire.h"

#define ROW(FIELD, NAME, CLASS, OXM, MEMBER, FORMAT, MASK_OFS)   \
    [FIELD] = {.name = (NAME),                                   \
               .oxm_class = (CLASS),                             \
               .oxm_field = (OXM),                               \
               .len = sizeof(((struct of_match *)NULL)->MEMBER), \
               .format = (FORMAT),                               \
               .ofs = offsetof(struct of_match, MEMBER),         \
               .mask_ofs = (MASK_OFS)}
#define EXACT(FIELD, NAME, OXM, MEMBER, FORMAT) \
    ROW(FIELD, NAME, OFPXMC_OPENFLOW_BASIC, OXM, MEMBER, FORMAT, 0)
#define MASKABLE(FIELD, NAME, OXM, MEMBER, FORMAT)               \
    ROW(FIELD, NAME, OFPXMC_OPENFLOW_BASIC, OXM, MEMBER, FORMAT, \
        offsetof(struct of_match, MEMBER##_mask))

const struct match_field match_fields[OF_N_FIELDS] = {
    EXACT(OF_F_IN_PORT, "in_port", OFPXMT_IN_PORT, in_port, FMT_PORT),
    MASKABLE(OF_F_METADATA, "metadata", OFPXMT_METADATA, metadata, FMT_HEX),
    MASKABLE(OF_F_ETH_DST, "dl_dst", OFPXMT_ETH_DST, eth_dst, FMT_ETH),
    MASKABLE(OF_F_ETH_SRC, "dl_src", OFPXMT_ETH_SRC, eth_src, FMT_ETH),
    EXACT(OF_F_ETH_TYPE, "dl_type", OFPXMT_ETH_TYPE, eth_type, FMT_HEX),
    MASKABLE(OF_F_VLAN_VID, "vlan_vid", OFPXMT_VLAN_VID, vlan_vid, FMT_HEX),
    EXACT(OF_F_IP_PROTO, "nw_proto", OFPXMT_IP_PROTO, ip_proto, FMT_DECIMAL),
    ROW(OF_F_NW_TTL, "nw_ttl", OFPXMC_NXM_1, NXM_NX_IP_TTL, nw_ttl, FMT_DECIMAL, 0),
    MASKABLE(OF_F_IPV4_SRC, "nw_src", OFPXMT_IPV4_SRC, ipv4_src, FMT_IPV4),
    MASKABLE(OF_F_IPV4_DST, "nw_dst", OFPXMT_IPV4_DST, ipv4_dst, FMT_IPV4),
    EXACT(OF_F_TCP_SRC, "tp_src", OFPXMT_TCP_SRC, tcp_src, FMT_DECIMAL),
    EXACT(OF_F_TCP_DST, "tp_dst", OFPXMT_TCP_DST, tcp_dst, FMT_DECIMAL),
    EXACT(OF_F_UDP_SRC, "tp_src", OFPXMT_UDP_SRC, udp_src, FMT_DECIMAL),
    EXACT(OF_F_UDP_DST, "tp_dst", OFPXMT_UDP_DST, udp_dst, FMT_DECIMAL),
    EXACT(OF_F_ICMPV4_TYPE, "icmp_type", OFPXMT_ICMPV4_TYPE, icmpv4_type, FMT_DECIMAL),
    EXACT(OF_F_ARP_OP, "arp_op", OFPXMT_ARP_OP, arp_op, FMT_DECIMAL),
    MASKABLE(OF_F_ARP_SPA, "arp_spa", OFPXMT_ARP_SPA, arp_spa, FMT_IPV4),
    MASKABLE(OF_F_ARP_TPA, "arp_tpa", OFPXMT_ARP_TPA, arp_tpa, FMT_IPV4),
    MASKABLE(OF_F_IPV6_SRC, "ipv6_src", OFPXMT_IPV6_SRC, ipv6_src, FMT_IPV6),
    MASKABLE(OF_F_IPV6_DST, "ipv6_dst", OFPXMT_IPV6_DST, ipv6_dst, FMT_IPV6),
    EXACT(OF_F_ICMPV6_TYPE, "icmp_type", OFPXMT_ICMPV6_TYPE, icmpv6_type, FMT_DECIMAL),
    EXACT(OF_F_ND_TARGET, "nd_target", OFPXMT_IPV6_ND_TARGET, nd_target, FMT_IPV6),
};

enum { ETH_IPV4 = 0x0800, ETH_ARP = 0x0806, ETH_RARP = 0x8035, ETH_IPV6 = 0x86dd };
enum { PROTO_ICMP = 1, PROTO_TCP = 6, PROTO_UDP = 17, PROTO_ICMPV6 = 58 };

/* Building. */

static bool all_octets(const uint8_t *p, size_t n, uint8_t value)
{
    for (size_t i = 0; i < n; i++) {
        if (p[i] != value) {
            return false;
        }
    }
    return true;
}

/* `mask` NULL: exact. */
static void set_field(struct of_match *m, enum of_field i, const void *value,
                      const void *mask)
{
    const struct match_field *f = &match_fields[i];
    uint8_t *to = (uint8_t *)m + f->ofs;

    m->fields &= ~OF_BIT(i);
    m->masked &= ~OF_BIT(i);
    if (mask && all_octets(mask, f->len, 0)) {
        return;
    }
    m->fields |= OF_BIT(i);
    memcpy(to, value, f->len);
    if (mask && !all_octets(mask, f->len, 0xff)) {
        m->masked |= OF_BIT(i);
        memcpy((uint8_t *)m + f->mask_ofs, mask, f->len);
        for (size_t k = 0; k < f->len; k++) {
            to[k] &= ((const uint8_t *)mask)[k];
        }
    }
}

static void set_exact(struct of_match *m, enum of_field i, const void *value)
{
    set_field(m, i, value, NULL);
}

void of_match_set_in_port(struct of_match *m, uint32_t port_no)
{
    set_exact(m, OF_F_IN_PORT, &port_no);
}

void of_match_set_metadata(struct of_match *m, uint64_t value, uint64_t mask)
{
    set_field(m, OF_F_METADATA, &value, &mask);
}

void of_match_set_eth_dst(struct of_match *m, struct eth_addr a)
{
    set_exact(m, OF_F_ETH_DST, &a);
}

void of_match_set_eth_dst_masked(struct of_match *m, struct eth_addr value,
                                 struct eth_addr mask)
{
    set_field(m, OF_F_ETH_DST, &value, &mask);
}

void of_match_set_eth_src(struct of_match *m, struct eth_addr a)
{
    set_exact(m, OF_F_ETH_SRC, &a);
}

void of_match_set_eth_type(struct of_match *m, uint16_t eth_type)
{
    set_exact(m, OF_F_ETH_TYPE, &eth_type);
}

void of_match_set_vlan_vid(struct of_match *m, uint16_t vid)
{
    uint16_t v = OFPVID_PRESENT | (vid & 0xfff);
    set_exact(m, OF_F_VLAN_VID, &v);
}

void of_match_set_vlan_none(struct of_match *m)
{
    uint16_t v = 0;
    set_exact(m, OF_F_VLAN_VID, &v);
}

void of_match_set_ip_proto(struct of_match *m, uint8_t proto)
{
    set_exact(m, OF_F_IP_PROTO, &proto);
}

void of_match_set_nw_ttl(struct of_match *m, uint8_t ttl)
{
    set_exact(m, OF_F_NW_TTL, &ttl);
}

void of_match_set_tcp_src(struct of_match *m, uint16_t port)
{
    of_match_set_ip_proto(m, PROTO_TCP);
    set_exact(m, OF_F_TCP_SRC, &port);
}

void of_match_set_tcp_dst(struct of_match *m, uint16_t port)
{
    of_match_set_ip_proto(m, PROTO_TCP);
    set_exact(m, OF_F_TCP_DST, &port);
}

void of_match_set_udp_src(struct of_match *m, uint16_t port)
{
    of_match_set_ip_proto(m, PROTO_UDP);
    set_exact(m, OF_F_UDP_SRC, &port);
}

void of_match_set_udp_dst(struct of_match *m, uint16_t port)
{
    of_match_set_ip_proto(m, PROTO_UDP);
    set_exact(m, OF_F_UDP_DST, &port);
}

static void set_prefix(struct of_match *m, const struct ip_prefix *p,
                       enum of_field field_v4, enum of_field field_v6)
{
    if (p->addr.version == IP_V4) {
        uint32_t mask = p->plen ? UINT32_MAX << (32 - MIN(p->plen, 32)) : 0;
        uint32_t value = ip_to_v4(p->addr);
        of_match_set_eth_type(m, ETH_IPV4);
        set_field(m, field_v4, &value, &mask);
    } else if (p->addr.version == IP_V6) {
        struct of_in6 mask = {{0}};
        for (unsigned i = 0; i < p->plen && i < 128; i++) {
            mask.b[i / 8] |= 0x80 >> (i % 8);
        }
        of_match_set_eth_type(m, ETH_IPV6);
        set_field(m, field_v6, p->addr.bytes, &mask);
    }
}

void of_match_set_ip_src(struct of_match *m, const struct ip_prefix *p)
{
    set_prefix(m, p, OF_F_IPV4_SRC, OF_F_IPV6_SRC);
}

void of_match_set_ip_dst(struct of_match *m, const struct ip_prefix *p)
{
    set_prefix(m, p, OF_F_IPV4_DST, OF_F_IPV6_DST);
}

void of_match_set_arp_op(struct of_match *m, uint16_t op)
{
    of_match_set_eth_type(m, ETH_ARP);
    set_exact(m, OF_F_ARP_OP, &op);
}

void of_match_set_arp_spa(struct of_match *m, uint32_t ip)
{
    of_match_set_eth_type(m, ETH_ARP);
    set_exact(m, OF_F_ARP_SPA, &ip);
}

void of_match_set_arp_tpa(struct of_match *m, uint32_t ip)
{
    of_match_set_eth_type(m, ETH_ARP);
    set_exact(m, OF_F_ARP_TPA, &ip);
}

void of_match_set_icmpv4_type(struct of_match *m, uint8_t type)
{
    of_match_set_eth_type(m, ETH_IPV4);
    of_match_set_ip_proto(m, PROTO_ICMP);
    set_exact(m, OF_F_ICMPV4_TYPE, &type);
}

void of_match_set_icmpv6_type(struct of_match *m, uint8_t type)
{
    of_match_set_eth_type(m, ETH_IPV6);
    of_match_set_ip_proto(m, PROTO_ICMPV6);
    set_exact(m, OF_F_ICMPV6_TYPE, &type);
}

void of_match_set_nd_target(struct of_match *m, const uint8_t ip[static 16])
{
    of_match_set_eth_type(m, ETH_IPV6);
    of_match_set_ip_proto(m, PROTO_ICMPV6);
    set_exact(m, OF_F_ND_TARGET, ip);
}

/* Comparing. */

bool of_match_prereqs_ok(const struct of_match *m)
{
    bool v4 = of_match_has(m, OF_F_ETH_TYPE) && m->eth_type == ETH_IPV4;
    bool v6 = of_match_has(m, OF_F_ETH_TYPE) && m->eth_type == ETH_IPV6;
    bool arp = of_match_has(m, OF_F_ETH_TYPE) &&
               (m->eth_type == ETH_ARP || m->eth_type == ETH_RARP);
    unsigned proto = of_match_has(m, OF_F_IP_PROTO) ? m->ip_proto : 256;
    bool nd = m->icmpv6_type == 135 || m->icmpv6_type == 136;
    uint32_t allowed = OF_BIT(OF_F_IN_PORT) | OF_BIT(OF_F_METADATA) |
                       OF_BIT(OF_F_ETH_DST) | OF_BIT(OF_F_ETH_SRC) |
                       OF_BIT(OF_F_ETH_TYPE) | OF_BIT(OF_F_VLAN_VID);

    if (v4 || v6) {
        allowed |= OF_BIT(OF_F_IP_PROTO) | OF_BIT(OF_F_NW_TTL);
        if (proto == PROTO_TCP) {
            allowed |= OF_BIT(OF_F_TCP_SRC) | OF_BIT(OF_F_TCP_DST);
        } else if (proto == PROTO_UDP) {
            allowed |= OF_BIT(OF_F_UDP_SRC) | OF_BIT(OF_F_UDP_DST);
        }
    }
    if (v4) {
        allowed |= OF_BIT(OF_F_IPV4_SRC) | OF_BIT(OF_F_IPV4_DST);
        allowed |= proto == PROTO_ICMP ? OF_BIT(OF_F_ICMPV4_TYPE) : 0;
    } else if (v6) {
        allowed |= OF_BIT(OF_F_IPV6_SRC) | OF_BIT(OF_F_IPV6_DST);
        allowed |= proto == PROTO_ICMPV6 ? OF_BIT(OF_F_ICMPV6_TYPE) : 0;
        if (proto == PROTO_ICMPV6 && of_match_has(m, OF_F_ICMPV6_TYPE) && nd) {
            allowed |= OF_BIT(OF_F_ND_TARGET);
        }
    } else if (arp) {
        allowed |= OF_BIT(OF_F_ARP_OP) | OF_BIT(OF_F_ARP_SPA) | OF_BIT(OF_F_ARP_TPA);
    }
    return !(m->fields & ~allowed);
}

bool of_match_equal(const struct of_match *a, const struct of_match *b)
{
    if (a->fields != b->fields || a->masked != b->masked || a->unknown || b->unknown) {
        return false;
    }
    for (uint32_t bits = a->fields; bits; bits &= bits - 1) {
        int i = __builtin_ctz(bits);
        const struct match_field *f = &match_fields[i];
        if (memcmp(match_value(a, f), match_value(b, f), f->len) ||
            (a->masked & OF_BIT(i) &&
             memcmp(match_mask(a, f), match_mask(b, f), f->len))) {
            return false;
        }
    }
    return true;
}

/* Whether each value that `b` allows in this field is allowed by `a`, too. */
static bool field_covers(const struct of_match *a, const struct of_match *b,
                         enum of_field i)
{
    const struct match_field *f = &match_fields[i];
    const uint8_t *va = match_value(a, f), *vb = match_value(b, f);
    const uint8_t *ma = a->masked & OF_BIT(i) ? match_mask(a, f) : NULL;
    const uint8_t *mb = b->masked & OF_BIT(i) ? match_mask(b, f) : NULL;

    for (size_t k = 0; k < f->len; k++) {
        const uint8_t bits = ma ? ma[k] : 0xff;
        if ((bits & ~(mb ? mb[k] : 0xff)) || ((va[k] ^ vb[k]) & bits)) {
            return false;
        }
    }
    return true;
}

bool of_match_covers(const struct of_match *a, const struct of_match *b)
{
    if (a->unknown || (a->fields & ~b->fields)) {
        return false;
    }
    for (uint32_t bits = a->fields; bits; bits &= bits - 1) {
        if (!field_covers(a, b, (enum of_field)__builtin_ctz(bits))) {
            return false;
        }
    }
    return true;
}

uint64_t of_match_hash(const struct of_match *m)
{
    uint64_t h = hash_u64((uint64_t)m->fields << 32 | m->masked);

    for (uint32_t bits = m->fields; bits; bits &= bits - 1) {
        int i = __builtin_ctz(bits);
        const struct match_field *f = &match_fields[i];
        h = hash_bytes(match_value(m, f), f->len, h);
        if (m->masked & OF_BIT(i)) {
            h = hash_bytes(match_mask(m, f), f->len, h);
        }
    }
    return h;
}
