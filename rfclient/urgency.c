#include "urgency.h"

bool urgency_take(struct urgency *u, uint8_t protocol, int64_t now)
{
    struct urgency_protocol *p = &u->protocols[protocol];
    const int64_t refill = (now - p->at) * URGENCY_PER_MS;

    p->spent = refill < p->spent ? (uint16_t)(p->spent - refill) : 0;
    p->at = now;
    p->stream = p->spent > (p->stream ? URGENCY_BURST / 2 : URGENCY_BURST - 1);
    p->spent += p->spent < URGENCY_BURST;
    return !p->stream;
}
