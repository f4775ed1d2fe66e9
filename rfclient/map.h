#ifndef RFCLIENT_MAP_H
#define RFCLIENT_MAP_H 1

/* uthash as this program uses it: memory exhaustion aborts (base/util.h). */

#include <stdlib.h>

#include "base/util.h"

#define uthash_malloc(SIZE) xmalloc(SIZE)
#define uthash_fatal(MESSAGE) abort()

#include <uthash.h>

#endif
