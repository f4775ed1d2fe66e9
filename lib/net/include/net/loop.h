#ifndef NET_LOOP_H
#define NET_LOOP_H 1

/* The event loop of a daemon (libev inside; ev.h is included in loop.c only).
 *
 * One thread, callbacks only, nothing blocks.  Whoever creates a timer, watcher, signal
 * or deferred call owns it and destroys it before the loop; destroying one from inside
 * any callback, its own included, is allowed.  Creation cannot fail. */

#include <stdbool.h>
#include <stdint.h>

struct loop;

struct loop *loop_create(void);
void loop_destroy(struct loop *);
void loop_run(struct loop *); /* Until loop_stop(). */
void loop_stop(struct loop *);
/* Runs until done(aux) or for timeout_ms; returns done(aux).  For tests and tools. */
bool loop_run_until(struct loop *, bool (*done)(void *aux), void *aux,
                    int64_t timeout_ms);

int64_t loop_now(void);      /* Monotonic milliseconds: the `now` of pure code. */
int64_t loop_now_us(void);   /* The same clock in microseconds. */
int64_t loop_wall_now(void); /* Wall clock, ms since 1970: for people and HMAC times. */

/* Timer: once after `ms`, or every `ms`.  Setting it again replaces the old time. */
struct loop_timer;
struct loop_timer *loop_timer_create(struct loop *, void (*cb)(void *aux), void *aux);
void loop_timer_destroy(struct loop_timer *);
void loop_timer_once(struct loop_timer *, int64_t ms); /* ms <= 0: next iteration. */
void loop_timer_every(struct loop_timer *, int64_t ms);
/* At loop_now() >= at, once; INT64_MAX cancels. */
void loop_timer_at(struct loop_timer *, int64_t at);
void loop_timer_cancel(struct loop_timer *);
bool loop_timer_is_set(const struct loop_timer *);

/* File descriptor, level-triggered.  The descriptor stays its owner's: destroy the
 * watcher before closing it. */
enum { LOOP_READ = 1, LOOP_WRITE = 2 };
struct loop_fd;
struct loop_fd *loop_fd_create(struct loop *, int fd, int events,
                               void (*cb)(void *aux, int events), void *aux);
void loop_fd_destroy(struct loop_fd *);
void loop_fd_set_events(struct loop_fd *, int events); /* 0 pauses it. */

/* Deferred call: once, after the callbacks of this iteration and before the loop waits.
 * Schedule it as often as you like.  What one deferred call schedules runs in the same
 * iteration, so that a change goes through all of a daemon at once; but each runs once
 * in an iteration, and again in the next, after the loop has looked at everything else:
 * work is cut in fair slices in this way, and changes of one iteration are sent
 * together.  What may wait until those are sent is a timer of 0 ms. */
struct loop_defer;
struct loop_defer *loop_defer_create(struct loop *, void (*cb)(void *aux), void *aux);
void loop_defer_destroy(struct loop_defer *);
void loop_defer_schedule(struct loop_defer *);

/* Signal, delivered as an ordinary callback. */
struct loop_signal;
struct loop_signal *loop_signal_create(struct loop *, int signum, void (*cb)(void *aux),
                                       void *aux);
void loop_signal_destroy(struct loop_signal *);

/* Wake-up from another thread: loop_async_send() is the only function here that other
 * threads may call.  Several sends may become one callback. */
struct loop_async;
struct loop_async *loop_async_create(struct loop *, void (*cb)(void *aux), void *aux);
void loop_async_destroy(struct loop_async *);
void loop_async_send(struct loop_async *);

#endif
