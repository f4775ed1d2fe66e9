#include "unit.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/log.h"
#include "ipc/client.h"
#include "ipc/server.h"
#include "net/zcurve.h"

/* A server on TCP with CURVE and an allow-list, keys in a directory of their own. */

#define WAIT_MS 20000

static char dir[64], error_text[ZCURVE_ERR_LEN], log_text[16384];
static struct loop *loop;
static struct zctx *ctx;
static int peers;

static const char *path_of(const char *name)
{
    static char paths[64][128];
    static unsigned i;
    char *path = paths[i++ % 64];

    snprintf(path, sizeof paths[0], "%s/%s", dir, name);
    return path;
}

static void log_sink(void *aux, enum log_level level, const char *module,
                     const char *message)
{
    size_t n = strlen(log_text);
    snprintf(log_text + n, sizeof log_text - n, "%s\n", message);
}

static void peer_up(void *aux, struct ipc_peer *p)
{
    peers++;
}

static void peer_down(void *aux, struct ipc_peer *p, const char *reason)
{
}

static void message(void *aux, struct ipc_peer *p, const struct msg *m)
{
}

static const struct ipc_server_ops server_ops = {peer_up, peer_down, message, NULL};
static const struct ipc_client_ops client_ops = {0};

static void setup(void)
{
    static const char *const names[] = {"server", "a", "b"};

    strcpy(dir, "/tmp/rf-curve-test.XXXXXX");
    ck_assert_ptr_nonnull(mkdtemp(dir));
    for (unsigned i = 0; i < ARRAY_SIZE(names); i++) {
        ck_assert_msg(!zcurve_generate(path_of(names[i]), error_text), "%s",
                      error_text);
    }
    loop = loop_create();
    ctx = zctx_create();
    peers = 0;
    log_text[0] = '\0';
    log_set_sink(log_sink, NULL);
}

static void teardown(void)
{
    static const char *const names[] = {"server.key", "server.secret", "a.key",
                                        "a.secret",   "b.key",         "b.secret",
                                        "allow"};
    for (unsigned i = 0; i < ARRAY_SIZE(names); i++) {
        unlink(path_of(names[i]));
    }
    ck_assert_int_eq(rmdir(dir), 0);
    zctx_destroy(ctx);
    loop_destroy(loop);
}

static struct zcurve load(const char *name, const char *server)
{
    struct zcurve c;
    int error =
        zcurve_load(path_of(name), server ? path_of(server) : NULL, &c, error_text);
    ck_assert_msg(!error, "%s", error_text);
    return c;
}

static void write_file(const char *name, const char *text)
{
    FILE *f = fopen(path_of(name), "w");

    ck_assert_ptr_nonnull(f);
    fputs(text, f);
    fclose(f);
}

static struct ipc_server *start_server(void)
{
    struct zcurve curve = load("server", NULL);
    struct ipc_server_config config = {.epoch = 1, .curve = &curve};
    struct ipc_server *s = ipc_server_create(loop, ctx, &config, &server_ops, NULL);

    ck_assert_int_eq(ipc_server_bind(s, "tcp://127.0.0.1:*"), 0);
    return s;
}

static struct ipc_client *start_client(struct ipc_server *s, const char *key,
                                       uint64_t id)
{
    struct zcurve curve;
    struct ipc_client_config config = {.endpoint = ipc_server_last_endpoint(s),
                                       .role = ROLE_CLIENT,
                                       .id = id,
                                       .timing = {.dead_ms = 1000}};
    if (key) {
        curve = load(key, "server");
        config.curve = &curve;
    }
    return ipc_client_create(loop, ctx, &config, &client_ops, NULL);
}

static bool is_up(void *client)
{
    return ipc_client_is_up(client);
}

static bool is_refused(void *client)
{
    return !strncmp(ipc_client_state(client), "refused", 7);
}

static bool key_is_logged(void *aux)
{
    return strstr(log_text, "a key of 127.0.0.1 is not in") != NULL;
}

static struct zauth *allow(const char *key_name, const char *id)
{
    struct zcurve c = load(key_name, "server");
    struct zauth *z = NULL;
    char line[128];

    snprintf(line, sizeof line, "# keys\n\n%s %s\n", c.public_key, id);
    write_file("allow", line);
    int error = zauth_create(loop, ctx, path_of("allow"), &z, error_text);
    ck_assert_msg(!error, "%s", error_text);
    return z;
}

START_TEST(an_allowed_key_gets_a_session_and_another_does_not)
{
    setup();
    struct zauth *z = allow("a", "");
    struct ipc_server *s = start_server();
    struct ipc_client *a = start_client(s, "a", 1);
    struct ipc_client *b = start_client(s, "b", 2);

    ck_assert(loop_run_until(loop, is_up, a, WAIT_MS));
    ck_assert(loop_run_until(loop, key_is_logged, NULL, WAIT_MS));
    ck_assert(!ipc_client_is_up(b));
    ck_assert_int_eq(peers, 1);
    /* Added to the list, it gets in without a restart. */
    struct zcurve ka = load("a", "server"), kb = load("b", "server");
    char text[256];
    snprintf(text, sizeof text, "%s\n%s 0x2\n", ka.public_key, kb.public_key);
    write_file("allow", text);
    ck_assert_msg(!zauth_reload(z, error_text), "%s", error_text);
    ck_assert(loop_run_until(loop, is_up, b, WAIT_MS));
    ipc_client_destroy(a);
    ipc_client_destroy(b);
    ipc_server_destroy(s);
    zauth_destroy(z);
    teardown();
}
END_TEST

START_TEST(a_key_bound_to_an_id_may_use_no_other)
{
    setup();
    struct zauth *z = allow("a", "02a0a0a0a0a0");
    struct ipc_server *s = start_server();
    struct ipc_client *wrong = start_client(s, "a", 5);

    ck_assert(loop_run_until(loop, is_refused, wrong, WAIT_MS));
    ck_assert_str_eq(ipc_client_state(wrong),
                     "refused: this key belongs to another id");
    ipc_client_destroy(wrong);
    struct ipc_client *right = start_client(s, "a", 0x02a0a0a0a0a0);
    ck_assert(loop_run_until(loop, is_up, right, WAIT_MS));
    ipc_client_destroy(right);
    ipc_server_destroy(s);
    zauth_destroy(z);
    teardown();
}
END_TEST

START_TEST(a_client_without_a_key_gets_nothing)
{
    setup();
    struct zauth *z = allow("a", "");
    struct ipc_server *s = start_server();
    struct ipc_client *plain = start_client(s, NULL, 1);
    struct ipc_client *good = start_client(s, "a", 2);

    ck_assert(loop_run_until(loop, is_up, good, WAIT_MS));
    ck_assert(!loop_run_until(loop, is_up, plain, 300));
    ck_assert_int_eq(peers, 1);
    ipc_client_destroy(plain);
    ipc_client_destroy(good);
    ipc_server_destroy(s);
    zauth_destroy(z);
    teardown();
}
END_TEST

START_TEST(bad_key_files_are_refused_with_their_name)
{
    struct zcurve c;

    setup();
    ck_assert_int_eq(zcurve_generate(path_of("a"), error_text), EEXIST);
    ck_assert_int_eq(zcurve_load(path_of("nobody"), NULL, &c, error_text), ENOENT);
    ck_assert_ptr_nonnull(strstr(error_text, "nobody.key: No such file"));
    ck_assert_int_eq(chmod(path_of("a.secret"), 0644), 0);
    ck_assert_int_eq(zcurve_load(path_of("a"), NULL, &c, error_text), EACCES);
    ck_assert_ptr_nonnull(strstr(error_text, "a.secret: others can read"));
    write_file("b.key", "too short\n");
    ck_assert_int_eq(zcurve_load(path_of("b"), NULL, &c, error_text), EINVAL);
    ck_assert_ptr_nonnull(strstr(error_text, "b.key: expected one line"));
    teardown();
}
END_TEST

START_TEST(faults_of_an_allow_list_are_told_with_their_line)
{
    struct zcurve c;
    struct zauth *z = NULL;
    char text[512];

    setup();
    c = load("a", "server");
    snprintf(text, sizeof text, "%s\nshort\n", c.public_key);
    write_file("allow", text);
    ck_assert_int_eq(zauth_create(loop, ctx, path_of("allow"), &z, error_text), EINVAL);
    ck_assert_ptr_nonnull(strstr(error_text, "allow:2: expected a public key"));
    snprintf(text, sizeof text, "# x\n%s zz\n", c.public_key);
    write_file("allow", text);
    ck_assert_int_eq(zauth_create(loop, ctx, path_of("allow"), &z, error_text), EINVAL);
    ck_assert_ptr_nonnull(strstr(error_text, "allow:2: expected a hexadecimal id"));
    snprintf(text, sizeof text, "%s 1\n%s 2\n", c.public_key, c.public_key);
    write_file("allow", text);
    ck_assert_int_eq(zauth_create(loop, ctx, path_of("allow"), &z, error_text), EINVAL);
    ck_assert_ptr_nonnull(strstr(error_text, "allow:2: this key stands in the list"));
    ck_assert_ptr_null(z);
    teardown();
}
END_TEST

UNIT_MAIN("ipc/curve", an_allowed_key_gets_a_session_and_another_does_not,
          a_key_bound_to_an_id_may_use_no_other, a_client_without_a_key_gets_nothing,
          bad_key_files_are_refused_with_their_name,
          faults_of_an_allow_list_are_told_with_their_line)
