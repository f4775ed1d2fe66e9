/* rfctl's questions: dispatch, and what the answers are made with. */

#include "ctl.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define LOG_MODULE "ctl"
#include "base/buf.h"
#include "base/log.h"
#include "base/util.h"

void table_begin(struct table *t, bson_t *doc, const char *columns, uint64_t offset)
{
    char *copy = xstrdup(columns), *save = NULL;
    bson_t array, column;
    uint32_t i = 0;

    *t = (struct table){.doc = doc, .offset = offset};
    BSON_APPEND_ARRAY_BEGIN(doc, "columns", &array);
    for (char *key = strtok_r(copy, ",", &save); key;
         key = strtok_r(NULL, ",", &save)) {
        char index[16];
        char *title = strchr(key, ':');
        *title++ = '\0';
        snprintf(index, sizeof index, "%u", i++);
        BSON_APPEND_DOCUMENT_BEGIN(&array, index, &column);
        BSON_APPEND_UTF8(&column, "key", key);
        BSON_APPEND_UTF8(&column, "title", title);
        bson_append_document_end(&array, &column);
    }
    bson_append_array_end(doc, &array);
    free(copy);
    BSON_APPEND_ARRAY_BEGIN(doc, "rows", &t->rows);
}

void table_end(struct table *t)
{
    bson_append_array_end(t->doc, &t->rows);
    if (t->full) {
        BSON_APPEND_INT64(t->doc, "next", (int64_t)t->next);
    }
}

bool table_row(struct table *t)
{
    char index[24];

    if (t->n++ < t->offset || t->full) {
        return false;
    }
    if (t->rows.len > CTL_REPLY_ROOM) {
        t->full = true;
        t->next = t->n - 1;
        return false;
    }
    snprintf(index, sizeof index, "%llu", (unsigned long long)(t->n - 1 - t->offset));
    BSON_APPEND_DOCUMENT_BEGIN(&t->rows, index, &t->row);
    return true;
}

void table_row_end(struct table *t)
{
    bson_append_document_end(&t->rows, &t->row);
}

void table_text(struct table *t, const char *key, const char *value)
{
    BSON_APPEND_UTF8(&t->row, key, value);
}

void table_format(struct table *t, const char *key, const char *format, ...)
{
    char text[512];
    va_list args;

    va_start(args, format);
    vsnprintf(text, sizeof text, format, args);
    va_end(args);
    table_text(t, key, text);
}

void table_number(struct table *t, const char *key, uint64_t value)
{
    BSON_APPEND_INT64(&t->row, key, (int64_t)value);
}

void table_id(struct table *t, const char *key, uint64_t id)
{
    char text[ID_STRLEN];
    table_text(t, key, id_format(id, text));
}

void table_age(struct table *t, const char *key, int64_t since)
{
    BSON_APPEND_DATE_TIME(&t->row, key, journal_wall(since));
}

void table_null(struct table *t, const char *key)
{
    BSON_APPEND_NULL(&t->row, key);
}

void table_bool(struct table *t, const char *key, bool value)
{
    BSON_APPEND_BOOL(&t->row, key, value);
}

bool ctl_vm_parse(struct server *s, const char *text, uint64_t *ret_vm_id)
{
    struct server_vm *vm, *tmp;
    struct eth_addr mac;

    HASH_ITER (hh, s->vms, vm, tmp) {
        const char *host = strchr(vm->name, '@');
        size_t n = strlen(text);
        if (host && !strncmp(host + 1, text, n) &&
            (host[1 + n] == ':' || host[1 + n] == '\0')) {
            *ret_vm_id = vm->id;
            return true;
        }
    }
    if (eth_parse(text, &mac)) {
        *ret_vm_id = eth_to_u64(mac);
        return true;
    }
    return parse_u64(text, 16, UINT64_C(0xffffffffffff), ret_vm_id);
}

bool ctl_dp_parse(const char *text, uint64_t *ret_dp_id)
{
    return id_parse(text, ret_dp_id);
}

int ctl_error(struct ctl_request *r, const char *format, ...)
{
    char text[512];
    va_list args;

    va_start(args, format);
    vsnprintf(text, sizeof text, format, args);
    va_end(args);
    bson_reinit(r->doc);
    BSON_APPEND_UTF8(r->doc, "error", text);
    return 1;
}

#define MAPPING_ROWS 2000 /* Of one reply. */

static void put_isls(const struct mapping *mapping, struct buf *out)
{
    char eth[2][ETH_STRLEN];

    buf_printf(out, "vm_id,ct_id,dp_id,dp_port,eth_addr,rem_ct,rem_id,rem_port,"
                    "rem_eth_addr\n");
    for (size_t i = 0; i < mapping->n_isls; i++) {
        const struct mapping_isl *isl = &mapping->isls[i];
        buf_printf(out, "%llx,%u,%llx,%u,%s,%u,%llx,%u,%s\n",
                   (unsigned long long)isl->vm_id, isl->a.ct_id,
                   (unsigned long long)isl->a.dp_id, isl->a.dp_port,
                   eth_format(isl->a_eth, eth[0]), isl->b.ct_id,
                   (unsigned long long)isl->b.dp_id, isl->b.dp_port,
                   eth_format(isl->b_eth, eth[1]));
    }
}

/* The mapping in force, as files that `rfctl check` compares with, in several replies:
 * `csv` is a part of rfserver.csv, `next` the offset of the next one. */
static int ctl_mapping(struct ctl_request *r)
{
    const struct mapping *mapping = &r->server->mapping;
    struct buf csv = {0}, isl = {0};
    size_t first = MIN(r->offset, mapping->n_rows);
    size_t end = MIN(first + MAPPING_ROWS, mapping->n_rows);

    if (!first) {
        buf_printf(&csv, "vm_id,vm_port,ct_id,dp_id,dp_port,class\n");
        put_isls(mapping, &isl);
    }
    for (size_t i = first; i < end; i++) {
        const struct mapping_row *row = &mapping->rows[i];
        buf_printf(&csv, "%llx,%u,%u,%llx,%u,%s\n", (unsigned long long)row->vm.vm_id,
                   row->vm.vm_port, row->dp.ct_id, (unsigned long long)row->dp.dp_id,
                   row->dp.dp_port, port_rule_name(row->rule));
    }
    BSON_APPEND_UTF8(r->doc, "csv", buf_cstr(&csv));
    BSON_APPEND_UTF8(r->doc, "isl", buf_cstr(&isl));
    BSON_APPEND_UTF8(r->doc, "path", r->server->config.mapping_path);
    if (end < mapping->n_rows) {
        BSON_APPEND_INT64(r->doc, "next", (int64_t)end);
    }
    buf_uninit(&csv);
    buf_uninit(&isl);
    return 0;
}

static int ctl_plane(struct ctl_request *r)
{
    enum plane_mode mode;

    if (r->args->n > 1 || (r->args->n && !ports_plane_parse(r->args->s[0], &mode))) {
        return ctl_error(r, "plane takes closed or passthrough");
    }
    if (r->args->n) {
        ports_set_plane(r->server, mode);
    }
    BSON_APPEND_UTF8(r->doc, "text", ports_plane_name(r->server->config.plane));
    return 0;
}

static int ctl_reload(struct ctl_request *r)
{
    char error[ZCURVE_ERR_LEN];

    if (r->server->auth && zauth_reload(r->server->auth, error)) {
        return ctl_error(r, "%s; the keys in force stay", error);
    }
    if (!config_load(r->server)) {
        return ctl_error(r, "%s; the mapping in force stays as it is",
                         r->server->mapping_error);
    }
    char text[64];
    snprintf(text, sizeof text, "%zu rows in force", r->server->mapping.n_rows);
    BSON_APPEND_UTF8(r->doc, "text", text);
    return 0;
}

static const struct {
    const char *cmd;
    ctl_fn *fn;
} commands[] = {
    {"associations", show_associations},
    {"links", show_links},
    {"ports", show_ports},
    {"routes", show_routes},
    {"neighbors", show_neighbors},
    {"flows", show_flows},
    {"datapaths", show_datapaths},
    {"clients", show_clients},
    {"events", show_events},
    {"status", show_status},
    {"why", ctl_why},
    {"mapping", ctl_mapping},
    {"reload", ctl_reload},
    {"plane", ctl_plane},
    {"plan", ctl_plan},
};

/* "@1300" as last argument continues a table there. */
static void take_offset(struct wire_strs *args, uint64_t *ret_offset)
{
    if (args->n && args->s[args->n - 1][0] == '@' &&
        parse_u64(args->s[args->n - 1] + 1, 10, UINT32_MAX, ret_offset)) {
        args->n--;
    }
}

void ctl_message(struct server *s, struct ipc_peer *peer, const struct msg *m)
{
    bson_t doc = BSON_INITIALIZER;
    struct wire_strs args = m->request.args;
    struct ctl_request r = {.server = s, .args = &args, .doc = &doc};
    struct msg reply = {.type = MSG_REPLY};
    ctl_fn *fn = NULL;

    if (m->type != MSG_REQUEST) {
        return;
    }
    for (size_t i = 0; i < ARRAY_SIZE(commands); i++) {
        if (!strcmp(commands[i].cmd, m->request.cmd)) {
            fn = commands[i].fn;
        }
    }
    take_offset(&args, &r.offset);
    reply.reply.status =
        fn ? fn(&r)
           : ctl_error(&r, "\"%s\" is not known to this rfserver", m->request.cmd);
    reply.reply.body = (struct wire_bytes){.data = bson_get_data(&doc), .n = doc.len};
    ipc_peer_send(peer, &reply);
    bson_destroy(&doc);
}
