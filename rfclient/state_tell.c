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

/* The next route whose turn it is. */
static bool take_route(struct vm_state *s, bool urgent, int64_t now,
                       struct vm_route *ret, bool *ret_remove)
{
    while (route_table_pop(s->routes, urgent, state_usable_port, s, ret, ret_remove)) {
        if (ret->prefix.addr.version != IP_V6) {
            return true;
        }
        if (!*ret_remove) {
            withdrawals_cancel(s->withdrawals, &ret->prefix);
            return true;
        }
        if (!withdrawals_hold(s->withdrawals, &ret->prefix, urgent, now)) {
            return true;
        }
    }
    return false;
}

static bool take_withdrawal(struct vm_state *s, bool urgent, int64_t now,
                            struct vm_route *ret, bool *ret_remove)
{
    *ret_remove = true;
    if (!withdrawals_next(s->withdrawals, urgent, now, &ret->prefix)) {
        return false;
    }
    withdrawals_cancel(s->withdrawals, &ret->prefix);
    return true;
}

/* The next route to tell now.  A route that waits to return (its removal was urgent,
 * its return is one of many) must not be taken out of the switch before that. */
static bool next_route(struct vm_state *s, int64_t now, struct vm_route *ret,
                       bool *ret_remove, bool *ret_urgent)
{
    struct ip_prefix p;

    *ret_urgent = true;
    do {
        if (take_route(s, true, now, ret, ret_remove)) {
            return true;
        }
    } while (withdrawals_next(s->withdrawals, true, now, &p) &&
             route_table_hurry(s->routes, &p));
    if (take_withdrawal(s, true, now, ret, ret_remove)) {
        return true;
    }
    *ret_urgent = false;
    return take_route(s, false, now, ret, ret_remove) ||
           take_withdrawal(s, false, now, ret, ret_remove);
}

static bool put_route(struct vm_state *s, int64_t now, struct buf *b)
{
    struct vm_route r;
    bool remove, urgent;

    if (!next_route(s, now, &r, &remove, &urgent)) {
        return false;
    }
    record_put_vm_route(b, &r, remove, urgent);
    return true;
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
    /* What changes after BEGIN need not be told before END. */
    if (s->sync == SYNC_RUNNING && !route_table_resyncing(s->routes)) {
        s->sync = SYNC_NONE;
        record_put_end(b);
        return true;
    }
    if (put_route(s, now, b)) {
        return true;
    }
    return s->sync == SYNC_RUNNING && vm_state_put_next(s, now, b);
}

size_t vm_state_pending(const struct vm_state *s)
{
    return (s->sync != SYNC_NONE) + marks_pending(s->marks) +
           route_table_pending(s->routes);
}

bool vm_state_hurries(const struct vm_state *s)
{
    return marks_pending(s->marks) || route_table_hurries(s->routes);
}

int64_t vm_state_due(const struct vm_state *s)
{
    return withdrawals_wakeup(s->withdrawals);
}
