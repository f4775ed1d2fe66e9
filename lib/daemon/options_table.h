#ifndef OPTIONS_TABLE_H
#define OPTIONS_TABLE_H 1

/* How the options get their values, for daemon.c. */

#include "daemon/options.h"

enum options_result {
    OPTIONS_OK,
    OPTIONS_DONE,  /* --help, --usage, --version: printed. */
    OPTIONS_ERROR, /* Told on standard error. */
};

/* `own` (may be NULL) and `common` are tables up to a NULL key.  `config` is the
 * default INI file or NULL. */
enum options_result options_parse(const char *program, const char *doc,
                                  const char *config, const struct option_spec *own,
                                  const struct option_spec *common, int argc,
                                  char **argv, struct options **ret);

/* For one key of the file; false after telling where and what is wrong. */
bool options_set_from_file(struct options *, const char *path, unsigned line,
                           const char *key, const char *value);
/* Reads an INI file for `program`; tells all its faults.  ENOENT if there is none,
 * EINVAL if anything in it is wrong. */
int options_read_file(struct options *, const char *program, const char *path);

#endif
