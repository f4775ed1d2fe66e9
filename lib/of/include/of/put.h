#ifndef OF_PUT_H
#define OF_PUT_H 1

/* Encoders: each appends one whole OpenFlow 1.3 message to a buffer, straight into its
 * memory.  They cannot fail.  The transaction id is the caller's; of_session_xid()
 * makes them.  Messages longer than 65,535 octets cannot exist in OpenFlow: the caller
 * keeps packet data and numbers of buckets below that, and it is asserted.
 *
 * First what a controller sends, then what only a switch sends, which tests and
 * simulated switches need. */

#include "base/buf.h"
#include "of/msg.h"
#include "of/multipart.h"

/* Both sides. */

/* `bitmap`: bit N for wire version N; 0 leaves the element out.  The version of the
 * header is given too, since a HELLO names the highest that its sender speaks. */
void of_put_hello(struct buf *, uint32_t xid, uint8_t version, uint32_t bitmap);
/* `data`: the start of the offending message, or a text for OFPET_HELLO_FAILED. */
void of_put_error(struct buf *, uint32_t xid, uint16_t type, uint16_t code,
                  const void *data, size_t n);
void of_put_echo_request(struct buf *, uint32_t xid, const void *data, size_t n);
void of_put_echo_reply(struct buf *, uint32_t xid, const void *data, size_t n);
void of_put_experimenter(struct buf *, uint32_t xid, uint32_t experimenter,
                         uint32_t exp_type, const void *data, size_t n);

/* Controller to switch. */

void of_put_features_request(struct buf *, uint32_t xid);
void of_put_get_config_request(struct buf *, uint32_t xid);
void of_put_set_config(struct buf *, uint32_t xid, uint16_t flags,
                       uint16_t miss_send_len);
void of_put_flow_mod(struct buf *, uint32_t xid, const struct of_flow_mod *);
void of_put_group_mod(struct buf *, uint32_t xid, uint16_t command, uint8_t type,
                      uint32_t group_id, const struct of_bucket *buckets, size_t n);
void of_put_meter_mod(struct buf *, uint32_t xid, uint16_t command, uint16_t flags,
                      uint32_t meter_id, const struct of_meter_band *bands, size_t n);
void of_put_port_mod(struct buf *, uint32_t xid, const struct of_port_mod *);
void of_put_table_mod(struct buf *, uint32_t xid, uint8_t table_id, uint32_t config);
/* Without a buffer id; `in_port` OFPP_CONTROLLER when the frame is our own. */
void of_put_packet_out(struct buf *, uint32_t xid, uint32_t in_port,
                       const struct of_actions *, const void *frame, size_t n);
void of_put_barrier_request(struct buf *, uint32_t xid);
void of_put_role_request(struct buf *, uint32_t xid, const struct of_role *);
void of_put_get_async_request(struct buf *, uint32_t xid);
void of_put_set_async(struct buf *, uint32_t xid, const struct of_async_config *);
void of_put_queue_get_config_request(struct buf *, uint32_t xid, uint32_t port_no);

/* Multipart requests without a body: DESC, TABLE, GROUP_DESC, GROUP_FEATURES,
 * METER_FEATURES, PORT_DESC, TABLE_FEATURES. */
void of_put_multipart_request(struct buf *, uint32_t xid, uint16_t type);
void of_put_flow_stats_request(struct buf *, uint32_t xid,
                               const struct of_flow_request *);
void of_put_aggregate_request(struct buf *, uint32_t xid,
                              const struct of_flow_request *);
void of_put_port_stats_request(struct buf *, uint32_t xid, uint32_t port_no);
void of_put_queue_stats_request(struct buf *, uint32_t xid, uint32_t port_no,
                                uint32_t queue_id);
void of_put_group_stats_request(struct buf *, uint32_t xid, uint32_t group_id);
/* `type`: OFPMP_METER or OFPMP_METER_CONFIG. */
void of_put_meter_request(struct buf *, uint32_t xid, uint16_t type, uint32_t meter_id);

/* Switch to controller. */

void of_put_features_reply(struct buf *, uint32_t xid, const struct of_features *);
void of_put_get_config_reply(struct buf *, uint32_t xid, uint16_t flags,
                             uint16_t miss_send_len);
void of_put_packet_in(struct buf *, uint32_t xid, const struct of_packet_in *);
void of_put_flow_removed(struct buf *, uint32_t xid, const struct of_flow_removed *);
void of_put_port_status(struct buf *, uint32_t xid, const struct of_port_status *);
void of_put_barrier_reply(struct buf *, uint32_t xid);
void of_put_role_reply(struct buf *, uint32_t xid, const struct of_role *);
void of_put_get_async_reply(struct buf *, uint32_t xid, const struct of_async_config *);

/* A multipart reply is begun, filled with entries of its type, and ended:
 *
 *     size_t ofs = of_put_multipart_reply(b, xid, OFPMP_PORT_DESC, 0);
 *     of_port_put(b, &port); ...
 *     of_put_multipart_end(b, ofs);
 *
 * It is for the caller to begin another one (OFPMPF_MORE) before 65,535 octets. */
size_t of_put_multipart_reply(struct buf *, uint32_t xid, uint16_t type,
                              uint16_t flags);
void of_put_flow_stats(struct buf *, const struct of_flow_stats *);
void of_put_group_desc(struct buf *, uint8_t type, uint32_t group_id,
                       const struct of_bucket *buckets, size_t n);
void of_put_meter_config(struct buf *, uint16_t flags, uint32_t meter_id,
                         const struct of_meter_band *bands, size_t n);
void of_put_table_stats(struct buf *, const struct of_table_stats *);
void of_put_multipart_end(struct buf *, size_t ofs);

#endif
