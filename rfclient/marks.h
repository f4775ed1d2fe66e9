#ifndef RFCLIENT_MARKS_H
#define RFCLIENT_MARKS_H 1

/* For each port, address and neighbour that rfserver was told of, or is to be told of:
 * a key and two bits.  (Routes, which are many, keep theirs in routes.h.) */

#include <stdbool.h>
#include <stdint.h>

#include "base/addr.h"

/* In the order of telling. */
enum mark_type { MARK_PORT, MARK_ADDR, MARK_NEIGH, MARK_N_TYPES };

struct mark_key {
    uint32_t type; /* enum mark_type. */
    uint32_t vm_port;
    struct ip_prefix prefix; /* Address; neighbour as host prefix; zero for a port. */
};

struct marks;

struct marks *marks_create(void);
void marks_destroy(struct marks *);
void marks_clear(struct marks *); /* Nothing told, nothing to tell. */

/* It changed, appeared or went: to be told, once, however often this is called. */
void marks_touch(struct marks *, const struct mark_key *);
/* Takes the first key to tell, oldest of the first type that has one; *ret_told: so
 * far rfserver has it.  marks_told() must follow before the next change. */
bool marks_pop(struct marks *, struct mark_key *ret, bool *ret_told);
/* What rfserver has now; a key that it does not have is forgotten. */
void marks_told(struct marks *, const struct mark_key *, bool has);
bool marks_pending(const struct marks *);

#endif
