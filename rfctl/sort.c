/* Order of rows for people: cell by cell, addresses and numbers by value. */

#include "sort.h"

#include <string.h>

#include "base/addr.h"

/* A cell that is a prefix or an address, as a prefix. */
static bool cell_prefix(const char *cell, struct ip_prefix *ret)
{
    struct ip_addr addr;

    if (prefix_parse(cell, ret)) {
        return true;
    }
    return ip_parse(cell, &addr) && (*ret = prefix_of_host(&addr), true);
}

int compare_cells(const char *a, const char *b)
{
    struct ip_prefix pa, pb;
    uint64_t na, nb;

    if (cell_prefix(a, &pa) && cell_prefix(b, &pb)) {
        return prefix_compare(&pa, &pb);
    }
    if (parse_u64(a, 10, UINT64_MAX, &na) && parse_u64(b, 10, UINT64_MAX, &nb)) {
        return na < nb ? -1 : na > nb;
    }
    return strcmp(a, b);
}
