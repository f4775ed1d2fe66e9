#include "deadlines.h"

#include <stdlib.h>

#include "base/util.h"

static void put(struct deadlines *h, size_t pos, struct deadline *d)
{
    h->v[pos] = d;
    d->pos = pos;
}

/* Moves d from the free place `pos` to where it belongs. */
static void settle(struct deadlines *h, size_t pos, struct deadline *d)
{
    while (pos > 1 && h->v[pos / 2]->at > d->at) {
        put(h, pos, h->v[pos / 2]);
        pos /= 2;
    }
    for (size_t child = 2 * pos; child <= h->n; child = 2 * pos) {
        if (child < h->n && h->v[child + 1]->at < h->v[child]->at) {
            child++;
        }
        if (h->v[child]->at >= d->at) {
            break;
        }
        put(h, pos, h->v[child]);
        pos = child;
    }
    put(h, pos, d);
}

void deadline_set(struct deadlines *h, struct deadline *d, int64_t at)
{
    size_t pos = d->pos;

    d->at = at;
    if (!pos) {
        if (h->n + 1 >= h->cap) {
            h->cap = h->cap ? 2 * h->cap : 64;
            h->v = xrealloc(h->v, h->cap * sizeof *h->v);
        }
        pos = ++h->n;
    }
    settle(h, pos, d);
}

void deadline_cancel(struct deadlines *h, struct deadline *d)
{
    size_t pos = d->pos;

    if (pos) {
        struct deadline *last = h->v[h->n--];
        d->pos = 0;
        if (last != d) {
            settle(h, pos, last);
        }
    }
}

struct deadline *deadlines_first(const struct deadlines *h)
{
    return h->n ? h->v[1] : NULL;
}

void deadlines_uninit(struct deadlines *h)
{
    free(h->v);
    *h = (struct deadlines){.v = NULL};
}
