#include "cache.h"

#include <stdlib.h>
#include <string.h>

#include <uthash.h>
#include <utlist.h>

#include "base/util.h"

struct entry {
    UT_hash_handle hh; /* By key. */
    char *key;         /* One octet for the collection, then the id. */
    bson_t *doc;       /* NULL: a tombstone, always queued. */
    int64_t since;     /* Queued at. */
    bool queued;
    bool stored; /* In the database, in whatever state, as far as is known. */
    struct entry *prev, *next; /* In cache.queue. */
};

struct event {
    char *id;
    bson_t *doc;
    int64_t since;
};

/* Event number N is in ring[N % STORE_MAX_EVENTS]; first <= confirmed <= taken <= end.
 */
struct cache {
    struct entry *entries;
    struct entry *queue;
    size_t n_queued, n_tombstones;
    bool attached;

    struct event ring[STORE_MAX_EVENTS];
    uint64_t first, confirmed, taken, end;
    uint64_t lost;
};

static struct event *event_at(const struct cache *cache, uint64_t n)
{
    return (struct event *)&cache->ring[n % STORE_MAX_EVENTS];
}

static void event_clear(struct event *event)
{
    free(event->id);
    bson_destroy(event->doc);
    *event = (struct event){0};
}

static char *make_key(int collection, const char *id)
{
    return xasprintf("%c%s", 'A' + collection, id);
}

static struct entry *entry_find(const struct cache *cache, const char *key)
{
    struct entry *entry;

    HASH_FIND_STR(cache->entries, key, entry);
    return entry;
}

static void entry_enqueue(struct cache *cache, struct entry *entry, int64_t now)
{
    if (!entry->queued) {
        entry->queued = true;
        entry->since = now;
        DL_APPEND(cache->queue, entry);
        cache->n_queued++;
    }
}

static void entry_dequeue(struct cache *cache, struct entry *entry)
{
    if (entry->queued) {
        entry->queued = false;
        DL_DELETE(cache->queue, entry);
        cache->n_queued--;
    }
}

static void entry_free(struct cache *cache, struct entry *entry)
{
    entry_dequeue(cache, entry);
    HASH_DEL(cache->entries, entry);
    cache->n_tombstones -= !entry->doc;
    bson_destroy(entry->doc);
    free(entry->key);
    free(entry);
}

struct cache *cache_create(void)
{
    return xcalloc(1, sizeof(struct cache));
}

void cache_destroy(struct cache *cache)
{
    struct entry *entry, *tmp;

    if (!cache) {
        return;
    }
    HASH_ITER (hh, cache->entries, entry, tmp) {
        entry_free(cache, entry);
    }
    for (uint64_t n = cache->first; n < cache->end; n++) {
        event_clear(event_at(cache, n));
    }
    free(cache);
}

void cache_put(struct cache *cache, int collection, const char *id, bson_t *doc,
               int64_t now)
{
    char *key = make_key(collection, id);
    struct entry *entry = entry_find(cache, key);

    if (!entry) {
        entry = xcalloc(1, sizeof *entry);
        entry->key = key;
        HASH_ADD_KEYPTR(hh, cache->entries, entry->key, strlen(entry->key), entry);
    } else {
        free(key);
        if (!entry->doc) {
            cache->n_tombstones--;
        } else if (bson_equal(entry->doc, doc)) {
            bson_destroy(doc);
            return;
        }
        bson_destroy(entry->doc);
    }
    entry->doc = doc;
    entry_enqueue(cache, entry, now);
}

void cache_remove(struct cache *cache, int collection, const char *id, int64_t now)
{
    char *key = make_key(collection, id);
    struct entry *entry = entry_find(cache, key);

    free(key);
    if (!entry || !entry->doc) {
        return;
    }
    if (!cache->attached) {
        entry_free(cache, entry);
        return;
    }
    bson_destroy(entry->doc);
    entry->doc = NULL;
    cache->n_tombstones++;
    entry_enqueue(cache, entry, now);
}

void cache_append_event(struct cache *cache, const char *id, bson_t *doc, int64_t now)
{
    if (cache->end - cache->first == STORE_MAX_EVENTS) {
        cache->lost += cache->taken == cache->first;
        event_clear(event_at(cache, cache->first++));
        cache->confirmed = MAX(cache->confirmed, cache->first);
        cache->taken = MAX(cache->taken, cache->first);
    }
    *event_at(cache, cache->end++) =
        (struct event){.id = xstrdup(id), .doc = doc, .since = now};
}

bool cache_found(struct cache *cache, int collection, const char *id, const bson_t *doc)
{
    char *key = make_key(collection, id);
    struct entry *entry = entry_find(cache, key);

    free(key);
    if (!entry || !entry->doc) {
        return false;
    }
    entry->stored = true;
    if (bson_equal(entry->doc, doc)) {
        entry_dequeue(cache, entry);
    }
    return true;
}

size_t cache_take(struct cache *cache, struct store_op *ret_ops, size_t max,
                  size_t max_bytes, int64_t *ret_since)
{
    size_t n = 0, bytes = 0;

    *ret_since = cache_oldest(cache);
    /* At most half of a batch are events, so that neither kind waits for the other. */
    while (cache->taken < cache->end && n < (max + 1) / 2 && bytes < max_bytes / 2) {
        const struct event *event = event_at(cache, cache->taken++);

        ret_ops[n++] = (struct store_op){.collection = STORE_EVENTS,
                                         .id = xstrdup(event->id),
                                         .doc = bson_copy(event->doc),
                                         .fresh = true};
        bytes += event->doc->len;
    }
    while (cache->queue && n < max && bytes < max_bytes) {
        struct entry *entry = cache->queue;

        ret_ops[n++] =
            (struct store_op){.collection = entry->key[0] - 'A',
                              .id = xstrdup(entry->key + 1),
                              .doc = entry->doc ? bson_copy(entry->doc) : NULL,
                              .fresh = !entry->stored};
        if (entry->doc) {
            bytes += entry->doc->len;
            entry->stored = true;
            entry_dequeue(cache, entry);
        } else {
            entry_free(cache, entry);
        }
    }
    return n;
}

void cache_confirm(struct cache *cache)
{
    cache->confirmed = cache->taken;
}

void cache_detach(struct cache *cache, int64_t now)
{
    struct entry *entry, *tmp;

    cache->attached = false;
    HASH_ITER (hh, cache->entries, entry, tmp) {
        if (entry->doc) {
            entry->stored = false;
            entry_enqueue(cache, entry, now);
        } else {
            entry_free(cache, entry);
        }
    }
    cache->taken = cache->confirmed;
}

void cache_attach(struct cache *cache, bool fresh, int64_t now)
{
    cache_detach(cache, now);
    cache->attached = true;
    if (fresh) {
        cache->taken = cache->confirmed = cache->first;
    }
}

size_t cache_documents(const struct cache *cache)
{
    return HASH_COUNT(cache->entries) - cache->n_tombstones;
}

size_t cache_queued(const struct cache *cache)
{
    return cache->n_queued + (size_t)(cache->end - cache->taken);
}

uint64_t cache_events_lost(const struct cache *cache)
{
    return cache->lost;
}

int64_t cache_oldest(const struct cache *cache)
{
    int64_t oldest = cache->queue ? cache->queue->since : INT64_MAX;

    if (cache->taken < cache->end) {
        oldest = MIN(oldest, event_at(cache, cache->taken)->since);
    }
    return oldest;
}
