#ifndef STORE_PRIVATE_H
#define STORE_PRIVATE_H 1

/* What store.c (the caller's thread) and writer.c (the writer's) share. */

#include <pthread.h>

#include "backend.h"
#include "base/log.h"
#include "cache.h"

struct store {
    const struct store_backend *backend;
    char *uri;

    pthread_mutex_t lock; /* Never held while the database is spoken to. */
    pthread_cond_t wake;  /* For the writer: work, a flush, or the end. */
    pthread_cond_t idle;  /* For store_flush(): everything is written. */

    /* Under `lock`. */
    struct cache *cache;
    bool stop;
    int flushing;            /* Callers that wait in store_flush(). */
    bool synced;             /* The database held all that was current, and answers. */
    int64_t unwritten_since; /* What is being written, or was when contact was lost;
                              * INT64_MAX if nothing. */
    int64_t since;
    unsigned changes;
    uint64_t written, batches, rewrites, refused;
    char error[STORE_ERROR_LEN];

    /* The caller's until store_start(), then the writer's. */
    void *db; /* NULL if not connected. */

    /* The caller's. */
    bool started;
    pthread_t writer;
    unsigned logged_changes;
    uint64_t logged_refused;
    struct log_limit log_limit;
};

int64_t store_now(void); /* Monotonic milliseconds. */

/* pthread_cond_timedwait() until `deadline` of store_now(). */
void store_wait(struct store *, pthread_cond_t *, int64_t deadline);

void *writer_main(void *store);

#endif
