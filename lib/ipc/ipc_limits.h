#ifndef IPC_LIMITS_H
#define IPC_LIMITS_H 1

/* Messages queued in ZeroMQ per peer.  Batches are bounded by the window; this bounds
 * the small messages, whose loss would be a lost change: a peer that lets so many pile
 * up loses its session instead and resyncs. */
#define IPC_HWM 50000

/* Bytes of an answer to rfctl, which may list a million routes. */
#define IPC_REPLY_MAX ((size_t)256 << 20)

/* Topic of published events. */
#define IPC_EVENT_TOPIC "event"

/* Time that a socket may take, after its end, to say BYE. */
#define IPC_LINGER_MS 100

#endif
