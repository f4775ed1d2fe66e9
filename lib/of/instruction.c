/* Instructions, 7.2.4. */

#include "of/action.h"
#include "of/of13.h"
#include "wire.h"

/* What counts: an instruction with an empty list does nothing. */
static uint8_t effective(const struct of_instructions *i)
{
    uint8_t present = i->present;

    if (!i->apply.n) {
        present &= ~OF_I_APPLY;
    }
    if (!i->write.n) {
        present &= ~OF_I_WRITE;
    }
    return present;
}

bool of_instructions_equal(const struct of_instructions *a,
                           const struct of_instructions *b)
{
    uint8_t present = effective(a);

    return present == effective(b) && !(present & OF_I_UNKNOWN) &&
           (!(present & OF_I_GOTO_TABLE) || a->goto_table == b->goto_table) &&
           (!(present & OF_I_METER) || a->meter_id == b->meter_id) &&
           (!(present & OF_I_METADATA) ||
            (a->metadata == b->metadata && a->metadata_mask == b->metadata_mask)) &&
           (!(present & OF_I_APPLY) || of_actions_equal(&a->apply, &b->apply)) &&
           (!(present & OF_I_WRITE) || of_actions_equal(&a->write, &b->write));
}

static uint8_t *encode_header(uint8_t *p, uint16_t type, uint16_t len)
{
    return wire_u16(wire_u16(p, type), len);
}

static uint8_t *encode_list(uint8_t *p, uint16_t type, const struct of_actions *list)
{
    uint8_t *end = of_actions_encode(wire_zeros(p + 4, 4), list);
    encode_header(p, type, (uint16_t)(end - p));
    return end;
}

uint8_t *of_instructions_encode(uint8_t *p, const struct of_instructions *i)
{
    if (i->present & OF_I_METER) {
        p = wire_u32(encode_header(p, OFPIT_METER, 8), i->meter_id);
    }
    if (i->present & OF_I_APPLY) {
        p = encode_list(p, OFPIT_APPLY_ACTIONS, &i->apply);
    }
    if (i->present & OF_I_CLEAR) {
        p = wire_zeros(encode_header(p, OFPIT_CLEAR_ACTIONS, 8), 4);
    }
    if (i->present & OF_I_WRITE) {
        p = encode_list(p, OFPIT_WRITE_ACTIONS, &i->write);
    }
    if (i->present & OF_I_METADATA) {
        p = wire_zeros(encode_header(p, OFPIT_WRITE_METADATA, 24), 4);
        p = wire_u64(wire_u64(p, i->metadata), i->metadata_mask);
    }
    if (i->present & OF_I_GOTO_TABLE) {
        p = wire_u8(encode_header(p, OFPIT_GOTO_TABLE, 8), i->goto_table);
        p = wire_zeros(p, 3);
    }
    return p;
}

void of_instructions_put(struct buf *b, const struct of_instructions *i)
{
    buf_reserve(b, OF_INSTRUCTIONS_MAX_LEN);
    b->len = (size_t)(of_instructions_encode(b->data + b->len, i) - b->data);
}

static enum of_err decode_list(struct cursor *c, struct of_actions *ret)
{
    return cursor_skip(c, 4) ? of_actions_pull(c, ret) : OF_ERR_INST_LEN;
}

/* `c`: the instruction without its type and length. */
static enum of_err decode_instruction(uint16_t type, struct cursor *c,
                                      struct of_instructions *i)
{
    uint8_t bit = 0;
    enum of_err err = OF_OK;
    bool fits = true;

    switch (type) {
    case OFPIT_GOTO_TABLE:
        bit = OF_I_GOTO_TABLE;
        fits = c->n == 4 && cursor_u8(c, &i->goto_table);
        break;
    case OFPIT_WRITE_METADATA:
        bit = OF_I_METADATA;
        fits = c->n == 20 && cursor_skip(c, 4) && cursor_u64(c, &i->metadata) &&
               cursor_u64(c, &i->metadata_mask);
        break;
    case OFPIT_WRITE_ACTIONS:
        bit = OF_I_WRITE;
        err = decode_list(c, &i->write);
        break;
    case OFPIT_APPLY_ACTIONS:
        bit = OF_I_APPLY;
        err = decode_list(c, &i->apply);
        break;
    case OFPIT_CLEAR_ACTIONS:
        bit = OF_I_CLEAR;
        fits = c->n == 4;
        break;
    case OFPIT_METER:
        bit = OF_I_METER;
        fits = c->n == 4 && cursor_u32(c, &i->meter_id);
        break;
    case OFPIT_EXPERIMENTER:
        bit = OF_I_UNKNOWN;
        break;
    default:
        return OF_ERR_INSTRUCTION;
    }
    /* Two of one type have no meaning that we could hold. */
    i->present |= i->present & bit ? OF_I_UNKNOWN : bit;
    return fits ? err : OF_ERR_INST_LEN;
}

enum of_err of_instructions_pull(struct cursor *c, struct of_instructions *ret)
{
    of_instructions_init(ret);
    while (c->n) {
        uint16_t type, len;
        struct cursor body;

        if (!cursor_u16(c, &type) || !cursor_u16(c, &len) || len < 8 || len % 8 ||
            !cursor_sub(c, len - 4u, &body)) {
            return OF_ERR_INST_LEN;
        }
        enum of_err err = decode_instruction(type, &body, ret);
        if (err) {
            return err;
        }
    }
    return OF_OK;
}

void of_instructions_print(struct buf *b, const struct of_instructions *i)
{
    const char *sep = "";

    buf_printf(b, "actions=");
    if (i->present & OF_I_METER) {
        buf_printf(b, "meter:%u", i->meter_id);
        sep = ",";
    }
    if (i->present & OF_I_APPLY && (i->apply.n || i->present == OF_I_APPLY)) {
        buf_printf(b, "%s", sep);
        of_actions_print(b, &i->apply);
        sep = ",";
    }
    if (i->present & OF_I_CLEAR) {
        buf_printf(b, "%sclear_actions", sep);
        sep = ",";
    }
    if (i->present & OF_I_WRITE) {
        buf_printf(b, "%swrite_actions(", sep);
        of_actions_print(b, &i->write);
        buf_printf(b, ")");
        sep = ",";
    }
    if (i->present & OF_I_METADATA) {
        buf_printf(b, "%swrite_metadata:0x%llx/0x%llx", sep,
                   (unsigned long long)i->metadata,
                   (unsigned long long)i->metadata_mask);
        sep = ",";
    }
    if (i->present & OF_I_GOTO_TABLE) {
        buf_printf(b, "%sgoto_table:%u", sep, i->goto_table);
        sep = ",";
    }
    if (i->present & OF_I_UNKNOWN) {
        buf_printf(b, "%sunknown_instruction", sep);
    }
    if (!i->present) {
        buf_printf(b, "drop");
    }
}
