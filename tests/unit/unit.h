#ifndef UNIT_H
#define UNIT_H 1

/* What every unit test program shares: a main() that runs the tests listed.
 *
 *     UNIT_MAIN("core/assoc", port_down_returns_row_to_idle_client, ...)
 *     UNIT_MAIN_WITH("core/lfa", setup, teardown, ...): these two around each test */

#include <check.h>
#include <stdlib.h>

#include "base/util.h"

static inline int unit_run(const char *name, void (*setup)(void),
                           void (*teardown)(void), const TTest *const *tests, size_t n)
{
    Suite *suite = suite_create(name);
    TCase *tc = tcase_create(name);

    tcase_set_timeout(tc, 120);
    tcase_add_checked_fixture(tc, setup, teardown);
    for (size_t i = 0; i < n; i++) {
        tcase_add_test(tc, tests[i]);
    }
    suite_add_tcase(suite, tc);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_NORMAL);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}

#define UNIT_MAIN(NAME, ...) UNIT_MAIN_WITH(NAME, NULL, NULL, __VA_ARGS__)
#define UNIT_MAIN_WITH(NAME, SETUP, TEARDOWN, ...)                        \
    int main(void)                                                        \
    {                                                                     \
        const TTest *const tests[] = {__VA_ARGS__};                       \
        return unit_run(NAME, SETUP, TEARDOWN, tests, ARRAY_SIZE(tests)); \
    }

#endif
