#include "of/action.h"

#include <assert.h>
#include <string.h>

#include "base/util.h"
#include "of/of13.h"
#include "of/port.h"
#include "wire.h"

/* Building. */

static struct of_action *append(struct of_actions *list, enum of_action_kind kind)
{
    assert(list->n < OF_ACTIONS_MAX);
    struct of_action *a = &list->a[list->n++];
    a->kind = kind;
    return a;
}

void of_actions_output(struct of_actions *list, uint32_t port)
{
    struct of_action *a = append(list, OF_A_OUTPUT);
    a->output.port = port;
    a->output.max_len = 0;
}

void of_actions_controller(struct of_actions *list, uint16_t max_len)
{
    struct of_action *a = append(list, OF_A_OUTPUT);
    a->output.port = OFPP_CONTROLLER;
    a->output.max_len = max_len;
}

void of_actions_group(struct of_actions *list, uint32_t group_id)
{
    append(list, OF_A_GROUP)->group_id = group_id;
}

void of_actions_set_eth_src(struct of_actions *list, struct eth_addr eth)
{
    append(list, OF_A_SET_ETH_SRC)->eth = eth;
}

void of_actions_set_eth_dst(struct of_actions *list, struct eth_addr eth)
{
    append(list, OF_A_SET_ETH_DST)->eth = eth;
}

void of_actions_set_vlan_vid(struct of_actions *list, uint16_t vid)
{
    append(list, OF_A_SET_VLAN_VID)->vlan_vid = vid & 0xfff;
}

void of_actions_dec_nw_ttl(struct of_actions *list)
{
    append(list, OF_A_DEC_NW_TTL);
}

void of_actions_set_nw_ttl(struct of_actions *list, uint8_t ttl)
{
    append(list, OF_A_SET_NW_TTL)->ttl = ttl;
}

void of_actions_push_vlan(struct of_actions *list, uint16_t ethertype)
{
    append(list, OF_A_PUSH_VLAN)->ethertype = ethertype;
}

void of_actions_pop_vlan(struct of_actions *list)
{
    append(list, OF_A_POP_VLAN);
}

void of_actions_set_queue(struct of_actions *list, uint32_t queue_id)
{
    append(list, OF_A_SET_QUEUE)->queue_id = queue_id;
}

void of_actions_check_larger(struct of_actions *list, uint16_t length)
{
    append(list, OF_A_CHECK_LARGER)->length = length;
}

/* Comparing. */

static bool action_equal(const struct of_action *a, const struct of_action *b)
{
    if (a->kind != b->kind) {
        return false;
    }
    switch ((enum of_action_kind)a->kind) {
    case OF_A_OUTPUT:
        return a->output.port == b->output.port &&
               (a->output.port != OFPP_CONTROLLER ||
                a->output.max_len == b->output.max_len);
    case OF_A_GROUP:
        return a->group_id == b->group_id;
    case OF_A_SET_ETH_SRC:
    case OF_A_SET_ETH_DST:
        return eth_equal(a->eth, b->eth);
    case OF_A_SET_VLAN_VID:
        return a->vlan_vid == b->vlan_vid;
    case OF_A_DEC_NW_TTL:
    case OF_A_POP_VLAN:
        return true;
    case OF_A_SET_NW_TTL:
        return a->ttl == b->ttl;
    case OF_A_PUSH_VLAN:
        return a->ethertype == b->ethertype;
    case OF_A_SET_QUEUE:
        return a->queue_id == b->queue_id;
    case OF_A_CHECK_LARGER:
        return a->length == b->length;
    case OF_A_UNKNOWN:
        return false;
    }
    return false;
}

bool of_actions_equal(const struct of_actions *a, const struct of_actions *b)
{
    if (a->n != b->n || a->truncated || b->truncated) {
        return false;
    }
    for (size_t i = 0; i < a->n; i++) {
        if (!action_equal(&a->a[i], &b->a[i])) {
            return false;
        }
    }
    return true;
}

/* Encoding, 7.2.5. */

static uint8_t *encode_set_eth(uint8_t *p, uint8_t oxm_field, struct eth_addr eth)
{
    p = wire_u16(p, OFPAT_SET_FIELD);
    p = wire_u16(p, 16);
    p = wire_u32(p, OXM_HEADER(OFPXMC_OPENFLOW_BASIC, oxm_field, 0, 6));
    p = wire_bytes(p, eth.ea, 6);
    return wire_zeros(p, 2);
}

/* The actions of 8 octets: type, length, 4 octets of argument. */
static uint8_t *encode_short(uint8_t *p, uint16_t type, uint32_t argument)
{
    p = wire_u16(p, type);
    p = wire_u16(p, 8);
    return wire_u32(p, argument);
}

#define METADATA_HEADER OXM_HEADER(OFPXMC_OPENFLOW_BASIC, OFPXMT_METADATA, 0, 8)

/* 24 octets: the length, the first bit and the field of the result, padding. */
static uint8_t *encode_check_larger(uint8_t *p, uint16_t length)
{
    p = wire_u16(p, OFPAT_EXPERIMENTER);
    p = wire_u16(p, 24);
    p = wire_u32(p, NX_EXPERIMENTER);
    p = wire_u16(p, NXAST_CHECK_PKT_LARGER);
    p = wire_u16(p, length);
    p = wire_u16(p, 0);
    p = wire_u32(p, METADATA_HEADER);
    return wire_zeros(p, 6);
}

static uint8_t *encode_action(uint8_t *p, const struct of_action *a)
{
    switch ((enum of_action_kind)a->kind) {
    case OF_A_OUTPUT:
        p = wire_u16(p, OFPAT_OUTPUT);
        p = wire_u16(p, 16);
        p = wire_u32(p, a->output.port);
        p = wire_u16(p, a->output.max_len);
        return wire_zeros(p, 6);
    case OF_A_GROUP:
        return encode_short(p, OFPAT_GROUP, a->group_id);
    case OF_A_SET_ETH_SRC:
        return encode_set_eth(p, OFPXMT_ETH_SRC, a->eth);
    case OF_A_SET_ETH_DST:
        return encode_set_eth(p, OFPXMT_ETH_DST, a->eth);
    case OF_A_SET_VLAN_VID:
        p = wire_u16(p, OFPAT_SET_FIELD);
        p = wire_u16(p, 16);
        p = wire_u32(p, OXM_HEADER(OFPXMC_OPENFLOW_BASIC, OFPXMT_VLAN_VID, 0, 2));
        p = wire_u16(p, OFPVID_PRESENT | a->vlan_vid);
        return wire_zeros(p, 6);
    case OF_A_DEC_NW_TTL:
        return encode_short(p, OFPAT_DEC_NW_TTL, 0);
    case OF_A_SET_NW_TTL:
        return encode_short(p, OFPAT_SET_NW_TTL, (uint32_t)a->ttl << 24);
    case OF_A_PUSH_VLAN:
        return encode_short(p, OFPAT_PUSH_VLAN, (uint32_t)a->ethertype << 16);
    case OF_A_POP_VLAN:
        return encode_short(p, OFPAT_POP_VLAN, 0);
    case OF_A_SET_QUEUE:
        return encode_short(p, OFPAT_SET_QUEUE, a->queue_id);
    case OF_A_CHECK_LARGER:
        return encode_check_larger(p, a->length);
    case OF_A_UNKNOWN:
        break;
    }
    return p;
}

uint8_t *of_actions_encode(uint8_t *p, const struct of_actions *list)
{
    for (size_t i = 0; i < list->n; i++) {
        p = encode_action(p, &list->a[i]);
    }
    return p;
}

void of_actions_put(struct buf *b, const struct of_actions *list)
{
    buf_reserve(b, OF_ACTIONS_MAX_LEN);
    b->len = (size_t)(of_actions_encode(b->data + b->len, list) - b->data);
}

/* Decoding. */

/* `c`: the action without its type and length. */
static enum of_err decode_set_field(struct cursor *c, struct of_action *a)
{
    uint32_t header;
    struct cursor value;
    uint16_t vid;

    if (!cursor_u32(c, &header) || !cursor_sub(c, header & 0xff, &value) || c->n > 7) {
        return OF_ERR_ACTION_SET;
    }
    switch (header) {
    case OXM_HEADER(OFPXMC_OPENFLOW_BASIC, OFPXMT_ETH_SRC, 0, 6):
        a->kind = OF_A_SET_ETH_SRC;
        cursor_eth(&value, &a->eth);
        break;
    case OXM_HEADER(OFPXMC_OPENFLOW_BASIC, OFPXMT_ETH_DST, 0, 6):
        a->kind = OF_A_SET_ETH_DST;
        cursor_eth(&value, &a->eth);
        break;
    case OXM_HEADER(OFPXMC_OPENFLOW_BASIC, OFPXMT_VLAN_VID, 0, 2):
        cursor_u16(&value, &vid);
        a->kind = OF_A_SET_VLAN_VID;
        a->vlan_vid = vid & 0xfff;
        break;
    default:
        a->kind = OF_A_UNKNOWN;
        a->type = OFPAT_SET_FIELD;
        break;
    }
    return OF_OK;
}

/* The kinds whose decoding is "these 8 octets and nothing more". */
static enum of_err decode_short(uint16_t type, struct cursor *c, struct of_action *a)
{
    uint32_t argument;

    if (c->n != 4 || !cursor_u32(c, &argument)) {
        return OF_ERR_ACTION_LEN;
    }
    switch (type) {
    case OFPAT_GROUP:
        a->kind = OF_A_GROUP;
        a->group_id = argument;
        break;
    case OFPAT_DEC_NW_TTL:
        a->kind = OF_A_DEC_NW_TTL;
        break;
    case OFPAT_SET_NW_TTL:
        a->kind = OF_A_SET_NW_TTL;
        a->ttl = (uint8_t)(argument >> 24);
        break;
    case OFPAT_PUSH_VLAN:
        a->kind = OF_A_PUSH_VLAN;
        a->ethertype = (uint16_t)(argument >> 16);
        break;
    case OFPAT_POP_VLAN:
        a->kind = OF_A_POP_VLAN;
        break;
    default:
        a->kind = OF_A_SET_QUEUE;
        a->queue_id = argument;
        break;
    }
    return OF_OK;
}

/* Of experimenters' actions the one that we send. */
static void decode_experimenter(struct cursor *c, struct of_action *a)
{
    uint32_t experimenter, header;
    uint16_t subtype, bit, length;

    a->kind = OF_A_UNKNOWN;
    a->type = OFPAT_EXPERIMENTER;
    if (cursor_u32(c, &experimenter) && experimenter == NX_EXPERIMENTER &&
        cursor_u16(c, &subtype) && subtype == NXAST_CHECK_PKT_LARGER &&
        cursor_u16(c, &length) && cursor_u16(c, &bit) && bit == 0 &&
        cursor_u32(c, &header) && header == METADATA_HEADER && c->n == 6) {
        a->kind = OF_A_CHECK_LARGER;
        a->length = length;
    }
}

static enum of_err decode_action(uint16_t type, struct cursor *c, struct of_action *a)
{
    switch (type) {
    case OFPAT_OUTPUT:
        a->kind = OF_A_OUTPUT;
        return c->n == 12 && cursor_u32(c, &a->output.port) &&
                       cursor_u16(c, &a->output.max_len)
                   ? OF_OK
                   : OF_ERR_ACTION_LEN;
    case OFPAT_SET_FIELD:
        return decode_set_field(c, a);
    case OFPAT_GROUP:
    case OFPAT_DEC_NW_TTL:
    case OFPAT_SET_NW_TTL:
    case OFPAT_PUSH_VLAN:
    case OFPAT_POP_VLAN:
    case OFPAT_SET_QUEUE:
        return decode_short(type, c, a);
    case OFPAT_EXPERIMENTER:
        decode_experimenter(c, a);
        return OF_OK;
    default:
        a->kind = OF_A_UNKNOWN;
        a->type = type;
        return OF_OK;
    }
}

enum of_err of_actions_pull(struct cursor *c, struct of_actions *ret)
{
    of_actions_init(ret);
    while (c->n) {
        uint16_t type, len;
        struct cursor body;
        struct of_action a;

        if (!cursor_u16(c, &type) || !cursor_u16(c, &len) || len < 8 || len % 8 ||
            !cursor_sub(c, len - 4u, &body)) {
            return OF_ERR_ACTION_LEN;
        }
        enum of_err err = decode_action(type, &body, &a);
        if (err) {
            return err;
        }
        if (ret->n < OF_ACTIONS_MAX) {
            ret->a[ret->n++] = a;
        } else {
            ret->truncated = true;
        }
    }
    return OF_OK;
}

/* Words. */

static void print_action(struct buf *b, const struct of_action *a)
{
    switch ((enum of_action_kind)a->kind) {
    case OF_A_OUTPUT:
        if (a->output.port == OFPP_CONTROLLER) {
            buf_printf(b, "CONTROLLER:%u", a->output.max_len);
        } else {
            buf_printf(b, "%s", a->output.port < OFPP_IN_PORT ? "output:" : "");
            of_port_no_print(b, a->output.port);
        }
        break;
    case OF_A_GROUP:
        buf_printf(b, "group:%u", a->group_id);
        break;
    case OF_A_SET_ETH_SRC:
        buf_printf(b, "set_field:" ETH_FMT "->eth_src", ETH_ARGS(a->eth));
        break;
    case OF_A_SET_ETH_DST:
        buf_printf(b, "set_field:" ETH_FMT "->eth_dst", ETH_ARGS(a->eth));
        break;
    case OF_A_SET_VLAN_VID:
        buf_printf(b, "set_field:%u->vlan_vid", OFPVID_PRESENT | a->vlan_vid);
        break;
    case OF_A_DEC_NW_TTL:
        buf_printf(b, "dec_ttl");
        break;
    case OF_A_SET_NW_TTL:
        buf_printf(b, "mod_nw_ttl:%u", a->ttl);
        break;
    case OF_A_PUSH_VLAN:
        buf_printf(b, "push_vlan:0x%04x", a->ethertype);
        break;
    case OF_A_POP_VLAN:
        buf_printf(b, "pop_vlan");
        break;
    case OF_A_SET_QUEUE:
        buf_printf(b, "set_queue:%u", a->queue_id);
        break;
    case OF_A_CHECK_LARGER:
        buf_printf(b, "check_pkt_larger(%u)->OXM_OF_METADATA[0]", a->length);
        break;
    case OF_A_UNKNOWN:
        buf_printf(b, "unknown_action:%u", a->type);
        break;
    }
}

void of_actions_print(struct buf *b, const struct of_actions *list)
{
    if (!list->n) {
        buf_printf(b, "drop");
    }
    for (size_t i = 0; i < list->n; i++) {
        buf_printf(b, "%s", i ? "," : "");
        print_action(b, &list->a[i]);
    }
    if (list->truncated) {
        buf_printf(b, ",...");
    }
}
