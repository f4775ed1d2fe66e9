#include "core/mapping.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "core/csv.h"
#include "map.h"

#define MAX_VM_ID ((UINT64_C(1) << 48) - 1)
#define MAX_VM_PORT 65279      /* OFPP_MAX of OpenFlow 1.0, 0xff00, less one. */
#define MAX_DP_PORT 4294967039 /* OFPP_MAX of OpenFlow 1.3, less one. */

enum {
    ROW_VM_ID,
    ROW_VM_PORT,
    ROW_CT_ID,
    ROW_DP_ID,
    ROW_DP_PORT,
    ROW_CLASS,
    N_ROW_FIELDS
};

static const char *const row_names[N_ROW_FIELDS] = {"vm_id", "vm_port", "ct_id",
                                                    "dp_id", "dp_port", "class"};

static const char *const rule_names[PORT_N_RULES] = {"auto", "edge", "external",
                                                     "internal", "blocked"};

const char *port_rule_name(enum port_rule rule)
{
    return rule_names[rule];
}

enum {
    ISL_VM_ID,
    ISL_CT_ID,
    ISL_DP_ID,
    ISL_DP_PORT,
    ISL_ETH_ADDR,
    ISL_REM_CT,
    ISL_REM_ID,
    ISL_REM_PORT,
    ISL_REM_ETH_ADDR,
    N_ISL_FIELDS
};

static const char *const isl_names[N_ISL_FIELDS] = {
    "vm_id",  "ct_id",  "dp_id",    "dp_port",     "eth_addr",
    "rem_ct", "rem_id", "rem_port", "rem_eth_addr"};

/* A set of keys, each with the line that it was found in and something more. */
struct mark {
    struct mark_key {
        uint64_t a, b, c;
    } key;
    unsigned line;
    struct mapping_row row; /* That row. */
    struct dp_key peer;     /* Of an end of an inter-switch link. */
    UT_hash_handle hh;
};

/* One parse of both files. */
struct parse {
    struct csv_reader csv, isl;
    struct mapping mapping;
    size_t rows_cap, isls_cap;
    unsigned *columns; /* Of each row's vm_id and dp_id. */
    struct mark *vm_ports, *dp_ports;
    struct mark *homes_of_vm, *homes_of_dp; /* The first row of each. */
    struct mark *reported;                  /* vm, datapath: once is enough. */
    struct mark *isl_ends, *isl_locals;
    struct mark *isl_sites; /* vm, datapath: has an inter-switch link there. */
};

static struct mark_key port_mark(struct dp_key dp)
{
    return (struct mark_key){dp.dp_id, dp.ct_id, dp.dp_port};
}

static struct mark_key dp_mark(struct dp_key dp)
{
    return (struct mark_key){dp.dp_id, dp.ct_id, 0};
}

static struct mark_key site_mark(uint64_t vm_id, struct dp_key dp)
{
    return (struct mark_key){vm_id, dp.dp_id, dp.ct_id};
}

static struct mark *mark_find(struct mark *set, struct mark_key key)
{
    struct mark *mark;

    HASH_FIND(hh, set, &key, sizeof key, mark);
    return mark;
}

/* Adds a key unless it is there; returns the mark that was there before, or NULL. */
static struct mark *mark_add(struct mark **set, struct mark_key key, unsigned line)
{
    struct mark *mark = mark_find(*set, key);

    if (mark) {
        return mark;
    }
    mark = xcalloc(1, sizeof *mark);
    mark->key = key;
    mark->line = line;
    HASH_ADD(hh, *set, key, sizeof mark->key, mark);
    return NULL;
}

static void marks_clear(struct mark **set)
{
    struct mark *mark, *next;

    HASH_ITER (hh, *set, mark, next) {
        HASH_DEL(*set, mark);
        free(mark);
    }
}

/* Fields. */

static bool parse_vm_id(struct csv_reader *r, size_t i, uint64_t *ret)
{
    struct eth_addr mac;
    char expected[64];

    if (eth_parse(r->fields[i], &mac)) {
        snprintf(expected, sizeof expected, "it without colons, %012" PRIx64,
                 eth_to_u64(mac));
        csv_field_fault(r, i, "vm_id", expected);
        return false;
    }
    return csv_number(r, i, "vm_id", 16, 1, MAX_VM_ID, ret);
}

static bool parse_dp_id(struct csv_reader *r, size_t i, const char *name, uint64_t *ret)
{
    uint64_t id;

    if (!csv_number(r, i, name, 16, 1, UINT64_MAX, &id)) {
        return false;
    }
    if (dpid_is_virtual(id)) {
        csv_field_fault(r, i, name,
                        "the id of a real switch (those under 72667673 are RFVS)");
        return false;
    }
    *ret = id;
    return true;
}

/* The fields ct, dp and port at `first` and behind it. */
static bool parse_dp(struct csv_reader *r, size_t first, const char *const *names,
                     struct dp_key *ret)
{
    uint64_t ct_id, dp_id, dp_port;
    bool ok = csv_number(r, first, names[first], 10, 0, UINT32_MAX, &ct_id);

    ok = parse_dp_id(r, first + 1, names[first + 1], &dp_id) && ok;
    ok = csv_number(r, first + 2, names[first + 2], 10, 1, MAX_DP_PORT, &dp_port) && ok;
    if (ok) {
        *ret = (struct dp_key){
            .dp_id = dp_id, .ct_id = (uint32_t)ct_id, .dp_port = (uint32_t)dp_port};
    }
    return ok;
}

static bool parse_mac(struct csv_reader *r, size_t i, const char *name,
                      struct eth_addr *ret)
{
    struct eth_addr mac;

    if (eth_parse(r->fields[i], &mac) && !eth_is_multicast(mac) && !eth_is_zero(mac)) {
        *ret = mac;
        return true;
    }
    csv_field_fault(r, i, name, "a unicast MAC address such as 02:a1:a1:a1:a1:a1");
    return false;
}

/* rfserver.csv. */

/* The sixth field, where there is one. */
static bool parse_rule(struct csv_reader *r, enum port_rule *ret)
{
    *ret = PORT_RULE_AUTO;
    if (r->n_fields <= ROW_CLASS || !*r->fields[ROW_CLASS]) {
        return true;
    }
    for (int rule = 0; rule < PORT_N_RULES; rule++) {
        if (!strcmp(r->fields[ROW_CLASS], rule_names[rule])) {
            *ret = (enum port_rule)rule;
            return true;
        }
    }
    csv_field_fault(r, ROW_CLASS, "class", "auto, edge, external, internal or blocked");
    return false;
}

static bool parse_row(struct csv_reader *r, size_t n_columns, struct mapping_row *ret)
{
    uint64_t vm_id, vm_port;
    enum port_rule rule;
    struct dp_key dp;
    const size_t n_fields = MIN(MAX(r->n_fields, ROW_CLASS), n_columns);

    if (!csv_expect_fields(r, row_names, n_fields)) {
        return false;
    }
    bool ok = parse_vm_id(r, ROW_VM_ID, &vm_id);
    ok = csv_number(r, ROW_VM_PORT, "vm_port", 10, 1, MAX_VM_PORT, &vm_port) && ok;
    ok = parse_dp(r, ROW_CT_ID, row_names, &dp) && ok;
    ok = parse_rule(r, &rule) && ok;
    if (ok) {
        *ret = (struct mapping_row){
            .vm = {.vm_id = vm_id, .vm_port = (uint32_t)vm_port},
            .dp = dp,
            .rule = rule,
            .line = r->line,
        };
    }
    return ok;
}

static bool row_is_first(struct parse *p, const struct mapping_row *row)
{
    struct mark_key vm = {row->vm.vm_id, row->vm.vm_port, 0};
    const struct mark *same_vm = mark_add(&p->vm_ports, vm, row->line);
    const struct mark *same_dp = mark_add(&p->dp_ports, port_mark(row->dp), row->line);
    char text[KEY_STRLEN];

    if (same_vm) {
        csv_fault(&p->csv, p->csv.columns[ROW_VM_ID],
                  "found %s again, expected it once: it is in line %u",
                  vm_key_format(row->vm, text), same_vm->line);
    }
    if (same_dp) {
        csv_fault(&p->csv, p->csv.columns[ROW_CT_ID],
                  "found %s again, expected it once: it is in line %u",
                  dp_key_format(row->dp, text), same_dp->line);
    }
    return !same_vm && !same_dp;
}

static void parse_rows(struct parse *p)
{
    struct mapping *m = &p->mapping;
    struct mapping_row row;

    const size_t n_columns = csv_expect_header(&p->csv, row_names, N_ROW_FIELDS, 1);
    while (csv_next(&p->csv)) {
        if (!parse_row(&p->csv, n_columns, &row) || !row_is_first(p, &row)) {
            continue;
        }
        if (m->n_rows == p->rows_cap) {
            p->rows_cap = p->rows_cap ? 2 * p->rows_cap : 64;
            m->rows = xrealloc(m->rows, p->rows_cap * sizeof *m->rows);
            p->columns = xrealloc(p->columns, 2 * p->rows_cap * sizeof *p->columns);
        }
        p->columns[2 * m->n_rows] = p->csv.columns[ROW_VM_ID];
        p->columns[2 * m->n_rows + 1] = p->csv.columns[ROW_DP_ID];
        m->rows[m->n_rows++] = row;
    }
}

/* rfisl.csv. */

static bool parse_isl(struct csv_reader *r, struct mapping_isl *ret)
{
    struct mapping_isl isl = {.line = r->line};

    if (!csv_expect_fields(r, isl_names, N_ISL_FIELDS)) {
        return false;
    }
    bool ok = parse_vm_id(r, ISL_VM_ID, &isl.vm_id);
    ok = parse_dp(r, ISL_CT_ID, isl_names, &isl.a) && ok;
    ok = parse_mac(r, ISL_ETH_ADDR, "eth_addr", &isl.a_eth) && ok;
    ok = parse_dp(r, ISL_REM_CT, isl_names, &isl.b) && ok;
    ok = parse_mac(r, ISL_REM_ETH_ADDR, "rem_eth_addr", &isl.b_eth) && ok;
    if (ok) {
        *ret = isl;
    }
    return ok;
}

/* Marks `end` as cabled to `peer`; a fault if it is cabled elsewhere already. */
static bool mark_isl_end(struct parse *p, size_t field, struct dp_key end,
                         struct dp_key peer)
{
    const struct mark *other = mark_add(&p->isl_ends, port_mark(end), p->isl.line);
    char text[KEY_STRLEN], elsewhere[KEY_STRLEN];

    if (!other) {
        mark_find(p->isl_ends, port_mark(end))->peer = peer;
    } else if (!dp_key_equal(other->peer, peer)) {
        csv_fault(&p->isl, p->isl.columns[field],
                  "found %s again, expected it with %s as in line %u",
                  dp_key_format(end, text), dp_key_format(other->peer, elsewhere),
                  other->line);
        return false;
    }
    return true;
}

/* A link may be written from both its ends, in two lines. */
static bool isl_is_consistent(struct parse *p, const struct mapping_isl *isl)
{
    char text[KEY_STRLEN];

    if (dp_key_equal(isl->a, isl->b)) {
        csv_fault(&p->isl, p->isl.columns[ISL_REM_CT],
                  "found %s at both ends, expected two ports",
                  dp_key_format(isl->a, text));
        return false;
    }
    const struct mark *same = mark_add(&p->isl_locals, port_mark(isl->a), isl->line);
    if (same) {
        csv_fault(&p->isl, p->isl.columns[ISL_CT_ID],
                  "found %s again, expected it once: it is in line %u",
                  dp_key_format(isl->a, text), same->line);
        return false;
    }
    bool ok = mark_isl_end(p, ISL_CT_ID, isl->a, isl->b);
    return mark_isl_end(p, ISL_REM_CT, isl->b, isl->a) && ok;
}

static void parse_isls(struct parse *p)
{
    struct mapping *m = &p->mapping;
    struct mapping_isl isl;

    csv_expect_header(&p->isl, isl_names, N_ISL_FIELDS, 0);
    while (csv_next(&p->isl)) {
        if (!parse_isl(&p->isl, &isl) || !isl_is_consistent(p, &isl)) {
            continue;
        }
        if (m->n_isls == p->isls_cap) {
            p->isls_cap = p->isls_cap ? 2 * p->isls_cap : 16;
            m->isls = xrealloc(m->isls, p->isls_cap * sizeof *m->isls);
        }
        m->isls[m->n_isls++] = isl;
        mark_add(&p->isl_sites, site_mark(isl.vm_id, isl.a), isl.line);
        mark_add(&p->isl_sites, site_mark(isl.vm_id, isl.b), isl.line);
    }
}

/* Both together. */

static bool has_isl_at(const struct parse *p, uint64_t vm_id, struct dp_key dp)
{
    return mark_find(p->isl_sites, site_mark(vm_id, dp));
}

static void check_port_is_no_isl(struct parse *p, size_t i)
{
    const struct mapping_row *row = &p->mapping.rows[i];
    const struct mark *end = mark_find(p->isl_ends, port_mark(row->dp));
    char text[KEY_STRLEN];

    if (end) {
        csv_fault(&p->csv, p->columns[2 * i + 1],
                  "found %s, expected a port that is not the end of an inter-switch "
                  "link: it is one in %s:%u",
                  dp_key_format(row->dp, text), p->isl.name, end->line);
    }
}

#define DP_LEN 64

static const char *datapath_format(struct dp_key dp, char buf[static DP_LEN])
{
    char id[ID_STRLEN], controller[32] = "";

    if (dp.ct_id) {
        snprintf(controller, sizeof controller, " of controller %u", dp.ct_id);
    }
    snprintf(buf, DP_LEN, "datapath %s%s", id_format(dp.dp_id, id), controller);
    return buf;
}

static void check_one_to_one(struct parse *p, size_t i)
{
    const struct mapping_row *row = &p->mapping.rows[i];
    struct mark_key vm = {row->vm.vm_id, 0, 0}, dp = dp_mark(row->dp);
    char vm_text[ID_STRLEN], vm_there[ID_STRLEN], dp_text[DP_LEN], dp_there[DP_LEN];

    if (!mark_add(&p->homes_of_vm, vm, row->line)) {
        mark_find(p->homes_of_vm, vm)->row = *row;
    }
    if (!mark_add(&p->homes_of_dp, dp, row->line)) {
        mark_find(p->homes_of_dp, dp)->row = *row;
    }
    const struct mapping_row *of_vm = &mark_find(p->homes_of_vm, vm)->row;
    const struct mapping_row *of_dp = &mark_find(p->homes_of_dp, dp)->row;
    struct dp_key home = of_vm->dp;
    home.dp_port = row->dp.dp_port;
    bool spans =
        dp_key_equal(home, row->dp) || (has_isl_at(p, row->vm.vm_id, of_vm->dp) &&
                                        has_isl_at(p, row->vm.vm_id, row->dp));
    bool shares =
        of_dp->vm.vm_id == row->vm.vm_id || (has_isl_at(p, of_dp->vm.vm_id, row->dp) &&
                                             has_isl_at(p, row->vm.vm_id, row->dp));

    if ((spans && shares) ||
        mark_add(&p->reported, site_mark(row->vm.vm_id, row->dp), row->line)) {
        return;
    }
    datapath_format(row->dp, dp_text);
    id_format(row->vm.vm_id, vm_text);
    if (!spans) {
        csv_fault(
            &p->csv, p->columns[2 * i + 1],
            "found %s for vm %s, expected %s as in line %u, or inter-switch links "
            "of that vm at both",
            dp_text, vm_text, datapath_format(of_vm->dp, dp_there), of_vm->line);
    }
    if (!shares) {
        csv_fault(
            &p->csv, p->columns[2 * i],
            "found vm %s for %s, expected %s as in line %u, or inter-switch links "
            "of both at that datapath",
            vm_text, dp_text, id_format(of_dp->vm.vm_id, vm_there), of_dp->line);
    }
}

static void check_together(struct parse *p)
{
    for (size_t i = 0; i < p->mapping.n_rows; i++) {
        p->csv.line = p->mapping.rows[i].line;
        check_port_is_no_isl(p, i);
        check_one_to_one(p, i);
    }
}

bool mapping_parse(const struct mapping_file *csv, const struct mapping_file *isl,
                   struct mapping *ret, struct buf *faults)
{
    struct parse *p = xcalloc(1, sizeof *p);

    csv_open(&p->csv, csv->name, csv->data, csv->n, faults);
    parse_rows(p);
    if (isl) {
        csv_open(&p->isl, isl->name, isl->data, isl->n, faults);
        parse_isls(p);
    }
    if (!p->isl.n_faults) { /* Else a row that is missing there would be blamed here. */
        check_together(p);
    }
    bool ok = !p->csv.n_faults && !p->isl.n_faults;
    if (ok) {
        *ret = p->mapping;
    } else {
        mapping_uninit(&p->mapping);
    }
    marks_clear(&p->vm_ports);
    marks_clear(&p->dp_ports);
    marks_clear(&p->homes_of_vm);
    marks_clear(&p->homes_of_dp);
    marks_clear(&p->reported);
    marks_clear(&p->isl_ends);
    marks_clear(&p->isl_locals);
    marks_clear(&p->isl_sites);
    free(p->columns);
    free(p);
    return ok;
}

void mapping_uninit(struct mapping *m)
{
    free(m->rows);
    free(m->isls);
    *m = (struct mapping){.rows = NULL};
}
