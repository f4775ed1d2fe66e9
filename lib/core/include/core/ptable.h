#ifndef CORE_PTABLE_H
#define CORE_PTABLE_H 1

/* A compact hash table of prefixes, made for a million of them.
 *
 * An entry is a prefix, 16 bits of flags and 1..3 words of 32 bits, all of which belong
 * to the owner.  Entries live in chunks, apart from the hash index: nothing is
 * allocated per entry, and an entry does not move until it is removed.  IPv4 takes 8
 * octets and IPv6 20, plus 4 per word, plus some 7 for the index.
 *
 * An entry is named by its slot, a number that stays the same until ptable_remove().
 *
 * Each table has PTABLE_LANES queues of slots, "lanes", for what must be done with
 * entries.  An entry waits in a lane at most once; taking it out is in order.  The
 * owner keeps an entry that is gone but must still be told to somebody: it is removed
 * when its turn came.  Removing an entry that waits takes it out of its lanes. */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/addr.h"

#define PTABLE_NONE UINT32_MAX /* No slot. */
#define PTABLE_LANES 3
#define PTABLE_MAX_WORDS 3

struct ptable;

struct ptable *ptable_create(unsigned n_words); /* 1..PTABLE_MAX_WORDS. */
void ptable_destroy(struct ptable *);

size_t ptable_count(const struct ptable *);
size_t ptable_memory(const struct ptable *); /* Octets allocated. */

/* The prefix must be canonical, and of version IP_V4 or IP_V6. */
uint32_t ptable_find(const struct ptable *, const struct ip_prefix *);
/* Finds or adds; a new entry has flags and words 0. */
uint32_t ptable_insert(struct ptable *, const struct ip_prefix *);
void ptable_remove(struct ptable *, uint32_t slot);
/* The prefix will be looked for soon: some hundred nanoseconds ahead of that, so that
 * memory is waited for once for many of them. */
void ptable_prefetch(const struct ptable *, const struct ip_prefix *);

/* Valid until the entry is removed. */
uint32_t *ptable_words(const struct ptable *, uint32_t slot);
uint16_t *ptable_flags(const struct ptable *, uint32_t slot);
struct ip_prefix ptable_prefix(const struct ptable *, uint32_t slot);

/* The entry after `slot`, or the first one after PTABLE_NONE; PTABLE_NONE at the end.
 * In no order that means anything, IPv4 first.  The entry `slot` may have been removed;
 * an entry added meanwhile may be met or not; every other one is met exactly once. */
uint32_t ptable_next(const struct ptable *, uint32_t slot);

void ptable_enqueue(struct ptable *, unsigned lane, uint32_t slot);
uint32_t ptable_dequeue(struct ptable *, unsigned lane); /* PTABLE_NONE when empty. */
size_t ptable_queued(const struct ptable *, unsigned lane);

/* Brings those that wait in a lane, the first `max` or PTABLE_SORT_MAX of them at most,
 * in the order of their addresses, of which the first 64 bits count.  While some that
 * an earlier call has brought in order still wait, nothing happens: who calls before
 * each ptable_dequeue() has each entry sorted once. */
#define PTABLE_SORT_MAX (1u << 17) /* Takes some milliseconds. */
void ptable_sort(struct ptable *, unsigned lane, size_t max);

#endif
