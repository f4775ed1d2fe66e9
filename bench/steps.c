#include "steps.h"

#include <inttypes.h>
#include <stdio.h>

const struct step steps[N_STEPS] = {{"add", ROUTES_ADD, 0},
                                    {"change", ROUTES_REPLACE, 1},
                                    {"delete", ROUTES_DELETE, 1}};

void steps_print(const char *name, const int64_t *us, uint32_t n)
{
    printf("\"%s\": [", name);
    for (uint32_t i = 0; i < n; i++) {
        printf("%s%" PRId64, i ? ", " : "", us[i]);
    }
    printf("]");
}
