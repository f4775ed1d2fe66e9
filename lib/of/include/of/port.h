#ifndef OF_PORT_H
#define OF_PORT_H 1

/* A port of a datapath (OpenFlow 1.3.5, 7.2.1) as a plain value. */

#include <stdbool.h>
#include <stdint.h>

#include "base/addr.h"
#include "base/buf.h"
#include "base/cursor.h"
#include "of/of13.h"

struct of_port {
    uint32_t port_no;
    struct eth_addr hw_addr;
    char name[OFP_PORT_NAME_LEN]; /* Always terminated. */
    uint32_t config;              /* OFPPC_... */
    uint32_t state;               /* OFPPS_... */
    uint32_t curr, advertised, supported, peer;
    uint32_t curr_speed, max_speed; /* kb/s. */
};

#define OF_PORT_LEN 64 /* Encoded. */

/* Carries packets: LIVE, link not down, not put down by the controller. */
bool of_port_up(const struct of_port *);
bool of_port_equal(const struct of_port *, const struct of_port *);
void of_port_put(struct buf *, const struct of_port *);
bool of_port_pull(struct cursor *, struct of_port *ret); /* False: does not fit. */
/* "1(eth0): addr:02:00:00:00:00:01 config:0 state:LIVE speed:10000000". */
void of_port_print(struct buf *, const struct of_port *);

/* "PORT_DOWN|NO_RECV", "0". */
void of_port_config_print(struct buf *, uint32_t config);

/* "3", "CONTROLLER", "LOCAL", ... as ovs-ofctl writes port numbers. */
void of_port_no_print(struct buf *, uint32_t port_no);

#endif
