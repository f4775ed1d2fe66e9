#ifndef WIRING_H
#define WIRING_H 1

/* What rfserver wants of one RFVS: virtual links, relay ports, carriers.
 *
 * Records come one by one, or as a full download between BEGIN and END; what such a
 * download does not name is given up at its END and not before, so that neither a
 * restart of rfvs nor one of rfserver takes anything away that will be named again.
 * Before the first END of its life rfvs does not know all, and does nothing that it was
 * not told to do.
 *
 * Virtual links from one port may be several: its frames go to all their ends.  Of two
 * datapath ports that relay to one port the later one holds, and the removal of the
 * earlier one means nothing: that is how rfserver moves things.
 *
 * Flow entries follow by themselves (entries.h); the rest is told to the owner.  Pure.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "entries.h"
#include "wire/record.h"

struct wiring;

struct wiring_ops {
    /* The first of the two directions of a link left, or the second came. */
    void (*vlink)(void *aux, uint32_t a, uint32_t b, bool added);
    /* wiring_carrier() of the port may have changed; 0: of any port. */
    void (*carrier)(void *aux, uint32_t vs_port);
};

/* `entries` stays the caller's. */
struct wiring *wiring_create(struct entries *, const struct wiring_ops *, void *aux);
void wiring_destroy(struct wiring *);

/* REC_BEGIN, REC_END, REC_VLINK, REC_RELAY, REC_CARRIER; false for any other kind. */
bool wiring_apply(struct wiring *, const struct record *);

enum wiring_carrier {
    CARRIER_AS_IS, /* We do not know yet. */
    CARRIER_OFF,
    CARRIER_ON,
};
enum wiring_carrier wiring_carrier(const struct wiring *, uint32_t vs_port);

/* Where frames from the port go in the real plane.  False: nowhere. */
bool wiring_relay(const struct wiring *, uint32_t vs_port, struct dp_key *ret);

bool wiring_is_complete(const struct wiring *); /* An END was seen. */
size_t wiring_count_vlinks(const struct wiring *);

#endif
