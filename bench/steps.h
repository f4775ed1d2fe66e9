#ifndef STEPS_H
#define STEPS_H 1

/* What happens to a single route, one after the other, in single.h and paced.h. */

#include <stdint.h>

#include "routes.h"

enum { N_STEPS = 3 };

struct step {
    const char *name;
    enum routes_op op;
    uint32_t hop; /* prefixset_gateway(). */
};

extern const struct step steps[N_STEPS]; /* "add", "change", "delete". */

/* Prints "name": [us, ...]. */
void steps_print(const char *name, const int64_t *us, uint32_t n);

#endif
