#ifndef DAEMON_PRIVILEGES_H
#define DAEMON_PRIVILEGES_H 1

/* Gives up all capabilities(7) but those in `keep` (bit N for capability number N), for
 * good: not even an executed program gets them back.  Call it before there are threads,
 * each of which has capabilities of its own.  Returns 0 or an errno. */

#include <stdint.h>

int privileges_drop(uint64_t keep);

#endif
