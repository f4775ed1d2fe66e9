#include "unit.h"

#include <string.h>

#include "base/buf.h"
#include "core/plan.h"

static void check_rows(const char *file, const char *rows, const char *with)
{
    struct buf out = {.len = 0}, back = {.len = 0}, missing = {.len = 0};

    plan_rows_append(file, strlen(file), rows, &out);
    ck_assert_str_eq(buf_cstr(&out), with);
    plan_rows_remove(out.data, out.len, rows, &back, &missing);
    ck_assert_uint_eq(missing.len, 0);
    ck_assert_int_eq(strncmp(buf_cstr(&back), file, strlen(file)), 0);
    buf_uninit(&out);
    buf_uninit(&back);
    buf_uninit(&missing);
}

START_TEST(rows_are_appended_and_the_rest_stays_octet_by_octet)
{
    check_rows("a\n# b\n", "x\ny\n", "a\n# b\nx\ny\n");
    check_rows("a\r\nb\r\n", "x\ny\n", "a\r\nb\r\nx\r\ny\r\n");
    check_rows("a\nb", "x\n", "a\nb\nx\n");
    check_rows("", "x\n", "x\n");
}
END_TEST

START_TEST(rows_are_taken_out_wherever_they_are_now)
{
    const char *file = "y\nx\nx\nnew\r\ny\n x\nlast";
    struct buf out = {.len = 0}, missing = {.len = 0};

    plan_rows_remove(file, strlen(file), "x\ny\nz\n", &out, &missing);
    ck_assert_str_eq(buf_cstr(&out), "y\nx\nnew\r\n x\nlast");
    ck_assert_str_eq(buf_cstr(&missing), "z\n");
    buf_uninit(&out);
    buf_uninit(&missing);
}
END_TEST

START_TEST(rows_are_shown_as_a_unified_diff)
{
    const char *file = "1\n2\n3\n4\n5\n";
    struct buf out = {.len = 0};

    plan_rows_diff("f.csv", file, strlen(file), "x\ny\n", &out);
    ck_assert_str_eq(buf_cstr(&out), "--- f.csv\n+++ f.csv\n@@ -3,3 +3,5 @@\n"
                                     " 3\n 4\n 5\n+x\n+y\n");
    buf_clear(&out);
    plan_rows_diff("f.csv", file, strlen(file), "", &out);
    ck_assert_uint_eq(out.len, 0);
    plan_rows_diff("f.csv", "", 0, "x\n", &out);
    ck_assert_str_eq(buf_cstr(&out), "--- f.csv\n+++ f.csv\n@@ -0,0 +1,1 @@\n+x\n");
    buf_uninit(&out);
}
END_TEST

UNIT_MAIN("core/plan_rows", rows_are_appended_and_the_rest_stays_octet_by_octet,
          rows_are_taken_out_wherever_they_are_now, rows_are_shown_as_a_unified_diff)
