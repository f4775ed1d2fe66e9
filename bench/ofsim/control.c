/* Commands on standard input, a line each.  Every one is answered by lines of its own
 * and a last one, "ok" or "error: ...". */

#include "ofsim.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define WORDS_MAX 6

static const char help[] =
    "link down|up DPID PORT    unplugs the link of that port: both ends see it\n"
    "link cut|mend DPID PORT   its frames vanish, nobody is told\n"
    "port down|up DPID PORT    this end alone\n"
    "kill DPID                 closes its connection, for good\n"
    "revive DPID               connects it again, its tables as they were\n"
    "restart DPID              a power cycle: tables lost, connects again\n"
    "inject DPID PORT HEX      a frame of a host comes in at a port\n"
    "counts                    of everything\n"
    "links                     DPID PORT DPID PORT up|down|cut\n"
    "dump DPID                 flow entries, groups and meters\n"
    "quit\n";

static bool fail(const char *why)
{
    printf("error: %s\n", why);
    return false;
}

/* Reads "DPID PORT" from two words. */
static bool read_port(struct sim *sim, char **words, struct sim_switch **ret_sw,
                      uint32_t *ret_no)
{
    uint64_t id, no;
    struct sim_switch *sw = id_parse(words[0], &id) ? switch_find(sim, id) : NULL;

    if (!sw) {
        return fail("no such datapath");
    }
    if (!parse_u64(words[1], 10, UINT32_MAX, &no) || !switch_port(sw, (uint32_t)no)) {
        return fail("no such port");
    }
    *ret_sw = sw;
    *ret_no = (uint32_t)no;
    return true;
}

static bool set_link(struct sim *sim, const char *what, char **words)
{
    struct sim_switch *sw;
    uint32_t no;

    if (!read_port(sim, words, &sw, &no)) {
        return false;
    }
    struct sim_port *a = switch_port(sw, no);
    if (!a->peer) {
        return fail("no link at that port");
    }
    struct sim_port *b = switch_port(a->peer, a->peer_port);
    if (!strcmp(what, "cut") || !strcmp(what, "mend")) {
        a->cut = b->cut = !strcmp(what, "cut");
    } else if (!strcmp(what, "down") || !strcmp(what, "up")) {
        a->link_down = b->link_down = !strcmp(what, "down");
        switch_port_status(sw, no);
        switch_port_status(a->peer, a->peer_port);
    } else {
        return fail("expected link down, up, cut or mend");
    }
    return true;
}

static bool set_port(struct sim *sim, const char *what, char **words)
{
    struct sim_switch *sw;
    uint32_t no;

    if (!read_port(sim, words, &sw, &no)) {
        return false;
    }
    if (strcmp(what, "down") && strcmp(what, "up")) {
        return fail("expected port down or up");
    }
    switch_port(sw, no)->down = !strcmp(what, "down");
    switch_port_status(sw, no);
    return true;
}

static bool inject(struct sim *sim, char **words)
{
    struct sim_switch *sw;
    uint32_t no;
    struct buf frame = {0};
    unsigned octet;

    if (!read_port(sim, words, &sw, &no)) {
        return false;
    }
    for (const char *hex = words[2]; sscanf(hex, "%2x", &octet) == 1; hex += 2) {
        buf_put_u8(&frame, (uint8_t)octet);
        if (!hex[1]) {
            break;
        }
    }
    const bool whole = 2 * frame.len == strlen(words[2]);
    if (whole) {
        forward_receive(sw, no, frame.data, frame.len);
    }
    buf_uninit(&frame);
    return whole || fail("expected octets in hexadecimal");
}

static void counts(const struct sim *sim)
{
    const struct sim_counters *c = &sim->counters;
    uint64_t connected = 0, flows = 0, groups = 0, meters = 0;

    for (uint32_t i = 0; i < sim->n; i++) {
        const struct sim_switch *sw = &sim->switches[i];
        connected += sw->up;
        flows += HASH_COUNT(sw->flows);
        groups += HASH_COUNT(sw->groups);
        meters += HASH_COUNT(sw->meters);
    }
    printf("datapaths=%u ports=%u connected=%" PRIu64 " flows=%" PRIu64
           " groups=%" PRIu64 " meters=%" PRIu64,
           sim->n, sim->n_ports, connected, flows, groups, meters);
    printf(" connects=%" PRIu64 " messages=%" PRIu64 " packet_outs=%" PRIu64
           " packet_ins=%" PRIu64 " flow_mods=%" PRIu64 " group_mods=%" PRIu64
           " meter_mods=%" PRIu64 " errors=%" PRIu64 " dropped=%" PRIu64 "\n",
           c->connects, c->messages, c->packet_outs, c->packet_ins, c->flow_mods,
           c->group_mods, c->meter_mods, c->errors, c->dropped);
}

static void list_links(const struct sim *sim)
{
    for (uint32_t i = 0; i < sim->n; i++) {
        const struct sim_switch *sw = &sim->switches[i];
        for (uint32_t no = 1; no <= sim->n_ports; no++) {
            const struct sim_port *port = &sw->ports[no - 1];
            if (port->peer &&
                (port->peer->index > i || (port->peer == sw && port->peer_port > no))) {
                char a[ID_STRLEN], b[ID_STRLEN];
                printf("%s %u %s %u %s\n", id_format(sw->id, a), no,
                       id_format(port->peer->id, b), port->peer_port,
                       port->link_down ? "down"
                       : port->cut     ? "cut"
                                       : "up");
            }
        }
    }
}

static void dump_flow(const struct flow *flow)
{
    struct buf b = {0};
    struct of_instructions inst;

    flow_instructions(flow, &inst);
    buf_printf(&b, "flow table=%u priority=%u,", flow->table, flow->priority);
    of_match_print(&b, &flow->match);
    buf_printf(&b, " cookie=0x%" PRIx64 " packets=%" PRIu64 " ", flow->cookie,
               flow->packets);
    of_instructions_print(&b, &inst);
    puts(buf_cstr(&b));
    buf_uninit(&b);
}

static void dump_group(const struct group *group)
{
    struct cursor c = cursor_of(group->buckets, group->len);
    struct of_bucket bucket;
    struct buf b = {0};
    enum of_err err;

    buf_printf(&b, "group id=%u type=%u packets=%" PRIu64, group->id, group->type,
               group->packets);
    while (of_bucket_next(&c, &bucket, &err)) {
        buf_printf(&b, " bucket=");
        of_actions_print(&b, &bucket.actions);
    }
    puts(buf_cstr(&b));
    buf_uninit(&b);
}

static bool dump(struct sim *sim, char **words)
{
    struct sim_switch *sw;
    char port_1[] = "1", *named[] = {words[0], port_1};
    uint32_t no;

    if (!read_port(sim, named, &sw, &no)) {
        return false;
    }
    for (const struct flow *flow = sw->flows; flow; flow = flow->hh.next) {
        dump_flow(flow);
    }
    for (const struct group *group = sw->groups; group; group = group->hh.next) {
        dump_group(group);
    }
    for (const struct meter *meter = sw->meters; meter; meter = meter->hh.next) {
        printf("meter id=%u packets=%" PRIu64 "\n", meter->id, meter->packets);
    }
    return true;
}

static bool life(struct sim *sim, const char *what, const char *dpid)
{
    uint64_t id;
    struct sim_switch *sw = id_parse(dpid, &id) ? switch_find(sim, id) : NULL;

    if (!sw) {
        return fail("no such datapath");
    }
    if (!strcmp(what, "kill")) {
        switch_kill(sw);
    } else if (!strcmp(what, "revive")) {
        switch_revive(sw);
    } else {
        switch_restart(sw);
    }
    return true;
}

static bool execute(struct sim *sim, char **words, int n)
{
    const char *verb = words[0];

    if (n == 4 && !strcmp(verb, "link")) {
        return set_link(sim, words[1], words + 2);
    }
    if (n == 4 && !strcmp(verb, "port")) {
        return set_port(sim, words[1], words + 2);
    }
    if (n == 4 && !strcmp(verb, "inject")) {
        return inject(sim, words + 1);
    }
    if (n == 2 && (!strcmp(verb, "kill") || !strcmp(verb, "revive") ||
                   !strcmp(verb, "restart"))) {
        return life(sim, verb, words[1]);
    }
    if (n == 2 && !strcmp(verb, "dump")) {
        return dump(sim, words + 1);
    }
    if (n == 1 && !strcmp(verb, "counts")) {
        counts(sim);
    } else if (n == 1 && !strcmp(verb, "links")) {
        list_links(sim);
    } else if (n == 1 && !strcmp(verb, "help")) {
        fputs(help, stdout);
    } else if (n == 1 && !strcmp(verb, "quit")) {
        loop_stop(sim->loop);
    } else {
        return fail("unknown command; try help");
    }
    return true;
}

static void command(struct sim *sim, char *line)
{
    char *words[WORDS_MAX], *word;
    int n = 0;

    while (n < WORDS_MAX && (word = strsep(&line, " \t"))) {
        if (*word) {
            words[n++] = word;
        }
    }
    if (n && execute(sim, words, n)) {
        puts("ok");
    }
    fflush(stdout);
}

static void on_input(void *sim_, int events)
{
    struct sim *sim = sim_;
    char bytes[65536];
    const ssize_t n = read(STDIN_FILENO, bytes, sizeof bytes);
    uint8_t *end;

    if (n <= 0) {
        if (!n || errno != EINTR) {
            loop_stop(sim->loop);
        }
        return;
    }
    buf_put(&sim->input, bytes, (size_t)n);
    while ((end = memchr(sim->input.data, '\n', sim->input.len))) {
        *end = '\0';
        command(sim, (char *)sim->input.data);
        buf_pull(&sim->input, (size_t)(end - sim->input.data) + 1);
    }
}

void control_start(struct sim *sim)
{
    sim->control = loop_fd_create(sim->loop, STDIN_FILENO, LOOP_READ, on_input, sim);
}

void control_stop(struct sim *sim)
{
    loop_fd_destroy(sim->control);
    buf_uninit(&sim->input);
}
