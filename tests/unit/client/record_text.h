#ifndef RECORD_TEXT_H
#define RECORD_TEXT_H 1

/* Records as the scripts of test_state.c write them: "port 1 up; route 10.0.0.0/8 1:".
 */

#include <check.h>

#include "base/buf.h"
#include "wire/record.h"

static inline void format_record(const struct record *r, struct buf *b)
{
    char text[IP_PREFIX_STRLEN];

    buf_printf(b, "%s%s", b->len ? "; " : "", r->remove ? "-" : "");
    switch (r->kind) {
    case REC_BEGIN:
        buf_printf(b, "BEGIN");
        break;
    case REC_END:
        buf_printf(b, "END");
        break;
    case REC_VM_PORT:
        buf_printf(b, "port %u", r->vm_port.vm_port);
        if (!r->remove) {
            buf_printf(b, " %s",
                       !r->vm_port.admin_up ? "down"
                       : r->vm_port.carrier ? "up"
                                            : "no carrier");
        }
        break;
    case REC_VM_ADDR:
        buf_printf(b, "addr %u %s", r->vm_addr.vm_port,
                   prefix_format(&r->vm_addr.addr, text));
        break;
    case REC_VM_NEIGH:
        buf_printf(b, "neigh %u %s", r->vm_neigh.vm_port,
                   ip_format(&r->vm_neigh.addr, text));
        if (!r->remove) {
            buf_printf(b, " %02x", r->vm_neigh.hwaddr.ea[5]);
        }
        break;
    case REC_VM_ROUTE:
        buf_printf(b, "route %s", prefix_format(&r->vm_route.prefix, text));
        for (unsigned i = 0; !r->remove && i < r->vm_route.n_hops; i++) {
            const struct vm_hop *hop = &r->vm_route.hops[i];
            buf_printf(b, " %u:%s", hop->vm_port,
                       hop->gateway.version ? ip_format(&hop->gateway, text) : "");
        }
        if (!r->remove && r->vm_route.kind == VM_ROUTE_BLACKHOLE) {
            buf_printf(b, " blackhole");
        }
        break;
    default:
        ck_abort_msg("unexpected record %d", r->kind);
    }
}

#endif
