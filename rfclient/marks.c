#include "marks.h"

#include <stdlib.h>
#include <string.h>
#include <utlist.h>

#include "base/util.h"
#include "map.h"

struct mark {
    struct mark_key key; /* Padding is zero. */
    bool dirty, told;
    struct mark *prev, *next; /* In its queue, when dirty. */
    UT_hash_handle hh;
};

struct marks {
    struct mark *all;
    struct mark *queues[MARK_N_TYPES];
};

struct marks *marks_create(void)
{
    return xcalloc(1, sizeof(struct marks));
}

void marks_clear(struct marks *m)
{
    struct mark *mark, *next;

    HASH_ITER (hh, m->all, mark, next) {
        HASH_DELETE(hh, m->all, mark);
        free(mark);
    }
    memset(m->queues, 0, sizeof m->queues);
}

void marks_destroy(struct marks *m)
{
    if (m) {
        marks_clear(m);
        free(m);
    }
}

static struct mark_key clean_key(const struct mark_key *key)
{
    struct mark_key k;

    memset(&k, 0, sizeof k);
    k.type = key->type;
    k.vm_port = key->vm_port;
    k.prefix.plen = key->prefix.plen;
    k.prefix.addr.version = key->prefix.addr.version;
    memcpy(k.prefix.addr.bytes, key->prefix.addr.bytes, sizeof k.prefix.addr.bytes);
    return k;
}

static struct mark *find(struct marks *m, const struct mark_key *key)
{
    struct mark_key k = clean_key(key);
    struct mark *mark;

    HASH_FIND(hh, m->all, &k, sizeof k, mark);
    return mark;
}

void marks_touch(struct marks *m, const struct mark_key *key)
{
    struct mark *mark = find(m, key);

    if (!mark) {
        mark = xcalloc(1, sizeof *mark);
        mark->key = clean_key(key);
        HASH_ADD(hh, m->all, key, sizeof mark->key, mark);
    }
    if (!mark->dirty) {
        mark->dirty = true;
        DL_APPEND(m->queues[key->type], mark);
    }
}

bool marks_pop(struct marks *m, struct mark_key *ret, bool *ret_told)
{
    for (int type = 0; type < MARK_N_TYPES; type++) {
        struct mark *mark = m->queues[type];
        if (mark) {
            DL_DELETE(m->queues[type], mark);
            mark->dirty = false;
            *ret = mark->key;
            *ret_told = mark->told;
            return true;
        }
    }
    return false;
}

void marks_told(struct marks *m, const struct mark_key *key, bool has)
{
    struct mark *mark = find(m, key);

    if (mark && has) {
        mark->told = true;
    } else if (mark) {
        if (mark->dirty) {
            DL_DELETE(m->queues[key->type], mark);
        }
        HASH_DELETE(hh, m->all, mark);
        free(mark);
    }
}

bool marks_pending(const struct marks *m)
{
    for (int type = 0; type < MARK_N_TYPES; type++) {
        if (m->queues[type]) {
            return true;
        }
    }
    return false;
}
