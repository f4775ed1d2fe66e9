#include "unit.h"

#include <stdlib.h>

#include "base/buf.h"
#include "core/isl.h"
#include "dice.h"

static struct isl_link link_of(uint64_t a, uint32_t a_port, uint64_t b, uint32_t b_port)
{
    return (struct isl_link){{.dp_id = a, .dp_port = a_port},
                             {.dp_id = b, .dp_port = b_port}};
}

/* "2:1/1 3:2/2": to datapath 2 by port 1 in 1 hop, to 3 by port 2 in 2 hops. */
static void expect(const struct isl_link *links, size_t n, uint64_t from,
                   const char *expected)
{
    struct buf text = {0};
    size_t n_paths;
    struct isl_path *paths = isl_paths(links, n, from, &n_paths);

    for (size_t i = 0; i < n_paths; i++) {
        buf_printf(&text, "%s%llu:%u/%u", i ? " " : "",
                   (unsigned long long)paths[i].dp_id, paths[i].dp_port, paths[i].hops);
        ck_assert_ptr_eq(isl_find(paths, n_paths, paths[i].dp_id), &paths[i]);
    }
    ck_assert_str_eq(buf_cstr(&text), expected);
    ck_assert_ptr_null(isl_find(paths, n_paths, from));
    buf_uninit(&text);
    free(paths);
}

START_TEST(a_line_is_walked_to_its_end)
{
    const struct isl_link line[] = {link_of(3, 1, 4, 1), link_of(1, 7, 2, 1),
                                    link_of(2, 2, 3, 9)};

    expect(line, 3, 1, "2:7/1 3:7/2 4:7/3");
    expect(line, 3, 2, "1:1/1 3:2/1 4:2/2");
    expect(line, 3, 4, "1:1/3 2:1/2 3:1/1");
}
END_TEST

START_TEST(a_ring_is_walked_the_shorter_way_and_ties_by_the_lowest_port)
{
    const struct isl_link ring[] = {link_of(1, 1, 2, 1), link_of(2, 2, 3, 1),
                                    link_of(3, 2, 4, 1), link_of(4, 2, 1, 2)};

    expect(ring, 4, 1, "2:1/1 3:1/2 4:2/1");
    expect(ring, 4, 3, "1:1/2 2:1/1 4:2/1");
    expect(ring, 3, 1, "2:1/1 3:1/2 4:1/3"); /* 4 - 1 is cut. */
}
END_TEST

START_TEST(the_order_of_the_links_does_not_matter)
{
    const struct isl_link one[] = {link_of(1, 1, 2, 1), link_of(1, 2, 3, 1),
                                   link_of(2, 2, 4, 1), link_of(3, 2, 4, 2)};
    const struct isl_link other[] = {link_of(4, 2, 3, 2), link_of(3, 1, 1, 2),
                                     link_of(4, 1, 2, 2), link_of(2, 1, 1, 1)};

    expect(one, 4, 1, "2:1/1 3:2/1 4:1/2");
    expect(other, 4, 1, "2:1/1 3:2/1 4:1/2");
}
END_TEST

START_TEST(what_is_disconnected_has_no_path)
{
    const struct isl_link parts[] = {link_of(1, 1, 2, 1), link_of(3, 1, 4, 1)};

    expect(parts, 2, 1, "2:1/1");
    expect(parts, 2, 4, "3:1/1");
    expect(parts, 2, 9, "");
    expect(parts, 0, 1, "");
    expect(NULL, 0, 1, "");
}
END_TEST

START_TEST(parallel_links_and_loops_do_no_harm)
{
    const struct isl_link links[] = {link_of(1, 4, 1, 5), link_of(1, 3, 2, 3),
                                     link_of(1, 2, 2, 2)};

    expect(links, 3, 1, "2:2/1");
    expect(links, 3, 2, "1:2/1");
}
END_TEST

/* Whoever follows the ports, each datapath asking only itself, arrives. */
START_TEST(paths_of_all_datapaths_together_arrive_without_a_loop)
{
    enum { NODES = 12, LINKS = 20 };
    struct dice dice = {.state = 4};

    for (int round = 0; round < 300; round++) {
        struct isl_link links[LINKS];
        for (uint32_t i = 0; i < LINKS; i++) {
            links[i] = link_of(1 + roll(&dice, NODES), 2 * i + 1,
                               1 + roll(&dice, NODES), 2 * i + 2);
        }
        for (uint64_t from = 1; from <= NODES; from++) {
            size_t n;
            struct isl_path *paths = isl_paths(links, LINKS, from, &n);
            for (size_t i = 0; i < n; i++) {
                const struct isl_link *l = &links[(paths[i].dp_port - 1) / 2];
                uint64_t next = paths[i].dp_port & 1 ? l->b.dp_id : l->a.dp_id;
                uint64_t here = paths[i].dp_port & 1 ? l->a.dp_id : l->b.dp_id;
                ck_assert_uint_eq(here, from);
                size_t n_next;
                struct isl_path *rest = isl_paths(links, LINKS, next, &n_next);
                const struct isl_path *onward = isl_find(rest, n_next, paths[i].dp_id);
                ck_assert_uint_eq(onward ? onward->hops : 0, paths[i].hops - 1);
                ck_assert(onward || next == paths[i].dp_id);
                free(rest);
            }
            free(paths);
        }
    }
}
END_TEST

UNIT_MAIN("core/isl", a_line_is_walked_to_its_end,
          a_ring_is_walked_the_shorter_way_and_ties_by_the_lowest_port,
          the_order_of_the_links_does_not_matter, what_is_disconnected_has_no_path,
          parallel_links_and_loops_do_no_harm,
          paths_of_all_datapaths_together_arrive_without_a_loop)
