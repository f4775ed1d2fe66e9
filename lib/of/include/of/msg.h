#ifndef OF_MSG_H
#define OF_MSG_H 1

/* Messages of OpenFlow 1.3 decoded (OpenFlow 1.3.5, 7.3 to 7.5).
 *
 * of_msg_decode() is driven by a table with one row per message type: name, who may
 * send it, minimum length, decoder, printer.  It allocates nothing.  Fixed parts are
 * decoded into plain values; variable parts (packet data, buckets, bands, multipart
 * bodies) are cursors into the bytes given, valid as long as those bytes are. Iterators
 * for the cursors are here and in of/multipart.h.
 *
 * The counterpart that writes messages is of/put.h. */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/addr.h"
#include "base/cursor.h"
#include "of/action.h"
#include "of/error.h"
#include "of/match.h"
#include "of/of13.h"
#include "of/port.h"

struct of_header { /* 7.1.1. */
    uint8_t version;
    uint8_t type;    /* OFPT_... */
    uint16_t length; /* Of the whole message, header included. */
    uint32_t xid;
};

/* 7.5.1.  The bitmap counts versions up to 31, bit N for wire version N; 0 when the
 * message has none. */
struct of_hello {
    uint32_t bitmap;
};

struct of_error_msg { /* 7.4.4. */
    uint16_t type, code;
    struct cursor
        data; /* At least 64 octets of the offender, or a text for HELLO_FAILED. */
};

struct of_experimenter { /* 7.5.4. */
    uint32_t experimenter;
    uint32_t exp_type;
    struct cursor data;
};

struct of_features { /* 7.3.1. */
    uint64_t datapath_id;
    uint32_t n_buffers;
    uint8_t n_tables;
    uint8_t auxiliary_id;
    uint32_t capabilities; /* OFPC_... */
};

struct of_switch_config { /* 7.3.2. */
    uint16_t flags;
    uint16_t miss_send_len;
};

struct of_packet_in { /* 7.4.1. */
    uint32_t buffer_id;
    uint16_t total_len;
    uint8_t reason; /* OFPR_... */
    uint8_t table_id;
    uint64_t cookie;
    struct of_match match; /* in_port, metadata. */
    struct cursor data;    /* The frame, perhaps cut. */
};

struct of_packet_out { /* 7.3.7. */
    uint32_t buffer_id;
    uint32_t in_port;
    struct of_actions actions;
    struct cursor data;
};

struct of_flow_removed { /* 7.4.2. */
    uint64_t cookie;
    uint16_t priority;
    uint8_t reason; /* OFPRR_... */
    uint8_t table_id;
    uint32_t duration_sec, duration_nsec;
    uint16_t idle_timeout, hard_timeout;
    uint64_t packet_count, byte_count;
    struct of_match match;
};

struct of_port_status { /* 7.4.3. */
    uint8_t reason;     /* OFPPR_... */
    struct of_port port;
};

struct of_flow_mod { /* 7.3.4.1. */
    uint64_t cookie, cookie_mask;
    uint8_t table_id;
    uint8_t command; /* OFPFC_... */
    uint16_t idle_timeout, hard_timeout;
    uint16_t priority;
    uint32_t buffer_id;
    uint32_t out_port, out_group;
    uint16_t flags; /* OFPFF_... */
    struct of_match match;
    struct of_instructions inst;
};

/* No buffer, any out_port and out_group, no timeouts, no flags, match everything, drop.
 */
void of_flow_mod_init(struct of_flow_mod *, uint8_t command, uint8_t table_id,
                      uint16_t priority);

struct of_bucket {   /* 7.3.4.2. */
    uint16_t weight; /* OFPGT_SELECT only, else 0. */
    uint32_t watch_port, watch_group;
    struct of_actions actions;
};

/* No weight, nothing watched, no actions. */
void of_bucket_init(struct of_bucket *);

struct of_group_mod { /* 7.3.4.2. */
    uint16_t command; /* OFPGC_... */
    uint8_t type;     /* OFPGT_... */
    uint32_t group_id;
    struct cursor buckets;
};

struct of_meter_band { /* 7.3.4.4. */
    uint16_t type;     /* OFPMBT_... */
    uint32_t rate, burst_size;
    uint8_t prec_level; /* OFPMBT_DSCP_REMARK only. */
};

struct of_meter_mod { /* 7.3.4.4. */
    uint16_t command; /* OFPMC_... */
    uint16_t flags;   /* OFPMF_... */
    uint32_t meter_id;
    struct cursor bands;
};

struct of_port_mod { /* 7.3.4.3. */
    uint32_t port_no;
    struct eth_addr hw_addr;
    uint32_t config, mask; /* OFPPC_... */
    uint32_t advertise;
};

struct of_table_mod { /* 7.3.3. */
    uint8_t table_id;
    uint32_t config;
};

struct of_multipart { /* 7.3.5. */
    uint16_t type;    /* OFPMP_... */
    uint16_t flags;   /* OFPMPF_MORE. */
    struct cursor body;
};

struct of_queue_config { /* 7.3.6. */
    uint32_t port;
    struct cursor queues; /* Of a reply. */
};

struct of_role {   /* 7.3.9. */
    uint32_t role; /* OFPCR_ROLE_... */
    uint64_t generation_id;
};

/* 7.3.10.  Bit N for reason N.  [0] as master or equal, [1] as slave. */
struct of_async_config {
    uint32_t packet_in[2];
    uint32_t port_status[2];
    uint32_t flow_removed[2];
};

struct of_msg {
    struct of_header h;
    struct cursor raw; /* The whole message. */
    union {            /* By h.type; requests without a body have none. */
        struct of_hello hello;
        struct of_error_msg error;
        struct cursor echo; /* ECHO_REQUEST, ECHO_REPLY: the data. */
        struct of_experimenter experimenter;
        struct of_features features;
        struct of_switch_config config; /* GET_CONFIG_REPLY, SET_CONFIG. */
        struct of_packet_in packet_in;
        struct of_packet_out packet_out;
        struct of_flow_removed flow_removed;
        struct of_port_status port_status;
        struct of_flow_mod flow_mod;
        struct of_group_mod group_mod;
        struct of_meter_mod meter_mod;
        struct of_port_mod port_mod;
        struct of_table_mod table_mod;
        struct of_multipart multipart; /* MULTIPART_REQUEST, MULTIPART_REPLY. */
        struct of_queue_config queue_config;
        struct of_role role;          /* ROLE_REQUEST, ROLE_REPLY. */
        struct of_async_config async; /* GET_ASYNC_REPLY, SET_ASYNC. */
    };
};

/* Who sends a type of message. */
enum { OF_BY_SWITCH = 1 << 0, OF_BY_CONTROLLER = 1 << 1 };

struct of_type_info {
    const char *name; /* "OFPT_FLOW_MOD". */
    uint8_t senders;  /* OF_BY_... */
    uint16_t min_len; /* Shortest message, header included. */
};

/* NULL for a type that OpenFlow 1.3 does not have. */
const struct of_type_info *of_type_info(uint8_t type);

/* Reads the header alone.  False when fewer than 8 octets are there. */
bool of_header_pull(struct cursor *, struct of_header *ret);

/* Decodes the one whole message in `c`.  Checks version (1.3; any for HELLO, ERROR and
 * ECHO, whose layout never changed), type and length, then the body.  On error ret->h
 * and ret->raw are valid if `c` holds a header, else zero; nothing else is.
 *
 * Note that struct of_msg is some 1 kB: keep one and use it again. */
enum of_err of_msg_decode(struct cursor c, struct of_msg *ret);

/* Iterators.  Each takes the next entry off `c` and returns true, or returns false at
 * the end, with *ret_err OF_OK, or at a malformed entry, with its error.
 *
 *     struct cursor c = msg->group_mod.buckets;
 *     while (of_bucket_next(&c, &bucket, &err)) ... */
bool of_bucket_next(struct cursor *c, struct of_bucket *ret, enum of_err *ret_err);
bool of_meter_band_next(struct cursor *c, struct of_meter_band *ret,
                        enum of_err *ret_err);

#endif
