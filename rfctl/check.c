/* `rfctl check FILE`: the faults of a mapping file, or what saving it would change. */

#include "rfctl.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "core/mapping.h"
#include "files.h"
#include "print.h"

static void append_text(const bson_t *doc, const char *key, struct buf *out)
{
    bson_iter_t it;

    if (bson_iter_init_find(&it, doc, key) && BSON_ITER_HOLDS_UTF8(&it)) {
        const char *text = bson_iter_utf8(&it, NULL);
        buf_put(out, text, strlen(text));
    }
}

bool ask_mapping(const struct rfctl *ctl, struct buf *csv, struct buf *isl)
{
    char state[IPC_STATE_LEN], offset[32];
    const char *args[] = {offset};
    int64_t status, next = 0;

    do {
        struct buf body = {0};
        bson_iter_t it;
        bson_t doc;

        snprintf(offset, sizeof offset, "@%" PRId64, next);
        bool ok = !ipc_request(ctl->server, ctl->curve, "mapping", args, 1,
                               ctl->timeout_ms, &body, &status, state) &&
                  !status && bson_init_static(&doc, body.data, body.len);
        if (ok) {
            append_text(&doc, "csv", csv);
            append_text(&doc, "isl", isl);
            next = bson_iter_init_find(&it, &doc, "next") ? bson_iter_as_int64(&it) : 0;
        }
        buf_uninit(&body);
        if (!ok) {
            return false;
        }
    } while (next > 0);
    return true;
}

static bool running_mapping(const struct rfctl *ctl, struct mapping *ret)
{
    struct buf csv = {0}, isl = {0}, faults = {0};
    bool ok = false;

    if (ask_mapping(ctl, &csv, &isl)) {
        const struct mapping_file csv_file = {"rfserver", csv.data, csv.len};
        const struct mapping_file isl_file = {"rfserver", isl.data, isl.len};
        ok = mapping_parse(&csv_file, &isl_file, ret, &faults);
    }
    buf_uninit(&csv);
    buf_uninit(&isl);
    buf_uninit(&faults);
    return ok;
}

int check_mapping(const struct rfctl *ctl, const char *path, const char *isl_path)
{
    struct buf csv = {0}, isl = {0}, faults = {0}, text = {0};
    struct mapping mapping, running = {0};
    struct mapping_diff diff;
    int status = 1;

    if (file_read(path, &csv) && (!isl_path || file_read(isl_path, &isl))) {
        const struct mapping_file csv_file = {path, csv.data, csv.len};
        const struct mapping_file isl_file = {isl_path, isl.data, isl.len};
        if (!mapping_parse(&csv_file, isl_path ? &isl_file : NULL, &mapping, &faults)) {
            fputs(buf_cstr(&faults), stdout);
            printf("%s: faulty; rfserver would go on with the mapping it has\n", path);
        } else {
            status = 0;
            printf("%s: good, %zu rows\n", path, mapping.n_rows);
            if (running_mapping(ctl, &running)) {
                mapping_diff(&running, &mapping, &diff);
                mapping_diff_format(&diff, &text);
                printf("against the rfserver that runs:\n%s", buf_cstr(&text));
                mapping_diff_uninit(&diff);
                mapping_uninit(&running);
            } else {
                printf("no rfserver answers at %s: nothing to compare with\n",
                       ctl->server);
            }
            mapping_uninit(&mapping);
        }
    }
    buf_uninit(&csv);
    buf_uninit(&isl);
    buf_uninit(&faults);
    buf_uninit(&text);
    return status;
}
