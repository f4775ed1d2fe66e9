#include "unit.h"

#include <stdio.h>
#include <string.h>

#include "of/print.h"
#include "of/put.h"
#include "of/session.h"
#include "vectors.h"

/* Conversations, tests/vectors/of-session.txt. */

struct run {
    struct of_session *s;
    bool by_octet; /* Feed the peer's octets one at a time. */
    int64_t now;
    struct buf got; /* Lines that were not expected yet. */
    struct buf feed;
    int line;
    char title[256];
};

static void format_port(struct buf *b, const struct of_port *p)
{
    of_port_no_print(b, p->port_no);
    buf_printf(b, ":%s", of_port_up(p) ? "up" : "down");
}

static void format_event(struct buf *b, const struct of_event *ev)
{
    char id[ID_STRLEN];

    switch (ev->type) {
    case OF_EV_UP:
        buf_printf(b, "UP dpid=%s n_tables=%u auxiliary_id=%u ports",
                   id_format(ev->up.datapath_id, id), ev->up.n_tables,
                   ev->up.auxiliary_id);
        for (size_t i = 0; i < ev->up.n_ports; i++) {
            buf_printf(b, " ");
            format_port(b, &ev->up.ports[i]);
        }
        break;
    case OF_EV_DOWN:
        buf_printf(b, "DOWN %s", ev->text);
        break;
    case OF_EV_PORT_ADD:
        buf_printf(b, "PORT_ADD ");
        format_port(b, ev->port);
        break;
    case OF_EV_PORT_MODIFY:
        buf_printf(b, "PORT_MODIFY ");
        format_port(b, ev->old_port);
        buf_printf(b, " -> ");
        format_port(b, ev->port);
        break;
    case OF_EV_PORT_DELETE:
        buf_printf(b, "PORT_DELETE ");
        format_port(b, ev->port);
        break;
    case OF_EV_BARRIER:
        buf_printf(b, "BARRIER 0x%x", ev->xid);
        break;
    case OF_EV_ROLE:
        buf_printf(b, "ROLE ");
        of_msg_print(b, ev->msg);
        break;
    case OF_EV_ERROR:
        buf_printf(b, "ERROR 0x%x %s", ev->xid, ev->text);
        break;
    case OF_EV_FAULT:
        buf_printf(b, "FAULT %s", ev->text);
        break;
    case OF_EV_MESSAGE:
        buf_printf(b, "MESSAGE ");
        of_msg_print(b, ev->msg);
        break;
    }
}

/* Appends to r->got what the session sends, then its events. */
static void collect(struct run *r)
{
    struct buf events = {0};
    struct of_event ev;

    while (of_session_next(r->s, &ev)) {
        buf_printf(&events, "= ");
        format_event(&events, &ev);
        buf_printf(&events, "\n");
    }
    struct cursor out = of_session_pending(r->s);
    while (out.n) {
        size_t len = (size_t)out.p[2] << 8 | out.p[3];
        buf_printf(&r->got, "> ");
        of_print(&r->got, out.p, len);
        buf_printf(&r->got, "\n");
        of_session_sent(r->s, len);
        out = of_session_pending(r->s);
    }
    buf_put(&r->got, events.data, events.len);
    buf_uninit(&events);
}

static void feed(struct run *r)
{
    size_t step = r->by_octet ? 1 : r->feed.len;

    for (size_t at = 0; at < r->feed.len; at += step) {
        of_session_input(r->s, r->feed.data + at, step, r->now);
        if (r->by_octet) {
            collect(r);
        }
    }
    buf_clear(&r->feed);
    collect(r);
}

/* "3:up", "LOCAL:off". */
static struct of_port parse_port(const char *word)
{
    struct of_port p = {.name = "port"};
    const char *state = strchr(word, ':') + 1;

    p.port_no = word[0] == 'L' ? OFPP_LOCAL : (uint32_t)atoi(word);
    p.state = !strcmp(state, "up") || !strcmp(state, "off") ? OFPPS_LIVE
              : !strcmp(state, "down")                      ? OFPPS_LINK_DOWN
                                                            : 0;
    p.config = !strcmp(state, "off") ? OFPPC_PORT_DOWN : 0;
    return p;
}

static uint32_t hex_word(void)
{
    const char *word = strtok(NULL, " ");
    return word ? (uint32_t)strtoul(word, NULL, 16) : 0;
}

static void put_ports(struct buf *b)
{
    uint16_t flags = 0;
    struct of_port ports[16];
    size_t n = 0;
    char *word;

    while ((word = strtok(NULL, " "))) {
        if (!strcmp(word, "more")) {
            flags = OFPMPF_MORE;
        } else {
            ports[n++] = parse_port(word);
        }
    }
    size_t ofs = of_put_multipart_reply(b, 4, OFPMP_PORT_DESC, flags);
    for (size_t i = 0; i < n; i++) {
        of_port_put(b, &ports[i]);
    }
    of_put_multipart_end(b, ofs);
}

static void put_features(struct buf *b, uint64_t dpid)
{
    of_put_features_reply(b, 2,
                          &(struct of_features){.datapath_id = dpid, .n_tables = 254});
}

static void put_status(struct buf *b)
{
    const char *reason = strtok(NULL, " ");
    struct of_port_status ps = {.port = parse_port(strtok(NULL, " "))};

    ps.reason = !strcmp(reason, "add")      ? OFPPR_ADD
                : !strcmp(reason, "delete") ? OFPPR_DELETE
                                            : OFPPR_MODIFY;
    of_put_port_status(b, 0, &ps);
}

static void put_packet_in(struct buf *b)
{
    struct of_packet_in pin = {.buffer_id = OFP_NO_BUFFER,
                               .total_len = 2,
                               .reason = OFPR_ACTION,
                               .data = cursor_of("\x88\xcc", 2)};
    of_match_set_in_port(&pin.match, 1);
    of_put_packet_in(b, 0, &pin);
}

/* The handshake, with all that it gives thrown away. */
static void go_up(struct run *r)
{
    of_put_hello(&r->feed, 1, OFP_VERSION_13, 1u << OFP_VERSION_13);
    put_features(&r->feed, 5);
    size_t ofs = of_put_multipart_reply(&r->feed, 4, OFPMP_PORT_DESC, 0);
    struct of_port up = parse_port("1:up"), down = parse_port("2:down");
    of_port_put(&r->feed, &up);
    of_port_put(&r->feed, &down);
    of_put_multipart_end(&r->feed, ofs);
    feed(r);
    ck_assert(of_session_is_up(r->s));
    buf_clear(&r->got);
}

static void peer_sends(struct run *r, char *words)
{
    struct buf *b = &r->feed;

    if (!vectors_pull_octets(words, b)) {
        const char *verb = strtok(words, " ");
        if (!strcmp(verb, "hello")) {
            uint8_t version = (uint8_t)hex_word();
            of_put_hello(b, 1, version, hex_word());
        } else if (!strcmp(verb, "features")) {
            put_features(b, strtoull(strtok(NULL, " "), NULL, 16));
        } else if (!strcmp(verb, "ports")) {
            put_ports(b);
        } else if (!strcmp(verb, "status")) {
            put_status(b);
        } else if (!strcmp(verb, "packet_in")) {
            put_packet_in(b);
        } else if (!strcmp(verb, "echo")) {
            of_put_echo_request(b, hex_word(), "ping", 4);
        } else if (!strcmp(verb, "echo_reply")) {
            of_put_echo_reply(b, hex_word(), NULL, 0);
        } else if (!strcmp(verb, "barrier")) {
            of_put_barrier_reply(b, hex_word());
        } else if (!strcmp(verb, "role")) {
            of_put_role_reply(b, hex_word(), &(struct of_role){2, 1});
        } else if (!strcmp(verb, "error")) {
            uint32_t xid = hex_word();
            uint16_t type = (uint16_t)atoi(strtok(NULL, " "));
            uint16_t code = (uint16_t)atoi(strtok(NULL, " "));
            of_put_error(b, xid, type, code, "\4\2\0\10", 4);
        } else if (!strcmp(verb, "up")) {
            go_up(r);
            return;
        } else {
            ck_abort_msg("line %d: the peer cannot send '%s'", r->line, verb);
        }
    }
    feed(r);
}

static void we_ask(struct run *r, char *words)
{
    const char *verb = strtok(words, " ");

    if (!strcmp(verb, "barrier")) {
        of_session_barrier(r->s);
    } else if (!strcmp(verb, "role")) {
        of_session_request_role(r->s, OFPCR_ROLE_MASTER, 1);
    } else if (!strcmp(verb, "close")) {
        of_session_close(r->s, strtok(NULL, ""));
    } else {
        ck_abort_msg("line %d: we cannot ask for '%s'", r->line, verb);
    }
    collect(r);
}

static void time_passes(struct run *r, char *words)
{
    char *arrow = strstr(words, " -> ");
    int64_t next;

    r->now = atoll(words);
    next = of_session_tick(r->s, r->now);
    if (arrow) {
        int64_t want = !strcmp(arrow + 4, "never") ? INT64_MAX : atoll(arrow + 4);
        ck_assert_msg(next == want, "line %d: wants to be called at %lld", r->line,
                      (long long)next);
    }
    collect(r);
}

static void expect_nothing_more(struct run *r)
{
    if (r->got.len) {
        ck_abort_msg("%s, %s: before line %d there was also\n%s", r->title,
                     r->by_octet ? "by octet" : "at once", r->line, buf_cstr(&r->got));
    }
}

static void expect_line(struct run *r, const char *line)
{
    size_t n = strlen(line);
    const char *got = buf_cstr(&r->got);

    if (strncmp(got, line, n) || got[n] != '\n') {
        ck_abort_msg("%s, %s: line %d: expected\n%s\ngot\n%s", r->title,
                     r->by_octet ? "by octet" : "at once", r->line, line, got);
    }
    buf_pull(&r->got, n + 1);
}

static void begin(struct run *r, const char *title)
{
    struct of_session_config config;

    of_session_config_init(&config);
    of_session_destroy(r->s);
    r->s = of_session_create(&config, 0);
    r->now = 0;
    str_copy(r->title, title, sizeof r->title);
    collect(r);
}

static void run_line(struct run *r, char *line)
{
    switch (line[0]) {
    case '=':
        if (line[1] == ' ') {
            expect_line(r, line);
            return;
        }
        expect_nothing_more(r);
        begin(r, line + 3);
        return;
    case '>':
        expect_line(r, line);
        return;
    case '<':
        /* "up" throws away the HELLO that every session starts with. */
        if (strcmp(line, "< up")) {
            expect_nothing_more(r);
        }
        peer_sends(r, line + 2);
        return;
    case '!':
        expect_nothing_more(r);
        we_ask(r, line + 2);
        return;
    case '@':
        expect_nothing_more(r);
        time_passes(r, line + 2);
        return;
    default:
        ck_abort_msg("line %d: what is '%s'?", r->line, line);
    }
}

static void run_conversations(bool by_octet)
{
    struct run r = {.by_octet = by_octet};
    char line[4096];
    int n = 0;
    FILE *f = fopen(TEST_VECTORS "/of-session.txt", "r");

    ck_assert(f != NULL);
    while (fgets(line, sizeof line, f)) {
        r.line++;
        line[strcspn(line, "\n")] = '\0';
        if (line[0] && line[0] != '#') {
            n += !strncmp(line, "== ", 3);
            run_line(&r, line);
        }
    }
    expect_nothing_more(&r);
    fclose(f);
    ck_assert_int_gt(n, 30);
    of_session_destroy(r.s);
    buf_uninit(&r.got);
    buf_uninit(&r.feed);
}

START_TEST(conversations_go_as_written_with_octets_all_at_once)
{
    run_conversations(false);
}
END_TEST

START_TEST(conversations_go_as_written_one_octet_at_a_time)
{
    run_conversations(true);
}
END_TEST

/* Buffers. */

static struct run up_session(const struct of_session_config *config)
{
    struct run r = {0};

    r.s = of_session_create(config, 0);
    go_up(&r);
    return r;
}

static void end_session(struct run *r)
{
    of_session_destroy(r->s);
    buf_uninit(&r->got);
    buf_uninit(&r->feed);
}

START_TEST(a_handshake_in_one_portion_gives_all_its_events)
{
    struct of_session_config config;
    struct of_event ev;
    struct buf b = {0};

    of_session_config_init(&config);
    struct of_session *s = of_session_create(&config, 0);
    of_put_hello(&b, 1, OFP_VERSION_13, 1u << OFP_VERSION_13);
    put_features(&b, 5);
    of_put_multipart_end(&b, of_put_multipart_reply(&b, 4, OFPMP_PORT_DESC, 0));
    put_packet_in(&b);
    put_packet_in(&b);
    of_session_input(s, b.data, b.len, 0);
    ck_assert(of_session_next(s, &ev) && ev.type == OF_EV_UP);
    ck_assert(of_session_next(s, &ev) && ev.type == OF_EV_MESSAGE);
    ck_assert(of_session_next(s, &ev) && ev.type == OF_EV_MESSAGE);
    ck_assert_uint_eq(ev.msg->packet_in.data.n, 2);
    ck_assert(!of_session_next(s, &ev));
    ck_assert_uint_eq(of_session_counters(s).rx_messages, 5);
    of_session_destroy(s);
    buf_uninit(&b);
}
END_TEST

START_TEST(output_is_the_same_in_whatever_portions_it_is_written)
{
    struct of_session_config config;
    struct buf want = {0}, got = {0};

    of_session_config_init(&config);
    struct run r = up_session(&config);
    for (uint32_t i = 0; i < 1000; i++) {
        of_put_echo_request(of_session_output(r.s), i, &i, sizeof i);
        of_put_echo_request(&want, i, &i, sizeof i);
        struct cursor c = of_session_pending(r.s);
        size_t n = MIN(c.n, i % 23);
        buf_put(&got, c.p, n);
        of_session_sent(r.s, n);
    }
    struct cursor rest = of_session_pending(r.s);
    buf_put(&got, rest.p, rest.n);
    of_session_sent(r.s, rest.n);
    ck_assert_uint_eq(of_session_pending(r.s).n, 0);
    ck_assert_uint_eq(got.len, want.len);
    ck_assert(!memcmp(got.data, want.data, want.len));
    buf_uninit(&want);
    buf_uninit(&got);
    end_session(&r);
}
END_TEST

START_TEST(a_producer_sees_no_room_at_the_high_water_mark_and_room_below)
{
    struct of_session_config config;

    of_session_config_init(&config);
    config.output_high = 1000;
    struct run r = up_session(&config);
    ck_assert_uint_eq(of_session_room(r.s), 1000);
    while (of_session_room(r.s)) {
        of_session_barrier(r.s);
    }
    ck_assert_uint_eq(of_session_pending(r.s).n, 1000);
    of_session_sent(r.s, 300);
    ck_assert_uint_eq(of_session_room(r.s), 300);
    of_session_close(r.s, "test");
    ck_assert_uint_eq(of_session_room(r.s), 0);
    end_session(&r);
}
END_TEST

START_TEST(input_is_read_while_output_waits_above_the_mark)
{
    struct of_session_config config;
    struct of_event ev;

    of_session_config_init(&config);
    config.output_high = 100;
    struct run r = up_session(&config);
    while (of_session_room(r.s)) {
        of_session_barrier(r.s);
    }
    of_put_barrier_reply(&r.feed, 5);
    of_session_input(r.s, r.feed.data, r.feed.len, 0);
    ck_assert(of_session_next(r.s, &ev) && ev.type == OF_EV_BARRIER);
    end_session(&r);
}
END_TEST

START_TEST(a_peer_that_asks_and_never_reads_is_cut_off_at_the_bound)
{
    struct of_session_config config;
    struct of_event ev;
    bool down = false;

    of_session_config_init(&config);
    config.output_max = 10000;
    struct run r = up_session(&config);
    of_put_echo_request(&r.feed, 1, "0123456789", 10);
    for (int i = 0; i < 1000 && !down; i++) {
        of_session_input(r.s, r.feed.data, r.feed.len, 0);
        down = of_session_next(r.s, &ev);
    }
    ck_assert(down && ev.type == OF_EV_DOWN);
    ck_assert(strstr(ev.text, "does not read"));
    ck_assert_uint_le(of_session_pending(r.s).n, 10000 + 18);
    end_session(&r);
}
END_TEST

START_TEST(what_is_appended_after_the_end_is_not_sent)
{
    struct of_session_config config;
    struct of_event ev;

    of_session_config_init(&config);
    struct run r = up_session(&config);
    of_session_close(r.s, "test");
    of_put_barrier_request(of_session_output(r.s), 1);
    ck_assert_uint_eq(of_session_pending(r.s).n, 0);
    ck_assert(of_session_next(r.s, &ev) && ev.type == OF_EV_DOWN);
    ck_assert(!of_session_next(r.s, &ev));
    end_session(&r);
}
END_TEST

START_TEST(the_port_table_follows_every_event)
{
    struct of_session_config config;
    struct of_event ev;
    size_t n;

    of_session_config_init(&config);
    struct run r = up_session(&config);
    for (uint32_t i = 2000; i > 2; i--) {
        struct of_port_status ps = {.reason = OFPPR_ADD, .port.port_no = i};
        buf_clear(&r.feed);
        of_put_port_status(&r.feed, 0, &ps);
        of_session_input(r.s, r.feed.data, r.feed.len, 0);
        if (!of_session_next(r.s, &ev) || ev.type != OF_EV_PORT_ADD) {
            ck_abort_msg("no event for port %u", i);
        }
    }
    const struct of_port *ports = of_session_ports(r.s, &n);
    ck_assert_uint_eq(n, 2000);
    for (size_t i = 0; i < n; i++) {
        if (ports[i].port_no != i + 1) {
            ck_abort_msg("ports[%zu] is %u", i, ports[i].port_no);
        }
    }
    ck_assert_uint_eq(of_session_port(r.s, 77)->port_no, 77);
    ck_assert_ptr_null(of_session_port(r.s, 2001));
    end_session(&r);
}
END_TEST

START_TEST(a_peer_that_claims_endless_ports_is_cut_off)
{
    struct of_session_config config;
    struct of_event ev;
    struct buf b = {0};
    uint32_t port_no = 1;
    bool down = false;

    of_session_config_init(&config);
    struct of_session *s = of_session_create(&config, 0);
    of_put_hello(&b, 1, OFP_VERSION_13, 1u << OFP_VERSION_13);
    put_features(&b, 5);
    of_session_input(s, b.data, b.len, 0);
    for (int i = 0; i < 1000 && !down; i++) {
        buf_clear(&b);
        size_t ofs = of_put_multipart_reply(&b, 4, OFPMP_PORT_DESC, OFPMPF_MORE);
        for (int k = 0; k < 500; k++) {
            of_port_put(&b, &(struct of_port){.port_no = port_no++});
        }
        of_put_multipart_end(&b, ofs);
        of_session_input(s, b.data, b.len, 0);
        down = of_session_next(s, &ev);
    }
    ck_assert(down && ev.type == OF_EV_DOWN);
    ck_assert(strstr(ev.text, "ports"));
    of_session_destroy(s);
    buf_uninit(&b);
}
END_TEST

UNIT_MAIN("of/session", conversations_go_as_written_with_octets_all_at_once,
          conversations_go_as_written_one_octet_at_a_time,
          a_handshake_in_one_portion_gives_all_its_events,
          output_is_the_same_in_whatever_portions_it_is_written,
          a_producer_sees_no_room_at_the_high_water_mark_and_room_below,
          input_is_read_while_output_waits_above_the_mark,
          a_peer_that_asks_and_never_reads_is_cut_off_at_the_bound,
          what_is_appended_after_the_end_is_not_sent,
          the_port_table_follows_every_event,
          a_peer_that_claims_endless_ports_is_cut_off)
