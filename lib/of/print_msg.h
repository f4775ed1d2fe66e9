#ifndef OF_PRINT_MSG_H
#define OF_PRINT_MSG_H 1

/* Private to lib/of: printers of message bodies, for the table in msg.c. */

#include "base/buf.h"
#include "of/msg.h"

typedef void of_print_fn(struct buf *, const struct of_msg *);

of_print_fn of_print_nothing, of_print_hello, of_print_error, of_print_echo,
    of_print_experimenter, of_print_features, of_print_config, of_print_packet_in,
    of_print_flow_removed, of_print_port_status, of_print_packet_out, of_print_flow_mod,
    of_print_group_mod, of_print_port_mod, of_print_table_mod, of_print_multipart,
    of_print_queue_config, of_print_role, of_print_async, of_print_meter_mod;

/* NULL for a type that OpenFlow 1.3 does not have. */
of_print_fn *of_type_printer(uint8_t type);

void of_print_buckets(struct buf *, struct cursor buckets);
void of_print_bands(struct buf *, struct cursor bands);
void of_print_fault(struct buf *, enum of_err);
void of_print_meter_id(struct buf *, uint32_t meter_id);
void of_print_meter_flags(struct buf *, uint16_t flags);
void of_print_flow_flags(struct buf *, uint16_t flags);
void of_print_group_type(struct buf *, uint8_t type);
void of_print_group_id(struct buf *, uint32_t group_id);
void of_print_table_id(struct buf *, uint8_t table_id);

#endif
