#include <argp.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/log.h"
#include "base/util.h"
#include "daemon/daemon.h"
#include "print.h"
#include "rfctl.h"

const char *argp_program_version = "rfctl 0.1.0";

static const char help[] =
    "Asks rfserver, and says what is there and what is missing.\v"
    "Commands:\n"
    "  show status                     the platform on one page\n"
    "  show associations               which ports belong together, and their state\n"
    "  show links                      what LLDP found; virtual links\n"
    "  show ports                      datapath ports and their class\n"
    "  show routes [VM] [PREFIX]       what the containers told, and what came of it\n"
    "  show neighbors [VM]\n"
    "  show flows [DATAPATH] [PREFIX]  the FIB entries that switches should have\n"
    "  show datapaths | clients | events\n"
    "  why VM PORT                     which step is missing on the way to routing\n"
    "  why PREFIX [VM]\n"
    "  watch                           events as they happen\n"
    "  check FILE.csv [ISL.csv]        faults of a mapping file, and what it would "
    "change\n"
    "  keygen NAME                     key pair NAME.key, NAME.secret for option "
    "curve\n"
    "  plane [closed|passthrough]       do routing packets stay in RFVS?  Changes it "
    "live\n"
    "  plan                            rows, containers and addresses for ports that "
    "have none\n"
    "  plan --apply [PLAN]             makes them\n"
    "  plan --revert                   takes back what the last --apply made\n"
    "  reload                          read the mapping file and the keys again\n\n"
    "A VM is a MAC, a vm_id, or the name of its container.  Exit status: 0 good, 1 an "
    "error, 2 \"why\" found something missing, 3 rfserver does not answer.";

enum { KEY_APPLY = 0x1000, KEY_REVERT };

static const struct argp_option argp_options[] = {
    {"server", 's', "ENDPOINT", 0,
     "of rfserver, default $RF_SERVER or ipc:///run/routeflow/rfserver.ipc", 0},
    {"events", 'e', "ENDPOINT", 0,
     "of its events, default $RF_EVENTS or ipc:///run/routeflow/events.ipc", 0},
    {"timeout", 't', "SECONDS", 0, "wait so long for an answer, default 3", 0},
    {"curve", 'c', "NAME", 0, "over tcp://: our key pair is NAME.key, NAME.secret", 0},
    {"curve-server", 'C', "NAME", 0, "over tcp://: rfserver's public key is NAME.key",
     0},
    {"json", 'j', NULL, 0, "print JSON", 0},
    {"config", 'f', "FILE", 0,
     "its section [rfctl] has plan-script, plan-dir; default $RF_CONFIG or "
     "/etc/routeflow/routeflow.conf",
     0},
    {"apply", KEY_APPLY, NULL, 0, "with plan", 0},
    {"revert", KEY_REVERT, NULL, 0, "with plan", 0},
    {0},
};

struct arguments {
    struct rfctl ctl;
    enum plan_deed deed;
    const char *curve_own, *curve_server;
    const char *words[WIRE_MAX_STRS];
    unsigned n_words;
};

static error_t parse(int key, char *arg, struct argp_state *state)
{
    struct arguments *a = state->input;
    uint64_t seconds;

    switch (key) {
    case 's':
        a->ctl.server = arg;
        return 0;
    case 'e':
        a->ctl.events = arg;
        return 0;
    case 'c':
        a->curve_own = arg;
        return 0;
    case 'C':
        a->curve_server = arg;
        return 0;
    case 'j':
        a->ctl.json = true;
        return 0;
    case 'f':
        a->ctl.config = arg;
        return 0;
    case KEY_APPLY:
        a->deed = PLAN_APPLY;
        return 0;
    case KEY_REVERT:
        a->deed = PLAN_REVERT;
        return 0;
    case 't':
        if (!parse_u64(arg, 10, 3600, &seconds) || !seconds) {
            argp_error(state, "--timeout takes seconds, 1 to 3600, not \"%s\"", arg);
        }
        a->ctl.timeout_ms = (int64_t)seconds * 1000;
        return 0;
    case ARGP_KEY_ARG:
        if (a->n_words == WIRE_MAX_STRS - 2) {
            argp_error(state, "too many arguments");
        }
        a->words[a->n_words++] = arg;
        return 0;
    case ARGP_KEY_END:
        if (!a->n_words) {
            argp_usage(state);
        }
        return 0;
    default:
        return ARGP_ERR_UNKNOWN;
    }
}

int ask(const struct rfctl *ctl, const char *cmd, const char *const *args, unsigned n,
        struct buf *body, bson_t *ret_doc)
{
    char state[IPC_STATE_LEN];
    int64_t status;
    bson_iter_t it;

    buf_clear(body);
    if (ipc_request(ctl->server, ctl->curve, cmd, args, n, ctl->timeout_ms, body,
                    &status, state)) {
        fprintf(stderr, "rfctl: no answer from rfserver: %s\n", state);
        return RFCTL_NO_SERVER;
    }
    if (!bson_init_static(ret_doc, body->data, body->len)) {
        fprintf(stderr, "rfctl: the answer of rfserver makes no sense\n");
        return RFCTL_ERROR;
    }
    if (bson_iter_init_find(&it, ret_doc, "error") && BSON_ITER_HOLDS_UTF8(&it)) {
        fprintf(stderr, "rfctl: %s\n", bson_iter_utf8(&it, NULL));
        return RFCTL_ERROR;
    }
    return status == 2 ? RFCTL_MISSING : status ? RFCTL_ERROR : RFCTL_OK;
}

static int show(const struct rfctl *ctl, const char *what, const char *const *args,
                unsigned n)
{
    const char *all[WIRE_MAX_STRS];
    struct printer *printer = printer_create(ctl->json);
    struct buf body = {0};
    char offset[24];
    int64_t next = -1;
    int status;

    memcpy(all, args, n * sizeof *all);
    do {
        bson_t doc;
        snprintf(offset, sizeof offset, "@%lld", (long long)next);
        all[n] = offset;
        status = ask(ctl, what, all, next < 0 ? n : n + 1, &body, &doc);
        next = -1;
        if (!status) {
            printer_add(printer, &doc, &next);
        }
    } while (next >= 0);
    if (!status) {
        if (strcmp(what, "events") && strcmp(what, "associations")) {
            printer_sort(printer); /* Those two come in an order of their own. */
        }
        printer_print(printer);
    }
    printer_destroy(printer);
    buf_uninit(&body);
    return status;
}

static int show_record(const struct rfctl *ctl)
{
    struct buf body = {0};
    bson_t doc;
    int status = ask(ctl, "status", NULL, 0, &body, &doc);

    if (!status) {
        print_record(&doc, ctl->json);
    }
    buf_uninit(&body);
    return status;
}

static int why(const struct rfctl *ctl, const char *const *args, unsigned n)
{
    struct buf body = {0};
    bson_t doc;
    int status = ask(ctl, "why", args, n, &body, &doc);

    if (status == RFCTL_OK || status == RFCTL_MISSING) {
        print_steps(&doc, ctl->json);
    }
    buf_uninit(&body);
    return status;
}

/* An order to rfserver, which says in a line what holds now. */
static int order(const struct rfctl *ctl, const char *cmd, const char *const *args,
                 unsigned n)
{
    struct buf body = {0};
    bson_t doc;
    int status = ask(ctl, cmd, args, n, &body, &doc);
    bson_iter_t it;

    if (!status && bson_iter_init_find(&it, &doc, "text") &&
        BSON_ITER_HOLDS_UTF8(&it)) {
        printf("%s\n", bson_iter_utf8(&it, NULL));
    }
    buf_uninit(&body);
    return status;
}

/* A key pair for option `curve` of a daemon; prints the line for an allow-list. */
static int keygen(const char *name)
{
    char error[ZCURVE_ERR_LEN];
    struct zcurve made;

    if (zcurve_generate(name, error) || zcurve_load(name, NULL, &made, error)) {
        fprintf(stderr, "rfctl: %s\n", error);
        return RFCTL_ERROR;
    }
    printf("%s\n", made.public_key);
    return RFCTL_OK;
}

static int unknown(const char *what)
{
    fprintf(stderr, "rfctl: \"%s\" is not known; rfctl --help lists the commands\n",
            what);
    return RFCTL_ERROR;
}

static int run_show(const struct rfctl *ctl, const char *const *words, unsigned n)
{
    static const char *const tables[] = {"associations", "links",     "ports",
                                         "routes",       "neighbors", "flows",
                                         "datapaths",    "clients",   "events"};
    if (!n) {
        return unknown("show");
    }
    if (!strcmp(words[0], "status")) {
        return show_record(ctl);
    }
    for (size_t i = 0; i < ARRAY_SIZE(tables); i++) {
        if (!strcmp(words[0], tables[i])) {
            return show(ctl, tables[i], words + 1, n - 1);
        }
    }
    return unknown(words[0]);
}

static int run(const struct arguments *a)
{
    const struct rfctl *ctl = &a->ctl;
    const char *cmd = a->words[0];

    if (a->deed && strcmp(cmd, "plan")) {
        fprintf(stderr, "rfctl: --apply and --revert go with plan\n");
        return RFCTL_ERROR;
    }
    if (!strcmp(cmd, "show")) {
        return run_show(ctl, a->words + 1, a->n_words - 1);
    }
    if (!strcmp(cmd, "why")) {
        return why(ctl, a->words + 1, a->n_words - 1);
    }
    if (!strcmp(cmd, "watch")) {
        return watch_events(ctl);
    }
    if (!strcmp(cmd, "check") && (a->n_words == 2 || a->n_words == 3)) {
        return check_mapping(ctl, a->words[1], a->n_words == 3 ? a->words[2] : NULL);
    }
    if (!strcmp(cmd, "plan") && a->n_words <= (a->deed == PLAN_APPLY ? 2 : 1)) {
        return plan_command(ctl, a->deed, a->n_words == 2 ? a->words[1] : NULL);
    }
    if (!strcmp(cmd, "keygen") && a->n_words == 2) {
        return keygen(a->words[1]);
    }
    if (!strcmp(cmd, "reload") || !strcmp(cmd, "plane")) {
        return order(ctl, cmd, a->words + 1, a->n_words - 1);
    }
    return unknown(cmd);
}

static const char *env_or(const char *name, const char *otherwise)
{
    const char *value = getenv(name);
    return value && *value ? value : otherwise;
}

int main(int argc, char **argv)
{
    static const struct argp argp = {argp_options,
                                     parse,
                                     "show WHAT|why VM PORT|why PREFIX|watch|check "
                                     "FILE|keygen NAME|plane MODE|plan|reload",
                                     help,
                                     NULL,
                                     NULL,
                                     NULL};
    struct arguments a = {
        .ctl = {.server = env_or("RF_SERVER", "ipc:///run/routeflow/rfserver.ipc"),
                .events = env_or("RF_EVENTS", "ipc:///run/routeflow/events.ipc"),
                .config = env_or("RF_CONFIG", RFCTL_CONFIG),
                .timeout_ms = 3000}};

    struct zcurve curve;

    argp_err_exit_status = RFCTL_ERROR;
    daemon_log_to_stderr(LOGL_ERR);
    argp_parse(&argp, argc, argv, 0, NULL, &a);
    if (a.curve_own || a.curve_server) {
        char error[ZCURVE_ERR_LEN] = "--curve and --curve-server go together";
        if (!a.curve_own || !a.curve_server ||
            zcurve_load(a.curve_own, a.curve_server, &curve, error)) {
            fprintf(stderr, "rfctl: %s\n", error);
            return RFCTL_ERROR;
        }
        a.ctl.curve = &curve;
    }
    return run(&a);
}
