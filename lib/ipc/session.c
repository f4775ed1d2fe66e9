#include "ipc/session.h"

#include <stdio.h>
#include <string.h>

#include "base/util.h"

struct ipc_timing ipc_timing_complete(struct ipc_timing t)
{
    static const struct ipc_timing defaults = IPC_TIMING_DEFAULTS;

    t.heartbeat_ms = t.heartbeat_ms ? t.heartbeat_ms : defaults.heartbeat_ms;
    t.dead_ms = t.dead_ms ? t.dead_ms : defaults.dead_ms;
    t.backoff_min_ms = t.backoff_min_ms ? t.backoff_min_ms : defaults.backoff_min_ms;
    t.backoff_max_ms = t.backoff_max_ms ? t.backoff_max_ms : defaults.backoff_max_ms;
    t.window = t.window ? t.window : defaults.window;
    return t;
}

enum ipc_liveness_action ipc_liveness_check(const struct ipc_liveness *live,
                                            const struct ipc_timing *timing,
                                            int64_t now)
{
    return now >= live->heard + timing->dead_ms       ? LIVENESS_DEAD
           : now >= live->sent + timing->heartbeat_ms ? LIVENESS_HEARTBEAT
                                                      : LIVENESS_OK;
}

int64_t ipc_liveness_wakeup(const struct ipc_liveness *live,
                            const struct ipc_timing *timing)
{
    return MIN(live->heard + timing->dead_ms, live->sent + timing->heartbeat_ms);
}

/* Client side. */

void ipc_session_init(struct ipc_session *s, const struct ipc_timing *timing,
                      int64_t now)
{
    *s = (struct ipc_session){.timing = *timing, .state = SESSION_IDLE, .try_at = now};
}

static enum ipc_session_action session_close(struct ipc_session *s, int64_t now)
{
    /* A session that lasted was worth something: begin anew with short waits.  One that
     * ends as soon as it begins makes the waits longer, or both sides would do nothing
     * but resync. */
    if (s->was_up && now - s->up_since >= s->timing.backoff_max_ms) {
        s->backoff = 0;
    }
    s->lost = false;
    s->state = SESSION_IDLE;
    s->try_at = now + s->backoff;
    s->backoff =
        MIN(MAX(s->backoff * 2, s->timing.backoff_min_ms), s->timing.backoff_max_ms);
    return SESSION_CLOSE;
}

static enum ipc_session_action session_open(struct ipc_session *s, int64_t now)
{
    s->state = SESSION_HELLO;
    s->was_up = false;
    s->live = (struct ipc_liveness){.heard = now, .sent = now};
    return SESSION_OPEN;
}

enum ipc_session_action ipc_session_run(struct ipc_session *s, int64_t now)
{
    if (s->state == SESSION_IDLE) {
        return now >= s->try_at ? session_open(s, now) : SESSION_NOTHING;
    }
    enum ipc_liveness_action action = ipc_liveness_check(&s->live, &s->timing, now);
    if (action == LIVENESS_DEAD) {
        ipc_session_lose(s, s->state == SESSION_UP ? "rfserver is silent"
                                                   : "rfserver does not answer");
    }
    if (s->lost) {
        return session_close(s, now);
    }
    return action == LIVENESS_HEARTBEAT && s->state == SESSION_UP
               ? SESSION_SEND_HEARTBEAT
               : SESSION_NOTHING;
}

int64_t ipc_session_wakeup(const struct ipc_session *s)
{
    return s->state == SESSION_IDLE ? s->try_at
           : s->lost                ? 0
           : s->state == SESSION_UP ? ipc_liveness_wakeup(&s->live, &s->timing)
                                    : s->live.heard + s->timing.dead_ms;
}

void ipc_session_heard(struct ipc_session *s, int64_t now)
{
    s->live.heard = now;
}

void ipc_session_sent(struct ipc_session *s, int64_t now)
{
    s->live.sent = now;
}

bool ipc_session_welcome(struct ipc_session *s, const struct msg_welcome *m,
                         int64_t now, bool *ret_restarted)
{
    char reason[IPC_REASON_LEN];

    if (s->state != SESSION_HELLO || s->lost) {
        ipc_session_lose(s, "unexpected WELCOME");
        return false;
    }
    if (m->version != WIRE_VERSION) {
        snprintf(reason, sizeof reason, "rfserver speaks version %u, we speak %u",
                 (unsigned)m->version, WIRE_VERSION);
        ipc_session_lose(s, reason);
        return false;
    }
    *ret_restarted = s->server_epoch && s->server_epoch != m->epoch;
    s->server_epoch = m->epoch;
    s->state = SESSION_UP;
    s->was_up = true;
    s->up_since = now;
    return true;
}

void ipc_session_lose(struct ipc_session *s, const char *reason)
{
    if (s->state != SESSION_IDLE && !s->lost) {
        s->lost = true;
        str_copy(s->reason, reason, sizeof s->reason);
    }
}

/* Server side. */

const char *ipc_hello_check(const struct msg_hello *m, struct ipc_identity *ret)
{
    if (m->version != WIRE_VERSION) {
        return "another protocol version: all programs must be of one release";
    }
    if (m->role < ROLE_CLIENT || m->role > WIRE_ROLE_MAX) {
        return "unknown role";
    }
    if (m->role == ROLE_CLIENT && (!m->id || m->id >> 48)) {
        return "not a vm_id: it has 48 bits and is not 0";
    }
    if (m->role == ROLE_PROXY && m->id > UINT32_MAX) {
        return "not a ct_id: it has 32 bits";
    }
    if (!m->epoch) {
        return "epoch is 0";
    }
    ret->role = (enum wire_role)m->role;
    ret->id = m->id;
    ret->epoch = m->epoch;
    str_copy(ret->name, m->name, sizeof ret->name);
    return NULL;
}

enum ipc_hello_verdict ipc_hello_against(const struct ipc_identity *old,
                                         int64_t old_heard,
                                         const struct ipc_identity *new,
                                         const struct ipc_timing *timing, int64_t now)
{
    bool same_process = old->epoch == new->epoch && !strcmp(old->name, new->name);
    bool dead = now >= old_heard + timing->dead_ms;

    return same_process || dead ? HELLO_REPLACE : HELLO_PROBE;
}
