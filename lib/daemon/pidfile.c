#include "daemon/daemon.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

static bool lock_is_held(int fd, long *ret_holder)
{
    struct flock l = {.l_type = F_WRLCK, .l_whence = SEEK_SET};

    if (fcntl(fd, F_GETLK, &l) || l.l_type == F_UNLCK) {
        return false;
    }
    *ret_holder = (long)l.l_pid;
    return true;
}

/* False if the file was removed, or made anew, between our open and our lock. */
static bool is_still_at(const char *path, int fd)
{
    struct stat ours, there;

    return !fstat(fd, &ours) && !stat(path, &there) && ours.st_ino == there.st_ino &&
           ours.st_dev == there.st_dev;
}

static int open_and_lock(const char *path, int *ret_fd, long *ret_holder)
{
    struct flock l = {.l_type = F_WRLCK, .l_whence = SEEK_SET};
    int fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0644);

    if (fd < 0) {
        return errno;
    }
    if (fcntl(fd, F_SETLK, &l)) {
        int error = errno;
        error = lock_is_held(fd, ret_holder) ? EWOULDBLOCK : error;
        close(fd);
        return error;
    }
    *ret_fd = fd;
    return 0;
}

int pidfile_acquire(const char *path, int *ret_fd, long *ret_holder)
{
    int fd = -1, error;

    for (;;) {
        if ((error = open_and_lock(path, &fd, ret_holder))) {
            return error;
        }
        if (is_still_at(path, fd)) {
            break;
        }
        close(fd);
    }
    if (ftruncate(fd, 0) || dprintf(fd, "%ld\n", (long)getpid()) < 0) {
        error = errno;
        close(fd);
        return error;
    }
    *ret_fd = fd;
    return 0;
}

void pidfile_release(const char *path, int fd)
{
    /* Removed while it is still locked, so that no successor's file is hit. */
    unlink(path);
    close(fd);
}
