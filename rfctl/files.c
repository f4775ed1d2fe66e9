#include "files.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/util.h"

static bool complain(const char *path)
{
    fprintf(stderr, "rfctl: %s: %s\n", path, strerror(errno));
    return false;
}

bool file_read(const char *path, struct buf *out)
{
    FILE *f = fopen(path, "re");
    size_t n = 1;

    while (f && n > 0) {
        buf_reserve(out, 65536);
        n = fread(out->data + out->len, 1, 65536, f);
        out->len += n;
    }
    bool ok = f && !ferror(f);
    if (!ok) {
        complain(path);
    }
    if (f) {
        fclose(f);
    }
    return ok;
}

static bool write_all(int fd, const void *data, size_t n)
{
    for (size_t done = 0; done < n;) {
        ssize_t k = write(fd, (const char *)data + done, n - done);
        if (k < 0 && errno != EINTR) {
            return false;
        }
        done += k > 0 ? (size_t)k : 0;
    }
    return true;
}

bool file_write(const char *path, const void *data, size_t n)
{
    int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
    bool ok = fd >= 0 && write_all(fd, data, n) && !fsync(fd);

    if (!ok) {
        complain(path);
    }
    if (fd >= 0) {
        close(fd);
    }
    return ok;
}

/* Makes the directory entry itself last. */
static void sync_folder_of(const char *path)
{
    char *folder = xstrdup(path), *slash = strrchr(folder, '/');

    if (slash) {
        slash[1] = '\0';
    }
    int fd = open(slash ? folder : ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (fd >= 0) {
        fsync(fd);
        close(fd);
    }
    free(folder);
}

static bool is_still(const char *path, const struct buf *old)
{
    struct buf now = {0};
    bool ok = file_read(path, &now);

    if (ok && (now.len != old->len || memcmp(now.data, old->data, old->len))) {
        fprintf(stderr, "rfctl: %s has changed meanwhile: nothing is written\n", path);
        ok = false;
    }
    buf_uninit(&now);
    return ok;
}

static bool write_beside(const char *path, const char *temporary,
                         const struct buf *data)
{
    struct stat st;
    bool ok = !stat(path, &st);
    int fd = ok ? open(temporary, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600) : -1;

    if (fd < 0) {
        return complain(ok ? temporary : path);
    }
    /* The owner stays if we may do that: without it the file would still be good. */
    bool owned = !fchown(fd, st.st_uid, st.st_gid);
    ok = (owned || errno == EPERM) && !fchmod(fd, st.st_mode & 07777) &&
         write_all(fd, data->data, data->len) && !fsync(fd);
    if (!ok) {
        complain(temporary);
    }
    close(fd);
    return ok;
}

bool file_replace(const char *path, const struct buf *old, const struct buf *data,
                  const char *backup)
{
    char *real = realpath(path, NULL); /* A symbolic link stays one. */

    if (!real) {
        return complain(path);
    }
    char *temporary = xasprintf("%s.new", real);
    bool ok = write_beside(real, temporary, data) && is_still(real, old);
    if (ok && backup && link(real, backup)) {
        ok = complain(backup);
    }
    if (ok && rename(temporary, real)) {
        ok = complain(real);
    }
    if (!ok) {
        unlink(temporary);
    }
    sync_folder_of(real);
    free(temporary);
    free(real);
    return ok;
}

bool folder_remove(const char *path)
{
    DIR *dir = opendir(path);
    const struct dirent *entry;

    while (dir && (entry = readdir(dir))) {
        if (strcmp(entry->d_name, ".") && strcmp(entry->d_name, "..")) {
            unlinkat(dirfd(dir), entry->d_name, 0);
        }
    }
    if (dir) {
        closedir(dir);
    }
    return !rmdir(path) || complain(path);
}
