#include "net/loop.h"

#include <stdlib.h>
#include <time.h>

#include <ev.h>
#include <utlist.h>

#include "base/util.h"

struct loop {
    struct ev_loop *ev;
    ev_prepare prepare;       /* Runs the deferred calls before the loop waits. */
    ev_idle idle;             /* Active while some are left: then it does not wait. */
    struct loop_defer *queue; /* Run before the loop waits again. */
    struct loop_defer *next;  /* Have run in this iteration: in the one after it. */
    unsigned iteration;
    bool (*done)(void *aux); /* Of loop_run_until(), or NULL. */
    void *done_aux;
};

struct loop_timer {
    ev_timer w;
    struct loop *loop;
    void (*cb)(void *aux);
    void *aux;
};

struct loop_fd {
    ev_io w;
    struct loop *loop;
    void (*cb)(void *aux, int events);
    void *aux;
};

struct loop_defer {
    struct loop *loop;
    struct loop_defer **list; /* The list it is in, or NULL. */
    unsigned ran;             /* In which iteration, last. */
    struct loop_defer *prev, *next;
    void (*cb)(void *aux);
    void *aux;
};

struct loop_signal {
    ev_signal w;
    struct loop *loop;
    void (*cb)(void *aux);
    void *aux;
};

struct loop_async {
    ev_async w;
    struct loop *loop;
    void (*cb)(void *aux);
    void *aux;
};

/* Clocks. */

static int64_t clock_us(clockid_t id)
{
    struct timespec ts;

    clock_gettime(id, &ts);
    return (int64_t)ts.tv_sec * 1000000 + ts.tv_nsec / 1000;
}

int64_t loop_now_us(void)
{
    return clock_us(CLOCK_MONOTONIC);
}

int64_t loop_now(void)
{
    return clock_us(CLOCK_MONOTONIC) / 1000;
}

int64_t loop_wall_now(void)
{
    return clock_us(CLOCK_REALTIME) / 1000;
}

/* Loop and deferred calls. */

static void run_deferred(struct ev_loop *ev, ev_prepare *w, int revents)
{
    struct loop *loop = w->data;

    loop->iteration++;
    for (struct loop_defer *d = loop->next; d; d = d->next) {
        d->list = &loop->queue;
    }
    DL_CONCAT(loop->queue, loop->next);
    loop->next = NULL;
    while (loop->queue) {
        struct loop_defer *d = loop->queue;
        DL_DELETE(loop->queue, d);
        d->list = NULL;
        d->ran = loop->iteration;
        d->cb(d->aux);
    }
    /* A deferred call may have brought about what loop_run_until() waits for. */
    if (loop->next || (loop->done && loop->done(loop->done_aux))) {
        ev_idle_start(ev, &loop->idle);
    } else {
        ev_idle_stop(ev, &loop->idle);
    }
}

static void idle_cb(struct ev_loop *ev, ev_idle *w, int revents)
{
    /* It only keeps the loop from waiting. */
}

struct loop *loop_create(void)
{
    struct loop *loop = xcalloc(1, sizeof *loop);

    loop->ev = ev_loop_new(EVFLAG_AUTO | EVFLAG_NOENV);
    if (!loop->ev) {
        abort(); /* No descriptor for epoll: nothing can work. */
    }
    ev_prepare_init(&loop->prepare, run_deferred);
    loop->prepare.data = loop;
    ev_prepare_start(loop->ev, &loop->prepare);
    ev_unref(loop->ev); /* It alone does not keep the loop alive. */
    ev_idle_init(&loop->idle, idle_cb);
    return loop;
}

void loop_destroy(struct loop *loop)
{
    if (loop) {
        ev_idle_stop(loop->ev, &loop->idle);
        ev_ref(loop->ev);
        ev_prepare_stop(loop->ev, &loop->prepare);
        ev_loop_destroy(loop->ev);
        free(loop);
    }
}

void loop_run(struct loop *loop)
{
    ev_run(loop->ev, 0);
}

void loop_stop(struct loop *loop)
{
    ev_break(loop->ev, EVBREAK_ALL);
}

static void wake_cb(void *aux)
{
}

bool loop_run_until(struct loop *loop, bool (*done)(void *aux), void *aux,
                    int64_t timeout_ms)
{
    int64_t deadline = loop_now() + timeout_ms;
    struct loop_timer *alarm = loop_timer_create(loop, wake_cb, NULL);

    loop_timer_at(alarm, deadline);
    loop->done = done;
    loop->done_aux = aux;
    while (!done(aux) && loop_now() < deadline) {
        ev_run(loop->ev, EVRUN_ONCE);
    }
    loop->done = NULL;
    loop_timer_destroy(alarm);
    return done(aux);
}

struct loop_defer *loop_defer_create(struct loop *loop, void (*cb)(void *aux),
                                     void *aux)
{
    struct loop_defer *d = xcalloc(1, sizeof *d);

    d->loop = loop;
    d->cb = cb;
    d->aux = aux;
    return d;
}

void loop_defer_destroy(struct loop_defer *d)
{
    if (d) {
        if (d->list) {
            DL_DELETE(*d->list, d);
        }
        free(d);
    }
}

void loop_defer_schedule(struct loop_defer *d)
{
    if (!d->list) {
        d->list = d->ran == d->loop->iteration ? &d->loop->next : &d->loop->queue;
        DL_APPEND(*d->list, d);
    }
}

/* Timers. */

static void timer_cb(struct ev_loop *ev, ev_timer *w, int revents)
{
    struct loop_timer *t = w->data;
    t->cb(t->aux);
}

struct loop_timer *loop_timer_create(struct loop *loop, void (*cb)(void *aux),
                                     void *aux)
{
    struct loop_timer *t = xcalloc(1, sizeof *t);

    ev_init(&t->w, timer_cb);
    t->w.data = t;
    t->loop = loop;
    t->cb = cb;
    t->aux = aux;
    return t;
}

void loop_timer_destroy(struct loop_timer *t)
{
    if (t) {
        ev_timer_stop(t->loop->ev, &t->w);
        free(t);
    }
}

static void timer_set(struct loop_timer *t, int64_t after_ms, int64_t every_ms)
{
    ev_timer_stop(t->loop->ev, &t->w);
    /* libev counts from the time it last woke up, which a long callback makes old. */
    ev_now_update(t->loop->ev);
    ev_timer_set(&t->w, (double)MAX(after_ms, 0) / 1e3, (double)every_ms / 1e3);
    ev_timer_start(t->loop->ev, &t->w);
}

void loop_timer_once(struct loop_timer *t, int64_t ms)
{
    timer_set(t, ms, 0);
}

void loop_timer_every(struct loop_timer *t, int64_t ms)
{
    timer_set(t, MAX(ms, 1), MAX(ms, 1));
}

void loop_timer_at(struct loop_timer *t, int64_t at)
{
    if (at == INT64_MAX) {
        loop_timer_cancel(t);
        return;
    }
    /* Rounded up, so that loop_now() >= at when it fires. */
    int64_t left = at - loop_now();
    timer_set(t, left > 0 ? left + 1 : 0, 0);
}

void loop_timer_cancel(struct loop_timer *t)
{
    ev_timer_stop(t->loop->ev, &t->w);
}

bool loop_timer_is_set(const struct loop_timer *t)
{
    return ev_is_active(&t->w);
}

/* File descriptors. */

static void fd_cb(struct ev_loop *ev, ev_io *w, int revents)
{
    struct loop_fd *f = w->data;
    f->cb(f->aux,
          (revents & EV_READ ? LOOP_READ : 0) | (revents & EV_WRITE ? LOOP_WRITE : 0));
}

struct loop_fd *loop_fd_create(struct loop *loop, int fd, int events,
                               void (*cb)(void *aux, int events), void *aux)
{
    struct loop_fd *f = xcalloc(1, sizeof *f);

    ev_io_init(&f->w, fd_cb, fd, 0);
    f->w.data = f;
    f->loop = loop;
    f->cb = cb;
    f->aux = aux;
    loop_fd_set_events(f, events);
    return f;
}

void loop_fd_destroy(struct loop_fd *f)
{
    if (f) {
        ev_io_stop(f->loop->ev, &f->w);
        free(f);
    }
}

void loop_fd_set_events(struct loop_fd *f, int events)
{
    int wanted =
        (events & LOOP_READ ? EV_READ : 0) | (events & LOOP_WRITE ? EV_WRITE : 0);

    if (ev_is_active(&f->w) ? (f->w.events & (EV_READ | EV_WRITE)) == wanted
                            : !wanted) {
        return;
    }
    ev_io_stop(f->loop->ev, &f->w);
    ev_io_set(&f->w, f->w.fd, wanted);
    if (wanted) {
        ev_io_start(f->loop->ev, &f->w);
    }
}

/* Signals. */

static void signal_cb(struct ev_loop *ev, ev_signal *w, int revents)
{
    struct loop_signal *s = w->data;
    s->cb(s->aux);
}

struct loop_signal *loop_signal_create(struct loop *loop, int signum,
                                       void (*cb)(void *aux), void *aux)
{
    struct loop_signal *s = xcalloc(1, sizeof *s);

    ev_signal_init(&s->w, signal_cb, signum);
    s->w.data = s;
    s->loop = loop;
    s->cb = cb;
    s->aux = aux;
    ev_signal_start(loop->ev, &s->w);
    return s;
}

void loop_signal_destroy(struct loop_signal *s)
{
    if (s) {
        ev_signal_stop(s->loop->ev, &s->w);
        free(s);
    }
}

/* Wake-ups from other threads. */

static void async_cb(struct ev_loop *ev, ev_async *w, int revents)
{
    struct loop_async *a = w->data;
    a->cb(a->aux);
}

struct loop_async *loop_async_create(struct loop *loop, void (*cb)(void *aux),
                                     void *aux)
{
    struct loop_async *a = xcalloc(1, sizeof *a);

    ev_async_init(&a->w, async_cb);
    a->w.data = a;
    a->loop = loop;
    a->cb = cb;
    a->aux = aux;
    ev_async_start(loop->ev, &a->w);
    return a;
}

void loop_async_destroy(struct loop_async *a)
{
    if (a) {
        ev_async_stop(a->loop->ev, &a->w);
        free(a);
    }
}

void loop_async_send(struct loop_async *a)
{
    ev_async_send(a->loop->ev, &a->w);
}
