/* Matches on the wire and in words. */

#include <stdio.h>
#include <string.h>

#include "base/util.h"
#include "match_fields.h"
#include "of/match.h"
#include "of/of13.h"
#include "of/port.h"
#include "wire.h"

/* Numbers are swapped, octet strings are not. */
static inline bool is_number(const struct match_field *f)
{
    return f->format != FMT_ETH && f->format != FMT_IPV6;
}

static inline uint8_t *encode_value(uint8_t *p, const struct match_field *f,
                                    const void *value)
{
    memcpy(p, value, f->len);
    if (is_number(f)) {
        switch (f->len) {
        case 2:
            wire_u16(p, *(const uint16_t *)value);
            break;
        case 4:
            wire_u32(p, *(const uint32_t *)value);
            break;
        case 8:
            wire_u64(p, *(const uint64_t *)value);
            break;
        }
    }
    return p + f->len;
}

uint8_t *of_match_encode(uint8_t *start, const struct of_match *m)
{
    uint8_t *p = start + 4;

    for (uint32_t bits = m->fields; bits; bits &= bits - 1) {
        int i = __builtin_ctz(bits);
        const struct match_field *f = &match_fields[i];
        bool masked = m->masked & OF_BIT(i);

        p = wire_u32(p, OXM_HEADER(f->oxm_class, f->oxm_field, masked,
                                   masked ? 2u * f->len : f->len));
        p = encode_value(p, f, match_value(m, f));
        if (masked) {
            p = encode_value(p, f, match_mask(m, f));
        }
    }
    wire_u16(start, OFPMT_OXM);
    wire_u16(start + 2, (uint16_t)(p - start)); /* Without the padding. */
    return wire_pad8(start, p);
}

void of_match_put(struct buf *b, const struct of_match *m)
{
    buf_reserve(b, OF_MATCH_MAX_LEN);
    b->len = (size_t)(of_match_encode(b->data + b->len, m) - b->data);
}

/* Decoding. */

static int find_field(uint16_t oxm_class, uint8_t oxm_field)
{
    /* Index + 1 by field number; a dump of a million flows looks up each field. */
    static const uint8_t basic[OFPXMT_IPV6_EXTHDR + 1] = {
        [OFPXMT_IN_PORT] = OF_F_IN_PORT + 1,
        [OFPXMT_METADATA] = OF_F_METADATA + 1,
        [OFPXMT_ETH_DST] = OF_F_ETH_DST + 1,
        [OFPXMT_ETH_SRC] = OF_F_ETH_SRC + 1,
        [OFPXMT_ETH_TYPE] = OF_F_ETH_TYPE + 1,
        [OFPXMT_VLAN_VID] = OF_F_VLAN_VID + 1,
        [OFPXMT_IP_PROTO] = OF_F_IP_PROTO + 1,
        [OFPXMT_IPV4_SRC] = OF_F_IPV4_SRC + 1,
        [OFPXMT_IPV4_DST] = OF_F_IPV4_DST + 1,
        [OFPXMT_TCP_SRC] = OF_F_TCP_SRC + 1,
        [OFPXMT_TCP_DST] = OF_F_TCP_DST + 1,
        [OFPXMT_UDP_SRC] = OF_F_UDP_SRC + 1,
        [OFPXMT_UDP_DST] = OF_F_UDP_DST + 1,
        [OFPXMT_ICMPV4_TYPE] = OF_F_ICMPV4_TYPE + 1,
        [OFPXMT_ARP_OP] = OF_F_ARP_OP + 1,
        [OFPXMT_ARP_SPA] = OF_F_ARP_SPA + 1,
        [OFPXMT_ARP_TPA] = OF_F_ARP_TPA + 1,
        [OFPXMT_IPV6_SRC] = OF_F_IPV6_SRC + 1,
        [OFPXMT_IPV6_DST] = OF_F_IPV6_DST + 1,
        [OFPXMT_ICMPV6_TYPE] = OF_F_ICMPV6_TYPE + 1,
        [OFPXMT_IPV6_ND_TARGET] = OF_F_ND_TARGET + 1,
    };

    if (oxm_class == OFPXMC_OPENFLOW_BASIC && oxm_field < ARRAY_SIZE(basic)) {
        return basic[oxm_field] - 1;
    }
    return oxm_class == OFPXMC_NXM_1 && oxm_field == NXM_NX_IP_TTL ? OF_F_NW_TTL : -1;
}

/* Reads a value of `f` in the form that struct of_match has it; `c` is long enough. */
static void decode_value(struct cursor *c, const struct match_field *f, uint8_t ret[16])
{
    cursor_copy(c, ret, f->len);
    if (is_number(f)) {
        for (int i = 0, k = f->len - 1;
             __BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__ && i < k; i++, k--) {
            uint8_t swap = ret[i];
            ret[i] = ret[k];
            ret[k] = swap;
        }
    }
}

static enum of_err decode_masked(struct of_match *m, int i, struct cursor *c)
{
    const struct match_field *f = &match_fields[i];
    uint8_t value[16], mask[16];
    uint8_t any = 0, all = 0xff;

    decode_value(c, f, value);
    decode_value(c, f, mask);
    for (size_t k = 0; k < f->len; k++) {
        if (value[k] & ~mask[k]) {
            return OF_ERR_MATCH_VALUE;
        }
        any |= mask[k];
        all &= mask[k];
    }
    if (!any) {
        return OF_OK; /* Matches everything: as if it were not there. */
    }
    if (all != 0xff && !f->mask_ofs) {
        m->unknown++; /* Open vSwitch allows more masks than we hold. */
        return OF_OK;
    }
    m->fields |= OF_BIT(i);
    memcpy((uint8_t *)m + f->ofs, value, f->len);
    if (all != 0xff) {
        m->masked |= OF_BIT(i);
        memcpy((uint8_t *)m + f->mask_ofs, mask, f->len);
    }
    return OF_OK;
}

static enum of_err decode_fields(struct cursor *c, struct of_match *m)
{
    uint32_t seen = 0;

    while (c->n) {
        uint32_t header;
        struct cursor body;
        if (!cursor_u32(c, &header) || !cursor_sub(c, header & 0xff, &body)) {
            return OF_ERR_MATCH_LEN;
        }
        int i = find_field((uint16_t)(header >> 16), header >> 9 & 0x7f);
        if (i < 0) {
            m->unknown++;
            continue;
        }
        const struct match_field *f = &match_fields[i];
        bool masked = header & 0x100;
        if (body.n != (masked ? 2u * f->len : f->len)) {
            return OF_ERR_MATCH_LEN;
        }
        if (seen & OF_BIT(i)) {
            return OF_ERR_MATCH_DUP;
        }
        seen |= OF_BIT(i);
        if (masked) {
            enum of_err err = decode_masked(m, i, &body);
            if (err) {
                return err;
            }
        } else {
            m->fields |= OF_BIT(i);
            decode_value(&body, f, (uint8_t *)m + f->ofs);
        }
    }
    return OF_OK;
}

enum of_err of_match_pull(struct cursor *c, struct of_match *ret)
{
    struct cursor look = *c, fields;
    uint16_t type, len;

    if (!cursor_u16(&look, &type) || !cursor_u16(&look, &len)) {
        return OF_ERR_MATCH_LEN;
    }
    if (type != OFPMT_OXM) {
        return OF_ERR_MATCH_TYPE;
    }
    if (len < 4 || !cursor_sub(&look, len - 4u, &fields) ||
        !cursor_skip(&look, -(size_t)len & 7)) {
        return OF_ERR_MATCH_LEN;
    }
    struct of_match m = {0};
    enum of_err err = decode_fields(&fields, &m);
    if (!err) {
        *ret = m;
        *c = look;
    }
    return err;
}

/* Words. */

static uint64_t number_of(const struct match_field *f, const void *value)
{
    switch (f->len) {
    case 1:
        return *(const uint8_t *)value;
    case 2:
        return *(const uint16_t *)value;
    case 4:
        return *(const uint32_t *)value;
    default:
        return *(const uint64_t *)value;
    }
}

static void print_value(struct buf *b, const struct match_field *f, const void *value)
{
    char text[IP_STRLEN];
    struct ip_addr a;

    switch (f->format) {
    case FMT_PORT:
        of_port_no_print(b, *(const uint32_t *)value);
        break;
    case FMT_DECIMAL:
        buf_printf(b, "%llu", (unsigned long long)number_of(f, value));
        break;
    case FMT_HEX:
        buf_printf(b, "0x%0*llx", f->len == 2 ? 4 : 1,
                   (unsigned long long)number_of(f, value));
        break;
    case FMT_ETH:
        buf_printf(b, ETH_FMT, ETH_ARGS(*(const struct eth_addr *)value));
        break;
    case FMT_IPV4:
        a = ip_from_v4(*(const uint32_t *)value);
        buf_printf(b, "%s", ip_format(&a, text));
        break;
    case FMT_IPV6:
        a = ip_from_bytes(IP_V6, value);
        buf_printf(b, "%s", ip_format(&a, text));
        break;
    }
}

/* The length of the prefix that `mask` is, or -1. */
static int mask_plen(const struct match_field *f, const void *mask)
{
    uint8_t m[16];
    int plen = 0;

    if (f->format == FMT_IPV4) {
        wire_u32(m, *(const uint32_t *)mask);
    } else if (f->format == FMT_IPV6) {
        memcpy(m, mask, 16);
    } else {
        return -1;
    }
    while (plen < 8 * f->len && m[plen / 8] & 0x80 >> plen % 8) {
        plen++;
    }
    for (int i = plen; i < 8 * f->len; i++) {
        if (m[i / 8] & 0x80 >> i % 8) {
            return -1;
        }
    }
    return plen;
}

/* Prints the word that stands for the Ethernet type and perhaps the IP protocol, and
 * takes these off *bits. */
static void print_protocol(struct buf *b, const struct of_match *m, uint32_t *bits)
{
    static const struct {
        uint16_t eth_type;
        int proto;
        const char *word;
    } words[] = {
        {0x0800, 1, "icmp"},  {0x0800, 6, "tcp"},    {0x0800, 17, "udp"},
        {0x0800, -1, "ip"},   {0x86dd, 58, "icmp6"}, {0x86dd, 6, "tcp6"},
        {0x86dd, 17, "udp6"}, {0x86dd, -1, "ipv6"},  {0x0806, -1, "arp"},
    };

    if (!of_match_has(m, OF_F_ETH_TYPE)) {
        return;
    }
    for (size_t i = 0; i < ARRAY_SIZE(words); i++) {
        bool any = words[i].proto < 0;
        if (m->eth_type == words[i].eth_type &&
            (any ||
             (of_match_has(m, OF_F_IP_PROTO) && m->ip_proto == words[i].proto))) {
            buf_printf(b, "%s", words[i].word);
            *bits &= ~(OF_BIT(OF_F_ETH_TYPE) | (any ? 0 : OF_BIT(OF_F_IP_PROTO)));
            return;
        }
    }
}

void of_match_print(struct buf *b, const struct of_match *m)
{
    uint32_t bits = m->fields;
    size_t start = b->len;

    print_protocol(b, m, &bits);
    for (; bits; bits &= bits - 1) {
        int i = __builtin_ctz(bits);
        const struct match_field *f = &match_fields[i];
        bool masked = m->masked & OF_BIT(i);

        buf_printf(b, "%s", b->len > start ? "," : "");
        if (i == OF_F_VLAN_VID && !masked && m->vlan_vid & OFPVID_PRESENT) {
            buf_printf(b, "dl_vlan=%d", m->vlan_vid & 0xfff);
            continue;
        }
        buf_printf(b, "%s=", f->name);
        print_value(b, f, match_value(m, f));
        if (masked) {
            int plen = mask_plen(f, match_mask(m, f));
            if (plen >= 0) {
                buf_printf(b, "/%d", plen);
            } else {
                buf_printf(b, "/");
                print_value(b, f, match_mask(m, f));
            }
        }
    }
    if (m->unknown) {
        buf_printf(b, "%sunknown_oxm=%u", b->len > start ? "," : "", m->unknown);
    }
}
