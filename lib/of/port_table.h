#ifndef OF_PORT_TABLE_H
#define OF_PORT_TABLE_H 1

/* Private to lib/of: the ports of one datapath in order of port number.  A sorted
 * array: read often, small, changed seldom. */

#include <stddef.h>

#include "of/port.h"

/* More than any switch has, and little enough memory that a peer may claim them. */
#define PORT_TABLE_MAX 16384

struct port_table {
    struct of_port *ports;
    size_t n, cap;
};

void port_table_uninit(struct port_table *);
void port_table_clear(struct port_table *);
/* NULL when there is none. */
struct of_port *port_table_find(const struct port_table *, uint32_t port_no);
/* Adds or replaces.  False when the table is full. */
bool port_table_put(struct port_table *, const struct of_port *);
void port_table_remove(struct port_table *, struct of_port *);

#endif
