#ifndef OF_MATCH_H
#define OF_MATCH_H 1

/* A flow match (OpenFlow 1.3.5, 7.2.3) as a plain value, to be copied and compared
 * freely.  Zero-initialized it matches everything.
 *
 * `fields` says which members count, `masked` which of those have a mask; other members
 * are ignored.  The setters below keep the value canonical (no bits outside the mask,
 * an all-ones mask is an exact match, an all-zeros mask is no match at all) and set
 * prerequisites that are unambiguous, so that two equal matches look the same and a
 * switch accepts them.  Numbers are in host order. */

#include <stdbool.h>
#include <stdint.h>

#include "base/addr.h"
#include "base/buf.h"
#include "base/cursor.h"
#include "of/error.h"

/* In the order in which they are encoded: prerequisites before what needs them. */
enum of_field {
    OF_F_IN_PORT,
    OF_F_METADATA, /* Maskable. */
    OF_F_ETH_DST,  /* Maskable. */
    OF_F_ETH_SRC,  /* Maskable. */
    OF_F_ETH_TYPE,
    OF_F_VLAN_VID, /* Maskable.  OFPVID_PRESENT | vid. */
    OF_F_IP_PROTO,
    OF_F_NW_TTL,   /* NXM_NX_IP_TTL, an extension of Open vSwitch. */
    OF_F_IPV4_SRC, /* Maskable. */
    OF_F_IPV4_DST, /* Maskable. */
    OF_F_TCP_SRC,
    OF_F_TCP_DST,
    OF_F_UDP_SRC,
    OF_F_UDP_DST,
    OF_F_ICMPV4_TYPE,
    OF_F_ARP_OP,
    OF_F_ARP_SPA,  /* Maskable. */
    OF_F_ARP_TPA,  /* Maskable. */
    OF_F_IPV6_SRC, /* Maskable. */
    OF_F_IPV6_DST, /* Maskable. */
    OF_F_ICMPV6_TYPE,
    OF_F_ND_TARGET,
    OF_N_FIELDS,
};

#define OF_BIT(FIELD) (1u << (FIELD))

struct of_in6 {
    uint8_t b[16]; /* Network order. */
};

struct of_match {
    uint32_t fields;  /* OF_BIT(enum of_field). */
    uint32_t masked;  /* Subset of fields. */
    uint32_t unknown; /* Number of OXM fields of a decoded match not held here. */
    uint32_t in_port;
    uint64_t metadata, metadata_mask;
    struct eth_addr eth_dst, eth_dst_mask;
    struct eth_addr eth_src, eth_src_mask;
    uint16_t eth_type;
    uint16_t vlan_vid, vlan_vid_mask;
    uint8_t ip_proto;
    uint8_t nw_ttl;
    uint8_t icmpv4_type;
    uint8_t icmpv6_type;
    uint16_t tcp_src, tcp_dst;
    uint16_t udp_src, udp_dst;
    uint16_t arp_op;
    uint32_t ipv4_src, ipv4_src_mask;
    uint32_t ipv4_dst, ipv4_dst_mask;
    uint32_t arp_spa, arp_spa_mask;
    uint32_t arp_tpa, arp_tpa_mask;
    struct of_in6 ipv6_src, ipv6_src_mask;
    struct of_in6 ipv6_dst, ipv6_dst_mask;
    struct of_in6 nd_target;
};

static inline bool of_match_has(const struct of_match *m, enum of_field field)
{
    return m->fields & OF_BIT(field);
}

void of_match_set_in_port(struct of_match *, uint32_t port_no);
void of_match_set_metadata(struct of_match *, uint64_t value, uint64_t mask);
void of_match_set_eth_dst(struct of_match *, struct eth_addr);
void of_match_set_eth_dst_masked(struct of_match *, struct eth_addr value,
                                 struct eth_addr mask);
void of_match_set_eth_src(struct of_match *, struct eth_addr);
void of_match_set_eth_type(struct of_match *, uint16_t);
void of_match_set_vlan_vid(struct of_match *, uint16_t vid); /* 0..4095, tag present. */
void of_match_set_vlan_none(struct of_match *);
/* The Ethernet type must be set before: IPv4 and IPv6 share these. */
void of_match_set_ip_proto(struct of_match *, uint8_t);
void of_match_set_nw_ttl(struct of_match *, uint8_t);
/* These set IP protocol 6 or 17, not the Ethernet type. */
void of_match_set_tcp_src(struct of_match *, uint16_t);
void of_match_set_tcp_dst(struct of_match *, uint16_t);
void of_match_set_udp_src(struct of_match *, uint16_t);
void of_match_set_udp_dst(struct of_match *, uint16_t);
/* These set the Ethernet type as well.  A prefix of length 0 sets nothing else. */
void of_match_set_ip_src(struct of_match *, const struct ip_prefix *);
void of_match_set_ip_dst(struct of_match *, const struct ip_prefix *);
void of_match_set_arp_op(struct of_match *, uint16_t);
void of_match_set_arp_spa(struct of_match *, uint32_t ip);
void of_match_set_arp_tpa(struct of_match *, uint32_t ip);
/* These set the Ethernet type and the IP protocol as well. */
void of_match_set_icmpv4_type(struct of_match *, uint8_t);
void of_match_set_icmpv6_type(struct of_match *, uint8_t);
void of_match_set_nd_target(struct of_match *, const uint8_t ip[static 16]);

/* Whether every field has its prerequisites (7.2.3.6, 7.2.3.7). */
bool of_match_prereqs_ok(const struct of_match *);

/* False whenever one of the two has unknown fields. */
bool of_match_equal(const struct of_match *, const struct of_match *);
/* Whether everything that b matches is matched by a: what a flow-mod that is not strict
 * is about (6.4), and, with b all the fields of a packet, whether an entry matches it.
 * False whenever a has unknown fields. */
bool of_match_covers(const struct of_match *a, const struct of_match *b);
uint64_t of_match_hash(const struct of_match *); /* Equal matches, equal hashes. */

#define OF_MATCH_MAX_LEN 360 /* No ofp_match of ours is longer, padding included. */

/* Appends an ofp_match: header, OXM fields, padding to 8 octets. */
void of_match_put(struct buf *, const struct of_match *);
/* Takes an ofp_match with its padding off `c`.  A field that of_match does not hold is
 * counted in `unknown`; that is no error, nor is a missing prerequisite. */
enum of_err of_match_pull(struct cursor *c, struct of_match *ret);

/* As ovs-ofctl writes it, "ip,in_port=1,nw_dst=10.0.0.0/8"; nothing for a match of
 * everything.  Unknown fields show as "unknown_oxm=N". */
void of_match_print(struct buf *, const struct of_match *);

#endif
