#ifndef OF_SESSION_H
#define OF_SESSION_H 1

/* The controller's side of one OpenFlow connection, as a pure state machine.
 *
 * Bytes and the time come in, events and bytes come out.  The session does no I/O and
 * knows no clock, so that years of it are tested in milliseconds, and the same session
 * serves real switches (rfproxy), virtual switches (rfvs), TCP and TLS.  Whoever owns
 * the connection runs this loop:
 *
 *     on bytes:    of_session_input(s, data, n, now);
 *     then always: while (of_session_next(s, &ev)) handle(&ev);
 *                  write of_session_pending(s), and report with of_session_sent();
 *     on a timer:  deadline = of_session_tick(s, now); then as above.
 *
 * Handshake.  HELLO with a version bitmap goes out at once.  The peer's HELLO decides
 * (6.3.1): with a bitmap, bit 4 must be set; without one, its header's version must be
 * 0x04 or higher.  Otherwise ERROR HELLO_FAILED/INCOMPATIBLE with a text, then down.
 * FEATURES_REQUEST, SET_CONFIG (whole packets to the controller) and a port description
 * request follow together; when the last part of the port description is there the
 * session is up.  Before that there are no events but FAULT and DOWN, and nobody but
 * the session may send.
 *
 * Faults.  A fault in framing (length below 8 or below the minimum of its type,
 * anything but HELLO first, another version afterwards) leaves no way to find the next
 * message: ERROR to the peer, event DOWN.  A message that is well framed but of unknown
 * type, or malformed inside, or not a switch's to send: ERROR to the peer, event FAULT
 * with words for a log (rate-limit it: the peer decides how often), and the session
 * goes on.
 *
 * Ports.  The session keeps the datapath's ports from PORT_DESC and PORT_STATUS. Events
 * are given for changes only: Open vSwitch reports each change twice.
 *
 * Liveness.  After `echo_idle_ms` without a byte from the peer an ECHO_REQUEST goes
 * out. When nothing at all came `echo_dead_ms - echo_idle_ms` after that, the session
 * is down. The count runs from the request and not from the last byte, so that a
 * process that was itself stopped for a while does not blame its peers.  Echo requests
 * of the peer are answered.  A producer of long downloads should ask for a barrier
 * every thousand messages or so: the replies are both its window and a sign of life.
 *
 * Output.  Producers append to of_session_output() with of/put.h while
 * of_session_room() says there is room below the high-water mark, and go on when there
 * is again.  The bound `output_max` is for peers that make us answer but do not read:
 * beyond it the session goes down.  Never stop reading because output waits: a peer
 * that waits for its replies to be read would then wait for ever.
 *
 * Nothing is asserted about the peer's bytes.  All times are monotonic milliseconds. */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/buf.h"
#include "of/msg.h"

struct of_session;

struct of_session_config {
    int64_t handshake_ms; /* From creation to UP, 10000. */
    int64_t echo_idle_ms; /* 2000. */
    int64_t echo_dead_ms; /* 6000; more than echo_idle_ms. */
    size_t output_high;   /* High-water mark in octets, 1 MiB. */
    size_t output_max;    /* Hard bound in octets, 64 MiB. */
};

/* The values above. */
void of_session_config_init(struct of_session_config *);

struct of_session *of_session_create(const struct of_session_config *, int64_t now);
void of_session_destroy(struct of_session *); /* NULL is fine. */

/* Takes any number of bytes from the peer, in any portions.  Handle all events before
 * the next call, or the input is buffered without bound. */
void of_session_input(struct of_session *, const void *data, size_t n, int64_t now);

enum of_event_type {
    OF_EV_UP,          /* .up; once. */
    OF_EV_DOWN,        /* .text says why; once, and nothing after it.  Write what is
                        * pending as far as the socket takes it, then close. */
    OF_EV_PORT_ADD,    /* .port. */
    OF_EV_PORT_MODIFY, /* .port and .old_port. */
    OF_EV_PORT_DELETE, /* .port as it was. */
    OF_EV_BARRIER,     /* .xid of the request. */
    OF_EV_ROLE,        /* .msg, a ROLE_REPLY; .xid. */
    OF_EV_ERROR,       /* .msg, an ERROR about our message .xid; .text names it. */
    OF_EV_FAULT,       /* .text: what was wrong with a message that was refused, or
                        * the peer's ERROR about one of ours before UP. */
    OF_EV_MESSAGE,     /* .msg: PACKET_IN, FLOW_REMOVED, MULTIPART_REPLY, ... */
};

struct of_session_up {
    uint64_t datapath_id;
    uint8_t n_tables;
    uint8_t auxiliary_id; /* 0 for a main connection. */
    uint32_t capabilities;
    const struct of_port *ports; /* In order of port_no. */
    size_t n_ports;
};

struct of_event {
    enum of_event_type type;
    uint32_t xid;
    const char *text;
    const struct of_msg *msg;
    const struct of_port *port, *old_port;
    struct of_session_up up;
};

/* The next event, if any.  What it points to is valid until the next call of any
 * function of this session that is not const. */
bool of_session_next(struct of_session *, struct of_event *ret);

/* Does what the time demands and returns when to call again, at the latest; INT64_MAX
 * when the session is down. */
int64_t of_session_tick(struct of_session *, int64_t now);

/* Ends the session from our side: event DOWN with `reason`. */
void of_session_close(struct of_session *, const char *reason);

bool of_session_is_up(const struct of_session *);
const char *of_session_state(const struct of_session *); /* "hello", "features", ... */

/* Output. */

/* The buffer that encoders append to; do not touch what it holds.  When the session is
 * down, what is appended is thrown away. */
struct buf *of_session_output(struct of_session *);
/* Octets that a producer may add now; 0 at and above the high-water mark. */
size_t of_session_room(const struct of_session *);
/* The octets to write next. */
struct cursor of_session_pending(const struct of_session *);
/* The first n of them are written. */
void of_session_sent(struct of_session *, size_t n);

/* Transaction ids: never 0, and never one that the session uses for itself. */
uint32_t of_session_xid(struct of_session *);
/* Appends a barrier request and returns its xid; event BARRIER follows in its time. */
uint32_t of_session_barrier(struct of_session *);
/* Appends a role request; event ROLE follows, or ERROR with that xid. */
uint32_t of_session_request_role(struct of_session *, uint32_t role,
                                 uint64_t generation_id);

/* What is known of the datapath. */

/* NULL before the features reply. */
const struct of_features *of_session_features(const struct of_session *);
const struct of_port *of_session_ports(const struct of_session *, size_t *ret_n);
/* NULL when there is none. */
const struct of_port *of_session_port(const struct of_session *, uint32_t port_no);

struct of_session_counters {
    uint64_t rx_bytes, rx_messages, tx_bytes, errors, faults;
};
struct of_session_counters of_session_counters(const struct of_session *);

#endif
