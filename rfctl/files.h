#ifndef RFCTL_FILES_H
#define RFCTL_FILES_H 1

/* Whole files.  Each function tells what is wrong, on standard error, before it returns
 * false. */

#include <stdbool.h>

#include "base/buf.h"

bool file_read(const char *path, struct buf *out);
bool file_write(const char *path, const void *data, size_t n);

/* Replaces a file at once: whoever reads it sees all of the old or all of the new. Mode
 * and owner stay.  Refuses if the file is not what `old` holds any more.  The old one
 * is kept as `backup` unless that is NULL. */
bool file_replace(const char *path, const struct buf *old, const struct buf *data,
                  const char *backup);

/* Removes a folder and the files in it. */
bool folder_remove(const char *path);

#endif
