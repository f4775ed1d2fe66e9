#include "net/zcurve.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <zmq.h>

#include "base/util.h"

#define PATH_LEN 512

static int fail(char ret_error[static ZCURVE_ERR_LEN], const char *path,
                const char *what, int error)
{
    snprintf(ret_error, ZCURVE_ERR_LEN, "%s: %s", path, what);
    return error;
}

/* Reads the one line of a key file. */
static int read_key(const char *path, bool secret, char ret[static ZCURVE_KEY_LEN],
                    char ret_error[static ZCURVE_ERR_LEN])
{
    char line[ZCURVE_KEY_LEN + 2] = "";
    uint8_t binary[32];
    struct stat st;
    FILE *f = fopen(path, "re");

    if (!f) {
        return fail(ret_error, path, strerror(errno), errno);
    }
    bool is_private = !secret || (!fstat(fileno(f), &st) && !(st.st_mode & 077));
    bool any = fgets(line, sizeof line, f) != NULL;
    fclose(f);
    if (!is_private) {
        return fail(ret_error, path, "others can read this secret key: chmod 600 it",
                    EACCES);
    }
    line[strcspn(line, "\r\n")] = '\0';
    if (!any || strlen(line) != ZCURVE_KEY_LEN - 1 || !zmq_z85_decode(binary, line)) {
        return fail(ret_error, path, "expected one line with a key of 40 characters",
                    EINVAL);
    }
    str_copy(ret, line, ZCURVE_KEY_LEN);
    explicit_bzero(line, sizeof line);
    explicit_bzero(binary, sizeof binary);
    return 0;
}

static int read_part(const char *path, const char *suffix, bool secret,
                     char ret[static ZCURVE_KEY_LEN],
                     char ret_error[static ZCURVE_ERR_LEN])
{
    char full[PATH_LEN];

    snprintf(full, sizeof full, "%s%s", path, suffix);
    return read_key(full, secret, ret, ret_error);
}

int zcurve_load(const char *path, const char *server_path, struct zcurve *ret,
                char ret_error[static ZCURVE_ERR_LEN])
{
    struct zcurve c = {.server = !server_path};
    int error;

    (void)((error = read_part(path, ".key", false, c.public_key, ret_error)) ||
           (error = read_part(path, ".secret", true, c.secret_key, ret_error)) ||
           (server_path &&
            (error = read_part(server_path, ".key", false, c.server_key, ret_error))));
    if (!error) {
        *ret = c;
    }
    return error;
}

static int write_key(const char *path, const char *suffix, mode_t mode, const char *key,
                     char ret_error[static ZCURVE_ERR_LEN])
{
    char full[PATH_LEN];
    int error = 0;

    snprintf(full, sizeof full, "%s%s", path, suffix);
    int fd = open(full, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, mode);
    if (fd < 0 || dprintf(fd, "%s\n", key) < 0) {
        error = fail(ret_error, full, strerror(errno), errno);
    }
    if (fd >= 0) {
        close(fd);
    }
    return error;
}

int zcurve_generate(const char *path, char ret_error[static ZCURVE_ERR_LEN])
{
    char public_key[ZCURVE_KEY_LEN], secret_key[ZCURVE_KEY_LEN];
    int error;

    if (zmq_curve_keypair(public_key, secret_key)) {
        return fail(ret_error, path, "this libzmq has no CURVE", errno);
    }
    error = write_key(path, ".secret", 0600, secret_key, ret_error);
    if (!error) {
        error = write_key(path, ".key", 0644, public_key, ret_error);
    }
    explicit_bzero(secret_key, sizeof secret_key);
    return error;
}
