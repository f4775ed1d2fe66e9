#ifndef LOGGING_H
#define LOGGING_H 1

/* Where log lines go: a file, or standard error. */

#include "base/log.h"

struct logging {
    const char *path; /* NULL: standard error. */
    int fd;
};

/* Becomes the log sink.  0 or an errno of opening the file. */
int logging_open(struct logging *, const char *path, enum log_level);
/* After the file was renamed (log rotation).  On failure the old one is kept. */
int logging_reopen(struct logging *);
void logging_close(struct logging *);

#endif
