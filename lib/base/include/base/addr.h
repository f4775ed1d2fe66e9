#ifndef BASE_ADDR_H
#define BASE_ADDR_H 1

/* Addresses and identifiers of the network: Ethernet, IP of both families, prefixes,
 * datapath ids and VM ids.  All plain values; nothing here owns memory. */

#include <stdbool.h>
#include <stdint.h>

#include "base/util.h"

/* Ethernet. */

struct eth_addr {
    uint8_t ea[6];
};

#define ETH_FMT "%02x:%02x:%02x:%02x:%02x:%02x"
#define ETH_ARGS(A) (A).ea[0], (A).ea[1], (A).ea[2], (A).ea[3], (A).ea[4], (A).ea[5]
#define ETH_STRLEN 18

bool eth_equal(struct eth_addr a, struct eth_addr b);
bool eth_is_zero(struct eth_addr a);
bool eth_is_multicast(struct eth_addr a); /* Broadcast included. */
bool eth_parse(const char *s, struct eth_addr *ret);
const char *eth_format(struct eth_addr a, char buf[static ETH_STRLEN]);
/* The 48 bits as a number, most significant octet first; the vm_id of a container. */
uint64_t eth_to_u64(struct eth_addr a);
struct eth_addr eth_from_u64(uint64_t v);

/* IP. */

enum ip_version { IP_NONE = 0, IP_V4 = 4, IP_V6 = 6 };

struct ip_addr {
    uint8_t version;   /* enum ip_version. */
    uint8_t bytes[16]; /* Network order; an IPv4 address uses the first 4, rest 0. */
};

#define IP_STRLEN 46
#define IP_PREFIX_STRLEN 50

static inline unsigned ip_width(uint8_t version) /* In bits. */
{
    return version == IP_V4 ? 32 : version == IP_V6 ? 128 : 0;
}

struct ip_addr ip_from_v4(uint32_t host_order);
uint32_t ip_to_v4(struct ip_addr a); /* Host order; 0 unless IP_V4. */
struct ip_addr ip_from_bytes(enum ip_version version, const void *bytes);
bool ip_equal(const struct ip_addr *a, const struct ip_addr *b);
int ip_compare(const struct ip_addr *a, const struct ip_addr *b);
bool ip_is_unspecified(const struct ip_addr *a); /* 0.0.0.0, ::, or no address. */
bool ip_is_link_local(const struct ip_addr *a);  /* 169.254/16, fe80::/10. */
bool ip_is_multicast(const struct ip_addr *a);
bool ip_is_loopback(const struct ip_addr *a);
bool ip_parse(const char *s, struct ip_addr *ret);
const char *ip_format(const struct ip_addr *a, char buf[static IP_STRLEN]);

/* A prefix.  Canonical when the bits beyond plen are 0; tables hold canonical ones. */
struct ip_prefix {
    struct ip_addr addr;
    uint8_t plen; /* 0..32 or 0..128. */
};

bool prefix_parse(const char *s,
                  struct ip_prefix *ret); /* A.B.C.D/N; host bits stay. */
const char *prefix_format(const struct ip_prefix *p, char buf[static IP_PREFIX_STRLEN]);
void prefix_canonicalize(struct ip_prefix *p);
bool prefix_is_canonical(const struct ip_prefix *p);
bool prefix_equal(const struct ip_prefix *a, const struct ip_prefix *b);
int prefix_compare(const struct ip_prefix *a, const struct ip_prefix *b);
bool prefix_contains(const struct ip_prefix *p, const struct ip_addr *a);
bool prefix_is_host(const struct ip_prefix *p); /* /32 or /128. */
struct ip_prefix prefix_of_host(const struct ip_addr *a);
/* `bytes`: 4 or 16, the address.  The same on all machines: cookies have it. */
uint32_t prefix_hash_of(enum ip_version version, const uint8_t *bytes, uint8_t plen);
static inline uint32_t prefix_hash(const struct ip_prefix *p)
{
    return prefix_hash_of(p->addr.version, p->addr.bytes, p->plen);
}

/* Datapath and VM ids: printed as "0x" and 16 lower-case digits, as stored. */

#define ID_STRLEN 19

bool id_parse(const char *s, uint64_t *ret); /* Hexadecimal, "0x" optional. */
const char *id_format(uint64_t id, char buf[static ID_STRLEN]);

/* A datapath id whose upper 32 bits are 0x72667673 ("rfvs") names a virtual switch. */
bool dpid_is_virtual(uint64_t dpid);

#endif
