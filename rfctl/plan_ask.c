#include "plan.h"

#include <ctype.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/util.h"
#include "print.h"

/* Values of one row. */

static const char *text_of(const bson_iter_t *row, const char *key)
{
    bson_iter_t it;

    return bson_iter_recurse(row, &it) && bson_iter_find(&it, key) &&
                   BSON_ITER_HOLDS_UTF8(&it)
               ? bson_iter_utf8(&it, NULL)
               : "";
}

static uint64_t number_of(const bson_iter_t *row, const char *key)
{
    bson_iter_t it;

    return bson_iter_recurse(row, &it) && bson_iter_find(&it, key)
               ? (uint64_t)bson_iter_as_int64(&it)
               : 0;
}

static bool id_of(const bson_iter_t *row, const char *key, uint64_t *ret)
{
    return id_parse(text_of(row, key), ret);
}

/* It becomes the name of a container, of files, and a word for a script. */
static bool name_is_good(const char *name)
{
    for (const char *p = name; *p; p++) {
        if (!isalnum((unsigned char)*p) && !(p > name && strchr("._-", *p))) {
            return false;
        }
    }
    return *name && strlen(name) < 64;
}

static bool take_row(const bson_iter_t *row, struct plan *plan)
{
    const char *name = text_of(row, "name"), *router_id = text_of(row, "router_id");
    struct plan_port port = {.vm.vm_port = (uint32_t)number_of(row, "vm_port"),
                             .dp.ct_id = (uint32_t)number_of(row, "ct_id"),
                             .dp.dp_port = (uint32_t)number_of(row, "dp_port"),
                             .is_link = number_of(row, "link"),
                             .peer.ct_id = (uint32_t)number_of(row, "peer_ct_id"),
                             .peer.dp_port = (uint32_t)number_of(row, "peer_dp_port"),
                             .new_row = number_of(row, "new_row"),
                             .new_interface = number_of(row, "new_interface"),
                             .new_addr = number_of(row, "new_address")};
    struct plan_router router = {.create = number_of(row, "create"),
                                 .first = plan->n_ports};

    if (!name_is_good(name)) {
        fprintf(stderr,
                "rfctl: the container with vm_id %s has a name that is not made of "
                "letters, digits, '.', '_' and '-'\n",
                text_of(row, "vm_id"));
        return false;
    }
    if (!id_of(row, "vm_id", &router.vm_id) || !id_of(row, "dp_id", &port.dp.dp_id) ||
        !id_of(row, "peer_dp_id", &port.peer.dp_id) ||
        !prefix_parse(text_of(row, "address"), &port.addr) ||
        (router.create && !ip_parse(router_id, &router.router_id))) {
        return false;
    }
    port.vm.vm_id = router.vm_id;
    str_copy(router.name, name, sizeof router.name);
    if (!plan->n_routers || plan->routers[plan->n_routers - 1].vm_id != router.vm_id) {
        plan->routers =
            xrealloc(plan->routers, (plan->n_routers + 1) * sizeof *plan->routers);
        plan->routers[plan->n_routers++] = router;
    }
    plan->routers[plan->n_routers - 1].n++;
    plan->ports = xrealloc(plan->ports, (plan->n_ports + 1) * sizeof *plan->ports);
    plan->ports[plan->n_ports++] = port;
    return true;
}

static bool take_rows(const bson_t *doc, struct plan *plan)
{
    bson_iter_t it, row;

    if (!bson_iter_init_find(&it, doc, "rows") || !bson_iter_recurse(&it, &row)) {
        return false;
    }
    while (bson_iter_next(&row)) {
        if (!take_row(&row, plan)) {
            return false;
        }
    }
    return true;
}

static char *take_text(const bson_t *doc, const char *key)
{
    bson_iter_t it;

    return xstrdup(bson_iter_init_find(&it, doc, key) && BSON_ITER_HOLDS_UTF8(&it)
                       ? bson_iter_utf8(&it, NULL)
                       : "");
}

/* The next part of the plan; *next is -1 before the first and behind the last. */
static int take_part(const struct rfctl *ctl, struct plan_answer *a, int64_t *next)
{
    char offset[24];
    const char *args[] = {offset};
    struct buf body = {0};
    bson_iter_t it;
    bson_t doc;

    snprintf(offset, sizeof offset, "@%" PRId64, *next);
    int status = ask(ctl, "plan", args, *next >= 0, &body, &doc);
    if (!status) {
        char *id = take_text(&doc, "id"), *notes = take_text(&doc, "notes");
        if (*next < 0) {
            str_copy(a->id, id, sizeof a->id);
            a->mapping = take_text(&doc, "mapping");
            buf_put(&a->plan.notes, notes, strlen(notes));
        }
        if (strcmp(id, a->id)) {
            fprintf(stderr, "rfctl: the network changes just now: try again\n");
            status = RFCTL_ERROR;
        } else if (!take_rows(&doc, &a->plan)) {
            fprintf(stderr, "rfctl: the answer of rfserver makes no sense\n");
            status = RFCTL_ERROR;
        }
        free(id);
        free(notes);
        *next = bson_iter_init_find(&it, &doc, "next") ? bson_iter_as_int64(&it) : -1;
    }
    buf_uninit(&body);
    return status;
}

int plan_ask(const struct rfctl *ctl, struct plan_answer *ret)
{
    struct plan_answer a = {.mapping = NULL};
    int64_t next = -1;
    int status;

    do {
        status = take_part(ctl, &a, &next);
    } while (!status && next >= 0);
    if (status) {
        plan_answer_uninit(&a);
    } else {
        *ret = a;
    }
    return status;
}

void plan_answer_uninit(struct plan_answer *a)
{
    plan_uninit(&a->plan);
    free(a->mapping);
}

/* JSON. */

static void put_datapath(bson_t *doc, const char *key, struct dp_key dp)
{
    char id[ID_STRLEN];
    bson_t sub;

    bson_append_document_begin(doc, key, -1, &sub);
    BSON_APPEND_UTF8(&sub, "dp_id", id_format(dp.dp_id, id));
    BSON_APPEND_INT64(&sub, "ct_id", dp.ct_id);
    BSON_APPEND_INT64(&sub, "dp_port", dp.dp_port);
    bson_append_document_end(doc, &sub);
}

static void put_port(bson_t *doc, const struct plan_port *port)
{
    char text[IP_PREFIX_STRLEN];

    BSON_APPEND_INT64(doc, "vm_port", port->vm.vm_port);
    put_datapath(doc, "datapath", port->dp);
    if (port->is_link) {
        put_datapath(doc, "link_to", port->peer);
    }
    BSON_APPEND_UTF8(doc, "address", prefix_format(&port->addr, text));
    BSON_APPEND_BOOL(doc, "new_row", port->new_row);
    BSON_APPEND_BOOL(doc, "new_interface", port->new_interface);
    BSON_APPEND_BOOL(doc, "new_address", port->new_addr);
}

static void put_router(bson_t *doc, const struct plan *plan,
                       const struct plan_router *router)
{
    char text[IP_STRLEN], key[24];
    bson_t ports, sub;

    BSON_APPEND_UTF8(doc, "name", router->name);
    snprintf(key, sizeof key, "%012" PRIx64, router->vm_id);
    BSON_APPEND_UTF8(doc, "vm_id", key);
    BSON_APPEND_BOOL(doc, "create", router->create);
    if (router->create) {
        BSON_APPEND_UTF8(doc, "router_id", ip_format(&router->router_id, text));
    }
    BSON_APPEND_ARRAY_BEGIN(doc, "ports", &ports);
    for (size_t i = 0; i < router->n; i++) {
        snprintf(key, sizeof key, "%zu", i);
        bson_append_document_begin(&ports, key, -1, &sub);
        put_port(&sub, &plan->ports[router->first + i]);
        bson_append_document_end(&ports, &sub);
    }
    bson_append_array_end(doc, &ports);
}

void plan_router_json(const struct plan *plan, const struct plan_router *router,
                      struct buf *out)
{
    bson_t doc = BSON_INITIALIZER;

    put_router(&doc, plan, router);
    print_json(&doc, false, out);
    buf_printf(out, "\n");
    bson_destroy(&doc);
}

void plan_answer_json(const struct plan_answer *a, struct buf *out)
{
    struct buf rows = {0}, notes = {0};
    bson_t doc = BSON_INITIALIZER, routers, sub;
    char key[24];

    plan_rows_format(&a->plan, &rows);
    buf_put(&notes, a->plan.notes.data, a->plan.notes.len);
    BSON_APPEND_UTF8(&doc, "plan", a->id);
    BSON_APPEND_UTF8(&doc, "mapping", a->mapping);
    BSON_APPEND_UTF8(&doc, "rows", buf_cstr(&rows));
    BSON_APPEND_UTF8(&doc, "notes", buf_cstr(&notes));
    BSON_APPEND_ARRAY_BEGIN(&doc, "routers", &routers);
    for (size_t i = 0; i < a->plan.n_routers; i++) {
        snprintf(key, sizeof key, "%zu", i);
        bson_append_document_begin(&routers, key, -1, &sub);
        put_router(&sub, &a->plan, &a->plan.routers[i]);
        bson_append_document_end(&routers, &sub);
    }
    bson_append_array_end(&doc, &routers);
    print_json(&doc, false, out);
    bson_destroy(&doc);
    buf_uninit(&rows);
    buf_uninit(&notes);
}
