#ifndef CERTIFICATES_H
#define CERTIFICATES_H 1

/* Certificates for tests, made by libcrypto: PEM files in a directory. */

#include <stdio.h>
#include <sys/stat.h>
#include <time.h>

#include <check.h>
#include <openssl/ec.h>
#include <openssl/pem.h>
#include <openssl/x509v3.h>

struct ca {
    EVP_PKEY *key;
    X509 *cert;
};

struct cert_spec {
    const char *cn;
    const char *san;   /* "DNS:one,DNS:two", or NULL. */
    const char *usage; /* Extended key usage, or NULL. */
    int64_t from, to;  /* Seconds from now; both 0: valid for an hour. */
};

static X509 *cert_build(EVP_PKEY *key, const struct cert_spec *spec,
                        const struct ca *ca)
{
    X509 *cert = X509_new();
    X509_NAME *name = X509_get_subject_name(cert);
    const struct {
        int nid;
        const char *value;
    } extensions[] = {{NID_basic_constraints, ca ? "CA:FALSE" : "critical,CA:TRUE"},
                      {NID_subject_alt_name, spec->san},
                      {NID_ext_key_usage, spec->usage}};

    X509_set_version(cert, 2);
    ASN1_INTEGER_set(X509_get_serialNumber(cert), rand());
    X509_gmtime_adj(X509_getm_notBefore(cert), spec->to ? spec->from : -60);
    X509_gmtime_adj(X509_getm_notAfter(cert), spec->to ? spec->to : 3600);
    X509_set_pubkey(cert, key);
    X509_NAME_add_entry_by_txt(name, "CN", MBSTRING_UTF8,
                               (const unsigned char *)spec->cn, -1, -1, 0);
    X509_set_issuer_name(cert, ca ? X509_get_subject_name(ca->cert) : name);
    for (size_t i = 0; i < sizeof extensions / sizeof *extensions; i++) {
        if (extensions[i].value) {
            X509_EXTENSION *ext =
                X509V3_EXT_conf_nid(NULL, NULL, extensions[i].nid, extensions[i].value);
            ck_assert_ptr_nonnull(ext);
            X509_add_ext(cert, ext, -1);
            X509_EXTENSION_free(ext);
        }
    }
    ck_assert_int_gt(X509_sign(cert, ca ? ca->key : key, EVP_sha256()), 0);
    return cert;
}

static FILE *cert_file(const char *dir, const char *name, const char *what)
{
    char path[256];

    snprintf(path, sizeof path, "%s/%s-%s.pem", dir, name, what);
    FILE *f = fopen(path, "w");
    ck_assert_ptr_nonnull(f);
    chmod(path, 0600);
    return f;
}

/* Writes DIR/NAME-cert.pem. */
static struct ca ca_create(const char *dir, const char *name)
{
    const struct cert_spec spec = {.cn = name};
    struct ca ca = {.key = EVP_EC_gen("P-256")};
    FILE *f = cert_file(dir, name, "cert");

    ca.cert = cert_build(ca.key, &spec, NULL);
    PEM_write_X509(f, ca.cert);
    fclose(f);
    return ca;
}

static void ca_destroy(struct ca *ca)
{
    EVP_PKEY_free(ca->key);
    X509_free(ca->cert);
}

/* Writes DIR/NAME-cert.pem and DIR/NAME-privkey.pem. */
static void cert_create(const char *dir, const char *name, const struct ca *ca,
                        const struct cert_spec *spec)
{
    EVP_PKEY *key = EVP_EC_gen("P-256");
    X509 *cert = cert_build(key, spec, ca);
    FILE *f = cert_file(dir, name, "cert");

    PEM_write_X509(f, cert);
    fclose(f);
    f = cert_file(dir, name, "privkey");
    PEM_write_PrivateKey(f, key, NULL, NULL, 0, NULL, NULL);
    fclose(f);
    X509_free(cert);
    EVP_PKEY_free(key);
}

#endif
