/* `rfctl watch`: events as they happen, until interrupted. */

#include "rfctl.h"

#include <signal.h>
#include <stdio.h>

#include "net/zsock.h"
#include "print.h"

struct watch {
    const struct rfctl *ctl;
    struct loop *loop;
};

static void print_event(void *aux, const struct msg_event *event)
{
    const struct watch *w = aux;
    struct buf out = {0};
    bson_t doc;

    if (w->ctl->json) {
        if (bson_init_static(&doc, event->body.data, event->body.n)) {
            print_json(&doc, false, &out);
        }
    } else {
        print_clock(event->time_ms, &out);
        buf_printf(&out, "  %-12s %s", event->kind, event->text);
    }
    printf("%s\n", buf_cstr(&out));
    fflush(stdout);
    buf_uninit(&out);
}

static void interrupted(void *aux)
{
    struct watch *w = aux;
    loop_stop(w->loop);
}

int watch_events(const struct rfctl *ctl)
{
    struct watch w = {.ctl = ctl, .loop = loop_create()};
    struct zctx *zctx = zctx_create();
    struct ipc_subscriber *sub =
        ipc_subscriber_create(w.loop, zctx, ctl->events, ctl->curve, print_event, &w);
    struct loop_signal *on_int = loop_signal_create(w.loop, SIGINT, interrupted, &w);
    struct loop_signal *on_term = loop_signal_create(w.loop, SIGTERM, interrupted, &w);

    if (!ctl->json) {
        fprintf(stderr, "watching %s; Ctrl-C ends\n", ctl->events);
    }
    loop_run(w.loop);
    loop_signal_destroy(on_int);
    loop_signal_destroy(on_term);
    ipc_subscriber_destroy(sub);
    zctx_destroy(zctx);
    loop_destroy(w.loop);
    return RFCTL_OK;
}
