#ifndef TAP_H
#define TAP_H 1

/* Listens to the OpenFlow connection between Open vSwitch and rfproxy without being
 * part of it: a packet socket on `lo`, with the kernel's timestamps.
 *
 * What the switch sends and, if asked for, what rfproxy sends is told message by
 * message, a request always before its answer (overheard.h).  When the kernel had no
 * room for a packet, the process ends: what was not seen would be taken for what did
 * not happen. */

#include <stdbool.h>
#include <stdint.h>

#include "base/cursor.h"

struct tap;

struct tap_event {
    bool from_switch;
    uint8_t type; /* OFPT_... */
    int64_t at;   /* Microseconds of the wall clock. */
    struct cursor raw;
};

/* In the network namespace that the process is in.  both: what rfproxy sends, too. */
struct tap *tap_open(uint16_t port, bool both);
void tap_close(struct tap *);

/* Waits for packets until wall clock `until` (microseconds) and calls fn for each
 * message; returns true as soon as fn does, false in the end. */
typedef bool tap_fn(void *aux, const struct tap_event *);
bool tap_run(struct tap *, int64_t until, tap_fn *, void *aux);

/* When the switch began to connect last: its SYN; 0 if it did not. */
int64_t tap_connected_at(const struct tap *);

#endif
