/* Streams with TLS: two of our own ends, and peers that are wrong. */

#include "stream_ends.h"

#include <arpa/inet.h>
#include <dirent.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#include "certificates.h"

static char dir[64];
static struct ca ca, other_ca;

static const char *path_of(char ret[static 256], const char *file)
{
    snprintf(ret, 256, "%s/%s.pem", dir, file);
    return ret;
}

static struct tls *tls_of(const char *name, const char *ca_name)
{
    char cert[256], key[256], trusted[256], file[64], error[TLS_ERR_LEN];
    struct tls *tls = NULL;

    snprintf(file, sizeof file, "%s-cert", name);
    path_of(cert, file);
    snprintf(file, sizeof file, "%s-privkey", name);
    path_of(key, file);
    snprintf(file, sizeof file, "%s-cert", ca_name);
    const struct tls_files files = {cert, key, path_of(trusted, file)};
    if (tls_create(&files, &tls, error)) {
        ck_abort_msg("%s", error);
    }
    return tls;
}

static void set_up(void)
{
    signal(SIGPIPE, SIG_IGN); /* As in a daemon. */
    str_copy(dir, "/tmp/rf-tls-test.XXXXXX", sizeof dir);
    ck_assert_ptr_nonnull(mkdtemp(dir));
    ca = ca_create(dir, "ca");
    other_ca = ca_create(dir, "otherca");
    cert_create(dir, "server", &ca, &(struct cert_spec){.cn = "server"});
    cert_create(dir, "client", &ca,
                &(struct cert_spec){.cn = "dpid-5 id:x", .san = "DNS:a.b,DNS:dpid-6"});
    server_tls = tls_of("server", "ca");
    client_tls = tls_of("client", "ca");
}

static void tear_down(void)
{
    char path[512];
    DIR *d = opendir(dir);
    const struct dirent *e;

    tls_destroy(server_tls);
    tls_destroy(client_tls);
    server_tls = client_tls = NULL;
    ca_destroy(&ca);
    ca_destroy(&other_ca);
    while ((e = readdir(d))) {
        snprintf(path, sizeof path, "%s/%s", dir, e->d_name);
        unlink(path);
    }
    closedir(d);
    ck_assert_int_eq(rmdir(dir), 0);
}

START_TEST(all_that_holds_of_plain_streams_holds)
{
    set_up();
    check_megabytes_pass_both_ways_at_once();
    check_output_queued_before_the_connection_is_sent_after_it();
    check_the_end_of_the_peer_is_told_once();
    check_a_stream_may_be_destroyed_in_its_callbacks();
    check_a_paused_stream_pushes_back_on_its_peer();
    tear_down();
}
END_TEST

static void collect(void *aux, const char *name)
{
    buf_put(aux, name, strlen(name));
    buf_put(aux, ";", 1);
}

START_TEST(the_peer_is_known_by_its_names_and_fingerprint)
{
    uint8_t fingerprint[TLS_FINGERPRINT_LEN], expected[TLS_FINGERPRINT_LEN];
    struct buf names = {0};
    char path[256];

    set_up();
    struct stream_listener *l = start_pair();
    ck_assert_int_eq(strncmp(stream_listener_name(l), "ssl:127.0.0.1:", 14), 0);
    ck_assert(loop_run_until(loop, is_open, NULL, WAIT_MS));
    ck_assert(stream_is_tls(server.s));
    ck_assert_int_eq(strncmp(stream_name(server.s), "ssl:127.0.0.1:", 14), 0);
    stream_tls_names(server.s, collect, &names);
    ck_assert_str_eq(buf_cstr(&names), "dpid-5 id:x;a.b;dpid-6;");
    buf_uninit(&names);

    FILE *f = fopen(path_of(path, "client-cert"), "r");
    X509 *cert = PEM_read_X509(f, NULL, NULL, NULL);
    fclose(f);
    X509_digest(cert, EVP_sha256(), expected, NULL);
    X509_free(cert);
    stream_tls_fingerprint(server.s, fingerprint);
    ck_assert_mem_eq(fingerprint, expected, sizeof expected);
    finish(l);
    tear_down();
}
END_TEST

/* A client that shows this certificate is refused, for this reason. */
static void check_refused(const struct ca *signer, const struct cert_spec *spec,
                          const char *reason)
{
    set_up();
    tls_destroy(client_tls);
    cert_create(dir, "bad", signer ? signer : &other_ca, spec);
    client_tls = tls_of("bad", "ca");
    struct stream_listener *l = start_pair();
    buf_put(&client.out, "x", 1);
    ck_assert(loop_run_until(loop, is_closed, &server, WAIT_MS));
    ck_assert_msg(strstr(server.reason, reason), "%s", server.reason);
    ck_assert(!stream_is_open(server.s));
    ck_assert_uint_eq(server.in.len, 0);
    ck_assert(loop_run_until(loop, is_closed, &client, WAIT_MS));
    finish(l);
    tear_down();
}

START_TEST(certificates_that_do_not_hold_are_refused)
{
    static const struct cert_spec expired = {.cn = "dpid-5", .from = -7200, .to = -60};
    static const struct cert_spec future = {.cn = "dpid-5", .from = 3600, .to = 7200};
    static const struct cert_spec server_only = {.cn = "dpid-5", .usage = "serverAuth"};
    static const struct cert_spec good = {.cn = "dpid-5"};

    check_refused(&ca, &expired,
                  "its certificate is not accepted: certificate has expired");
    check_refused(&ca, &future, "certificate is not yet valid");
    check_refused(&ca, &server_only, "unsuitable certificate purpose");
    check_refused(NULL, &good, "unable to get local issuer certificate");
}
END_TEST

START_TEST(a_client_refuses_a_server_of_another_ca)
{
    set_up();
    tls_destroy(client_tls);
    client_tls = tls_of("client", "otherca");
    struct stream_listener *l = start_pair();
    ck_assert(loop_run_until(loop, is_closed, &client, WAIT_MS));
    ck_assert_msg(strstr(client.reason, "its certificate is not accepted"), "%s",
                  client.reason);
    ck_assert(loop_run_until(loop, is_closed, &server, WAIT_MS));
    ck_assert_msg(strstr(server.reason, "unknown ca"), "%s", server.reason);
    finish(l);
    tear_down();
}
END_TEST

/* A raw peer of the listener, which sends this and is then silent, or ends. */
static int connect_raw(struct stream_listener *l, const void *data, size_t n)
{
    struct sockaddr_in sa = {.sin_family = AF_INET,
                             .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};

    sa.sin_port = htons((uint16_t)atoi(strrchr(stream_listener_name(l), ':') + 1));
    int fd = socket(AF_INET, SOCK_STREAM, 0);
    ck_assert_int_eq(connect(fd, (struct sockaddr *)&sa, sizeof sa), 0);
    ck_assert_int_eq(write(fd, data, n), (ssize_t)n);
    return fd;
}

START_TEST(who_speaks_no_tls_is_told_so)
{
    static const struct {
        const char *data;
        size_t n;
        const char *reason;
    } cases[] = {
        {"\4\0\0\x10\0\0\0\1\0\1\0\10\0\0\0\x10", 16, "this is no TLS; expected ssl:"},
        {"GET / HTTP/1.1\r\n\r\n", 18, "this is no TLS"},
        {"\x16\3\1\0\5\1\0\0\1\0", 10, "TLS handshake: "},
        {"\x16\3\1\xff\xff\1\0\0\1\0", 10, "TLS handshake: "},
        {"\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0", 16, "this is no TLS"},
    };

    set_up();
    for (unsigned i = 0; i < ARRAY_SIZE(cases); i++) {
        struct stream_listener *l = start("pssl:0");
        int fd = connect_raw(l, cases[i].data, cases[i].n);
        ck_assert(loop_run_until(loop, is_closed, &server, WAIT_MS));
        ck_assert_msg(strstr(server.reason, cases[i].reason), "case %u: %s", i,
                      server.reason);
        close(fd);
        finish(l);
    }
    tear_down();
}
END_TEST

START_TEST(half_a_handshake_waits_and_its_end_is_told)
{
    set_up();
    struct stream_listener *l = start("pssl:0");
    int fd = connect_raw(l, "\x16\3\1\1\0\1\0", 7);
    ck_assert(!loop_run_until(loop, is_closed, &server, 50));
    ck_assert(server.s && !stream_is_open(server.s));
    close(fd);
    ck_assert(loop_run_until(loop, is_closed, &server, WAIT_MS));
    ck_assert_str_eq(server.reason, "closed by peer in the TLS handshake");
    finish(l);
    tear_down();
}
END_TEST

START_TEST(without_files_there_is_no_tls)
{
    struct stream_listener *l = NULL;
    struct stream *s = NULL;

    loop = loop_create();
    ck_assert_int_eq(stream_listen(loop, "pssl:0", NULL, on_accept, NULL, &l), ENOKEY);
    ck_assert_int_eq(stream_connect(loop, "ssl:127.0.0.1:1", NULL, &ops, NULL, &s),
                     ENOKEY);
    loop_destroy(loop);
}
END_TEST

static void check_files(const char *cert, const char *key, const char *trusted,
                        const char *fault)
{
    char c[256], k[256], t[256], error[TLS_ERR_LEN] = "";
    const struct tls_files files = {path_of(c, cert), path_of(k, key),
                                    path_of(t, trusted)};
    struct tls *tls = NULL;

    ck_assert_int_ne(tls_create(&files, &tls, error), 0);
    ck_assert_ptr_null(tls);
    ck_assert_msg(strstr(error, fault), "%s", error);
}

START_TEST(a_fault_in_a_file_is_named)
{
    char path[256];

    set_up();
    check_files("none", "server-privkey", "ca-cert",
                "none.pem: expected our certificate: No such file or directory");
    check_files("server-privkey", "server-privkey", "ca-cert",
                "server-privkey.pem: expected our certificate: ");
    check_files("server-cert", "client-privkey", "ca-cert",
                "client-privkey.pem: expected the private key of our certificate: ");
    check_files("server-cert", "none", "ca-cert", "none.pem: expected the private key");
    check_files("server-cert", "server-privkey", "server-privkey",
                "server-privkey.pem: expected certificates of CAs: ");
    chmod(path_of(path, "server-privkey"), 0644);
    check_files("server-cert", "server-privkey", "ca-cert",
                "server-privkey.pem: everybody may read this private key");
    tear_down();
}
END_TEST

START_TEST(files_are_read_anew_and_a_fault_leaves_what_was)
{
    char path[256], error[TLS_ERR_LEN];

    set_up();
    unlink(path_of(path, "server-cert"));
    ck_assert_int_ne(tls_reload(server_tls, error), 0);
    struct stream_listener *l = start_pair();
    ck_assert(loop_run_until(loop, is_open, NULL, WAIT_MS));
    finish(l);

    /* Another CA signs the clients from now on. */
    FILE *f = cert_file(dir, "ca", "cert");
    PEM_write_X509(f, other_ca.cert);
    fclose(f);
    cert_create(dir, "server", &ca, &(struct cert_spec){.cn = "server"});
    ck_assert_int_eq(tls_reload(server_tls, error), 0);
    l = start_pair();
    ck_assert(loop_run_until(loop, is_closed, &server, WAIT_MS));
    ck_assert_msg(strstr(server.reason, "its certificate is not accepted"), "%s",
                  server.reason);
    finish(l);
    tear_down();
}
END_TEST

UNIT_MAIN("net/tls", all_that_holds_of_plain_streams_holds,
          the_peer_is_known_by_its_names_and_fingerprint,
          certificates_that_do_not_hold_are_refused,
          a_client_refuses_a_server_of_another_ca, who_speaks_no_tls_is_told_so,
          half_a_handshake_waits_and_its_end_is_told, without_files_there_is_no_tls,
          a_fault_in_a_file_is_named, files_are_read_anew_and_a_fault_leaves_what_was)
