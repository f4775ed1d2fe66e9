#ifndef RFCTL_PLAN_H
#define RFCTL_PLAN_H 1

/* `rfctl plan`: plan_ask.c has it from rfserver, plan.c shows it, plan_apply.c makes it
 * and takes it back.
 *
 * Containers are the business of a script of the operator's choice, by option
 * plan-script in section [rfctl] of the INI file, never by a word of rfserver:
 *
 *     SCRIPT show|make|unmake FILE
 *
 * FILE is what `rfctl plan --json` has of one router.  `show` prints the files that
 * `make` would write, or change, as a unified diff.  `make` makes the container, or
 * adds the interfaces and addresses to the one that is there.  `unmake` takes back what
 * `make` has made of it, all or some, and is content when there is nothing. */

#include "core/plan.h"
#include "daemon/options.h"
#include "rfctl.h"

struct plan_answer {
    struct plan plan;
    char id[16];
    char *mapping; /* Path of rfserver's file. */
};

/* Exit status of rfctl. */
int plan_ask(const struct rfctl *, struct plan_answer *ret);
void plan_answer_uninit(struct plan_answer *);

/* One router, for people and for the script. */
void plan_router_json(const struct plan *, const struct plan_router *, struct buf *out);
void plan_answer_json(const struct plan_answer *, struct buf *out);

/* Runs SCRIPT VERB FILE; false, told, if it fails. */
bool plan_script(const char *script, const char *verb, const char *file);

/* plan-script and plan-dir; NULL after telling what is wrong. */
struct options *plan_options(const struct rfctl *);

int plan_apply(const struct rfctl *, const struct options *, const char *id);
int plan_revert(const struct rfctl *, const struct options *);

#endif
