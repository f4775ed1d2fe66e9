/* What rfserver is told of the state: whatever is marked, and in what order. */

#include "state_impl.h"

#include "base/util.h"
#include "wire/record.h"

static bool put_port(struct vm_state *s, uint32_t vm_port, bool told, struct buf *b)
{
    const struct iface *i = iface_of_port(s->ifaces, vm_port);
    struct vm_port r = {.vm_port = vm_port};

    if (i) {
        r.hwaddr = i->link.hwaddr;
        r.mtu = i->link.mtu;
        r.admin_up = i->link.admin_up;
        r.carrier = i->link.carrier;
        str_copy(r.name, i->link.name, sizeof r.name);
    }
    if (i || told) {
        record_put_vm_port(b, &r, !i);
    }
    return i;
}

/* Returns whether it exists. */
static bool put_host(struct vm_state *s, const struct mark_key *key, bool told,
                     struct buf *b)
{
    const struct iface *i = iface_of_port(s->ifaces, key->vm_port);
    struct host *h = NULL;

    if (i) {
        h = state_find_host(s, key->type, i->ifindex, &key->prefix);
    }
    if (!h && !told) {
        return false;
    }
    if (key->type == MARK_ADDR) {
        struct vm_addr r = {.vm_port = key->vm_port, .addr = key->prefix};
        record_put_vm_addr(b, &r, !h);
    } else {
        struct vm_neigh r = {.vm_port = key->vm_port, .addr = key->prefix.addr};
        if (h) {
            r.hwaddr = h->hwaddr;
        }
        record_put_vm_neigh(b, &r, !h);
    }
    return h;
}

static bool put_marked(struct vm_state *s, struct buf *b)
{
    size_t before = b->len;
    struct mark_key key;
    bool told;

    while (b->len == before && marks_pop(s->marks, &key, &told)) {
        bool has = key.type == MARK_PORT ? put_port(s, key.vm_port, told, b)
                                         : put_host(s, &key, told, b);
        marks_told(s->marks, &key, has);
    }
    return b->len != before;
}

/* The next route to tell now. */
static bool next_route(struct vm_state *s, int64_t now, struct vm_route *ret,
                       bool *ret_remove)
{
    while (route_table_pop(s->routes, state_usable_port, s, ret, ret_remove)) {
        if (ret->prefix.addr.version != IP_V6) {
            return true;
        }
        if (!*ret_remove) {
            withdrawals_cancel(s->withdrawals, &ret->prefix);
            return true;
        }
        if (!withdrawals_hold(s->withdrawals, &ret->prefix, now)) {
            return true;
        }
    }
    *ret_remove = true;
    return withdrawals_pop(s->withdrawals, now, &ret->prefix);
}

static bool put_route(struct vm_state *s, int64_t now, struct buf *b)
{
    size_t pending = route_table_pending(s->routes);
    struct vm_route r;
    bool remove;

    bool any = next_route(s, now, &r, &remove);
    if (any) {
        record_put_vm_route(b, &r, remove);
    }
    /* Some may have been taken that turned out to need no telling. */
    size_t taken = pending - route_table_pending(s->routes);
    s->sync_routes -= MIN(s->sync_routes, taken);
    return any;
}

bool vm_state_put_next(struct vm_state *s, int64_t now, struct buf *b)
{
    if (s->sync == SYNC_BEGIN) {
        s->sync = SYNC_RUNNING;
        record_put_begin(b);
        return true;
    }
    if (put_marked(s, b)) {
        return true;
    }
    /* Routes that changed since BEGIN stand behind the sync_routes in the queue. */
    if (s->sync == SYNC_RUNNING && !s->sync_routes) {
        s->sync = SYNC_NONE;
        record_put_end(b);
        return true;
    }
    if (put_route(s, now, b)) {
        return true;
    }
    return s->sync == SYNC_RUNNING && vm_state_put_next(s, now, b);
}

bool vm_state_pending(const struct vm_state *s)
{
    return s->sync != SYNC_NONE || marks_pending(s->marks) ||
           route_table_pending(s->routes);
}

int64_t vm_state_due(const struct vm_state *s)
{
    return withdrawals_wakeup(s->withdrawals);
}
