#ifndef OF_MULTIPART_H
#define OF_MULTIPART_H 1

/* Bodies of multipart requests and replies (OpenFlow 1.3.5, 7.3.5), decoded from
 * `struct of_multipart`.  Iterators work as those of of/msg.h: true for an entry, false
 * at the end or at a malformed entry, which *ret_err tells apart. */

#include "of/msg.h"

/* OFPMP_DESC reply, 7.3.5.1. */
struct of_desc {
    char mfr[257], hw[257], sw[257], serial[33], dp[257]; /* Always terminated. */
};
enum of_err of_desc_pull(struct cursor *, struct of_desc *ret);

/* OFPMP_FLOW and OFPMP_AGGREGATE requests, 7.3.5.2 and 7.3.5.3. */
struct of_flow_request {
    uint8_t table_id; /* Or OFPTT_ALL. */
    uint32_t out_port, out_group;
    uint64_t cookie, cookie_mask;
    struct of_match match;
};
/* All tables, any out_port and out_group, any cookie, everything. */
void of_flow_request_init(struct of_flow_request *);
enum of_err of_flow_request_pull(struct cursor *, struct of_flow_request *ret);

/* OFPMP_FLOW reply, 7.3.5.2. */
struct of_flow_stats {
    uint8_t table_id;
    uint32_t duration_sec, duration_nsec;
    uint16_t priority;
    uint16_t idle_timeout, hard_timeout;
    uint16_t flags; /* OFPFF_... */
    uint64_t cookie;
    uint64_t packet_count, byte_count;
    struct of_match match;
    struct of_instructions inst;
};
bool of_flow_stats_next(struct cursor *, struct of_flow_stats *ret,
                        enum of_err *ret_err);

/* OFPMP_AGGREGATE reply, 7.3.5.3. */
struct of_aggregate {
    uint64_t packet_count, byte_count;
    uint32_t flow_count;
};
enum of_err of_aggregate_pull(struct cursor *, struct of_aggregate *ret);

/* OFPMP_TABLE reply, 7.3.5.4. */
struct of_table_stats {
    uint8_t table_id;
    uint32_t active_count;
    uint64_t lookup_count, matched_count;
};
bool of_table_stats_next(struct cursor *, struct of_table_stats *ret,
                         enum of_err *ret_err);

/* OFPMP_TABLE_FEATURES, 7.3.5.5; properties stay undecoded. */
struct of_table_features {
    uint8_t table_id;
    char name[33]; /* Always terminated. */
    uint64_t metadata_match, metadata_write;
    uint32_t config, max_entries;
    struct cursor properties;
};
bool of_table_features_next(struct cursor *, struct of_table_features *ret,
                            enum of_err *ret_err);

/* OFPMP_PORT_STATS reply, 7.3.5.6. */
struct of_port_stats {
    uint32_t port_no;
    uint64_t rx_packets, tx_packets, rx_bytes, tx_bytes, rx_dropped, tx_dropped;
    uint64_t rx_errors, tx_errors, rx_frame_err, rx_over_err, rx_crc_err, collisions;
    uint32_t duration_sec, duration_nsec;
};
bool of_port_stats_next(struct cursor *, struct of_port_stats *ret,
                        enum of_err *ret_err);

/* OFPMP_PORT_DESC reply, 7.3.5.7. */
bool of_port_next(struct cursor *, struct of_port *ret, enum of_err *ret_err);

/* OFPMP_QUEUE reply, 7.3.5.8. */
struct of_queue_stats {
    uint32_t port_no, queue_id;
    uint64_t tx_bytes, tx_packets, tx_errors;
    uint32_t duration_sec, duration_nsec;
};
bool of_queue_stats_next(struct cursor *, struct of_queue_stats *ret,
                         enum of_err *ret_err);

/* OFPMP_GROUP reply, 7.3.5.9. */
struct of_group_stats {
    uint32_t group_id, ref_count;
    uint64_t packet_count, byte_count;
    uint32_t duration_sec, duration_nsec;
    struct cursor buckets; /* 16 octets each: packets, bytes. */
};
bool of_group_stats_next(struct cursor *, struct of_group_stats *ret,
                         enum of_err *ret_err);

/* OFPMP_GROUP_DESC reply, 7.3.5.10. */
struct of_group_desc {
    uint8_t type; /* OFPGT_... */
    uint32_t group_id;
    struct cursor buckets; /* For of_bucket_next(). */
};
bool of_group_desc_next(struct cursor *, struct of_group_desc *ret,
                        enum of_err *ret_err);

/* OFPMP_GROUP_FEATURES reply, 7.3.5.11.  Arrays are indexed by OFPGT_... */
struct of_group_features {
    uint32_t types, capabilities;
    uint32_t max_groups[4];
    uint32_t actions[4]; /* Bit N for OFPAT_ number N. */
};
enum of_err of_group_features_pull(struct cursor *, struct of_group_features *ret);

/* OFPMP_METER reply, 7.3.5.12. */
struct of_meter_stats {
    uint32_t meter_id, flow_count;
    uint64_t packet_in_count, byte_in_count;
    uint32_t duration_sec, duration_nsec;
    struct cursor bands; /* 16 octets each: packets, bytes. */
};
bool of_meter_stats_next(struct cursor *, struct of_meter_stats *ret,
                         enum of_err *ret_err);

/* OFPMP_METER_CONFIG reply, 7.3.5.13. */
struct of_meter_config {
    uint16_t flags; /* OFPMF_... */
    uint32_t meter_id;
    struct cursor bands; /* For of_meter_band_next(). */
};
bool of_meter_config_next(struct cursor *, struct of_meter_config *ret,
                          enum of_err *ret_err);

/* OFPMP_METER_FEATURES reply, 7.3.5.14. */
struct of_meter_features {
    uint32_t max_meter, band_types, capabilities;
    uint8_t max_bands, max_color;
};
enum of_err of_meter_features_pull(struct cursor *, struct of_meter_features *ret);

#endif
