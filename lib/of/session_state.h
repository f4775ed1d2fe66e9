#ifndef OF_SESSION_STATE_H
#define OF_SESSION_STATE_H 1

/* Private to lib/of: a session from inside, shared by session.c (life, output, time)
 * and session_input.c (what the peer's messages do). */

#include "of/session.h"
#include "port_table.h"

enum state {
    STATE_HELLO,    /* Ours is sent, the peer's is not here. */
    STATE_FEATURES, /* Features and ports are asked for. */
    STATE_UP,
    STATE_DOWN, /* Event DOWN not given yet. */
    STATE_GONE, /* Given. */
};

struct of_session {
    struct of_session_config config;
    enum state state;

    struct buf in; /* From in_head on, not decoded yet. */
    size_t in_head;
    struct buf out; /* From out_head on, not written yet. */
    size_t out_head;
    struct buf thrown; /* Output of a session that is down. */

    int64_t created, last_rx;
    bool echo_waiting; /* A request of ours at echo_sent, nothing received since. */
    int64_t echo_sent;

    uint32_t last_xid;
    uint32_t features_xid, config_xid, ports_xid;
    bool have_features, have_ports, ports_begun;
    struct of_features features;
    struct port_table ports;

    struct of_session_counters counters;

    /* What the last event points to. */
    struct of_msg msg;
    struct of_port port, old_port;
    struct buf text;
};

static inline bool session_is_down(const struct of_session *s)
{
    return s->state >= STATE_DOWN;
}

/* Sets the text that the next event carries, and that a session goes down with. */
void session_text(struct of_session *, const char *format, ...)
    __attribute__((format(printf, 2, 3)));
/* Goes down; s->text says why. */
void session_down(struct of_session *);

/* Takes the next whole message off the input.  False: none, or the framing was broken
 * and the session is down. */
bool session_pull_message(struct of_session *, struct cursor *ret);
/* Decodes and handles one message; true when *ret is an event to give. */
bool session_handle(struct of_session *, struct cursor raw, struct of_event *ret);

#endif
