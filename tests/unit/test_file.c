/* SPDX-License-Identifier: GPL-3.0-or-later */
#define _GNU_SOURCE /* flock */
#include "archive_test.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <sys/file.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

static char folder[] = "test_file_XXXXXX";

static int write_text(void *arg, FILE *to)
{
    return fputs(arg, to) < 0 ? -1 : 0;
}

static int replace(const char *path, const char *text, gpf_diag *why)
{
    return gpf_file_replace(path, write_text, (void *)(uintptr_t)text, why);
}

static void assert_content(const char *path, const char *text)
{
    char buf[100] = "";
    FILE *f = fopen(path, "r");
    assert_non_null(f);
    buf[fread(buf, 1, sizeof buf - 1, f)] = 0;
    fclose(f);
    assert_string_equal(buf, text);
}

static void assert_missing(const char *path)
{
    assert_int_equal(access(path, F_OK), -1);
}

static mode_t mode_of(const char *path)
{
    struct stat st;
    assert_int_equal(lstat(path, &st), 0);
    return st.st_mode & 07777;
}

static void makes_and_replaces(void **state)
{
    (void)state;
    gpf_diag why = { 0 };
    const mode_t mask = umask(027);
    assert_int_equal(replace("new", "one", &why), GSL_SUCCESS);
    umask(mask);
    assert_content("new", "one");
    assert_int_equal(mode_of("new"), 0640);
    assert_int_equal(chmod("new", 0604), 0);
    assert_int_equal(replace("./new", "two", &why), GSL_SUCCESS);
    assert_content("new", "two");
    assert_int_equal(mode_of("new"), 0604);
    assert_missing("new.tmp");
    remove("new");
}

static int fail_late(void *arg, FILE *to)
{
    fputs("half", to);
    errno = *(int *)arg;
    return -1;
}

static void failing_writer(void **state)
{
    (void)state;
    gpf_diag why = { 0 };
    int error = ENOSPC;
    assert_int_equal(replace("kept", "old", &why), GSL_SUCCESS);
    assert_int_equal(gpf_file_replace("kept", fail_late, &error, &why), GPF_EFILE);
    assert_string_equal(why.file, "kept");
    assert_string_equal(why.text, "cannot be written: No space left on device");
    error = ENOMEM;
    assert_int_equal(gpf_file_replace("kept", fail_late, &error, &why), GSL_ENOMEM);
    error = 0;
    assert_int_equal(gpf_file_replace("kept", fail_late, &error, NULL), GPF_EFILE);
    assert_content("kept", "old");
    assert_missing("kept.tmp");
    remove("kept");
}

/* The same as on a full disk, at every place where it can happen. */
static void full(void **state)
{
    (void)state;
    static const char *const path[] = { "full.npz", "full.safetensors" };
    gpf_archive *a = small_archive(), *other = gpf_archive_alloc();
    const double x = 1;
    gpf_archive_add(other, "x", gpf_shape0(), &x);
    struct rlimit before;
    assert_int_equal(getrlimit(RLIMIT_FSIZE, &before), 0);
    void (*old)(int) = signal(SIGXFSZ, SIG_IGN);
    for (size_t k = 0; k < COUNT(path); k++) {
        gpf_diag why = { 0 };
        struct stat st;
        assert_int_equal(gpf_archive_write(a, path[k], &why), GSL_SUCCESS);
        assert_int_equal(stat(path[k], &st), 0);
        const rlim_t size = (rlim_t)st.st_size;
        assert_int_equal(gpf_archive_write(other, path[k], &why), GSL_SUCCESS);
        for (rlim_t limit = 0; limit <= size; limit += limit + 16 < size ? 16 : 1) {
            setrlimit(RLIMIT_FSIZE, &(struct rlimit){ limit, before.rlim_max });
            const int status = gpf_archive_write(a, path[k], &why);
            setrlimit(RLIMIT_FSIZE, &before);
            gpf_archive *b = gpf_archive_read(path[k], NULL);
            assert_non_null(b);
            assert_true(same_archive(limit < size ? other : a, b));
            gpf_archive_free(b);
            assert_int_equal(status, limit < size ? GPF_EFILE : GSL_SUCCESS);
            if (status)
                assert_string_equal(why.text, "cannot be written: File too large");
        }
        remove(path[k]);
        char temporary[64];
        snprintf(temporary, sizeof temporary, "%s.tmp", path[k]);
        assert_missing(temporary);
    }
    signal(SIGXFSZ, old);
    gpf_archive_free(a);
    gpf_archive_free(other);
}

/* The device that is always full, by a link. */
static void devices(void **state)
{
    (void)state;
    gpf_diag why = { 0 };
    assert_int_equal(symlink("/dev/full", "device"), 0);
    assert_int_equal(replace("device", "x", &why), GPF_EFILE);
    assert_string_equal(why.text, "cannot be written: is not a regular file");
    assert_int_equal(replace("/dev/null", "x", &why), GPF_EFILE);
    remove("device");
    assert_int_equal(mkfifo("pipe", 0600), 0);
    assert_int_equal(replace("pipe", "x", &why), GPF_EFILE);
    unsigned char *bytes;
    size_t n;
    assert_int_equal(gpf__file_read("pipe", SIZE_MAX, &bytes, &n, &why), GPF_EFILE);
    assert_string_equal(why.text, "is not a regular file");
    assert_null(bytes);
    remove("pipe");
    assert_int_equal(replace(".", "x", &why), GPF_EFILE);
    assert_string_equal(why.text, "cannot be written: is a directory");
    assert_int_equal(gpf__file_read(".", SIZE_MAX, &bytes, &n, &why), GPF_EFILE);
    assert_string_equal(why.text, "is a directory");
    assert_int_equal(replace("missing/x", "x", &why), GPF_EFILE);
    assert_non_null(strstr(why.text, "No such file or directory"));
    assert_int_equal(replace("", "x", &why), GPF_EFILE);
    char name[400];
    memset(name, 'x', sizeof name);
    name[399] = 0;
    assert_int_equal(replace(name, "x", &why), GPF_EFILE);
    assert_non_null(strstr(why.text, "File name too long"));
}

static void unwritable(void **state)
{
    (void)state;
    gpf_diag why = { 0 };
    if (geteuid() == 0)
        skip(); /* root may write anything */
    assert_int_equal(replace("protected", "old", &why), GSL_SUCCESS);
    assert_int_equal(chmod("protected", 0444), 0);
    assert_int_equal(replace("protected", "new", &why), GPF_EFILE);
    assert_string_equal(why.text, "cannot be written: Permission denied");
    assert_content("protected", "old");
    assert_int_equal(mkdir("closed", 0555), 0);
    assert_int_equal(replace("closed/x", "new", &why), GPF_EFILE);
    assert_non_null(strstr(why.text, "Permission denied"));
    rmdir("closed");
    remove("protected");
}

static void links(void **state)
{
    (void)state;
    gpf_diag why = { 0 };
    struct stat st;
    assert_int_equal(mkdir("there", 0755), 0);
    assert_int_equal(replace("there/file", "old", &why), GSL_SUCCESS);
    assert_int_equal(symlink("there/file", "link"), 0);
    assert_int_equal(replace("link", "new", &why), GSL_SUCCESS);
    assert_content("there/file", "new");
    assert_int_equal(lstat("link", &st), 0);
    assert_true(S_ISLNK(st.st_mode));
    remove("there/file");
    assert_int_equal(replace("link", "newer", &why), GPF_EFILE);
    assert_string_equal(why.text, "is a symbolic link to a missing file");
    remove("link");
    assert_int_equal(symlink("link", "link"), 0);
    assert_int_equal(replace("link", "newer", &why), GPF_EFILE);
    remove("link");
    rmdir("there");
}

/* What a killed run has left is replaced; a link or a pipe of that name is not followed. */
static void stale(void **state)
{
    (void)state;
    gpf_diag why = { 0 };
    FILE *f = fopen("w.tmp", "w");
    fputs("left behind, and longer than what comes", f);
    fclose(f);
    assert_int_equal(chmod("w.tmp", 0400), 0);
    assert_int_equal(replace("w", "x", &why), geteuid() ? GPF_EFILE : GSL_SUCCESS);
    assert_int_equal(chmod("w.tmp", 0600) && geteuid(), 0);
    assert_int_equal(replace("w", "x", &why), GSL_SUCCESS);
    assert_content("w", "x");
    assert_missing("w.tmp");
    assert_int_equal(replace("victim", "mine", &why), GSL_SUCCESS);
    assert_int_equal(symlink("victim", "w.tmp"), 0);
    assert_int_equal(replace("w", "y", &why), GPF_EFILE);
    assert_content("victim", "mine");
    assert_content("w", "x");
    remove("w.tmp");
    assert_int_equal(mkdir("w.tmp", 0755), 0);
    assert_int_equal(replace("w", "y", &why), GPF_EFILE);
    rmdir("w.tmp");
    remove("victim");
    remove("w");
}

/* Somebody who is writing at this moment is waited for. */
static void *let_go(void *arg)
{
    const int *fd = arg;
    usleep(100000);
    assert_int_equal(rename("busy.tmp", "busy"), 0);
    close(*fd);
    return NULL;
}

static void waits(void **state)
{
    (void)state;
    gpf_diag why = { 0 };
    int fd = open("busy.tmp", O_WRONLY | O_CREAT | O_EXCL, 0600);
    assert_true(fd >= 0);
    assert_int_equal(flock(fd, LOCK_EX), 0);
    pthread_t other;
    assert_int_equal(pthread_create(&other, NULL, let_go, &fd), 0);
    assert_int_equal(replace("busy", "mine", &why), GSL_SUCCESS);
    pthread_join(other, NULL);
    assert_content("busy", "mine");
    assert_missing("busy.tmp");
    remove("busy");
}

/* Many at once: one of them wins, whole. */
enum { WRITERS = 8, TIMES = 25 };

static void *write_often(void *arg)
{
    char text[2] = { *(char *)arg, 0 };
    for (int i = 0; i < TIMES; i++)
        if (replace("shared", text, NULL))
            return arg;
    return NULL;
}

static void many_writers(void **state)
{
    (void)state;
    pthread_t thread[WRITERS];
    char name[WRITERS];
    for (int i = 0; i < WRITERS; i++) {
        name[i] = (char)('a' + i);
        assert_int_equal(pthread_create(&thread[i], NULL, write_often, &name[i]), 0);
    }
    for (int i = 0; i < WRITERS; i++) {
        void *failed;
        pthread_join(thread[i], &failed);
        assert_null(failed);
    }
    FILE *f = fopen("shared", "r");
    assert_non_null(f);
    const int c = fgetc(f);
    assert_true(c >= 'a' && c < 'a' + WRITERS);
    assert_int_equal(fgetc(f), EOF);
    fclose(f);
    assert_missing("shared.tmp");
    remove("shared");
}

static void reads(void **state)
{
    (void)state;
    gpf_diag why = { 0 };
    unsigned char *bytes;
    size_t n;
    assert_int_equal(replace("text", "some text", &why), GSL_SUCCESS);
    assert_int_equal(gpf__file_read("text", SIZE_MAX, &bytes, &n, &why), GSL_SUCCESS);
    assert_int_equal(n, 9);
    assert_memory_equal(bytes, "some text", 9);
    free(bytes);
    assert_int_equal(gpf__file_read("text", 4, &bytes, &n, &why), GSL_SUCCESS);
    assert_int_equal(n, 4);
    free(bytes);
    /* Not a byte of it on the disk, but more than there is memory. */
    assert_int_equal(truncate("text", (off_t)1 << 42), 0);
    assert_int_equal(gpf__file_read("text", SIZE_MAX, &bytes, &n, &why), GPF_ELIMIT);
    remove("text");
    assert_int_equal(gpf__file_read("text", SIZE_MAX, &bytes, &n, &why), GPF_EFILE);
    assert_string_equal(why.file, "text");
    assert_string_equal(why.text, "cannot be read: No such file or directory");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(makes_and_replaces),
        cmocka_unit_test(failing_writer),
        cmocka_unit_test(full),
        cmocka_unit_test(devices),
        cmocka_unit_test(unwritable),
        cmocka_unit_test(links),
        cmocka_unit_test(stale),
        cmocka_unit_test(waits),
        cmocka_unit_test(many_writers),
        cmocka_unit_test(reads),
    };
    if (!mkdtemp(folder) || chdir(folder))
        return 1;
    const int failed = cmocka_run_group_tests(tests, NULL, NULL);
    if (chdir("..") || rmdir(folder)) /* nothing is left in it */
        return 1;
    return failed;
}
