#include "of/session.h"

#include <stdlib.h>

#include "base/util.h"
#include "of/put.h"
#include "session_state.h"

void of_session_config_init(struct of_session_config *c)
{
    *c = (struct of_session_config){
        .handshake_ms = 10000,
        .echo_idle_ms = 2000,
        .echo_dead_ms = 6000,
        .output_high = 1u << 20,
        .output_max = 64u << 20,
    };
}

struct of_session *of_session_create(const struct of_session_config *config,
                                     int64_t now)
{
    struct of_session *s = xcalloc(1, sizeof *s);

    s->config = *config;
    s->created = s->last_rx = now;
    of_put_hello(&s->out, of_session_xid(s), OFP_VERSION_13, 1u << OFP_VERSION_13);
    return s;
}

void of_session_destroy(struct of_session *s)
{
    if (s) {
        buf_uninit(&s->in);
        buf_uninit(&s->out);
        buf_uninit(&s->thrown);
        buf_uninit(&s->text);
        port_table_uninit(&s->ports);
        free(s);
    }
}

bool of_session_is_up(const struct of_session *s)
{
    return s->state == STATE_UP;
}

const char *of_session_state(const struct of_session *s)
{
    switch (s->state) {
    case STATE_HELLO:
        return "hello";
    case STATE_FEATURES:
        return s->have_features ? "ports" : "features";
    case STATE_UP:
        return "up";
    case STATE_DOWN:
    case STATE_GONE:
        break;
    }
    return "down";
}

/* Output. */

static size_t output_len(const struct of_session *s)
{
    return s->out.len - s->out_head;
}

struct buf *of_session_output(struct of_session *s)
{
    if (session_is_down(s)) {
        buf_clear(&s->thrown);
        return &s->thrown;
    }
    return &s->out;
}

size_t of_session_room(const struct of_session *s)
{
    size_t len = output_len(s);
    return !session_is_down(s) && len < s->config.output_high
               ? s->config.output_high - len
               : 0;
}

struct cursor of_session_pending(const struct of_session *s)
{
    return s->out.data ? cursor_of(s->out.data + s->out_head, output_len(s))
                       : cursor_of(NULL, 0);
}

/* Drops what was consumed once that is at least as much as what remains, so that each
 * octet is moved about once, however small the portions. */
static void compact(struct buf *b, size_t *head)
{
    if (*head && *head >= b->len - *head) {
        buf_pull(b, *head);
        *head = 0;
    }
}

void of_session_sent(struct of_session *s, size_t n)
{
    n = MIN(n, output_len(s));
    if (n) {
        s->out_head += n;
        s->counters.tx_bytes += n;
        compact(&s->out, &s->out_head);
    }
}

uint32_t of_session_xid(struct of_session *s)
{
    if (!++s->last_xid) {
        s->last_xid = 1;
    }
    return s->last_xid;
}

uint32_t of_session_barrier(struct of_session *s)
{
    uint32_t xid = of_session_xid(s);
    of_put_barrier_request(of_session_output(s), xid);
    return xid;
}

uint32_t of_session_request_role(struct of_session *s, uint32_t role,
                                 uint64_t generation_id)
{
    uint32_t xid = of_session_xid(s);
    of_put_role_request(
        of_session_output(s), xid,
        &(struct of_role){.role = role, .generation_id = generation_id});
    return xid;
}

/* Endings.  Those who call these have put the reason into s->text. */

void session_down(struct of_session *s)
{
    s->state = STATE_DOWN;
    buf_clear(&s->in);
    s->in_head = 0;
}

void session_text(struct of_session *s, const char *format, ...)
{
    va_list args;

    buf_clear(&s->text);
    va_start(args, format);
    buf_vprintf(&s->text, format, args);
    va_end(args);
}

void of_session_close(struct of_session *s, const char *reason)
{
    if (!session_is_down(s)) {
        session_text(s, "%s", reason);
        session_down(s);
    }
}

/* Input. */

void of_session_input(struct of_session *s, const void *data, size_t n, int64_t now)
{
    if (session_is_down(s) || !n) {
        return;
    }
    s->last_rx = now;
    s->echo_waiting = false;
    s->counters.rx_bytes += n;
    compact(&s->in, &s->in_head);
    buf_put(&s->in, data, n);
}

/* Checks the hard bound of the output. */
static void check_output(struct of_session *s)
{
    if (!session_is_down(s) && output_len(s) > s->config.output_max) {
        session_text(s, "peer does not read: %zu octets of output wait", output_len(s));
        session_down(s);
    }
}

bool of_session_next(struct of_session *s, struct of_event *ret)
{
    struct of_event ev = {0};
    struct cursor raw;
    bool given = false;

    check_output(s);
    while (!given && !session_is_down(s) && session_pull_message(s, &raw)) {
        ev = (struct of_event){0};
        given = session_handle(s, raw, &ev);
        check_output(s);
    }
    if (!given && s->state == STATE_DOWN) {
        s->state = STATE_GONE;
        ev = (struct of_event){.type = OF_EV_DOWN, .text = buf_cstr(&s->text)};
        given = true;
    }
    if (given) {
        *ret = ev;
    }
    return given;
}

/* Time. */

int64_t of_session_tick(struct of_session *s, int64_t now)
{
    check_output(s);
    if (!session_is_down(s) && s->state != STATE_UP) {
        int64_t deadline = s->created + s->config.handshake_ms;
        if (now < deadline) {
            return deadline;
        }
        session_text(s, "no %s from the peer within %lld ms", of_session_state(s),
                     (long long)s->config.handshake_ms);
        session_down(s);
    }
    if (session_is_down(s)) {
        return INT64_MAX;
    }

    if (!s->echo_waiting) {
        int64_t deadline = s->last_rx + s->config.echo_idle_ms;
        if (now < deadline) {
            return deadline;
        }
        of_put_echo_request(&s->out, of_session_xid(s), NULL, 0);
        s->echo_waiting = true;
        s->echo_sent = now;
    }
    int64_t deadline = s->echo_sent + s->config.echo_dead_ms - s->config.echo_idle_ms;
    if (now < deadline) {
        return deadline;
    }
    session_text(s, "peer silent for %lld ms, no answer to echo request",
                 (long long)(now - s->last_rx));
    session_down(s);
    return INT64_MAX;
}

/* What is known. */

const struct of_features *of_session_features(const struct of_session *s)
{
    return s->have_features ? &s->features : NULL;
}

const struct of_port *of_session_ports(const struct of_session *s, size_t *ret_n)
{
    *ret_n = s->ports.n;
    return s->ports.ports;
}

const struct of_port *of_session_port(const struct of_session *s, uint32_t port_no)
{
    return port_table_find(&s->ports, port_no);
}

struct of_session_counters of_session_counters(const struct of_session *s)
{
    return s->counters;
}
