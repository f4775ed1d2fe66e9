#ifndef RFCTL_RFCTL_H
#define RFCTL_RFCTL_H 1

/* rfctl, the operator's hand: asks rfserver and prints. */

#include <stdbool.h>
#include <stdint.h>

#include <bson/bson.h>

#include "base/buf.h"
#include "ipc/client.h"

#define RFCTL_CONFIG "/etc/routeflow/routeflow.conf" /* Need not be there. */

struct rfctl {
    const char *server; /* Endpoint. */
    const char *events;
    const struct zcurve *curve; /* NULL: plain. */
    int64_t timeout_ms;
    bool json;
    const char *config; /* INI file with section [rfctl]. */
};

/* Exit status: 0 good, 1 an error, 2 `why` found something missing, 3 no answer. */
enum { RFCTL_OK, RFCTL_ERROR, RFCTL_MISSING, RFCTL_NO_SERVER };

int check_mapping(const struct rfctl *, const char *path, const char *isl_path);
int watch_events(const struct rfctl *);

/* Both files of the mapping in force, as rfserver tells them.  False: no answer. */
bool ask_mapping(const struct rfctl *, struct buf *csv, struct buf *isl);

/* Asks once.  On success the answer is in `body`, and *ret_doc reads it; otherwise it
 * has been told what is wrong. */
int ask(const struct rfctl *, const char *cmd, const char *const *args, unsigned n,
        struct buf *body, bson_t *ret_doc);

enum plan_deed { PLAN_SHOW, PLAN_APPLY, PLAN_REVERT };
/* `id`: with PLAN_APPLY, that plan or none; NULL: whatever is proposed now. */
int plan_command(const struct rfctl *, enum plan_deed, const char *id);

#endif
