#ifndef IPC_TIMING_H
#define IPC_TIMING_H 1

/* Times and limits of a session, the same at both ends. */

#include <stdint.h>

struct ipc_timing {
    int64_t heartbeat_ms;   /* Something is sent at least this often. */
    int64_t dead_ms;        /* Silence after which a session is over. */
    int64_t backoff_min_ms; /* Before the second attempt to connect ... */
    int64_t backoff_max_ms; /* ... doubled up to this. */
    unsigned window;        /* Batches in flight, each direction. */
};

#define IPC_TIMING_DEFAULTS                                           \
    {                                                                 \
        .heartbeat_ms = 1000, .dead_ms = 5000, .backoff_min_ms = 100, \
        .backoff_max_ms = 2000, .window = 4                           \
    }

/* Fields that are 0 get their default. */
struct ipc_timing ipc_timing_complete(struct ipc_timing);

#endif
