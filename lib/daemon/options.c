#define LOG_MODULE "options"

#include "daemon/options.h"

#include <argp.h>
#include <assert.h>
#include <ctype.h>
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/addr.h"
#include "base/log.h"
#include "base/util.h"
#include "options_table.h"

enum source { FROM_DEFAULT, FROM_FILE, FROM_COMMAND };

struct value {
    const struct option_spec *spec;
    char *text; /* NULL: unset. */
    enum source source;
};

struct options {
    struct value *values;
    unsigned n;
};

/* Keys of options without a letter of their own, beyond all characters. */
#define KEY_BASE 0x1000
enum { KEY_HELP = '?', KEY_USAGE = 0x801, KEY_VERSION = 'V' };

static struct value *find(const struct options *o, const char *key)
{
    for (unsigned i = 0; i < o->n; i++) {
        if (!strcmp(o->values[i].spec->key, key)) {
            return &o->values[i];
        }
    }
    return NULL;
}

static bool parse_flag(const char *text, bool *ret)
{
    static const char *const yes[] = {"true", "yes", "on", "1"};
    static const char *const no[] = {"false", "no", "off", "0"};

    for (unsigned i = 0; i < ARRAY_SIZE(yes); i++) {
        if (!strcasecmp(text, yes[i]) || !strcasecmp(text, no[i])) {
            *ret = !strcasecmp(text, yes[i]);
            return true;
        }
    }
    return false;
}

static void set(struct value *v, const char *text, enum source source)
{
    if (source >= v->source) {
        free(v->text);
        v->text = text ? xstrdup(text) : NULL;
        v->source = source;
    }
}

static void add_table(struct options *o, const struct option_spec *table)
{
    for (; table && table->key; table++) {
        o->values = xrealloc(o->values, (o->n + 1) * sizeof *o->values);
        o->values[o->n] = (struct value){.spec = table};
        set(&o->values[o->n++], table->def, FROM_DEFAULT);
    }
}

void options_destroy(struct options *o)
{
    if (o) {
        for (unsigned i = 0; i < o->n; i++) {
            free(o->values[i].text);
        }
        free(o->values);
        free(o);
    }
}

bool options_set_from_file(struct options *o, const char *path, unsigned line,
                           const char *key, const char *text)
{
    struct value *v = find(o, key);
    bool flag;

    if (!v || !strcmp(key, "config")) {
        fprintf(stderr, "%s:%u: unknown key \"%s\"\n", path, line, key);
        return false;
    }
    if (!v->spec->arg && !parse_flag(text, &flag)) {
        fprintf(stderr, "%s:%u: %s = %s: expected true or false\n", path, line, key,
                text);
        return false;
    }
    set(v, text, FROM_FILE);
    return true;
}

/* The command line. */

struct parsing {
    struct options *options;
    const struct argp *argp;
    const char *program;
    bool done;
};

static int argp_key(const struct options *o, unsigned i)
{
    int letter = o->values[i].spec->letter;
    return letter ? letter : KEY_BASE + (int)i;
}

static error_t parse_arg(int key, char *arg, struct argp_state *state)
{
    struct parsing *p = state->input;

    switch (key) {
    case KEY_HELP:
    case KEY_USAGE:
        argp_help(p->argp, stdout,
                  key == KEY_HELP ? ARGP_HELP_STD_HELP & ~(unsigned)ARGP_HELP_EXIT_OK
                                  : ARGP_HELP_USAGE,
                  state->name);
        p->done = true;
        return 0;
    case KEY_VERSION:
        printf("%s (routeflow) %s\n", p->program, RF_VERSION);
        p->done = true;
        return 0;
    case ARGP_KEY_ARG:
        argp_error(state, "unexpected argument \"%s\"", arg);
        return EINVAL;
    }
    for (unsigned i = 0; i < p->options->n; i++) {
        if (argp_key(p->options, i) == key) {
            set(&p->options->values[i], arg ? arg : "true", FROM_COMMAND);
            return 0;
        }
    }
    return ARGP_ERR_UNKNOWN;
}

/* "what it is for (default: X)"; the caller frees. */
static char *describe(const struct option_spec *spec)
{
    return spec->def && *spec->def ? xasprintf("%s (default: %s)", spec->doc, spec->def)
                                   : xstrdup(spec->doc);
}

static enum options_result parse_command(struct options *o, const char *program,
                                         const char *doc, int argc, char **argv)
{
    static const struct argp_option own[] = {
        {"help", KEY_HELP, NULL, 0, "print this list", -1},
        {"usage", KEY_USAGE, NULL, 0, "print a short usage message", -1},
        {"version", KEY_VERSION, NULL, 0, "print the version", -1},
    };
    struct argp_option *table = xcalloc(o->n + ARRAY_SIZE(own) + 1, sizeof *table);

    for (unsigned i = 0; i < o->n; i++) {
        const struct option_spec *spec = o->values[i].spec;
        table[i] = (struct argp_option){.name = spec->key,
                                        .key = argp_key(o, i),
                                        .arg = spec->arg,
                                        .doc = describe(spec)};
    }
    memcpy(&table[o->n], own, sizeof own);
    struct argp argp = {.options = table, .parser = parse_arg, .doc = doc};
    struct parsing parsing = {.options = o, .argp = &argp, .program = program};
    /* argp must not exit: the caller has a status to return. */
    error_t error =
        argp_parse(&argp, argc, argv, ARGP_NO_EXIT | ARGP_NO_HELP, NULL, &parsing);
    for (unsigned i = 0; i < o->n; i++) {
        free((char *)table[i].doc);
    }
    free(table);
    return parsing.done ? OPTIONS_DONE : error ? OPTIONS_ERROR : OPTIONS_OK;
}

static enum options_result read_config(struct options *o, const char *program)
{
    struct value *config = find(o, "config");

    if (!config || !config->text) {
        return OPTIONS_OK;
    }
    int error = options_read_file(o, program, config->text);
    if (error == ENOENT && config->source == FROM_DEFAULT) {
        return OPTIONS_OK;
    }
    if (error && error != EINVAL) {
        fprintf(stderr, "%s: %s: %s\n", program, config->text, strerror(error));
    }
    return error ? OPTIONS_ERROR : OPTIONS_OK;
}

enum options_result options_parse(const char *program, const char *doc,
                                  const char *config, const struct option_spec *own,
                                  const struct option_spec *common, int argc,
                                  char **argv, struct options **ret)
{
    struct options *o = xcalloc(1, sizeof *o);

    add_table(o, own);
    add_table(o, common);
    if (config) {
        set(find(o, "config"), config, FROM_DEFAULT);
    }
    enum options_result result = parse_command(o, program, doc, argc, argv);
    if (result == OPTIONS_OK) {
        result = read_config(o, program);
    }
    if (result != OPTIONS_OK) {
        options_destroy(o);
        return result;
    }
    *ret = o;
    return OPTIONS_OK;
}

int options_load(const char *program, const char *path, const struct option_spec *table,
                 struct options **ret)
{
    struct options *o = xcalloc(1, sizeof *o);

    add_table(o, table);
    int error = options_read_file(o, program, path);
    if (error && error != ENOENT) {
        if (error != EINVAL) { /* Else it has been told. */
            fprintf(stderr, "%s: %s: %s\n", program, path, strerror(error));
        }
        options_destroy(o);
        return error;
    }
    *ret = o;
    return error;
}

/* Reading values. */

const char *options_get(const struct options *o, const char *key)
{
    const struct value *v = find(o, key);

    assert(v); /* A key of ours that is in no table of ours. */
    return v->text;
}

bool options_is_set(const struct options *o, const char *key)
{
    const struct value *v = find(o, key);

    assert(v);
    return v->source != FROM_DEFAULT;
}

bool options_flag(const struct options *o, const char *key)
{
    const char *text = options_get(o, key);
    bool flag = false;

    return text && parse_flag(text, &flag) && flag;
}

bool options_u64(const struct options *o, const char *key, uint64_t min, uint64_t max,
                 uint64_t *ret)
{
    const char *text = options_get(o, key);
    uint64_t v;
    int base = text && text[0] == '0' && (text[1] | 0x20) == 'x' ? 16 : 10;

    if (!text || !parse_u64(text, base, max, &v) || v < min) {
        log_err("option %s: \"%s\": expected a number from %" PRIu64 " to %" PRIu64,
                key, text ? text : "", min, max);
        return false;
    }
    *ret = v;
    return true;
}

bool options_id(const struct options *o, const char *key, uint64_t *ret)
{
    const char *text = options_get(o, key);

    if (!text || !id_parse(text, ret)) {
        log_err("option %s: \"%s\": expected a hexadecimal number of at most 16 digits",
                key, text ? text : "");
        return false;
    }
    return true;
}

/* "1.5s" as milliseconds. */
static bool parse_ms(const char *text, int64_t *ret)
{
    static const struct {
        const char *name;
        int64_t ms;
    } units[] = {{"", 1000}, {"ms", 1}, {"s", 1000}, {"min", 60000}, {"h", 3600000}};
    const char *p = text;
    int64_t whole = 0, fraction = 0, scale = 1;

    if (!isdigit((unsigned char)*p)) {
        return false;
    }
    for (; isdigit((unsigned char)*p); p++) {
        whole = whole * 10 + (*p - '0');
        if (whole > 1000000000) {
            return false;
        }
    }
    if (*p == '.') {
        for (p++; isdigit((unsigned char)*p) && scale < 1000000; p++) {
            fraction = fraction * 10 + (*p - '0');
            scale *= 10;
        }
    }
    while (*p == ' ') {
        p++;
    }
    for (unsigned i = 0; i < ARRAY_SIZE(units); i++) {
        if (!strcmp(p, units[i].name)) {
            *ret = whole * units[i].ms + fraction * units[i].ms / scale;
            return true;
        }
    }
    return false;
}

bool options_ms(const struct options *o, const char *key, int64_t min, int64_t max,
                int64_t *ret)
{
    const char *text = options_get(o, key);
    int64_t ms;

    if (!text || !parse_ms(text, &ms) || ms < min || ms > max) {
        log_err("option %s: \"%s\": expected a time from %" PRId64 "ms to %" PRId64
                "ms, "
                "such as 50ms, 1.5s or 2min",
                key, text ? text : "", min, max);
        return false;
    }
    *ret = ms;
    return true;
}
