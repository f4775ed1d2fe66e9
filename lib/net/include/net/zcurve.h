#ifndef NET_ZCURVE_H
#define NET_ZCURVE_H 1

/* CURVE (ZeroMQ RFC 26) for the TCP endpoints: who we are and whom we let in.
 *
 * Keys are files of one line of 40 characters (Z85, RFC 32): `NAME.key` with the public
 * key, `NAME.secret` with the secret one, readable by its owner only.  The server's
 * allow-list has a line per client: the public key, then optionally the id
 * (hexadecimal) that this key, and no other, may use in HELLO; `#` begins a comment. */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "net/loop.h"

#define ZCURVE_KEY_LEN 41 /* With the terminator. */
#define ZCURVE_ERR_LEN 640

struct zcurve {
    bool server;
    char public_key[ZCURVE_KEY_LEN];
    char secret_key[ZCURVE_KEY_LEN];
    char server_key[ZCURVE_KEY_LEN]; /* Clients: the server's public key. */
};

/* Reads `path`.key and `path`.secret, and for a client `server_path`.key (NULL: this is
 * the server).  0 or an errno, with a line for people in ret_error. */
int zcurve_load(const char *path, const char *server_path, struct zcurve *ret,
                char ret_error[static ZCURVE_ERR_LEN]);
/* Makes a key pair and writes both files; refuses to overwrite. */
int zcurve_generate(const char *path, char ret_error[static ZCURVE_ERR_LEN]);

/* The allow-list of a server, applied to all CURVE sockets of the context (ZeroMQ RFC
 * 27, ZAP, inside the loop).  Without it a CURVE server lets any key in. */
struct zctx;
struct zauth;
/* 0 or an errno, with file:line: and what is wrong in ret_error. */
int zauth_create(struct loop *, struct zctx *, const char *allow_file,
                 struct zauth **ret, char ret_error[static ZCURVE_ERR_LEN]);
void zauth_destroy(struct zauth *);
int zauth_reload(struct zauth *, char ret_error[static ZCURVE_ERR_LEN]);

#endif
