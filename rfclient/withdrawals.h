#ifndef RFCLIENT_WITHDRAWALS_H
#define RFCLIENT_WITHDRAWALS_H 1

/* IPv6 routes that the kernel has removed, before rfserver is told.
 *
 * A suite changes an IPv6 route by removing it and adding it anew (IPv4 has a replace
 * for that).  Told at once, the removal would take the flow out of the switch for the
 * moment between the two.  So it waits, and a route that returns meanwhile is one
 * change. */

#include <stdbool.h>
#include <stdint.h>

#include "base/addr.h"

#define WITHDRAWAL_HOLD 20  /* ms. */
#define WITHDRAWAL_MAX 4096 /* At a time; beyond, a loss is a loss. */

struct withdrawals;

struct withdrawals *withdrawals_create(void);
void withdrawals_destroy(struct withdrawals *);
void withdrawals_clear(struct withdrawals *);

/* False: no room, tell it now.  Urgent: it is not to wait for others then. */
bool withdrawals_hold(struct withdrawals *, const struct ip_prefix *, bool urgent,
                      int64_t now);
void withdrawals_cancel(struct withdrawals *, const struct ip_prefix *);
/* The next one, of the urgent ones or of the others, that waited long enough; false if
 * there is none. */
bool withdrawals_next(const struct withdrawals *, bool urgent, int64_t now,
                      struct ip_prefix *ret);
int64_t withdrawals_wakeup(const struct withdrawals *); /* INT64_MAX: none waits. */

#endif
