#ifndef IPC_SESSION_H
#define IPC_SESSION_H 1

/* The rules of a session (pure: `now` and events come in, actions go out; the sockets
 * are in client.c and server.c).  Times are monotonic milliseconds.
 *
 * Client:  IDLE --back-off over--> HELLO --WELCOME--> UP
 *            ^------refused, BYE, silence, broken connection------/
 * Each attempt has a fresh socket, so that nothing of an old session can be delivered
 * into a new one. */

#include <stdbool.h>
#include <stdint.h>

#include "ipc/timing.h"
#include "wire/msg.h"

/* When the other side was heard, and when we last spoke. */
struct ipc_liveness {
    int64_t heard;
    int64_t sent;
};

enum ipc_liveness_action { LIVENESS_OK, LIVENESS_HEARTBEAT, LIVENESS_DEAD };

enum ipc_liveness_action ipc_liveness_check(const struct ipc_liveness *,
                                            const struct ipc_timing *, int64_t now);
/* When ipc_liveness_check() next says something else than OK. */
int64_t ipc_liveness_wakeup(const struct ipc_liveness *, const struct ipc_timing *);

/* Client side. */

enum ipc_session_state { SESSION_IDLE, SESSION_HELLO, SESSION_UP };

enum ipc_session_action {
    SESSION_NOTHING,
    SESSION_OPEN,           /* Open a fresh socket and say HELLO. */
    SESSION_SEND_HEARTBEAT, /* Then ipc_session_sent(). */
    SESSION_CLOSE,          /* Close the socket; `down` if it was up. */
};

#define IPC_REASON_LEN 200

struct ipc_session {
    struct ipc_timing timing;
    enum ipc_session_state state;
    struct ipc_liveness live; /* In HELLO and UP. */
    int64_t try_at;           /* In IDLE. */
    int64_t backoff;          /* Before the attempt after the next. */
    int64_t up_since;
    bool lost; /* Over, SESSION_CLOSE not yet done. */
    bool was_up;
    uint64_t server_epoch; /* Of the last session; 0 before the first. */
    char reason[IPC_REASON_LEN];
};

void ipc_session_init(struct ipc_session *, const struct ipc_timing *, int64_t now);

/* What to do now; call until SESSION_NOTHING.  OPEN enters HELLO, CLOSE enters IDLE. */
enum ipc_session_action ipc_session_run(struct ipc_session *, int64_t now);
/* When to call it again. */
int64_t ipc_session_wakeup(const struct ipc_session *);

void ipc_session_heard(struct ipc_session *, int64_t now);
void ipc_session_sent(struct ipc_session *, int64_t now);
/* WELCOME.  False, and the session is lost, if it is not in place or of another
 * version. *ret_restarted: rfserver is another process than in the session before. */
bool ipc_session_welcome(struct ipc_session *, const struct msg_welcome *, int64_t now,
                         bool *ret_restarted);
/* Over, for this reason.  Only the first one counts. */
void ipc_session_lose(struct ipc_session *, const char *reason);

/* Server side: may this HELLO have a session? */

struct ipc_identity {
    enum wire_role role;
    uint64_t id;
    uint64_t epoch;
    char name[64];
};

/* NULL and *ret, or why not. */
const char *ipc_hello_check(const struct msg_hello *, struct ipc_identity *ret);

enum ipc_hello_verdict {
    HELLO_REPLACE, /* The old session ends, the new one begins. */
    HELLO_PROBE,   /* Find out if the old one is still connected; refuse if so. */
};

/* `new` names the same (role, id) as `old`, last heard at old_heard.  (Of rfctl there
 * may be any number: not asked for those.) */
enum ipc_hello_verdict ipc_hello_against(const struct ipc_identity *old,
                                         int64_t old_heard,
                                         const struct ipc_identity *new,
                                         const struct ipc_timing *, int64_t now);

#endif
