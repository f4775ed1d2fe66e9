#include "ports.h"

#include <stdlib.h>
#include <string.h>

#include "base/util.h"

/* Names of ports. */

bool port_pattern_parse(const char *s, struct port_pattern *ret)
{
    const char *percent = strchr(s, '%');
    struct port_pattern p;

    if (!percent || strchr(percent + 1, '%') || strlen(s) >= sizeof p.prefix) {
        return false;
    }
    str_copy(p.prefix, s, (size_t)(percent - s) + 1);
    str_copy(p.suffix, percent + 1, sizeof p.suffix);
    *ret = p;
    return true;
}

bool port_pattern_match(const struct port_pattern *p, const char *name, uint32_t *ret)
{
    size_t len = strlen(name), prefix = strlen(p->prefix), suffix = strlen(p->suffix);
    char digits[VM_IFNAME_LEN];
    uint64_t n;

    if (len <= prefix + suffix || strncmp(name, p->prefix, prefix) ||
        strcmp(name + len - suffix, p->suffix)) {
        return false;
    }
    str_copy(digits, name + prefix, len - prefix - suffix + 1);
    /* "eth01" is not port 1: that is "eth1", and there cannot be two. */
    if ((digits[0] == '0' && digits[1]) || !parse_u64(digits, 10, UINT32_MAX, &n)) {
        return false;
    }
    *ret = (uint32_t)n;
    return true;
}

/* Interfaces. */

struct iface *iface_find(struct iface *table, uint32_t ifindex)
{
    struct iface *i;

    HASH_FIND(hh, table, &ifindex, sizeof ifindex, i);
    return i;
}

struct iface *iface_of_port(struct iface *table, uint32_t vm_port)
{
    for (struct iface *i = table; i; i = i->hh.next) {
        if (i->vm_port == vm_port) {
            return i;
        }
    }
    return NULL;
}

struct iface *iface_obtain(struct iface **table, uint32_t ifindex)
{
    struct iface *i = iface_find(*table, ifindex);

    if (!i) {
        i = xcalloc(1, sizeof *i);
        i->ifindex = ifindex;
        HASH_ADD(hh, *table, ifindex, sizeof i->ifindex, i);
    }
    return i;
}

void iface_remove(struct iface **table, struct iface *i)
{
    HASH_DELETE(hh, *table, i);
    free(i);
}

bool iface_usable(const struct iface *i)
{
    return i && i->vm_port && i->link.admin_up;
}

bool iface_has_carrier(const struct iface *i)
{
    return iface_usable(i) && i->link.carrier;
}

bool link_equal(const struct rtnl_link *a, const struct rtnl_link *b)
{
    return a->ifindex == b->ifindex && a->mtu == b->mtu &&
           eth_equal(a->hwaddr, b->hwaddr) && a->admin_up == b->admin_up &&
           a->carrier == b->carrier && !strcmp(a->name, b->name);
}

const char *link_state_text(const struct rtnl_link *l)
{
    return !l->admin_up ? "down" : !l->carrier ? "up, no carrier" : "up";
}
