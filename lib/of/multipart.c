#include "of/multipart.h"

#include "base/util.h"

/* Takes n octets of an array of fixed-size entries off `c`. */
static bool next_entry(struct cursor *c, size_t n, struct cursor *ret,
                       enum of_err *ret_err)
{
    if (cursor_sub(c, n, ret)) {
        *ret_err = OF_OK;
        return true;
    }
    *ret_err = c->n ? OF_ERR_LEN : OF_OK;
    return false;
}

/* The same for entries that begin with their own 16-bit length, which is not less than
 * `min`; *ret starts after it. */
static bool next_long_entry(struct cursor *c, size_t min, struct cursor *ret,
                            enum of_err *ret_err)
{
    uint16_t len;

    *ret_err = OF_OK;
    if (!c->n) {
        return false;
    }
    if (!cursor_u16(c, &len) || len < min || !cursor_sub(c, len - 2u, ret)) {
        *ret_err = OF_ERR_LEN;
        return false;
    }
    return true;
}

/* A text of fixed size in the message, for logs and tables. */
static void pull_text(struct cursor *c, size_t n, char *ret)
{
    cursor_copy(c, ret, n);
    ret[n] = '\0';
    for (char *s = ret; *s; s++) {
        if (*s < ' ' || *s > '~') {
            *s = '?';
        }
    }
}

enum of_err of_desc_pull(struct cursor *c, struct of_desc *ret)
{
    if (c->n != 4 * 256 + 32) {
        return OF_ERR_LEN;
    }
    pull_text(c, 256, ret->mfr);
    pull_text(c, 256, ret->hw);
    pull_text(c, 256, ret->sw);
    pull_text(c, 32, ret->serial);
    pull_text(c, 256, ret->dp);
    return OF_OK;
}

void of_flow_request_init(struct of_flow_request *r)
{
    *r = (struct of_flow_request){
        .table_id = OFPTT_ALL, .out_port = OFPP_ANY, .out_group = OFPG_ANY};
}

enum of_err of_flow_request_pull(struct cursor *c, struct of_flow_request *ret)
{
    if (c->n < 40) {
        return OF_ERR_LEN;
    }
    cursor_u8(c, &ret->table_id);
    cursor_skip(c, 3);
    cursor_u32(c, &ret->out_port);
    cursor_u32(c, &ret->out_group);
    cursor_skip(c, 4);
    cursor_u64(c, &ret->cookie);
    cursor_u64(c, &ret->cookie_mask);
    return of_match_pull(c, &ret->match);
}

bool of_flow_stats_next(struct cursor *c, struct of_flow_stats *ret,
                        enum of_err *ret_err)
{
    struct cursor e;

    if (!next_long_entry(c, 56, &e, ret_err)) {
        return false;
    }
    cursor_u8(&e, &ret->table_id);
    cursor_skip(&e, 1);
    cursor_u32(&e, &ret->duration_sec);
    cursor_u32(&e, &ret->duration_nsec);
    cursor_u16(&e, &ret->priority);
    cursor_u16(&e, &ret->idle_timeout);
    cursor_u16(&e, &ret->hard_timeout);
    cursor_u16(&e, &ret->flags);
    cursor_skip(&e, 4);
    cursor_u64(&e, &ret->cookie);
    cursor_u64(&e, &ret->packet_count);
    cursor_u64(&e, &ret->byte_count);
    *ret_err = of_match_pull(&e, &ret->match);
    if (!*ret_err) {
        *ret_err = of_instructions_pull(&e, &ret->inst);
    }
    return !*ret_err;
}

enum of_err of_aggregate_pull(struct cursor *c, struct of_aggregate *ret)
{
    if (c->n != 24) {
        return OF_ERR_LEN;
    }
    cursor_u64(c, &ret->packet_count);
    cursor_u64(c, &ret->byte_count);
    cursor_u32(c, &ret->flow_count);
    return OF_OK;
}

bool of_table_stats_next(struct cursor *c, struct of_table_stats *ret,
                         enum of_err *ret_err)
{
    struct cursor e;

    if (!next_entry(c, 24, &e, ret_err)) {
        return false;
    }
    cursor_u8(&e, &ret->table_id);
    cursor_skip(&e, 3);
    cursor_u32(&e, &ret->active_count);
    cursor_u64(&e, &ret->lookup_count);
    cursor_u64(&e, &ret->matched_count);
    return true;
}

bool of_table_features_next(struct cursor *c, struct of_table_features *ret,
                            enum of_err *ret_err)
{
    struct cursor e;

    if (!next_long_entry(c, 64, &e, ret_err)) {
        return false;
    }
    cursor_u8(&e, &ret->table_id);
    cursor_skip(&e, 5);
    pull_text(&e, 32, ret->name);
    cursor_u64(&e, &ret->metadata_match);
    cursor_u64(&e, &ret->metadata_write);
    cursor_u32(&e, &ret->config);
    cursor_u32(&e, &ret->max_entries);
    ret->properties = e;
    return true;
}

bool of_port_stats_next(struct cursor *c, struct of_port_stats *ret,
                        enum of_err *ret_err)
{
    struct cursor e;

    if (!next_entry(c, 112, &e, ret_err)) {
        return false;
    }
    cursor_u32(&e, &ret->port_no);
    cursor_skip(&e, 4);
    uint64_t *const counters[] = {
        &ret->rx_packets,   &ret->tx_packets,  &ret->rx_bytes,   &ret->tx_bytes,
        &ret->rx_dropped,   &ret->tx_dropped,  &ret->rx_errors,  &ret->tx_errors,
        &ret->rx_frame_err, &ret->rx_over_err, &ret->rx_crc_err, &ret->collisions};
    for (size_t i = 0; i < ARRAY_SIZE(counters); i++) {
        cursor_u64(&e, counters[i]);
    }
    cursor_u32(&e, &ret->duration_sec);
    cursor_u32(&e, &ret->duration_nsec);
    return true;
}

bool of_port_next(struct cursor *c, struct of_port *ret, enum of_err *ret_err)
{
    struct cursor e;

    return next_entry(c, OF_PORT_LEN, &e, ret_err) && of_port_pull(&e, ret);
}

bool of_queue_stats_next(struct cursor *c, struct of_queue_stats *ret,
                         enum of_err *ret_err)
{
    struct cursor e;

    if (!next_entry(c, 40, &e, ret_err)) {
        return false;
    }
    cursor_u32(&e, &ret->port_no);
    cursor_u32(&e, &ret->queue_id);
    cursor_u64(&e, &ret->tx_bytes);
    cursor_u64(&e, &ret->tx_packets);
    cursor_u64(&e, &ret->tx_errors);
    cursor_u32(&e, &ret->duration_sec);
    cursor_u32(&e, &ret->duration_nsec);
    return true;
}

bool of_group_stats_next(struct cursor *c, struct of_group_stats *ret,
                         enum of_err *ret_err)
{
    struct cursor e;

    if (!next_long_entry(c, 40, &e, ret_err)) {
        return false;
    }
    cursor_skip(&e, 2);
    cursor_u32(&e, &ret->group_id);
    cursor_u32(&e, &ret->ref_count);
    cursor_skip(&e, 4);
    cursor_u64(&e, &ret->packet_count);
    cursor_u64(&e, &ret->byte_count);
    cursor_u32(&e, &ret->duration_sec);
    cursor_u32(&e, &ret->duration_nsec);
    ret->buckets = e;
    return true;
}

bool of_group_desc_next(struct cursor *c, struct of_group_desc *ret,
                        enum of_err *ret_err)
{
    struct cursor e;

    if (!next_long_entry(c, 8, &e, ret_err)) {
        return false;
    }
    cursor_u8(&e, &ret->type);
    cursor_skip(&e, 1);
    cursor_u32(&e, &ret->group_id);
    ret->buckets = e;
    return true;
}

enum of_err of_group_features_pull(struct cursor *c, struct of_group_features *ret)
{
    if (c->n != 40) {
        return OF_ERR_LEN;
    }
    cursor_u32(c, &ret->types);
    cursor_u32(c, &ret->capabilities);
    for (int i = 0; i < 4; i++) {
        cursor_u32(c, &ret->max_groups[i]);
    }
    for (int i = 0; i < 4; i++) {
        cursor_u32(c, &ret->actions[i]);
    }
    return OF_OK;
}

bool of_meter_stats_next(struct cursor *c, struct of_meter_stats *ret,
                         enum of_err *ret_err)
{
    struct cursor look = *c, e;
    uint16_t len;

    *ret_err = OF_OK;
    if (!c->n) {
        return false;
    }
    /* The one entry whose length is not its first field. */
    if (!cursor_u32(&look, &ret->meter_id) || !cursor_u16(&look, &len) || len < 40 ||
        !cursor_sub(c, len, &e)) {
        *ret_err = OF_ERR_LEN;
        return false;
    }
    cursor_skip(&e, 12);
    cursor_u32(&e, &ret->flow_count);
    cursor_u64(&e, &ret->packet_in_count);
    cursor_u64(&e, &ret->byte_in_count);
    cursor_u32(&e, &ret->duration_sec);
    cursor_u32(&e, &ret->duration_nsec);
    ret->bands = e;
    return true;
}

bool of_meter_config_next(struct cursor *c, struct of_meter_config *ret,
                          enum of_err *ret_err)
{
    struct cursor e;

    if (!next_long_entry(c, 8, &e, ret_err)) {
        return false;
    }
    cursor_u16(&e, &ret->flags);
    cursor_u32(&e, &ret->meter_id);
    ret->bands = e;
    return true;
}

enum of_err of_meter_features_pull(struct cursor *c, struct of_meter_features *ret)
{
    if (c->n != 16) {
        return OF_ERR_LEN;
    }
    cursor_u32(c, &ret->max_meter);
    cursor_u32(c, &ret->band_types);
    cursor_u32(c, &ret->capabilities);
    cursor_u8(c, &ret->max_bands);
    cursor_u8(c, &ret->max_color);
    return OF_OK;
}
