#ifndef STORE_CACHE_H
#define STORE_CACHE_H 1

/* What the database should hold, and which part of that it has not been given yet.
 *
 * Current documents by (collection, id), each at most once in the queue of those to be
 * written, in the order in which they first changed; and a ring with the newest
 * STORE_MAX_EVENTS events.  A removed document stays as a tombstone until its removal
 * has been taken, but only while the cache is attached, that is while the database is
 * known to hold nothing besides what is in here: otherwise a sweep will find it.
 *
 * Not thread-safe: store.c's lock covers it.  Times are monotonic milliseconds. */

#include "backend.h"

struct cache;

struct cache *cache_create(void);
void cache_destroy(struct cache *);

/* Owns `doc` from here on. */
void cache_put(struct cache *, int collection, const char *id, bson_t *doc,
               int64_t now);
void cache_remove(struct cache *, int collection, const char *id, int64_t now);
void cache_append_event(struct cache *, const char *id, bson_t *doc, int64_t now);

/* The database holds `doc`: false if it should not; if it is what it should be, it is
 * not queued any more. */
bool cache_found(struct cache *, int collection, const char *id, const bson_t *doc);

/* Takes up to `max` operations, or some `max_bytes`, off the queue, copied: the caller
 * does store_op_uninit() on each.  *ret_since is the time of the oldest.  Afterwards
 * either cache_confirm() or cache_detach(). */
size_t cache_take(struct cache *, struct store_op *ret_ops, size_t max,
                  size_t max_bytes, int64_t *ret_since);
void cache_confirm(struct cache *);

/* Contact was lost: everything is queued again, events from the first that was not
 * confirmed. */
void cache_detach(struct cache *, int64_t now);
/* A sweep begins: from now on removals are queued.  `fresh`: the database knows nothing
 * of us, hence all events are queued as well. */
void cache_attach(struct cache *, bool fresh, int64_t now);

size_t cache_documents(const struct cache *);
size_t cache_queued(const struct cache *);
uint64_t cache_events_lost(const struct cache *);
int64_t cache_oldest(const struct cache *); /* INT64_MAX if the queue is empty. */

#endif
