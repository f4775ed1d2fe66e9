#ifndef ASSOC_TEXT_H
#define ASSOC_TEXT_H 1

/* Events and effects of the association table as text, so that a test reads like what
 * happens: "client v1.1" is port 1 of VM 1, "d5.1" port 1 of datapath 5, "s1.3" port 3
 * of the first RFVS. */

#include <stdio.h>
#include <string.h>

#include "base/buf.h"
#include "core/assoc.h"

#define VS_ID_BASE 0x7266767300000000

static const char *const event_words[ASSOC_N_EVENTS] = {
    [ASSOC_CLIENT_PORT] = "client",
    [ASSOC_CLIENT_PORT_GONE] = "client-gone",
    [ASSOC_CLIENT_LOST] = "client-lost",
    [ASSOC_DP_PORT] = "dp",
    [ASSOC_DP_PORT_GONE] = "dp-gone",
    [ASSOC_DP_LOST] = "dp-lost",
    [ASSOC_MAPPING] = "map",
    [ASSOC_VS_PORT_GONE] = "vs-gone",
    [ASSOC_VS_LOST] = "vs-lost",
    [ASSOC_CONFIG_ADD] = "add",
    [ASSOC_CONFIG_DEL] = "del",
};

/* One event of the form "word key..." , e.g. "map v1.1 s1.3". */
static inline struct assoc_event event_parse(const char *text)
{
    struct assoc_event event = {.now = 1000};
    char copy[128], *save = NULL;
    bool known = false;

    str_copy(copy, text, sizeof copy);
    char *word = strtok_r(copy, " ", &save);
    for (unsigned i = 0; i < ASSOC_N_EVENTS; i++) {
        if (!strcmp(word, event_words[i])) {
            event.kind = (enum assoc_event_kind)i;
            known = true;
        }
    }
    ck_assert_msg(known, "unknown event '%s'", text);
    while ((word = strtok_r(NULL, " ", &save))) {
        unsigned id, port;
        ck_assert_msg(sscanf(word + 1, "%u.%u", &id, &port) == 2, "'%s'", text);
        if (word[0] == 'v') {
            event.vm = (struct vm_key){.vm_id = id, .vm_port = port};
        } else if (word[0] == 'd') {
            event.dp = (struct dp_key){.dp_id = id, .dp_port = port};
        } else {
            event.vs = (struct vs_key){.vs_id = VS_ID_BASE + id, .vs_port = port};
        }
    }
    return event;
}

static inline void format_keys(struct buf *out, const struct assoc_row *row)
{
    if (row->state == ASSOC_NONE) {
        buf_printf(out, " none");
    }
    if (assoc_has_vm(row)) {
        buf_printf(out, " v%u.%u", (unsigned)row->vm.vm_id, row->vm.vm_port);
    }
    if (assoc_has_dp(row)) {
        buf_printf(out, " d%u.%u", (unsigned)row->dp.dp_id, row->dp.dp_port);
    }
    if (assoc_has_vs(row)) {
        buf_printf(out, " s%u.%u", (unsigned)(row->vs.vs_id - VS_ID_BASE),
                   row->vs.vs_port);
    }
}

static inline void effect_format(struct buf *out, const struct assoc_effect *e)
{
    struct vs_key vs = e->vs;

    buf_printf(out, "%sT%u ", out->len ? "; " : "", e->transition);
    switch (e->kind) {
    case ASSOC_ROW:
        buf_printf(out, "row");
        format_keys(out, &e->before);
        buf_printf(out, " ->");
        format_keys(out, &e->after);
        break;
    case ASSOC_ASK_MAPPING:
        buf_printf(out, "ask v%u.%u", (unsigned)e->vm.vm_id, e->vm.vm_port);
        break;
    case ASSOC_SEND_PORT_CONFIG:
        buf_printf(out, "config v%u.%u", (unsigned)e->vm.vm_id, e->vm.vm_port);
        break;
    case ASSOC_RELAY_ADD:
    case ASSOC_RELAY_DEL:
        buf_printf(out, "relay%c d%u.%u s%u.%u", e->kind == ASSOC_RELAY_ADD ? '+' : '-',
                   (unsigned)e->dp.dp_id, e->dp.dp_port,
                   (unsigned)(vs.vs_id - VS_ID_BASE), vs.vs_port);
        break;
    case ASSOC_ACTIVATED:
        buf_printf(out, "up");
        format_keys(out, &e->after);
        break;
    case ASSOC_DEACTIVATED:
        buf_printf(out, "down");
        format_keys(out, &e->before);
        break;
    case ASSOC_CARRIER:
        buf_printf(out, "carrier%c s%u.%u", e->on ? '+' : '-',
                   (unsigned)(vs.vs_id - VS_ID_BASE), vs.vs_port);
        break;
    }
}

/* Applies events separated by ", "; the effects of the last one as text. */
static inline const char *apply_text(struct assoc_table *table, const char *script,
                                     struct buf *out)
{
    struct assoc_effects effects = {.v = NULL};
    const char *p = script;
    char one[128];

    buf_clear(out);
    while (*p) {
        size_t n = strcspn(p, ",");
        ck_assert_uint_lt(n, sizeof one);
        memcpy(one, p, n);
        one[n] = '\0';
        p += n + strspn(p + n, ", ");

        struct assoc_event event = event_parse(one);
        bool ok = assoc_apply(table, &event, &effects);
        ck_assert(ok == !effects.reason[0]);
        ck_assert(ok || !effects.n);
        buf_clear(out);
        for (size_t i = 0; i < effects.n; i++) {
            effect_format(out, &effects.v[i]);
        }
        if (!ok) {
            buf_printf(out, "refused: %s", effects.reason);
        }
    }
    assoc_effects_uninit(&effects);
    return buf_cstr(out);
}

#endif
