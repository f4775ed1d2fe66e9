#define LOG_MODULE "zauth"

#include "net/zcurve.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <uthash.h>
#include <zmq.h>

#include "base/addr.h"
#include "base/log.h"
#include "base/util.h"
#include "net/zsock.h"

/* The ZAP handler (ZeroMQ RFC 27).  libzmq asks it, in a message to an endpoint of this
 * well-known name, about each new CURVE connection before anything else of it is read.
 */
#define ZAP_ENDPOINT "inproc://zeromq.zap.01"

enum {
    ZAP_VERSION,
    ZAP_REQUEST_ID,
    ZAP_DOMAIN,
    ZAP_ADDRESS,
    ZAP_IDENTITY,
    ZAP_MECHANISM,
    ZAP_KEY,
    ZAP_N_FRAMES
};

struct allowed {
    UT_hash_handle hh;
    uint8_t key[32];
    char id[ID_STRLEN]; /* Bound to this id; "" is bound to none. */
};

struct zauth {
    struct zsock *socket;
    char *path;
    struct allowed *allowed;
    struct log_limit limit;
};

static void free_list(struct allowed *list)
{
    struct allowed *a, *next;

    HASH_ITER (hh, list, a, next) {
        HASH_DEL(list, a);
        free(a);
    }
}

/* "KEY [ID]"; NULL, or what is wrong. */
static const char *parse_line(char *line, struct allowed **list)
{
    char *save = NULL;
    char *key = strtok_r(line, " \t\r\n", &save);
    char *id = strtok_r(NULL, " \t\r\n", &save);
    struct allowed *a, *old;
    uint8_t binary[32];
    uint64_t number;

    if (strlen(key) != ZCURVE_KEY_LEN - 1 || !zmq_z85_decode(binary, key)) {
        return "expected a public key of 40 characters";
    }
    if (id && (!id_parse(id, &number) || strtok_r(NULL, " \t\r\n", &save))) {
        return "expected a hexadecimal id, or nothing, after the key";
    }
    HASH_FIND(hh, *list, binary, sizeof binary, old);
    if (old) {
        return "this key stands in the list twice";
    }
    a = xcalloc(1, sizeof *a);
    memcpy(a->key, binary, sizeof binary);
    if (id) {
        id_format(number, a->id);
    }
    HASH_ADD(hh, *list, key, sizeof a->key, a);
    return NULL;
}

static int read_list(const char *path, struct allowed **ret,
                     char ret_error[static ZCURVE_ERR_LEN])
{
    FILE *f = fopen(path, "re");
    struct allowed *list = NULL;
    const char *error = NULL;
    char line[256];
    unsigned n = 0;

    if (!f) {
        snprintf(ret_error, ZCURVE_ERR_LEN, "%s: %s", path, strerror(errno));
        return errno;
    }
    while (!error && fgets(line, sizeof line, f)) {
        n++;
        if (strspn(line, " \t\r\n") != strlen(line) && strncmp(line, "# ", 2)) {
            error = parse_line(line, &list);
        }
    }
    fclose(f);
    if (error) {
        snprintf(ret_error, ZCURVE_ERR_LEN, "%s:%u: %s", path, n, error);
        free_list(list);
        return EINVAL;
    }
    *ret = list;
    return 0;
}

static bool frame_is(struct zframe f, const char *text)
{
    return f.n == strlen(text) && !memcmp(f.data, text, f.n);
}

static void on_request(void *aux, const struct zframe *frames, size_t n_frames)
{
    struct zauth *z = aux;
    struct allowed *a = NULL;
    struct zframe none = {"", 0};

    if (n_frames == ZAP_N_FRAMES && frame_is(frames[ZAP_VERSION], "1.0") &&
        frame_is(frames[ZAP_MECHANISM], "CURVE") && frames[ZAP_KEY].n == 32) {
        HASH_FIND(hh, z->allowed, frames[ZAP_KEY].data, 32, a);
    }
    if (!a && n_frames > ZAP_ADDRESS) {
        log_warn_limited(&z->limit, "a key of %.*s is not in %s: refused",
                         (int)frames[ZAP_ADDRESS].n,
                         (const char *)frames[ZAP_ADDRESS].data, z->path);
    }
    struct zframe reply[] = {
        {"1.0", 3},
        n_frames > ZAP_REQUEST_ID ? frames[ZAP_REQUEST_ID] : none,
        {a ? "200" : "400", 3},
        {a ? "OK" : "No access", a ? 2 : 9},
        {a ? a->id : "", a ? strlen(a->id) : 0}, /* User-Id of the connection. */
        none,                                    /* No metadata. */
    };
    zsock_send(z->socket, reply, ARRAY_SIZE(reply));
}

int zauth_create(struct loop *loop, struct zctx *ctx, const char *allow_file,
                 struct zauth **ret, char ret_error[static ZCURVE_ERR_LEN])
{
    static const struct zsock_ops ops = {.message = on_request};
    struct zauth *z = xcalloc(1, sizeof *z);

    z->path = xstrdup(allow_file);
    int error = zauth_reload(z, ret_error);
    if (!error) {
        z->socket = zsock_create(loop, ctx, ZSOCK_REP, NULL, &ops, z, &error);
        if (z->socket) {
            error = zsock_bind(z->socket, ZAP_ENDPOINT);
        }
        if (error) {
            snprintf(ret_error, ZCURVE_ERR_LEN, "%s: %s", ZAP_ENDPOINT,
                     zsock_strerror(error));
        }
    }
    if (error) {
        zauth_destroy(z);
        return error;
    }
    *ret = z;
    return 0;
}

void zauth_destroy(struct zauth *z)
{
    if (z) {
        zsock_destroy(z->socket);
        free_list(z->allowed);
        free(z->path);
        free(z);
    }
}

int zauth_reload(struct zauth *z, char ret_error[static ZCURVE_ERR_LEN])
{
    struct allowed *list;
    int error = read_list(z->path, &list, ret_error);

    if (!error) {
        free_list(z->allowed);
        z->allowed = list;
    }
    return error;
}
