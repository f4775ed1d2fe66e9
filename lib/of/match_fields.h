#ifndef OF_MATCH_FIELDS_H
#define OF_MATCH_FIELDS_H 1

/* Private to lib/of: what is known of each field of a match, one row per field. */

#include <stddef.h>
#include <stdint.h>

#include "of/match.h"

enum field_format {
    FMT_PORT,
    FMT_DECIMAL,
    FMT_HEX,
    FMT_ETH,
    FMT_IPV4,
    FMT_IPV6,
};

struct match_field {
    const char *name; /* As ovs-ofctl calls it. */
    uint16_t oxm_class;
    uint8_t oxm_field;
    uint8_t len;       /* Octets, both in struct of_match and in OXM. */
    uint8_t format;    /* enum field_format; ETH and IPV6 are octets, others numbers. */
    uint16_t ofs;      /* In struct of_match. */
    uint16_t mask_ofs; /* 0 when the field takes no mask. */
};

extern const struct match_field match_fields[OF_N_FIELDS];

static inline const void *match_value(const struct of_match *m,
                                      const struct match_field *f)
{
    return (const uint8_t *)m + f->ofs;
}

static inline const void *match_mask(const struct of_match *m,
                                     const struct match_field *f)
{
    return (const uint8_t *)m + f->mask_ofs;
}

#endif
