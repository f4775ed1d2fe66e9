#ifndef SINGLE_H
#define SINGLE_H 1

/* One route, added, changed and deleted, again and again, with time between: written
 * into the kernel of the namespace that this process is in, or given to its zebra. */

#include <stdint.h>

/* Waits until the switch has the change of this prefix (address in host order), and
 * returns the wall clock of that. */
typedef int64_t single_fn(void *aux, uint32_t addr);

/* zebra: its socket; NULL: the kernel.  Prints {"add": [us, ...], "change": [...],
 * "delete": [...]}. */
void single_run(const char *zebra, uint32_t rounds, uint32_t gap_us, single_fn *,
                void *aux);

#endif
