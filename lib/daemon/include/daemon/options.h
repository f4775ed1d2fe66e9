#ifndef DAEMON_OPTIONS_H
#define DAEMON_OPTIONS_H 1

/* Options of a daemon: one table {key, argument, meaning, default} serves the command
 * line (--key=ARG, argp) and the INI file (key = ARG, inih).  Command line beats file
 * beats default.
 *
 * In the file, keys stand before any section or in the section named after the program;
 * other sections are left to other programs, so that all daemons may share a file.  A
 * key that the program does not know is refused with file:line:, as is a malformed
 * line; all faults are reported at once.  `#` and `;` begin comments.  An option
 * without argument is a switch: --key on the command line, key = true|false in the
 * file. */

#include <stdbool.h>
#include <stdint.h>

struct option_spec {
    const char *key;
    const char *arg; /* Name of the argument for --help; NULL: a switch. */
    const char *doc;
    const char *def; /* NULL: unset. */
    char letter;     /* Short option, or 0. */
};

/* Values are text; the daemon's start function checks their meaning. */
struct options;

/* For a program that is no daemon: the defaults of a table up to a NULL key, and what
 * the INI file says in the section of `program`.  0; ENOENT: there is no such file,
 * *ret has the defaults; any other errno after telling what is wrong, *ret is
 * untouched. */
int options_load(const char *program, const char *path, const struct option_spec *,
                 struct options **ret);
void options_destroy(struct options *);

/* NULL if unset.  The key must be in the table (or one of the common options, see
 * daemon/daemon.h).  The text lives as long as the options. */
const char *options_get(const struct options *, const char *key);
bool options_is_set(const struct options *, const char *key); /* By file or command. */
bool options_flag(const struct options *, const char *key);

/* Typed values; on failure log "option KEY: …" with what was expected, return false and
 * leave *ret alone.  Numbers take 0x for hexadecimal.  Times take ms, s, min or h, as
 * in "1.5s" or "120s"; a bare number is seconds. */
bool options_u64(const struct options *, const char *key, uint64_t min, uint64_t max,
                 uint64_t *ret);
bool options_id(const struct options *, const char *key, uint64_t *ret); /* Hex. */
bool options_ms(const struct options *, const char *key, int64_t min, int64_t max,
                int64_t *ret);

#endif
