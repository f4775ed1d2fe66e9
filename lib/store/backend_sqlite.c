/* The embedded database: a file, in write-ahead mode, so that others read while we
 * write.  The only file that knows sqlite3.h. */

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <sqlite3.h>

#include "backend.h"
#include "base/util.h"

#define SCHEME "sqlite:"
#define BUSY_MS 2000 /* How long another process may hold the write lock. */

struct db {
    sqlite3 *sqlite;
    char *path;  /* NULL if in memory. */
    dev_t dev;   /* What `path` was when it was opened: */
    ino_t inode; /* somebody may put another file in its place. */
    sqlite3_stmt *put[STORE_N_ALL_COLLECTIONS];
    sqlite3_stmt *remove[STORE_N_ALL_COLLECTIONS];
};

static int sqlite_errno(int code)
{
    switch (code & 0xff) {
    case SQLITE_OK:
        return 0;
    case SQLITE_READONLY:
    case SQLITE_PERM:
    case SQLITE_CANTOPEN:
        return EACCES;
    case SQLITE_BUSY:
    case SQLITE_LOCKED:
        return EBUSY;
    case SQLITE_FULL:
        return ENOSPC;
    case SQLITE_NOTADB:
        return EINVAL;
    default:
        return EIO;
    }
}

static int db_error(const struct db *db, const char *what, char *ret_error)
{
    int code = sqlite3_extended_errcode(db->sqlite);

    snprintf(ret_error, STORE_ERROR_LEN, "%s%s%s: %s", db->path ? db->path : "",
             db->path ? ": " : "", what, sqlite3_errmsg(db->sqlite));
    int e = sqlite_errno(code);
    return e ? e : EIO;
}

static int db_exec(const struct db *db, const char *sql, char *ret_error)
{
    if (sqlite3_exec(db->sqlite, sql, NULL, NULL, NULL) != SQLITE_OK) {
        return db_error(db, sql, ret_error);
    }
    return 0;
}

static int db_prepare(const struct db *db, sqlite3_stmt **stmt, const char *format,
                      int collection, char *ret_error)
{
    char sql[256];

    if (*stmt) {
        return 0;
    }
    snprintf(sql, sizeof sql, format, store_collection_table(collection));
    if (sqlite3_prepare_v2(db->sqlite, sql, -1, stmt, NULL) != SQLITE_OK) {
        return db_error(db, sql, ret_error);
    }
    return 0;
}

static int sqlite_check_uri(const char *uri, char *ret_error)
{
    const char *path = uri + strlen(SCHEME);

    if (!*path || (*path == ':' && strcmp(path, ":memory:"))) {
        snprintf(ret_error, STORE_ERROR_LEN,
                 "store \"%.100s\": expected a file name after \"sqlite:\", or "
                 "sqlite::memory:",
                 uri);
        return EINVAL;
    }
    return 0;
}

/* SQLite's own messages do not tell what is wrong with a path, and it would create the
 * file for everyone to read. */
static int prepare_file(const char *path, struct stat *ret_st, char *ret_error)
{
    int fd = open(path, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0640);

    if (fd >= 0) {
        fchmod(fd, 0640);
        close(fd);
    } else if (errno == ENOENT || errno == ENOTDIR) {
        const char *slash = strrchr(path, '/');
        int e = errno;
        snprintf(ret_error, STORE_ERROR_LEN,
                 "%s: directory %.*s does not exist; create it, or name another file",
                 path, slash ? (int)(slash - path) : 1, slash ? path : ".");
        return e;
    } else if (errno != EEXIST) {
        int e = errno;
        snprintf(ret_error, STORE_ERROR_LEN, "%s: cannot create: %s", path,
                 strerror(e));
        return e;
    }
    if (stat(path, ret_st)) {
        int e = errno;
        snprintf(ret_error, STORE_ERROR_LEN, "%s: %s", path, strerror(e));
        return e;
    }
    if (!S_ISREG(ret_st->st_mode)) {
        snprintf(ret_error, STORE_ERROR_LEN, "%s: %s, expected a file", path,
                 S_ISDIR(ret_st->st_mode) ? "is a directory" : "is not a regular file");
        return S_ISDIR(ret_st->st_mode) ? EISDIR : EINVAL;
    }
    return 0;
}

static int create_tables(const struct db *db, char *ret_error)
{
    int e = db_exec(db, "PRAGMA journal_mode=WAL", ret_error);

    if (!e) {
        e = db_exec(db, "PRAGMA synchronous=NORMAL", ret_error);
    }
    for (int c = 0; !e && c < STORE_N_ALL_COLLECTIONS; c++) {
        char sql[256];
        snprintf(
            sql, sizeof sql,
            "CREATE TABLE IF NOT EXISTS %s"
            " (id TEXT PRIMARY KEY NOT NULL, json TEXT NOT NULL, doc BLOB NOT NULL)",
            store_collection_table(c));
        e = db_exec(db, sql, ret_error);
    }
    return e;
}

static void sqlite_close(void *db_)
{
    struct db *db = db_;

    for (int c = 0; c < STORE_N_ALL_COLLECTIONS; c++) {
        sqlite3_finalize(db->put[c]);
        sqlite3_finalize(db->remove[c]);
    }
    sqlite3_close(db->sqlite);
    free(db->path);
    free(db);
}

static int sqlite_connect(const char *uri, void **ret_db, char *ret_error)
{
    const char *path = uri + strlen(SCHEME);
    struct stat st = {0};
    int e = 0;

    bool in_memory = !strcmp(path, ":memory:");
    if (!in_memory) {
        e = prepare_file(path, &st, ret_error);
    }
    if (e) {
        return e;
    }
    struct db *db = xcalloc(1, sizeof *db);
    db->path = in_memory ? NULL : xstrdup(path);
    db->dev = st.st_dev;
    db->inode = st.st_ino;
    int flags = SQLITE_OPEN_READWRITE | (in_memory ? SQLITE_OPEN_CREATE : 0);
    if (sqlite3_open_v2(path, &db->sqlite, flags, NULL) != SQLITE_OK) {
        e = db_error(db, "open", ret_error);
    } else {
        sqlite3_busy_timeout(db->sqlite, BUSY_MS);
        e = create_tables(db, ret_error);
    }
    if (e) {
        sqlite_close(db);
        return e;
    }
    *ret_db = db;
    return 0;
}

static int write_put(struct db *db, const struct store_op *op, char *ret_error)
{
    sqlite3_stmt **stmt = &db->put[op->collection];
    size_t len;

    /* An upsert, not a replacement, so that an event keeps its place in the order. */
    int e = db_prepare(db, stmt,
                       "INSERT INTO %s (id, json, doc) VALUES (?1, ?2, ?3) ON CONFLICT "
                       "(id) DO UPDATE SET json = excluded.json, doc = excluded.doc",
                       op->collection, ret_error);
    if (e) {
        return e;
    }
    char *json = bson_as_relaxed_extended_json(op->doc, &len);
    sqlite3_bind_text(*stmt, 1, op->id, -1, SQLITE_STATIC);
    sqlite3_bind_text(*stmt, 2, json ? json : "{}", -1, SQLITE_STATIC);
    sqlite3_bind_blob(*stmt, 3, bson_get_data(op->doc), (int)op->doc->len,
                      SQLITE_STATIC);
    if (sqlite3_step(*stmt) != SQLITE_DONE) {
        e = db_error(db, "write", ret_error);
    }
    sqlite3_reset(*stmt);
    sqlite3_clear_bindings(*stmt);
    bson_free(json);
    return e;
}

static int write_remove(struct db *db, const struct store_op *op, char *ret_error)
{
    sqlite3_stmt **stmt = &db->remove[op->collection];

    int e =
        db_prepare(db, stmt, "DELETE FROM %s WHERE id = ?1", op->collection, ret_error);
    if (e) {
        return e;
    }
    sqlite3_bind_text(*stmt, 1, op->id, -1, SQLITE_STATIC);
    if (sqlite3_step(*stmt) != SQLITE_DONE) {
        e = db_error(db, "remove", ret_error);
    }
    sqlite3_reset(*stmt);
    sqlite3_clear_bindings(*stmt);
    return e;
}

static int sqlite_write(void *db_, const struct store_op *ops, size_t n,
                        size_t *ret_refused, char *ret_error)
{
    struct db *db = db_;

    int e = db_exec(db, "BEGIN IMMEDIATE", ret_error);
    if (e) {
        return e;
    }
    for (size_t i = 0; !e && i < n; i++) {
        e = ops[i].doc ? write_put(db, &ops[i], ret_error)
                       : write_remove(db, &ops[i], ret_error);
    }
    if (!e) {
        e = db_exec(db, "COMMIT", ret_error);
    }
    if (e) {
        sqlite3_exec(db->sqlite, "ROLLBACK", NULL, NULL, NULL);
        return e;
    }
    *ret_refused = 0;
    return 0;
}

/* The document in column `column`, checked, since other programs can write to the file.
 */
static bool column_doc(sqlite3_stmt *stmt, int column, bson_t *ret_doc)
{
    const void *blob = sqlite3_column_blob(stmt, column);
    int len = sqlite3_column_bytes(stmt, column);

    return blob && len > 0 && bson_init_static(ret_doc, blob, (size_t)len) &&
           bson_validate(ret_doc, BSON_VALIDATE_NONE, NULL);
}

static int sqlite_each(void *db_, int collection, store_doc_fn *fn, void *aux,
                       char *ret_error)
{
    struct db *db = db_;
    sqlite3_stmt *stmt = NULL;
    int code;

    int e = db_prepare(db, &stmt, "SELECT id, doc FROM %s ORDER BY rowid", collection,
                       ret_error);
    if (e) {
        return e;
    }
    while ((code = sqlite3_step(stmt)) == SQLITE_ROW) {
        const char *id = (const char *)sqlite3_column_text(stmt, 0);
        bson_t doc = BSON_INITIALIZER;
        /* A damaged document is still one to be swept away. */
        if (id) {
            fn(aux, id, column_doc(stmt, 1, &doc) ? &doc : &(bson_t)BSON_INITIALIZER);
        }
    }
    if (code != SQLITE_DONE) {
        e = db_error(db, "read", ret_error);
    }
    sqlite3_finalize(stmt);
    return e;
}

/* Notices, too, when the file is not there any more, or is another one: SQLite itself
 * would go on writing to the one that was removed. */
static int check_inode(const struct db *db, char *ret_error)
{
    struct stat st;

    if (!db->path) {
        return 0;
    }
    if (stat(db->path, &st)) {
        int e = errno;
        snprintf(ret_error, STORE_ERROR_LEN, "%s: %s", db->path, strerror(e));
        return e == ENOENT ? ESTALE : e;
    }
    if (st.st_dev != db->dev || st.st_ino != db->inode) {
        snprintf(ret_error, STORE_ERROR_LEN, "%s: replaced by another file", db->path);
        return ESTALE;
    }
    return 0;
}

static int sqlite_find(void *db_, int collection, const char *id, bson_t **ret_doc,
                       char *ret_error)
{
    struct db *db = db_;
    sqlite3_stmt *stmt = NULL;
    bson_t doc;

    int e = check_inode(db, ret_error);
    if (!e) {
        e = db_prepare(db, &stmt, "SELECT doc FROM %s WHERE id = ?1", collection,
                       ret_error);
    }
    if (e) {
        return e;
    }
    sqlite3_bind_text(stmt, 1, id, -1, SQLITE_STATIC);
    int code = sqlite3_step(stmt);
    if (code == SQLITE_ROW && column_doc(stmt, 0, &doc)) {
        *ret_doc = bson_copy(&doc);
    } else if (code == SQLITE_ROW || code == SQLITE_DONE) {
        e = ENOENT;
    } else {
        e = db_error(db, "read", ret_error);
    }
    sqlite3_finalize(stmt);
    return e;
}

static int sqlite_prune(void *db_, int collection, size_t keep, char *ret_error)
{
    char sql[256];

    snprintf(sql, sizeof sql,
             "DELETE FROM %s WHERE rowid <="
             " (SELECT rowid FROM %s ORDER BY rowid DESC LIMIT 1 OFFSET %zu)",
             store_collection_table(collection), store_collection_table(collection),
             keep);
    return db_exec(db_, sql, ret_error);
}

const struct store_backend store_backend_sqlite = {
    .schemes = (const char *const[]){SCHEME, NULL},
    .remote = false,
    .check_uri = sqlite_check_uri,
    .connect = sqlite_connect,
    .close = sqlite_close,
    .write = sqlite_write,
    .each = sqlite_each,
    .find = sqlite_find,
    .prune = sqlite_prune,
};
