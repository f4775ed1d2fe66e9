#ifndef PACED_H
#define PACED_H 1

/* Changes of single routes at a steady pace, whatever becomes of those before: each has
 * a prefix of its own, in no set (prefixset.h), and its time counts from when it was
 * written, so that waiting counts for all that are kept waiting.
 *
 * All prefixes are added, then changed, then deleted; the next begins when the switch
 * has all of one. */

#include <stdint.h>

#include "routes.h"
#include "tap.h"

#define PACED_MAX 50000

/* Written into the kernel of the namespace that this process is in, as routes of
 * `protocol` (rtm_protocol).  Prints {"add": [us, ...], "change": [...], "delete":
 * [...]}: until the reply to the barrier after the flow-mod; and "late": after the time
 * when it was due it was written, of all of them. */
void paced_run(struct tap *, uint8_t protocol, uint32_t rounds, uint32_t gap_us);

#endif
