#include "options_table.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include <ini.h>

#include "base/util.h"

#define LINE_MAX_LEN 4096

/* One reading of the file.  inih tells a handler no line number and stops counting
 * faults after the first one: the reader below counts lines, and the file is read again
 * behind each malformed line until there is none. */
struct reading {
    FILE *file;
    unsigned line;           /* Of the line read last. */
    unsigned skip_to;        /* Lines up to this one are read as empty. */
    unsigned too_long;       /* First line that is, or 0. */
    struct options *options; /* NULL: look for malformed lines only. */
    const char *program, *path;
    bool faulty;
};

static char *read_line(char *buffer, int size, void *stream)
{
    struct reading *r = stream;

    if (!fgets(buffer, size, r->file)) {
        return NULL;
    }
    r->line++;
    if (!strchr(buffer, '\n') && !feof(r->file)) {
        r->too_long = r->too_long ? r->too_long : r->line;
        for (int c = 0; c != '\n' && c != EOF;) {
            c = fgetc(r->file);
        }
    }
    if (r->line <= r->skip_to) {
        str_copy(buffer, "\n", (size_t)size);
    }
    return buffer;
}

static int on_pair(void *user, const char *section, const char *key, const char *value)
{
    struct reading *r = user;

    if (r->options && (!*section || !strcmp(section, r->program)) &&
        !options_set_from_file(r->options, r->path, r->line, key, value)) {
        r->faulty = true;
    }
    return 1;
}

/* Returns the first malformed line after skip_to, or 0. */
static int parse(struct reading *r)
{
    rewind(r->file);
    r->line = 0;
    return ini_parse_stream(read_line, r, on_pair, r);
}

int options_read_file(struct options *o, const char *program, const char *path)
{
    struct reading r = {.program = program, .path = path, .file = fopen(path, "re")};
    int line;

    if (!r.file) {
        return errno;
    }
    ini_allow_multiline = false; /* An indented key is a key. */
    ini_use_stack = false;
    ini_max_line = LINE_MAX_LEN;
    while ((line = parse(&r)) > 0) {
        fprintf(stderr, "%s:%d: expected key = value, [section] or a comment\n", path,
                line);
        r.skip_to = (unsigned)line;
        r.faulty = true;
    }
    if (r.too_long) {
        fprintf(stderr, "%s:%u: line is longer than %d characters\n", path, r.too_long,
                LINE_MAX_LEN);
        r.faulty = true;
    }
    r.skip_to = 0;
    r.options = o;
    if (parse(&r) < 0) {
        r.faulty = true;
    }
    fclose(r.file);
    return r.faulty ? EINVAL : 0;
}
