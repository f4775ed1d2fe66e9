#ifndef RFCLIENT_URGENCY_H
#define RFCLIENT_URGENCY_H 1

/* Which changes of routes go before the others: a token bucket for each routing
 * protocol (rtm_protocol), so that one route that OSPF changes does not wait for the
 * hundred thousand that BGP brings just then, and the changes of a protocol that
 * brings few never wait for each other.  No protocol is better than another: whoever
 * brings many has them wait.
 *
 * A bucket that was emptied is that of a stream, none of whose changes are urgent until
 * half of the bucket is there again: each urgent change has a price of its own in all
 * daemons and in the switch, and one out of forty in a stream helps nobody. */

#include <stdbool.h>
#include <stdint.h>

enum {
    URGENCY_BURST = 256, /* Changes of a protocol at once ... */
    URGENCY_PER_MS = 1,  /* ... and afterwards. */
};

struct urgency_protocol {
    int64_t at; /* ms, monotonic, when ... */
    uint16_t spent;
    bool stream;
};

struct urgency {
    struct urgency_protocol protocols[256];
};

/* Whether one more change of the protocol is urgent; `now` never goes back.  All zero
 * is how it begins. */
bool urgency_take(struct urgency *, uint8_t protocol, int64_t now);

#endif
