#include "of/port.h"

#include <string.h>

#include "base/util.h"

bool of_port_up(const struct of_port *p)
{
    return p->state & OFPPS_LIVE && !(p->state & OFPPS_LINK_DOWN) &&
           !(p->config & OFPPC_PORT_DOWN);
}

bool of_port_equal(const struct of_port *a, const struct of_port *b)
{
    return a->port_no == b->port_no && eth_equal(a->hw_addr, b->hw_addr) &&
           !strcmp(a->name, b->name) && a->config == b->config &&
           a->state == b->state && a->curr == b->curr &&
           a->advertised == b->advertised && a->supported == b->supported &&
           a->peer == b->peer && a->curr_speed == b->curr_speed &&
           a->max_speed == b->max_speed;
}

void of_port_put(struct buf *b, const struct of_port *p)
{
    char name[OFP_PORT_NAME_LEN] = "";

    memcpy(name, p->name, strnlen(p->name, sizeof name - 1));
    buf_put_u32(b, p->port_no);
    buf_put_zeros(b, 4);
    buf_put_eth(b, p->hw_addr);
    buf_put_zeros(b, 2);
    buf_put(b, name, sizeof name);
    buf_put_u32(b, p->config);
    buf_put_u32(b, p->state);
    buf_put_u32(b, p->curr);
    buf_put_u32(b, p->advertised);
    buf_put_u32(b, p->supported);
    buf_put_u32(b, p->peer);
    buf_put_u32(b, p->curr_speed);
    buf_put_u32(b, p->max_speed);
}

bool of_port_pull(struct cursor *c, struct of_port *ret)
{
    struct cursor body, look = *c;
    struct of_port p;

    if (!cursor_sub(&look, OF_PORT_LEN, &body)) {
        return false;
    }
    cursor_u32(&body, &p.port_no);
    cursor_skip(&body, 4);
    cursor_eth(&body, &p.hw_addr);
    cursor_skip(&body, 2);
    cursor_copy(&body, p.name, sizeof p.name);
    p.name[sizeof p.name - 1] = '\0';
    cursor_u32(&body, &p.config);
    cursor_u32(&body, &p.state);
    cursor_u32(&body, &p.curr);
    cursor_u32(&body, &p.advertised);
    cursor_u32(&body, &p.supported);
    cursor_u32(&body, &p.peer);
    cursor_u32(&body, &p.curr_speed);
    cursor_u32(&body, &p.max_speed);
    /* The name goes to logs and tables: nothing unprintable from a peer. */
    for (char *s = p.name; *s; s++) {
        if (*s <= ' ' || *s > '~') {
            *s = '?';
        }
    }
    *ret = p;
    *c = look;
    return true;
}

static void print_flags(struct buf *b, uint32_t value, const char *const names[32])
{
    const char *sep = "";

    if (!value) {
        buf_printf(b, "0");
    }
    for (int i = 0; i < 32; i++) {
        if (value & 1u << i) {
            if (names[i]) {
                buf_printf(b, "%s%s", sep, names[i]);
            } else {
                buf_printf(b, "%s0x%x", sep, 1u << i);
            }
            sep = "|";
        }
    }
}

void of_port_config_print(struct buf *b, uint32_t config)
{
    static const char *const names[32] = {
        [0] = "PORT_DOWN", [2] = "NO_RECV", [5] = "NO_FWD", [6] = "NO_PACKET_IN"};
    print_flags(b, config, names);
}

void of_port_print(struct buf *b, const struct of_port *p)
{
    static const char *const states[32] = {"LINK_DOWN", "BLOCKED", "LIVE"};

    of_port_no_print(b, p->port_no);
    buf_printf(b, "(%s): addr:" ETH_FMT " config:", p->name, ETH_ARGS(p->hw_addr));
    of_port_config_print(b, p->config);
    buf_printf(b, " state:");
    print_flags(b, p->state, states);
    buf_printf(b, " speed:%u", p->curr_speed);
}

void of_port_no_print(struct buf *b, uint32_t port_no)
{
    static const char *const reserved[] = {"IN_PORT", "TABLE",      "NORMAL", "FLOOD",
                                           "ALL",     "CONTROLLER", "LOCAL",  "ANY"};

    if (port_no >= OFPP_IN_PORT) {
        buf_printf(b, "%s", reserved[port_no - OFPP_IN_PORT]);
    } else {
        buf_printf(b, "%u", port_no);
    }
}
