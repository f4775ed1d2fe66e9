#ifndef RFCTL_RFCTL_H
#define RFCTL_RFCTL_H 1

/* rfctl, the operator's hand: asks rfserver and prints. */

#include <stdbool.h>
#include <stdint.h>

#include "ipc/client.h"

struct rfctl {
    const char *server; /* Endpoint. */
    const char *events;
    const struct zcurve *curve; /* NULL: plain. */
    int64_t timeout_ms;
    bool json;
};

/* Exit status: 0 good, 1 an error, 2 `why` found something missing, 3 no answer. */
enum { RFCTL_OK, RFCTL_ERROR, RFCTL_MISSING, RFCTL_NO_SERVER };

int check_mapping(const struct rfctl *, const char *path, const char *isl_path);
int watch_events(const struct rfctl *);

#endif
