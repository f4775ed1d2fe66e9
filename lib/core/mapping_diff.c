#include <string.h>

#include "core/mapping.h"
#include "map.h"

struct pair {
    struct {
        struct map_key vm, dp;
    } key;
    enum port_rule rule;
    UT_hash_handle hh;
};

static struct pair *pair_find(struct pair *set, const struct mapping_row *row)
{
    struct pair probe = {.key = {map_key_of_vm(row->vm), map_key_of_dp(row->dp)}};
    struct pair *pair;

    HASH_FIND(hh, set, &probe.key, sizeof probe.key, pair);
    return pair;
}

static struct pair *pairs_of(const struct mapping *m, struct pair *storage)
{
    struct pair *set = NULL;

    for (size_t i = 0; i < m->n_rows; i++) {
        struct pair *pair = &storage[i];
        pair->key.vm = map_key_of_vm(m->rows[i].vm);
        pair->key.dp = map_key_of_dp(m->rows[i].dp);
        pair->rule = m->rows[i].rule;
        HASH_ADD(hh, set, key, sizeof pair->key, pair);
    }
    return set;
}

/* The rows of `m` that `other` does not have, and those that it has with another
 * class. */
static size_t rows_only_in(const struct mapping *m, const struct mapping *other,
                           struct mapping_row **ret, struct mapping_row **ret_reclassed,
                           size_t *ret_n_reclassed)
{
    struct pair *storage = xcalloc(other->n_rows, sizeof *storage);
    struct pair *set = pairs_of(other, storage);
    struct mapping_row *rows = xmalloc(m->n_rows * sizeof *rows);
    struct mapping_row *reclassed = xmalloc(m->n_rows * sizeof *rows);
    size_t n = 0, n_reclassed = 0;

    for (size_t i = 0; i < m->n_rows; i++) {
        const struct pair *pair = pair_find(set, &m->rows[i]);
        if (!pair) {
            rows[n++] = m->rows[i];
        } else if (pair->rule != m->rows[i].rule) {
            reclassed[n_reclassed++] = m->rows[i];
        }
    }
    HASH_CLEAR(hh, set);
    free(storage);
    *ret = rows;
    *ret_reclassed = reclassed;
    *ret_n_reclassed = n_reclassed;
    return n;
}

static bool isls_equal(const struct mapping *a, const struct mapping *b)
{
    if (a->n_isls != b->n_isls) {
        return false;
    }
    for (size_t i = 0; i < a->n_isls; i++) {
        const struct mapping_isl *x = &a->isls[i], *y = &b->isls[i];
        if (x->vm_id != y->vm_id || !dp_key_equal(x->a, y->a) ||
            !dp_key_equal(x->b, y->b) || !eth_equal(x->a_eth, y->a_eth) ||
            !eth_equal(x->b_eth, y->b_eth)) {
            return false;
        }
    }
    return true;
}

void mapping_diff(const struct mapping *from, const struct mapping *to,
                  struct mapping_diff *ret)
{
    static const struct mapping empty = {.rows = NULL};

    struct mapping_row *old_class;
    size_t n_old_class;

    from = from ? from : &empty;
    to = to ? to : &empty;
    ret->n_removed = rows_only_in(from, to, &ret->removed, &old_class, &n_old_class);
    free(old_class);
    ret->n_added =
        rows_only_in(to, from, &ret->added, &ret->reclassed, &ret->n_reclassed);
    ret->n_same = to->n_rows - ret->n_added;
    ret->isl_changed = !isls_equal(from, to);
}

void mapping_diff_uninit(struct mapping_diff *diff)
{
    free(diff->removed);
    free(diff->added);
    free(diff->reclassed);
    *diff = (struct mapping_diff){.removed = NULL};
}

static void put_rows(struct buf *out, char sign, const struct mapping_row *rows,
                     size_t n)
{
    char vm[KEY_STRLEN], dp[KEY_STRLEN];

    for (size_t i = 0; i < n; i++) {
        buf_printf(out, "%c %s: %s", sign, vm_key_format(rows[i].vm, vm),
                   dp_key_format(rows[i].dp, dp));
        if (rows[i].rule != PORT_RULE_AUTO || sign == '~') {
            buf_printf(out, ", class %s", port_rule_name(rows[i].rule));
        }
        buf_printf(out, "\n");
    }
}

void mapping_diff_format(const struct mapping_diff *diff, struct buf *out)
{
    put_rows(out, '-', diff->removed, diff->n_removed);
    put_rows(out, '+', diff->added, diff->n_added);
    put_rows(out, '~', diff->reclassed, diff->n_reclassed);
    buf_printf(out, "rows: %zu removed, %zu added, %zu unchanged%s\n", diff->n_removed,
               diff->n_added, diff->n_same,
               diff->isl_changed ? "; inter-switch links changed" : "");
}
