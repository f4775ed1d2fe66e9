#include "port_table.h"

#include <stdlib.h>
#include <string.h>

#include "base/util.h"

void port_table_uninit(struct port_table *t)
{
    free(t->ports);
    *t = (struct port_table){0};
}

void port_table_clear(struct port_table *t)
{
    t->n = 0;
}

/* Index of the first port whose number is not less. */
static size_t lower_bound(const struct port_table *t, uint32_t port_no)
{
    size_t low = 0, high = t->n;

    while (low < high) {
        size_t mid = low + (high - low) / 2;
        if (t->ports[mid].port_no < port_no) {
            low = mid + 1;
        } else {
            high = mid;
        }
    }
    return low;
}

struct of_port *port_table_find(const struct port_table *t, uint32_t port_no)
{
    size_t i = lower_bound(t, port_no);
    return i < t->n && t->ports[i].port_no == port_no ? &t->ports[i] : NULL;
}

bool port_table_put(struct port_table *t, const struct of_port *port)
{
    size_t i = lower_bound(t, port->port_no);

    if (i == t->n || t->ports[i].port_no != port->port_no) {
        if (t->n >= PORT_TABLE_MAX) {
            return false;
        }
        if (t->n == t->cap) {
            t->cap = MAX(16, 2 * t->cap);
            t->ports = xrealloc(t->ports, t->cap * sizeof *t->ports);
        }
        memmove(&t->ports[i + 1], &t->ports[i], (t->n - i) * sizeof *t->ports);
        t->n++;
    }
    t->ports[i] = *port;
    return true;
}

void port_table_remove(struct port_table *t, struct of_port *port)
{
    size_t i = (size_t)(port - t->ports);

    t->n--;
    memmove(&t->ports[i], &t->ports[i + 1], (t->n - i) * sizeof *t->ports);
}
