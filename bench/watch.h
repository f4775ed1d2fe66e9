#ifndef WATCH_H
#define WATCH_H 1

/* How the benches know that the switch has it all: the table's size from a connection
 * of their own, the time from the last barrier reply that was overheard. */

#include "ofconn.h"
#include "tap.h"

enum { BENCH_FIB_TABLE = 1, BENCH_OPENFLOW_PORT = 6653 };

/* What the tap has seen. */
struct seen {
    int64_t last_reply;
    unsigned flow_mods, group_mods, replies;
};

/* Takes what has been overheard so far. */
void watch_some(struct tap *, struct seen *);
/* Listens until no barrier reply has come for 150 ms after `since`. */
void watch_quiet(struct tap *, struct seen *, int64_t since);
/* Listens until the FIB table has `wanted` entries and nothing follows; ends the
 * process when nothing moves for a minute. */
void watch_count(struct tap *, struct ofconn *, struct seen *, uint32_t wanted);

/* Waits until the FIB table has from `least` to `most` entries. */
void watch_until(struct ofconn *, uint32_t least, uint32_t most);

/* One route: from its flow-mod to the reply to the barrier behind it.  Returns the time
 * of that reply; ends the process if it does not come within 5 s. */
int64_t watch_single(void *tap, uint32_t addr);

#endif
