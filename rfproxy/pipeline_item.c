#include "pipeline_item.h"

#include <assert.h>

void item_put_flow_key(struct buf *b, uint8_t table, uint16_t priority,
                       const struct of_match *match)
{
    buf_put_u8(b, 'F');
    buf_put_u8(b, table);
    buf_put_u16(b, priority);
    of_match_put(b, match);
}

void item_put_flow_value(struct buf *b, uint64_t cookie,
                         const struct of_instructions *inst)
{
    buf_put_u64(b, cookie);
    of_instructions_put(b, inst);
}

void item_put_meter_key(struct buf *b, uint32_t id)
{
    buf_put_u8(b, 'M');
    buf_put_u32(b, id);
}

void item_put_meter_value(struct buf *b, const struct item_meter *meter)
{
    buf_put_u16(b, meter->flags);
    buf_put_u32(b, meter->rate);
    buf_put_u32(b, meter->burst);
}

bool item_is_meter(struct recon_blob key)
{
    return *(const char *)key.data == 'M';
}

unsigned item_rank(struct recon_blob key)
{
    struct item_flow flow;

    if (item_is_meter(key)) {
        return 0;
    }
    item_get_flow(key, (struct recon_blob){0}, &flow);
    if (flow.table != PIPELINE_ADMIT) {
        return 1;
    }
    return flow.priority == PRIO_ADMIT ? 3 : 2;
}

/* The blobs come back from recon as they went in: a failure here is ours. */
static void must(bool ok)
{
    assert(ok);
}

void item_get_flow(struct recon_blob key, struct recon_blob value,
                   struct item_flow *ret)
{
    struct cursor c = cursor_of(key.data, key.len);

    must(cursor_skip(&c, 1) && cursor_u8(&c, &ret->table) &&
         cursor_u16(&c, &ret->priority) && of_match_pull(&c, &ret->match) == OF_OK);
    if (value.len) {
        c = cursor_of(value.data, value.len);
        must(cursor_u64(&c, &ret->cookie) &&
             of_instructions_pull(&c, &ret->inst) == OF_OK);
    }
}

void item_get_meter(struct recon_blob key, struct recon_blob value,
                    struct item_meter *ret)
{
    struct cursor c = cursor_of(key.data, key.len);

    must(cursor_skip(&c, 1) && cursor_u32(&c, &ret->id));
    if (value.len) {
        c = cursor_of(value.data, value.len);
        must(cursor_u16(&c, &ret->flags) && cursor_u32(&c, &ret->rate) &&
             cursor_u32(&c, &ret->burst));
    }
}

#define PORTION_SHIFT 8
#define PORTION_BITS ((uint64_t)(PIPELINE_PORTIONS - 1) << PORTION_SHIFT)

uint64_t pipeline_fib_cookie(const struct ip_prefix *prefix)
{
    const uint64_t portion = prefix_hash(prefix) % PIPELINE_PORTIONS;

    return pipeline_cookie(PIPE_FIB) | portion << PORTION_SHIFT;
}

uint64_t pipeline_next_cookie(uint64_t cookie)
{
    unsigned sort = pipeline_sort_of(cookie);

    if (sort == PIPE_FIB) {
        const bool last = (cookie & PORTION_BITS) == PORTION_BITS;
        return last ? 0 : cookie + (1u << PORTION_SHIFT);
    }
    sort += sort + 1 == PIPE_FIB ? 2 : 1;
    return pipeline_cookie(sort < PIPE_N_SORTS ? sort : PIPE_FIB);
}

enum pipeline_sort pipeline_sort_of(uint64_t cookie)
{
    uint32_t sort = (uint32_t)(cookie & ~PORTION_BITS);

    if ((cookie & PIPELINE_COOKIE_MASK) != PIPELINE_COOKIE || sort >= PIPE_N_SORTS) {
        return PIPE_FOREIGN;
    }
    return sort;
}

enum pipeline_sort pipeline_aux_sort(struct recon_blob key, struct recon_blob value)
{
    struct item_flow flow;

    if (item_is_meter(key) || !value.len) {
        return PIPE_FOREIGN;
    }
    item_get_flow(key, value, &flow);
    return pipeline_sort_of(flow.cookie);
}

void pipeline_describe_aux(struct recon_blob key, struct buf *out)
{
    if (item_is_meter(key)) {
        struct item_meter meter;
        item_get_meter(key, (struct recon_blob){0}, &meter);
        buf_printf(out, "meter %u", meter.id);
    } else {
        struct item_flow flow;
        item_get_flow(key, (struct recon_blob){0}, &flow);
        buf_printf(out, "table %u priority %u ", flow.table, flow.priority);
        of_match_print(out, &flow.match);
    }
}

void pipeline_describe(const struct recon_op *op, struct buf *out)
{
    char text[IP_PREFIX_STRLEN];

    switch (op->what) {
    case RECON_AUX:
        pipeline_describe_aux(op->aux.key, out);
        break;
    case RECON_GROUP:
        buf_printf(out, "group %u", op->group.id);
        break;
    case RECON_FIB:
        buf_printf(out, "%s", prefix_format(&op->fib.prefix, text));
        break;
    }
}
