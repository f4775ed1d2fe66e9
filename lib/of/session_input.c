/* What the peer's messages do to a session. */

#include "base/util.h"
#include "of/multipart.h"
#include "of/print.h"
#include "of/put.h"
#include "session_state.h"

#define ERROR_DATA_LEN 64 /* 7.4.4: at least 64 octets of the offending message. */

/* Goes down with s->text, which the peer is told too.  `version`: of the peer, since
 * the layout of this error is the same in all and it should understand. */
static void fail_hello(struct of_session *s, uint8_t version)
{
    size_t ofs = s->out.len;

    of_put_error(&s->out, of_session_xid(s), OFPET_HELLO_FAILED, OFPHFC_INCOMPATIBLE,
                 s->text.data, s->text.len);
    s->out.data[ofs] = version >= OFP_VERSION_10 && version < OFP_VERSION_13
                           ? version
                           : OFP_VERSION_13;
    session_down(s);
}

static void put_error(struct of_session *s, enum of_err err, uint32_t xid,
                      struct cursor offender)
{
    uint16_t type, code;

    of_err_code(err, &type, &code);
    of_put_error(&s->out, xid, type, code, offender.p, MIN(offender.n, ERROR_DATA_LEN));
}

/* Checks the first octets of a message, as soon as its type and length are there.
 * False: the session is down. */
static bool check_framing(struct of_session *s, struct cursor c)
{
    uint8_t version = c.p[0], type = c.p[1];
    uint16_t length = (uint16_t)(c.p[2] << 8 | c.p[3]);
    const struct of_type_info *info = of_type_info(type);

    if (s->state == STATE_HELLO) {
        if (!version || (type != OFPT_HELLO && type != OFPT_ERROR)) {
            session_text(s, "expected OFPT_HELLO, got octets %02x %02x %02x %02x",
                         c.p[0], c.p[1], c.p[2], c.p[3]);
        } else if (length < info->min_len) {
            session_text(s, "%s with length %u, less than %u", info->name, length,
                         info->min_len);
        } else {
            return true;
        }
        fail_hello(s, version);
        return false;
    }

    enum of_err err = OF_ERR_LEN;
    uint16_t min_len = info ? info->min_len : OFP_HEADER_LEN;
    if (version != OFP_VERSION_13) {
        err = OF_ERR_VERSION;
        session_text(s, "message of version 0x%02x after 0x%02x was negotiated",
                     version, OFP_VERSION_13);
    } else if (length >= min_len) {
        return true;
    } else if (info) {
        session_text(s, "%s with length %u, less than %u", info->name, length, min_len);
    } else {
        session_text(s, "message of type 0x%02x with length %u, less than %u", type,
                     length, min_len);
    }
    struct cursor look = c;
    struct of_header h = {0};
    of_header_pull(&look, &h);
    put_error(s, err, h.xid, c);
    session_down(s);
    return false;
}

bool session_pull_message(struct of_session *s, struct cursor *ret)
{
    size_t n = s->in.len - s->in_head;
    struct cursor c = n ? cursor_of(s->in.data + s->in_head, n) : cursor_of(NULL, 0);

    if (c.n < 4 || !check_framing(s, c)) {
        return false;
    }
    size_t length = (size_t)c.p[2] << 8 | c.p[3];
    if (!cursor_sub(&c, length, ret)) {
        return false;
    }
    s->in_head += length;
    s->counters.rx_messages++;
    return true;
}

/* Handlers: true when *ev is an event to give. */

static bool give(struct of_session *s, struct of_event *ev, enum of_event_type type)
{
    ev->type = type;
    ev->xid = s->msg.h.xid;
    return true;
}

static bool give_text(struct of_session *s, struct of_event *ev,
                      enum of_event_type type)
{
    ev->text = buf_cstr(&s->text);
    return give(s, ev, type);
}

static bool handle_hello(struct of_session *s)
{
    uint32_t bitmap = s->msg.hello.bitmap;
    uint8_t version = s->msg.h.version;

    if (bitmap ? !(bitmap & 1u << OFP_VERSION_13) : version < OFP_VERSION_13) {
        if (bitmap) {
            session_text(s, "peer's version bitmap 0x%08x lacks 0x%02x, OpenFlow 1.3",
                         bitmap, OFP_VERSION_13);
        } else {
            session_text(
                s, "peer speaks version 0x%02x at most, 0x%02x (OpenFlow 1.3) needed",
                version, OFP_VERSION_13);
        }
        fail_hello(s, version);
        return false;
    }
    s->features_xid = of_session_xid(s);
    s->config_xid = of_session_xid(s);
    s->ports_xid = of_session_xid(s);
    of_put_features_request(&s->out, s->features_xid);
    of_put_set_config(&s->out, s->config_xid, OFPC_FRAG_NORMAL, OFPCML_NO_BUFFER);
    of_put_multipart_request(&s->out, s->ports_xid, OFPMP_PORT_DESC);
    s->state = STATE_FEATURES;
    return false;
}

static bool finish_handshake(struct of_session *s, struct of_event *ev)
{
    if (s->state != STATE_FEATURES || !s->have_features || !s->have_ports) {
        return false;
    }
    s->state = STATE_UP;
    ev->up = (struct of_session_up){
        .datapath_id = s->features.datapath_id,
        .n_tables = s->features.n_tables,
        .auxiliary_id = s->features.auxiliary_id,
        .capabilities = s->features.capabilities,
        .ports = s->ports.ports,
        .n_ports = s->ports.n,
    };
    return give(s, ev, OF_EV_UP);
}

static bool too_many_ports(struct of_session *s)
{
    session_text(s, "peer claims more than %d ports", PORT_TABLE_MAX);
    session_down(s);
    return false;
}

static bool handle_port_desc(struct of_session *s, struct of_event *ev)
{
    struct cursor body = s->msg.multipart.body;
    enum of_err err;

    if (!s->ports_begun) {
        /* The switch describes its ports as they are now: what PORT_STATUS said before
         * is older. */
        s->ports_begun = true;
        port_table_clear(&s->ports);
    }
    while (of_port_next(&body, &s->port, &err)) {
        if (!port_table_put(&s->ports, &s->port)) {
            return too_many_ports(s);
        }
    }
    if (err) {
        session_text(s, "malformed port description: %s", of_err_text(err));
        put_error(s, err, s->msg.h.xid, s->msg.raw);
        session_down(s);
        return false;
    }
    s->have_ports = !(s->msg.multipart.flags & OFPMPF_MORE);
    return finish_handshake(s, ev);
}

static bool handle_port_status(struct of_session *s, struct of_event *ev)
{
    const struct of_port_status *ps = &s->msg.port_status;
    struct of_port *known = port_table_find(&s->ports, ps->port.port_no);

    if (ps->reason == OFPPR_DELETE) {
        if (!known) {
            return false;
        }
        s->port = *known;
        port_table_remove(&s->ports, known);
        ev->type = OF_EV_PORT_DELETE;
    } else {
        if (known && of_port_equal(known, &ps->port)) {
            return false;
        }
        if (known) {
            s->old_port = *known;
            ev->old_port = &s->old_port;
        }
        ev->type = known ? OF_EV_PORT_MODIFY : OF_EV_PORT_ADD;
        s->port = ps->port;
        if (!port_table_put(&s->ports, &s->port)) {
            return too_many_ports(s);
        }
    }
    ev->port = &s->port;
    return s->state == STATE_UP && give(s, ev, ev->type);
}

static bool handle_error(struct of_session *s, struct of_event *ev)
{
    const struct of_error_msg *e = &s->msg.error;
    const struct of_type_info *about =
        e->data.n >= 2 ? of_type_info(e->data.p[1]) : NULL;
    uint32_t xid = s->msg.h.xid;

    s->counters.errors++;
    if (e->type == OFPET_HELLO_FAILED || s->state == STATE_HELLO) {
        session_text(s, "peer refused: ");
        of_msg_print(&s->text, &s->msg);
        session_down(s);
        return false;
    }
    bool fatal =
        s->state == STATE_FEATURES && (xid == s->features_xid || xid == s->ports_xid);
    session_text(s, "%s", fatal ? "handshake refused: " : "");
    of_error_print(&s->text, e->type, e->code);
    if (about) {
        buf_printf(&s->text, " for %s", about->name);
    }
    buf_printf(&s->text, " xid 0x%x", xid);
    if (fatal) {
        session_down(s);
        return false;
    }
    ev->msg = &s->msg;
    return give_text(s, ev, s->state == STATE_UP ? OF_EV_ERROR : OF_EV_FAULT);
}

/* A message that was refused while the session goes on. */
static bool handle_fault(struct of_session *s, struct of_event *ev, enum of_err err,
                         const char *what)
{
    const struct of_type_info *info = of_type_info(s->msg.h.type);

    s->counters.faults++;
    if (info) {
        session_text(s, "%s xid 0x%x of %u octets: %s", info->name, s->msg.h.xid,
                     s->msg.h.length, what);
    } else {
        session_text(s, "message of type 0x%02x xid 0x%x of %u octets: %s",
                     s->msg.h.type, s->msg.h.xid, s->msg.h.length, what);
    }
    if (s->msg.h.type != OFPT_ERROR) {
        put_error(s, err, s->msg.h.xid, s->msg.raw);
    }
    return give_text(s, ev, OF_EV_FAULT);
}

static bool handle_message(struct of_session *s, struct of_event *ev)
{
    struct of_msg *m = &s->msg;

    switch (m->h.type) {
    case OFPT_HELLO:
        return s->state == STATE_HELLO && handle_hello(s);
    case OFPT_ERROR:
        return handle_error(s, ev);
    case OFPT_ECHO_REQUEST:
        of_put_echo_reply(&s->out, m->h.xid, m->echo.p, m->echo.n);
        return false;
    case OFPT_ECHO_REPLY:
        return false;
    case OFPT_FEATURES_REPLY:
        if (s->state == STATE_FEATURES && m->h.xid == s->features_xid) {
            s->features = m->features;
            s->have_features = true;
            return finish_handshake(s, ev);
        }
        break;
    case OFPT_MULTIPART_REPLY:
        if (s->state == STATE_FEATURES && m->h.xid == s->ports_xid &&
            m->multipart.type == OFPMP_PORT_DESC) {
            return handle_port_desc(s, ev);
        }
        break;
    case OFPT_PORT_STATUS:
        return handle_port_status(s, ev);
    case OFPT_BARRIER_REPLY:
        return s->state == STATE_UP && give(s, ev, OF_EV_BARRIER);
    case OFPT_ROLE_REPLY:
        ev->msg = m;
        return s->state == STATE_UP && give(s, ev, OF_EV_ROLE);
    default:
        if (!(of_type_info(m->h.type)->senders & OF_BY_SWITCH)) {
            return handle_fault(s, ev, OF_ERR_TYPE, "not for a switch to send");
        }
        break;
    }
    ev->msg = m;
    return s->state == STATE_UP && give(s, ev, OF_EV_MESSAGE);
}

bool session_handle(struct of_session *s, struct cursor raw, struct of_event *ev)
{
    enum of_err err = of_msg_decode(raw, &s->msg);
    return err ? handle_fault(s, ev, err, of_err_text(err)) : handle_message(s, ev);
}
