/* What people read afterwards: the store's documents, the history of events, the log.
 * Documents name ids as strings, times as dates, and keys that a row lacks as null. */

#include "server.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#define LOG_MODULE "event"
#include "base/log.h"
#include "base/util.h"

int64_t journal_wall(int64_t at)
{
    return loop_wall_now() - (loop_now() - at);
}

static void append_id(bson_t *doc, const char *key, uint64_t id)
{
    char text[ID_STRLEN];
    BSON_APPEND_UTF8(doc, key, id_format(id, text));
}

static void publish(struct server *s, const char *kind, const char *text)
{
    struct server_event *event = &s->events[s->n_events++ % SERVER_EVENTS];
    struct msg_event m = {.time_ms = loop_wall_now(), .kind = kind, .text = text};
    bson_t doc = BSON_INITIALIZER;

    event->wall_ms = m.time_ms;
    str_copy(event->kind, kind, sizeof event->kind);
    str_copy(event->text, text, sizeof event->text);

    BSON_APPEND_DATE_TIME(&doc, "time", m.time_ms);
    BSON_APPEND_UTF8(&doc, "kind", kind);
    BSON_APPEND_UTF8(&doc, "text", text);
    store_append_event(s->store, &doc);
    if (s->ipc) {
        m.body = (struct wire_bytes){.data = bson_get_data(&doc), .n = doc.len};
        ipc_server_publish(s->ipc, &m);
    }
    bson_destroy(&doc);
}

void journal_event(struct server *s, const char *kind, const char *format, ...)
{
    char text[sizeof s->events->text];
    va_list args;

    va_start(args, format);
    vsnprintf(text, sizeof text, format, args);
    va_end(args);
    log_info("%s", text);
    publish(s, kind, text);
}

/* A small number as int32: mongosh shows an int64 as Long('1'). */
static void append_number(bson_t *doc, const char *key, int64_t value)
{
    if (value >= INT32_MIN && value <= INT32_MAX) {
        BSON_APPEND_INT32(doc, key, (int32_t)value);
    } else {
        BSON_APPEND_INT64(doc, key, value);
    }
}

static void append_row(bson_t *doc, const struct assoc_row *row)
{
    if (assoc_has_vm(row)) {
        append_id(doc, "vm_id", row->vm.vm_id);
        append_number(doc, "vm_port", row->vm.vm_port);
    } else {
        BSON_APPEND_NULL(doc, "vm_id");
        BSON_APPEND_NULL(doc, "vm_port");
    }
    if (assoc_has_dp(row)) {
        append_number(doc, "ct_id", row->dp.ct_id);
        append_id(doc, "dp_id", row->dp.dp_id);
        append_number(doc, "dp_port", row->dp.dp_port);
    } else {
        BSON_APPEND_NULL(doc, "ct_id");
        BSON_APPEND_NULL(doc, "dp_id");
        BSON_APPEND_NULL(doc, "dp_port");
    }
    if (assoc_has_vs(row)) {
        append_id(doc, "vs_id", row->vs.vs_id);
        append_number(doc, "vs_port", row->vs.vs_port);
    } else {
        BSON_APPEND_NULL(doc, "vs_id");
        BSON_APPEND_NULL(doc, "vs_port");
    }
    BSON_APPEND_UTF8(doc, "state", assoc_state_name(row->state));
    BSON_APPEND_DATE_TIME(doc, "since", journal_wall(row->since));
}

/* "vm 0x… port 1, datapath 0x… port 1" with the keys that either row has. */
static void describe(const struct assoc_effect *e, struct buf *out)
{
    const struct assoc_row *rows[] = {&e->after, &e->before};
    char text[KEY_STRLEN];
    const char *comma = "";

    for (int i = 0; i < 2; i++) {
        if (assoc_has_vm(rows[i])) {
            buf_printf(out, "%s", vm_key_format(rows[i]->vm, text));
            comma = ", ";
            break;
        }
    }
    for (int i = 0; i < 2; i++) {
        if (assoc_has_dp(rows[i])) {
            buf_printf(out, "%s%s", comma, dp_key_format(rows[i]->dp, text));
            break;
        }
    }
}

void journal_row(struct server *s, const struct assoc_effect *e)
{
    const struct assoc_row *row = e->after.state ? &e->after : &e->before;
    struct buf what = {0};
    char id[32];

    describe(e, &what);
    journal_event(s, "association", "%s: %s -> %s (T%u)", buf_cstr(&what),
                  assoc_state_name(e->before.state), assoc_state_name(e->after.state),
                  e->transition);
    buf_uninit(&what);

    snprintf(id, sizeof id, "%llu", (unsigned long long)row->id);
    if (!e->after.state) {
        store_remove(s->store, STORE_TABLE, id);
        return;
    }
    bson_t doc = BSON_INITIALIZER;
    append_row(&doc, row);
    store_put(s->store, STORE_TABLE, id, &doc);
    bson_destroy(&doc);
}

static void append_dp_key(bson_t *doc, const char *name, struct dp_key key)
{
    bson_t sub;

    BSON_APPEND_DOCUMENT_BEGIN(doc, name, &sub);
    append_number(&sub, "ct_id", key.ct_id);
    append_id(&sub, "dp_id", key.dp_id);
    append_number(&sub, "dp_port", key.dp_port);
    bson_append_document_end(doc, &sub);
}

void journal_link(struct server *s, struct dp_key a, struct dp_key b, bool up)
{
    char ta[KEY_STRLEN], tb[KEY_STRLEN];
    char *id = xasprintf("%u/%llx/%u-%u/%llx/%u", a.ct_id, (unsigned long long)a.dp_id,
                         a.dp_port, b.ct_id, (unsigned long long)b.dp_id, b.dp_port);

    journal_event(s, "link", "link %s - %s is %s", dp_key_format(a, ta),
                  dp_key_format(b, tb), up ? "confirmed" : "lost");
    if (up) {
        bson_t doc = BSON_INITIALIZER;
        append_dp_key(&doc, "a", a);
        append_dp_key(&doc, "b", b);
        BSON_APPEND_UTF8(&doc, "state", "confirmed");
        BSON_APPEND_DATE_TIME(&doc, "since", loop_wall_now());
        store_put(s->store, STORE_LINKS, id, &doc);
        bson_destroy(&doc);
    } else {
        store_remove(s->store, STORE_LINKS, id);
    }
    free(id);
}

void journal_segment(struct server *s, struct dp_key port, uint32_t segment)
{
    char text[KEY_STRLEN];
    char *id = xasprintf("segment/%u/%llx/%u", port.ct_id,
                         (unsigned long long)port.dp_id, port.dp_port);

    dp_key_format(port, text);
    if (segment) {
        bson_t doc = BSON_INITIALIZER;
        journal_event(s, "link", "%s is on segment %u", text, segment);
        append_dp_key(&doc, "a", port);
        append_number(&doc, "segment", segment);
        BSON_APPEND_UTF8(&doc, "state", "on segment");
        BSON_APPEND_DATE_TIME(&doc, "since", loop_wall_now());
        store_put(s->store, STORE_LINKS, id, &doc);
        bson_destroy(&doc);
    } else {
        journal_event(s, "link", "%s is on no segment any more", text);
        store_remove(s->store, STORE_LINKS, id);
    }
    free(id);
}

void journal_datapath(struct server *s, const struct server_dp *dp)
{
    bson_t doc = BSON_INITIALIZER;
    char id[ID_STRLEN];

    append_number(&doc, "ct_id", dp->ct_id);
    append_id(&doc, "dp_id", dp->id);
    BSON_APPEND_BOOL(&doc, "connected", dp->connected);
    BSON_APPEND_UTF8(&doc, "address", dp->address);
    BSON_APPEND_UTF8(&doc, "description", dp->description);
    BSON_APPEND_BOOL(&doc, "in_sync", dp->has_status && dp->status.in_sync);
    append_number(&doc, "entries", (int64_t)dp->status.installed);
    BSON_APPEND_DATE_TIME(&doc, "since", journal_wall(dp->since));
    store_put(s->store, STORE_DATAPATHS, id_format(dp->id, id), &doc);
    bson_destroy(&doc);
}

void journal_client(struct server *s, const struct server_vm *vm)
{
    bson_t doc = BSON_INITIALIZER;
    char id[ID_STRLEN];

    append_id(&doc, "vm_id", vm->id);
    BSON_APPEND_UTF8(&doc, "name", vm->name);
    BSON_APPEND_BOOL(&doc, "connected", vm->peer != NULL);
    BSON_APPEND_BOOL(&doc, "in_sync", vm->synced);
    append_number(&doc, "ports", HASH_COUNT(vm->ports));
    BSON_APPEND_DATE_TIME(&doc, "since", journal_wall(vm->since));
    store_put(s->store, STORE_CLIENTS, id_format(vm->id, id), &doc);
    bson_destroy(&doc);
}

void journal_forget_datapath(struct server *s, uint64_t dp_id)
{
    char id[ID_STRLEN];
    store_remove(s->store, STORE_DATAPATHS, id_format(dp_id, id));
}

void journal_forget_client(struct server *s, uint64_t vm_id)
{
    char id[ID_STRLEN];
    store_remove(s->store, STORE_CLIENTS, id_format(vm_id, id));
}

static char *config_id(const struct mapping_row *row)
{
    return xasprintf("%012llx/%u", (unsigned long long)row->vm.vm_id, row->vm.vm_port);
}

static void put_config(struct server *s, const struct mapping_row *row)
{
    bson_t doc = BSON_INITIALIZER;
    char *id = config_id(row);

    append_id(&doc, "vm_id", row->vm.vm_id);
    append_number(&doc, "vm_port", row->vm.vm_port);
    append_number(&doc, "ct_id", row->dp.ct_id);
    append_id(&doc, "dp_id", row->dp.dp_id);
    BSON_APPEND_UTF8(&doc, "class", port_rule_name(row->rule));
    append_number(&doc, "dp_port", row->dp.dp_port);
    store_put(s->store, STORE_CONFIG, id, &doc);
    bson_destroy(&doc);
    free(id);
}

static char *isl_id(const struct mapping_isl *isl)
{
    return xasprintf("%012llx/%u/%llx/%u", (unsigned long long)isl->vm_id, isl->a.ct_id,
                     (unsigned long long)isl->a.dp_id, isl->a.dp_port);
}

static void put_isl(struct server *s, const struct mapping_isl *isl)
{
    bson_t doc = BSON_INITIALIZER;
    char *id = isl_id(isl);
    char eth[ETH_STRLEN];

    append_id(&doc, "vm_id", isl->vm_id);
    append_dp_key(&doc, "a", isl->a);
    BSON_APPEND_UTF8(&doc, "eth_addr", eth_format(isl->a_eth, eth));
    append_dp_key(&doc, "b", isl->b);
    BSON_APPEND_UTF8(&doc, "rem_eth_addr", eth_format(isl->b_eth, eth));
    store_put(s->store, STORE_ISL, id, &doc);
    bson_destroy(&doc);
    free(id);
}

void journal_mapping(struct server *s, const struct mapping_diff *diff,
                     const struct mapping *before)
{
    for (size_t i = 0; i < diff->n_removed; i++) {
        char *id = config_id(&diff->removed[i]);
        store_remove(s->store, STORE_CONFIG, id);
        free(id);
    }
    for (size_t i = 0; i < diff->n_added; i++) {
        put_config(s, &diff->added[i]);
    }
    for (size_t i = 0; i < diff->n_reclassed; i++) {
        put_config(s, &diff->reclassed[i]);
    }
    for (size_t i = 0; diff->isl_changed && i < before->n_isls; i++) {
        char *id = isl_id(&before->isls[i]);
        store_remove(s->store, STORE_ISL, id);
        free(id);
    }
    for (size_t i = 0; i < s->mapping.n_isls; i++) {
        put_isl(s, &s->mapping.isls[i]);
    }
}
