#include "plan.h"

#include <errno.h>
#include <inttypes.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include "files.h"

extern char **environ;

static const struct option_spec option_table[] = {
    {"plan-script", "FILE", "makes containers", NULL, 0},
    {"plan-dir", "FOLDER", "what was applied, to be taken back",
     "/var/lib/routeflow/plan", 0},
    {NULL, NULL, NULL, NULL, 0},
};

struct options *plan_options(const struct rfctl *ctl)
{
    struct options *o = NULL;

    if (options_load("rfctl", ctl->config, option_table, &o) == ENOENT &&
        strcmp(ctl->config, RFCTL_CONFIG)) {
        fprintf(stderr, "rfctl: %s: %s\n", ctl->config, strerror(ENOENT));
        options_destroy(o);
        return NULL;
    }
    return o;
}

bool plan_script(const char *script, const char *verb, const char *file)
{
    char *argv[] = {(char *)script, (char *)verb, (char *)file, NULL};
    int status = -1;
    pid_t pid;

    fflush(stdout);
    int error = posix_spawn(&pid, script, NULL, NULL, argv, environ);
    if (error) {
        fprintf(stderr, "rfctl: option plan-script: %s: %s\n", script, strerror(error));
        return false;
    }
    while (waitpid(pid, &status, 0) < 0 && errno == EINTR) {
    }
    if (!WIFEXITED(status) || WEXITSTATUS(status)) {
        fprintf(stderr, "rfctl: `%s %s %s` has failed\n", script, verb, file);
        return false;
    }
    return true;
}

/* For people. */

static void print_datapath(const char *before, struct dp_key dp)
{
    printf("%sdatapath 0x%" PRIx64 " port %u", before, dp.dp_id, dp.dp_port);
}

static void print_router(const struct plan *plan, const struct plan_router *router)
{
    char text[IP_PREFIX_STRLEN];

    printf("# %s container %s, vm_id %012" PRIx64,
           router->create ? "new" : "more ports for", router->name, router->vm_id);
    if (router->create) {
        printf(", router id %s", ip_format(&router->router_id, text));
    }
    printf("\n");
    for (size_t i = router->first; i < router->first + router->n; i++) {
        const struct plan_port *port = &plan->ports[i];
        printf("#   eth%-4u %-18s", port->vm.vm_port, prefix_format(&port->addr, text));
        print_datapath(" ", port->dp);
        if (port->is_link) {
            print_datapath(", link to ", port->peer);
        }
        printf("%s%s\n", port->new_interface ? "" : "; the interface is there",
               port->new_addr ? "" : " with its address");
    }
}

/* What the script would write, if there is one. */
static bool print_files(const struct plan *plan, const char *script)
{
    bool ok = true;

    for (size_t i = 0; i < plan->n_routers && ok; i++) {
        struct buf json = {0};
        char path[64];
        int fd = memfd_create("plan", 0);
        plan_router_json(plan, &plan->routers[i], &json);
        snprintf(path, sizeof path, "/dev/fd/%d", fd);
        ok = fd >= 0 && file_write(path, json.data, json.len) &&
             plan_script(script, "show", path);
        buf_uninit(&json);
        close(fd);
    }
    return ok;
}

static bool print_plan(const struct plan_answer *a, const char *script)
{
    const struct plan *plan = &a->plan;
    struct buf file = {0}, rows = {0}, diff = {0};
    bool ok = file_read(a->mapping, &file);

    if (ok) {
        plan_rows_format(plan, &rows);
        plan_rows_diff(a->mapping, file.data, file.len, buf_cstr(&rows), &diff);
        fputs(buf_cstr(&diff), stdout);
        for (size_t i = 0; i < plan->n_routers; i++) {
            print_router(plan, &plan->routers[i]);
        }
        ok = !script || print_files(plan, script);
    }
    buf_uninit(&file);
    buf_uninit(&rows);
    buf_uninit(&diff);
    return ok;
}

static void print_notes(const struct plan_answer *a)
{
    const char *text = (const char *)a->plan.notes.data;

    for (size_t pos = 0; pos < a->plan.notes.len;) {
        size_t n = strcspn(text + pos, "\n");
        printf("# note: %.*s\n", (int)n, text + pos);
        pos += n + 1;
    }
}

static int show(const struct rfctl *ctl, const struct options *o)
{
    const char *script = options_get(o, "plan-script");
    struct plan_answer a;
    struct buf json = {0};
    int status = plan_ask(ctl, &a);

    if (status) {
        return status;
    }
    buf_put(&a.plan.notes, "", 1); /* strcspn() ends there. */
    a.plan.notes.len--;
    if (ctl->json) {
        plan_answer_json(&a, &json);
        printf("%s\n", buf_cstr(&json));
        buf_uninit(&json);
    } else {
        if (a.plan.n_ports && !print_plan(&a, script)) {
            status = RFCTL_ERROR;
        }
        print_notes(&a);
        if (!a.plan.n_ports) {
            printf("nothing to propose\n");
        } else if (!status) {
            printf("# rfctl plan --apply %s: %zu rows, %zu containers\n", a.id,
                   plan_count_rows(&a.plan), a.plan.n_routers);
        }
    }
    plan_answer_uninit(&a);
    return status;
}

int plan_command(const struct rfctl *ctl, enum plan_deed deed, const char *id)
{
    struct options *o = plan_options(ctl);
    int status = !o                    ? RFCTL_ERROR
                 : deed == PLAN_APPLY  ? plan_apply(ctl, o, id)
                 : deed == PLAN_REVERT ? plan_revert(ctl, o)
                                       : show(ctl, o);

    options_destroy(o);
    return status;
}
