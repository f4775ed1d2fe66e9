#ifndef RFCLIENT_PORTS_H
#define RFCLIENT_PORTS_H 1

/* The interfaces of the container, and which of them are VM ports. */

#include <stdbool.h>
#include <stdint.h>

#include "map.h"
#include "netlink/rtnl.h"

/* Names of interfaces: a prefix, the port number, a suffix. */
struct port_pattern {
    char prefix[VM_IFNAME_LEN];
    char suffix[VM_IFNAME_LEN];
};

/* "eth%" or "vm%-p": exactly one '%', which stands for the number.  False otherwise. */
bool port_pattern_parse(const char *, struct port_pattern *ret);
/* True and the number (0: the management interface) if `name` fits. */
bool port_pattern_match(const struct port_pattern *, const char *name, uint32_t *ret);

struct iface {
    uint32_t ifindex; /* Key. */
    struct rtnl_link link;
    uint32_t vm_port; /* 0: not a VM port. */
    uint8_t round;    /* Of the last dump that named it. */
    UT_hash_handle hh;
};

/* NULL if there is none. */
struct iface *iface_find(struct iface *table, uint32_t ifindex);
struct iface *iface_of_port(struct iface *table, uint32_t vm_port);
/* Made, zero, if there is none. */
struct iface *iface_obtain(struct iface **table, uint32_t ifindex);
void iface_remove(struct iface **table, struct iface *);

/* A VM port that is up, with carrier or without.  NULL is not. */
bool iface_usable(const struct iface *);
bool iface_has_carrier(const struct iface *); /* And is usable. */

bool link_equal(const struct rtnl_link *, const struct rtnl_link *);
const char *link_state_text(const struct rtnl_link *); /* "up", "down", ... */

#endif
