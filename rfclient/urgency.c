#include "urgency.h"

bool urgency_take(struct urgency *u, uint8_t protocol, int64_t now)
{
    const int64_t refill = (now - u->protocols[protocol].at) * URGENCY_PER_MS;
    uint16_t *spent = &u->protocols[protocol].spent;

    *spent = refill < *spent ? (uint16_t)(*spent - refill) : 0;
    u->protocols[protocol].at = now;
    if (*spent == URGENCY_BURST) {
        return false;
    }
    ++*spent;
    return true;
}
