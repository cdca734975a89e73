/* SPDX-License-Identifier: GPL-3.0-or-later */
#define _GNU_SOURCE /* realpath, flock */
#include "train/archive.h"

#include "base/arena.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

int gpf__diag_of(gpf_diag *why, const char *file, int status, const char *format, ...)
{
    if (why) {
        memset(why, 0, sizeof *why);
        why->status = status;
        gpf__format(why->file, sizeof why->file, "%s", file);
        va_list ap;
        va_start(ap, format);
        gpf__vformat(why->text, sizeof why->text, format, ap);
        va_end(ap);
    }
    return status;
}

static int trouble(gpf_diag *why, const char *path, const char *what, int error)
{
    char text[200];
    /* GNU's strerror_r, which may point elsewhere. */
    const char *reason = strerror_r(error, text, sizeof text);
    return gpf__diag_of(why, path, error == ENOMEM ? GSL_ENOMEM : GPF_EFILE, "%s: %s", what,
                        reason);
}

/* What stands in the way of a file of that kind, or NULL. */
static const char *not_regular(const struct stat *st)
{
    return S_ISDIR(st->st_mode)    ? "is a directory"
           : !S_ISREG(st->st_mode) ? "is not a regular file"
                                   : NULL;
}

int gpf__file_read(const char *path, size_t max, unsigned char **bytes, size_t *n, gpf_diag *why)
{
    struct stat st;
    *bytes = NULL;
    /* Opening a pipe that nobody writes to would wait for ever. */
    const int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
    if (fd < 0)
        return trouble(why, path, "cannot be read", errno);
    int status = fstat(fd, &st) ? trouble(why, path, "cannot be read", errno) : GSL_SUCCESS;
    if (!status && not_regular(&st))
        status = gpf__diag_of(why, path, GPF_EFILE, "%s", not_regular(&st));
    const size_t size = status || st.st_size < 0      ? 0
                        : (uintmax_t)st.st_size < max ? (size_t)st.st_size
                                                      : max;
    if (!status && size > gpf__machine_memory() / 2)
        status = gpf__diag_of(why, path, GPF_ELIMIT,
                              "%zu bytes are more than this machine's memory can hold", size);
    if (!status && !(*bytes = malloc(size + 1)))
        status = gpf__diag_of(why, path, GSL_ENOMEM, "out of memory");
    *n = 0;
    while (!status && *n < size) {
        const ssize_t got = read(fd, *bytes + *n, size - *n);
        if (got > 0)
            *n += (size_t)got;
        else if (got == 0)
            break; /* somebody has made it shorter; the formats notice */
        else if (errno != EINTR)
            status = trouble(why, path, "cannot be read", errno);
    }
    close(fd);
    if (status) {
        free(*bytes);
        *bytes = NULL;
    }
    return status;
}

/* Waits for its turn with a file. Where the file system has no locks, there are no turns. */
static void lock(int fd)
{
    while (flock(fd, LOCK_EX) && errno == EINTR)
        ;
}

/* Is it still that file that has the name? */
static bool has_name(int fd, const char *name)
{
    struct stat a, b;
    return !fstat(fd, &a) && !lstat(name, &b) && a.st_dev == b.st_dev && a.st_ino == b.st_ino;
}

/* The temporary file, new, locked and empty; -1 with errno. A run that was killed may have left one: it
 * has no lock, so it is removed. Whoever is writing one now has, and is waited for. */
static int open_temporary(const char *name)
{
    for (;;) {
        int fd = open(name, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0666);
        if (fd >= 0) {
            lock(fd);
            if (has_name(fd, name))
                return fd;
            close(fd); /* taken for a stale one before it was locked */
            continue;
        }
        if (errno != EEXIST)
            return -1;
        fd = open(name, O_WRONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
        if (fd < 0 && errno == ENOENT)
            continue;
        if (fd < 0)
            return -1;
        lock(fd);
        const int failed = has_name(fd, name) && unlink(name) ? errno : 0;
        close(fd);
        if (failed) {
            errno = failed;
            return -1;
        }
    }
}

/* A rename lasts when its folder is on the disk. Not every file system can be asked for that, and the
 * file is in its place already: no error. */
static void flush_folder(const char *path)
{
    char folder[PATH_MAX];
    const char *slash = strrchr(path, '/');
    gpf__format(folder, sizeof folder, "%.*s", slash ? (int)(slash - path) + 1 : 1,
                slash ? path : ".");
    const int fd = open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (fd >= 0) {
        (void)!fsync(fd);
        close(fd);
    }
}

/* To the disk and to its name; 0 or an errno. old: the file that is replaced, or NULL. */
static int finish(FILE *f, const char *temporary, const char *target, const struct stat *old)
{
    const int fd = fileno(f);
    if (fflush(f))
        return errno;
    if (old) {
        (void)!fchown(fd, old->st_uid, old->st_gid); /* root may, for others it is theirs */
        if (fchmod(fd, old->st_mode & 07777))
            return errno;
    }
    if ((fsync(fd) && errno != EINVAL) || rename(temporary, target))
        return errno;
    return 0;
}

int gpf_file_replace(const char *path, int (*write)(void *arg, FILE *to), void *arg, gpf_diag *why)
{
    static const char what[] = "cannot be written";
    struct stat old;
    char target[PATH_MAX], temporary[PATH_MAX];
    const bool exists = !lstat(path, &old), link = exists && S_ISLNK(old.st_mode);
    if (!exists && errno != ENOENT)
        return trouble(why, path, what, errno);
    /* Where a link leads to is replaced, not the link. */
    if (link && (!realpath(path, target) || stat(target, &old)))
        return errno == ENOENT
                   ? gpf__diag_of(why, path, GPF_EFILE, "is a symbolic link to a missing file")
                   : trouble(why, path, what, errno);
    const char *to = link ? target : path;
    if (exists && not_regular(&old))
        return gpf__diag_of(why, path, GPF_EFILE, "%s: %s", what, not_regular(&old));
    if (exists && access(to, W_OK)) /* a rename would not care */
        return trouble(why, path, what, errno);
    if ((size_t)gpf__format(temporary, sizeof temporary, "%s.tmp", to) >= sizeof temporary)
        return trouble(why, path, what, ENAMETOOLONG);
    const int fd = open_temporary(temporary);
    if (fd < 0)
        return trouble(why, path,
                       errno == ENOENT ? what : "its temporary file NAME.tmp cannot be made",
                       errno);
    FILE *f = fdopen(fd, "wb");
    int error = 0;
    if (!f) {
        error = errno;
        unlink(temporary);
        close(fd);
    } else {
        errno = 0;
        error =
            write(arg, f) ? (errno ? errno : EIO) : finish(f, temporary, to, exists ? &old : NULL);
        if (error)
            unlink(temporary); /* while it is locked: it is ours */
        fclose(f);
    }
    if (error)
        return trouble(why, path, what, error);
    flush_folder(to);
    return GSL_SUCCESS;
}
