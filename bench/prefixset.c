#include "prefixset.h"

#include <assert.h>
#include <stdlib.h>

/* Per ten thousand. */
static const struct {
    uint8_t plen;
    uint16_t share;
} histogram[] = {
    {24, 6300}, {22, 1100}, {23, 1000}, {20, 450}, {21, 450}, {19, 240}, {18, 150},
    {16, 130},  {17, 80},   {15, 30},   {14, 30},  {13, 20},  {12, 20},
};

static bool is_used(uint32_t addr)
{
    uint32_t top = addr >> 24;
    return top && top != 10 && top != 127 && top != 169 && top != 172 && top < 192;
}

/* The next prefix of this length: numbers 0, 1, 2 ... are spread by a multiplication
 * that maps no two of them to the same prefix. */
static uint32_t next_of(uint8_t plen, uint32_t *counter)
{
    uint32_t addr;

    do {
        assert(*counter >> plen == 0);
        addr = (*counter)++ * 2654435761u << (32 - plen);
    } while (!is_used(addr));
    return addr;
}

void prefixset_init(struct prefixset *set, uint32_t n)
{
    uint32_t counters[33] = {0};
    uint64_t dice = 1;

    assert(n <= PREFIXSET_MAX);
    set->n = n;
    set->all = xcalloc(n + 1, sizeof *set->all);
    for (uint32_t i = 0; i < n; i++) {
        dice = dice * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
        uint32_t roll = (uint32_t)(dice >> 33) % 10000;
        size_t k = 0;
        while (roll >= histogram[k].share) {
            roll -= histogram[k++].share;
        }
        set->all[i].plen = histogram[k].plen;
        set->all[i].addr = next_of(histogram[k].plen, &counters[histogram[k].plen]);
    }
}

void prefixset_uninit(struct prefixset *set)
{
    free(set->all);
}

struct ip_prefix prefixset_get(const struct prefixset *set, uint32_t i)
{
    return (struct ip_prefix){.addr = ip_from_v4(set->all[i].addr),
                              .plen = set->all[i].plen};
}
