#ifndef STORE_STORE_H
#define STORE_STORE_H 1

/* The record of what the platform decided: the association table, the configuration,
 * links, datapaths, clients and a bounded history of events, for people and programs to
 * read with mongosh, sqlite3 or any driver.
 *
 * It is written, never consulted: routing goes on while the database is away.  The
 * caller's thread only ever copies a document into memory; a thread of the store's own
 * writes what changed, in batches, coalesced by key: of ten states that one row went
 * through while the database was slow only the last is written.
 *
 * A copy of every current document stays in memory.  After the database was away, or
 * was emptied or replaced underneath, the writer writes all that differ and removes
 * whatever the database holds besides, so that it shows the present again.  The check
 * is made once a second, by a document of our own in collection "rfstore".  (Single
 * documents that an operator edits by hand are not noticed before they change here.)
 *
 * Life: store_open(); store_load() of what a previous run left, as wanted;
 * store_start(), from which moment the database is made to hold exactly what was put
 * (except "rfevents", which is only ever appended to); store_flush(), store_close().
 * One process writes a database at a time; any number may read.
 *
 * Threads: call every function here from one thread.  Nothing here logs from another
 * one.
 *
 * Documents: the store adds "_id" in front, so a document must have none.  Ids are
 * strings, e.g. "0x0000000000000099"; ports and counters are int32 or int64, times are
 * BSON dates.  Documents are the same in both databases.  In SQLite each collection is
 * a table (id TEXT, json TEXT, doc BLOB), so that
 *
 *     mongosh routeflow --eval 'db.rftable.find()'
 *     sqlite3 FILE 'select json from rftable'
 *
 * both read well. */

#include <bson/bson.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum store_collection {
    STORE_TABLE,     /* "rftable": one document per row of the association table. */
    STORE_CONFIG,    /* "rfconfig": the mapping as read from rfserver.csv. */
    STORE_ISL,       /* "rfisl": inter-switch links of one VM, from rfisl.csv. */
    STORE_LINKS,     /* "rflinks": links found by LLDP. */
    STORE_DATAPATHS, /* "rfdatapaths". */
    STORE_CLIENTS,   /* "rfclients". */
    STORE_EVENTS,    /* "rfevents": history, see store_append_event(). */
};
#define STORE_N_COLLECTIONS (STORE_EVENTS + 1)

#define STORE_MAX_EVENTS 10000 /* Events kept, in memory and in the database. */
#define STORE_MAX_DOC_SIZE (256 * 1024) /* Bytes of BSON; a larger one is refused. */
#define STORE_ERROR_LEN 256

struct store;

struct store_status {
    char uri[128]; /* Without user name and password. */
    bool connected;
    unsigned changes;            /* How often `connected` changed: poll this. */
    int64_t since;               /* Monotonic ms of the last change. */
    char error[STORE_ERROR_LEN]; /* Why not connected, or the last refusal; or "". */

    size_t documents;  /* Current documents, in memory. */
    size_t queued;     /* Of these and of removals and events, not written yet. */
    int64_t oldest_ms; /* Age of the oldest of those, 0 if none. */
    uint64_t written;  /* Documents and events written, removals included. */
    uint64_t batches;  /* In so many transactions or bulk writes. */
    uint64_t rewrites; /* Times it was brought up to date: 1 after a normal start. */
    uint64_t refused; /* Documents that were too large, or that the database refused. */
    uint64_t events_lost; /* Pushed out by newer ones before they could be written. */
};

/* "rftable" and so on; the order of enum store_collection. */
const char *store_collection_name(enum store_collection);

/* Opens `uri`:
 *
 *     sqlite:PATH        a file, created with mode 0640; its directory must exist
 *     sqlite::memory:    nothing outlives the process; for trials
 *     mongodb://host[:port][/database][?options], or mongodb+srv://; database
 * "routeflow" unless named
 *
 * and tries to connect, which takes up to 2 s.  A MongoDB server that does not answer
 * is no error: the writer goes on trying.  Returns 0 or, with a sentence for the
 * operator in ret_error[size], EINVAL for a bad URI (it says what was expected) or what
 * made the file unusable (ENOENT, EACCES, EISDIR, EIO...). */
int store_open(const char *uri, struct store **ret_store, char *ret_error, size_t size);

/* Ends the writer thread, without writing what is queued (store_flush() does that), and
 * frees everything.  Takes up to 5 s if a MongoDB server hangs.  NULL is allowed. */
void store_close(struct store *);

/* Calls `fn` for each document that the database holds from earlier, "rfevents" in
 * order of time, the others in any order.  `doc` starts with "_id" and lives for the
 * call. Only before store_start(), else EBUSY.  Returns 0; ENOTCONN if the database
 * could not be reached; EIO and an error in store_get_status() if reading failed
 * half-way. */
typedef void store_doc_fn(void *aux, const char *id, const bson_t *doc);
int store_load(struct store *, enum store_collection, store_doc_fn *, void *aux);

/* Starts the writer thread.  What was put before and is put from now on is all that the
 * database will hold. */
int store_start(struct store *);

/* Makes `doc` the document `id` of a collection other than STORE_EVENTS.  Copies it and
 * returns at once, whatever state the database is in; a document equal to the current
 * one is not written again.  store_remove() of what does not exist does nothing. */
void store_put(struct store *, enum store_collection, const char *id,
               const bson_t *doc);
void store_remove(struct store *, enum store_collection, const char *id);

/* Appends to "rfevents", with an ObjectId for "_id".  The newest STORE_MAX_EVENTS stay,
 * and up to 5 % more until the next clean-up. */
void store_append_event(struct store *, const bson_t *doc);

/* Blocks until everything put so far is in the database: 0, or ETIMEDOUT after
 * `timeout_ms`.  For tests and orderly shutdown, never in the middle of a day's work.
 * EINVAL if not started. */
int store_flush(struct store *, int timeout_ms);

void store_get_status(struct store *, struct store_status *ret_status);

/* Logs the changes between connected and not connected, and refusals, since the last
 * call.  Call it from the event loop, once a second or so. */
void store_log_changes(struct store *);

#endif
