#include "net/tls.h"

#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include <openssl/err.h>
#include <openssl/ssl.h>
#include <openssl/x509v3.h>

#include "base/util.h"
#include "net/loop.h"
#include "tls_conn.h"

struct tls {
    char *certificate, *private_key, *ca_cert;
    SSL_CTX *ctx;
};

struct tls_conn {
    SSL *ssl;
    bool more;   /* There may be octets that were read ahead, or an error. */
    bool failed; /* Nothing may be sent any more. */
    char error[160];
};

/* The first fault in OpenSSL's queue, which says most. */
static const char *queued_error(void)
{
    const unsigned long e = ERR_peek_error();
    const char *text =
        ERR_SYSTEM_ERROR(e) ? strerror(ERR_GET_REASON(e)) : ERR_reason_error_string(e);

    return text ? text : "unknown error";
}

/* The context: files. */

static int fail(char ret_error[static TLS_ERR_LEN], const char *path, const char *what)
{
    snprintf(ret_error, TLS_ERR_LEN, "%s: %s", path, what);
    return EINVAL;
}

static int use_certificate(SSL_CTX *ctx, const char *path,
                           char ret_error[static TLS_ERR_LEN])
{
    char what[256];

    if (SSL_CTX_use_certificate_chain_file(ctx, path) == 1) {
        return 0;
    }
    snprintf(what, sizeof what, "expected our certificate: %s", queued_error());
    return fail(ret_error, path, what);
}

static int use_key(SSL_CTX *ctx, const char *path, char ret_error[static TLS_ERR_LEN])
{
    struct stat st;
    char what[256];

    if (!stat(path, &st) && (st.st_mode & (S_IROTH | S_IWOTH))) {
        return fail(ret_error, path, "everybody may read this private key: chmod 600");
    }
    if (SSL_CTX_use_PrivateKey_file(ctx, path, SSL_FILETYPE_PEM) == 1 &&
        SSL_CTX_check_private_key(ctx) == 1) {
        return 0;
    }
    snprintf(what, sizeof what, "expected the private key of our certificate: %s",
             queued_error());
    return fail(ret_error, path, what);
}

static int use_ca(SSL_CTX *ctx, const char *path, char ret_error[static TLS_ERR_LEN])
{
    STACK_OF(X509_NAME) *names = NULL;
    char what[256];

    if (SSL_CTX_load_verify_locations(ctx, path, NULL) == 1 &&
        (names = SSL_load_client_CA_file(path))) {
        SSL_CTX_set_client_CA_list(ctx, names);
        return 0;
    }
    snprintf(what, sizeof what, "expected certificates of CAs: %s", queued_error());
    return fail(ret_error, path, what);
}

static SSL_CTX *new_context(void)
{
    SSL_CTX *ctx = SSL_CTX_new(TLS_method());

    if (!ctx) {
        abort(); /* Out of memory. */
    }
    SSL_CTX_set_min_proto_version(ctx, TLS1_2_VERSION);
    SSL_CTX_set_options(ctx, SSL_OP_NO_TICKET | SSL_OP_NO_RENEGOTIATION);
    SSL_CTX_set_num_tickets(ctx, 0);
    SSL_CTX_set_session_cache_mode(ctx, SSL_SESS_CACHE_OFF);
    SSL_CTX_set_mode(ctx, SSL_MODE_ENABLE_PARTIAL_WRITE |
                              SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER |
                              SSL_MODE_RELEASE_BUFFERS);
    /* A switch may make each message a record: receive as many at once as fit. */
    SSL_CTX_set_read_ahead(ctx, 1);
    SSL_CTX_set_verify(ctx, SSL_VERIFY_PEER | SSL_VERIFY_FAIL_IF_NO_PEER_CERT, NULL);
    return ctx;
}

int tls_reload(struct tls *tls, char ret_error[static TLS_ERR_LEN])
{
    SSL_CTX *ctx = new_context();
    int error;

    ERR_clear_error();
    (void)((error = use_certificate(ctx, tls->certificate, ret_error)) ||
           (error = use_key(ctx, tls->private_key, ret_error)) ||
           (error = use_ca(ctx, tls->ca_cert, ret_error)));
    ERR_clear_error();
    if (error) {
        SSL_CTX_free(ctx);
    } else {
        SSL_CTX_free(tls->ctx);
        tls->ctx = ctx;
    }
    return error;
}

int tls_create(const struct tls_files *files, struct tls **ret,
               char ret_error[static TLS_ERR_LEN])
{
    struct tls *tls = xcalloc(1, sizeof *tls);

    tls->certificate = xstrdup(files->certificate);
    tls->private_key = xstrdup(files->private_key);
    tls->ca_cert = xstrdup(files->ca_cert);
    int error = tls_reload(tls, ret_error);
    if (error) {
        tls_destroy(tls);
        return error;
    }
    *ret = tls;
    return 0;
}

void tls_destroy(struct tls *tls)
{
    if (tls) {
        SSL_CTX_free(tls->ctx);
        free(tls->certificate);
        free(tls->private_key);
        free(tls->ca_cert);
        free(tls);
    }
}

/* A connection. */

struct tls_conn *tls_conn_create(const struct tls *tls, int fd, bool server)
{
    struct tls_conn *c = xcalloc(1, sizeof *c);

    c->ssl = SSL_new(tls->ctx);
    if (!c->ssl || !SSL_set_fd(c->ssl, fd)) {
        abort(); /* Out of memory. */
    }
    if (server) {
        SSL_set_accept_state(c->ssl);
    } else {
        SSL_set_connect_state(c->ssl);
    }
    return c;
}

void tls_conn_destroy(struct tls_conn *c)
{
    if (c) {
        if (!c->failed && SSL_is_init_finished(c->ssl)) {
            SSL_shutdown(c->ssl);
        }
        ERR_clear_error();
        SSL_free(c->ssl);
        free(c);
    }
}

/* The common name of a certificate, or "" if it has none that a line can hold. */
static void common_name(X509 *cert, char *ret, size_t size)
{
    const X509_NAME *subject = X509_get_subject_name(cert);
    const int i = X509_NAME_get_index_by_NID(subject, NID_commonName, -1);
    unsigned char *text = NULL;

    str_copy(ret, "", size);
    if (i >= 0) {
        const ASN1_STRING *s =
            X509_NAME_ENTRY_get_data(X509_NAME_get_entry(subject, i));
        const int n = ASN1_STRING_to_UTF8(&text, s);
        if (n >= 0 && strlen((char *)text) == (size_t)n) {
            str_copy(ret, (char *)text, size);
        }
        OPENSSL_free(text);
    }
    for (char *p = ret; *p; p++) {
        if ((unsigned char)*p < ' ' || *p == 0x7f) {
            *p = '?'; /* It will stand in a log. */
        }
    }
}

/* What OpenSSL calls "wrong version number" and the like is most often no TLS. */
static bool is_no_tls(int reason)
{
    return reason == SSL_R_WRONG_VERSION_NUMBER || reason == SSL_R_HTTP_REQUEST ||
           reason == SSL_R_HTTPS_PROXY_REQUEST || reason == SSL_R_UNKNOWN_PROTOCOL ||
           reason == SSL_R_BAD_RECORD_TYPE;
}

static void describe_handshake(struct tls_conn *c, int reason)
{
    const long verified = SSL_get_verify_result(c->ssl);

    if (reason == SSL_R_CERTIFICATE_VERIFY_FAILED && verified != X509_V_OK) {
        snprintf(c->error, sizeof c->error, "its certificate is not accepted: %s",
                 X509_verify_cert_error_string(verified));
    } else if (is_no_tls(reason)) {
        str_copy(c->error, "this is no TLS; expected ssl: and not tcp: at the peer",
                 sizeof c->error);
    } else {
        snprintf(c->error, sizeof c->error, "TLS handshake: %s", queued_error());
    }
}

/* Sets c->error and returns EPROTO, or returns EAGAIN. */
static int classify(struct tls_conn *c, int result, int saved_errno)
{
    const bool handshake = !SSL_is_init_finished(c->ssl);
    const int reason = ERR_GET_REASON(ERR_peek_error());
    const int code = SSL_get_error(c->ssl, result);

    if (code == SSL_ERROR_WANT_READ || code == SSL_ERROR_WANT_WRITE) {
        return EAGAIN;
    }
    c->failed = code != SSL_ERROR_ZERO_RETURN;
    if (code == SSL_ERROR_ZERO_RETURN ||
        (code == SSL_ERROR_SSL && reason == SSL_R_UNEXPECTED_EOF_WHILE_READING)) {
        snprintf(c->error, sizeof c->error, "closed by peer%s",
                 handshake ? " in the TLS handshake" : "");
    } else if (code == SSL_ERROR_SYSCALL) {
        str_copy(c->error, saved_errno ? strerror(saved_errno) : "closed by peer",
                 sizeof c->error);
    } else if (handshake) {
        describe_handshake(c, reason);
    } else {
        snprintf(c->error, sizeof c->error, "TLS: %s", queued_error());
    }
    ERR_clear_error();
    return EPROTO;
}

int tls_conn_handshake(struct tls_conn *c)
{
    ERR_clear_error();
    errno = 0;
    const int result = SSL_do_handshake(c->ssl);
    if (result != 1) {
        return classify(c, result, errno);
    }
    c->more = true; /* It may have come with the last octets of the handshake. */
    return 0;
}

ssize_t tls_conn_recv(struct tls_conn *c, void *data, size_t size)
{
    size_t n = 0;

    c->more = false;
    while (n < size && !c->error[0]) {
        ERR_clear_error();
        errno = 0;
        const int result =
            SSL_read(c->ssl, (char *)data + n, (int)MIN(size - n, INT_MAX));
        if (result > 0) {
            n += (size_t)result;
        } else if (classify(c, result, errno) == EAGAIN) {
            errno = EAGAIN;
            return n ? (ssize_t)n : -1;
        }
    }
    /* An error waits until what came before it was handled. */
    c->more = n > 0;
    errno = EPROTO;
    return n ? (ssize_t)n : -1;
}

ssize_t tls_conn_send(struct tls_conn *c, const void *data, size_t n)
{
    ERR_clear_error();
    errno = 0;
    const int result = SSL_write(c->ssl, data, (int)MIN(n, INT_MAX));
    if (result > 0) {
        return result;
    }
    errno = classify(c, result, errno);
    return -1;
}

int tls_conn_wants(const struct tls_conn *c)
{
    return SSL_want_write(c->ssl) ? LOOP_WRITE : LOOP_READ;
}

bool tls_conn_more(const struct tls_conn *c)
{
    return c->more;
}

const char *tls_conn_error(const struct tls_conn *c)
{
    return c->error;
}

/* The peer. */

void tls_conn_fingerprint(const struct tls_conn *c, uint8_t ret[TLS_FINGERPRINT_LEN])
{
    X509_digest(SSL_get0_peer_certificate(c->ssl), EVP_sha256(), ret, NULL);
}

void tls_conn_names(const struct tls_conn *c, void (*name)(void *aux, const char *name),
                    void *aux)
{
    X509 *cert = SSL_get0_peer_certificate(c->ssl);
    GENERAL_NAMES *names = X509_get_ext_d2i(cert, NID_subject_alt_name, NULL, NULL);
    char text[256];

    common_name(cert, text, sizeof text);
    name(aux, text);
    for (int i = 0; i < sk_GENERAL_NAME_num(names); i++) {
        const GENERAL_NAME *one = sk_GENERAL_NAME_value(names, i);
        if (one->type == GEN_DNS) {
            const char *dns = (const char *)ASN1_STRING_get0_data(one->d.dNSName);
            if (strnlen(dns, (size_t)ASN1_STRING_length(one->d.dNSName)) ==
                (size_t)ASN1_STRING_length(one->d.dNSName)) {
                name(aux, dns);
            }
        }
    }
    GENERAL_NAMES_free(names);
}
