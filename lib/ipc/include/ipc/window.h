#ifndef IPC_WINDOW_H
#define IPC_WINDOW_H 1

/* The window of a session (pure): batches are numbered 1, 2, 3 ... in each direction
 * and at most `size` of them are unacknowledged, or a few more of what is urgent, which
 * does not wait for the acknowledgement of a bulk.  So a slow receiver costs its sender
 * at most (size + IPC_WINDOW_URGENT) * WIRE_BATCH_MAX bytes, and a gap, which would be
 * a lost change, is noticed. */

#include <stdbool.h>
#include <stdint.h>

enum { IPC_WINDOW_URGENT = 2 };

struct ipc_window {
    unsigned size;
    uint64_t sent;     /* Number of the last batch sent. */
    uint64_t acked;    /* ... acknowledged by the other side. */
    uint64_t received; /* ... received. */
    uint64_t answered; /* ... that we acknowledged. */
};

void ipc_window_reset(struct ipc_window *, unsigned size); /* A new session. */
unsigned ipc_window_room(const struct ipc_window *);
bool ipc_window_room_urgent(const struct ipc_window *);
unsigned ipc_window_pending(const struct ipc_window *);
uint64_t ipc_window_next(struct ipc_window *); /* Number for a batch; needs room. */

/* An ACK has come.  False if it is impossible: older than the last one, or of a batch
 * never sent.  *ret_opened: there was no room and now is, if only for what is urgent.
 */
bool ipc_window_ack(struct ipc_window *, uint64_t seq, bool *ret_opened);
/* A batch has come.  False unless it is the next one. */
bool ipc_window_receive(struct ipc_window *, uint64_t seq);

/* Milliseconds that the ACK of what was received may wait: 0 as soon as half of
 * the window is used up; before that, what the batch leads to should not have to share
 * the processors with it.  INT64_MAX: there is none to send. */
int64_t ipc_window_ack_delay(const struct ipc_window *);
uint64_t ipc_window_answer(struct ipc_window *); /* The ACK to send now. */

#endif
