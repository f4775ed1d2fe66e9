#include "ipc/window.h"

#define ACK_DELAY_MS 1

void ipc_window_reset(struct ipc_window *w, unsigned size)
{
    *w = (struct ipc_window){.size = size};
}

unsigned ipc_window_pending(const struct ipc_window *w)
{
    return (unsigned)(w->sent - w->acked);
}

unsigned ipc_window_room(const struct ipc_window *w)
{
    const unsigned pending = ipc_window_pending(w);

    return pending < w->size ? w->size - pending : 0;
}

bool ipc_window_room_urgent(const struct ipc_window *w)
{
    return ipc_window_pending(w) < w->size + IPC_WINDOW_URGENT;
}

uint64_t ipc_window_next(struct ipc_window *w)
{
    return ++w->sent;
}

bool ipc_window_ack(struct ipc_window *w, uint64_t seq, bool *ret_opened)
{
    bool full = !ipc_window_room(w);

    if (seq < w->acked || seq > w->sent) {
        return false;
    }
    *ret_opened = full && seq > w->acked;
    w->acked = seq;
    return true;
}

bool ipc_window_receive(struct ipc_window *w, uint64_t seq)
{
    if (seq != w->received + 1) {
        return false;
    }
    w->received = seq;
    return true;
}

int64_t ipc_window_ack_delay(const struct ipc_window *w)
{
    uint64_t n = w->received - w->answered;

    return !n ? INT64_MAX : n * 2 >= w->size ? 0 : ACK_DELAY_MS;
}

uint64_t ipc_window_answer(struct ipc_window *w)
{
    return w->answered = w->received;
}
