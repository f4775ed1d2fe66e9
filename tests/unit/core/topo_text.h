#ifndef TOPO_TEXT_H
#define TOPO_TEXT_H 1

#include "unit.h"

#include <stdio.h>
#include <string.h>

#include "base/buf.h"
#include "core/topology.h"

/* Scenarios as text: a port is "datapath.port"; each step is a time, what happens then,
 * and what is to come of it. */
struct step {
    int64_t now;
    const char *event;
    const char *effects;
};

static inline struct dp_key port_parse(const char *text)
{
    unsigned dp, port;

    ck_assert_msg(sscanf(text, "%u.%u", &dp, &port) == 2, "port '%s'", text);
    return (struct dp_key){.dp_id = dp, .dp_port = port};
}

static inline void port_format(struct buf *out, struct dp_key key)
{
    buf_printf(out, "%u.%u", (unsigned)key.dp_id, key.dp_port);
}

static inline void put_ends(struct buf *out, char sign, const struct topo_effect *e,
                            const char *between)
{
    buf_printf(out, "%c", sign);
    port_format(out, e->a);
    buf_printf(out, "%s", between);
    port_format(out, e->b);
}

static inline const char *take_effects(struct topology *t, struct buf *out)
{
    struct topo_effect e;

    while (topo_next_effect(t, &e)) {
        buf_printf(out, "%s", out->len ? "; " : "");
        switch (e.kind) {
        case TOPO_CLASS:
            port_format(out, e.a);
            buf_printf(out, " %s", topo_class_name(e.class));
            break;
        case TOPO_MULTI_ACCESS:
            port_format(out, e.a);
            buf_printf(out, " %s", e.on ? "shared" : "not shared");
            break;
        case TOPO_SEGMENT:
            port_format(out, e.a);
            buf_printf(out, "@%u", e.segment);
            break;
        case TOPO_DIR_UP:
            put_ends(out, '+', &e, e.broadcast ? ">>" : ">");
            break;
        case TOPO_DIR_DOWN:
            put_ends(out, '-', &e, e.broadcast ? ">>" : ">");
            break;
        case TOPO_LINK_UP:
            put_ends(out, '+', &e, "=");
            break;
        case TOPO_LINK_DOWN:
            put_ends(out, '-', &e, "=");
            break;
        case TOPO_PAIR_UP:
            put_ends(out, '+', &e, "~");
            break;
        case TOPO_PAIR_DOWN:
            put_ends(out, '-', &e, "~");
            break;
        }
    }
    return buf_cstr(out);
}

static inline void run_step(struct topology *t, const struct step *step)
{
    char copy[64], *save = NULL;
    struct buf out = {.len = 0};

    str_copy(copy, step->event, sizeof copy);
    const char *verb = strtok_r(copy, " ", &save);
    const char *a = strtok_r(NULL, " ", &save), *b = strtok_r(NULL, " ", &save);
    if (!strcmp(verb, "up")) {
        topo_port_up(t, port_parse(a), step->now);
    } else if (!strcmp(verb, "down")) {
        topo_port_down(t, port_parse(a));
    } else if (!strcmp(verb, "dp-lost")) {
        topo_dp_lost(t, 0, port_parse(a).dp_id);
    } else if (!strcmp(verb, "seen")) {
        topo_seen(t, port_parse(a), port_parse(b), step->now);
    } else if (!strcmp(verb, "dir-lost")) {
        topo_dir_lost(t, port_parse(a), port_parse(b));
    } else if (!strcmp(verb, "heard")) {
        topo_heard(t, port_parse(a), port_parse(b), step->now);
    } else if (!strcmp(verb, "heard-lost")) {
        topo_heard_lost(t, port_parse(a), port_parse(b));
    } else if (!strcmp(verb, "fast")) {
        topo_set_ttl(t, port_parse(a), port_parse(b), 150, step->now);
    } else if (!strcmp(verb, "slow")) {
        topo_set_ttl(t, port_parse(a), port_parse(b), 0, step->now);
    } else if (!strcmp(verb, "tick")) {
        int64_t next = topo_tick(t, step->now);
        if (next != TOPO_NEVER) {
            buf_printf(&out, "next %lld", (long long)next);
        }
    } else {
        ck_abort_msg("unknown event '%s'", step->event);
    }
    const char *got = take_effects(t, &out);
    ck_assert_msg(!strcmp(got, step->effects),
                  "at %lld '%s'\n gives    %s\n expected %s", (long long)step->now,
                  step->event, got, step->effects);
    buf_uninit(&out);
}

#define LLDP_TTL 3000

static inline struct topology *run(int64_t ttl_ms, const struct step *steps, size_t n)
{
    struct topo_config config = {.ttl_ms = ttl_ms, .classify_ms = 3000};
    struct topology *t = topo_create(&config);

    for (size_t i = 0; i < n; i++) {
        run_step(t, &steps[i]);
    }
    return t;
}

#define RUN(TTL, ...)                                         \
    topo_destroy(run(TTL, (const struct step[]){__VA_ARGS__}, \
                     ARRAY_SIZE(((const struct step[]){__VA_ARGS__}))))

/* Random events at eight ports, two of each datapath. */

enum { N_RANDOM = 8 };

#define RANDOM_SEED 88172645463325252

static inline uint64_t random_next(uint64_t *seed) /* By xorshift. */
{
    *seed ^= *seed << 13;
    *seed ^= *seed >> 7;
    *seed ^= *seed << 17;
    return *seed;
}

static inline struct dp_key random_port(uint64_t r)
{
    return (struct dp_key){.dp_id = 1 + r % N_RANDOM / 2, .dp_port = 1 + r % 2};
}

static inline unsigned port_index(struct dp_key key)
{
    return (unsigned)(key.dp_id - 1) * 2 + key.dp_port - 1;
}

#endif
