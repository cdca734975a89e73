/* SPDX-License-Identifier: GPL-3.0-or-later */
/* gradproof demo: demonstrations, shell scripts around models that the reader can open. */
#define _GNU_SOURCE /* realpath, setenv, scandir */
#include "cmd.h"
#include <dirent.h>
#include <errno.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define MARK "# demo: " /* a script with this line near its top is a demonstration */

/* Where they are, seen from the directory of the executable: installed, built, built by libtool. */
static const char *const places[] = { "../share/gradproof/demo", "../examples/demo",
                                      "../../examples/demo" };

static int is_folder(const char *path)
{
    struct stat s;
    return !stat(path, &s) && S_ISDIR(s.st_mode);
}

/* This executable, for the scripts to run: the name alone if the system does not say. */
static void own_path(char path[PATH_MAX])
{
    ssize_t n = readlink("/proc/self/exe", path, PATH_MAX - 1);
    path[n > 0 ? n : 0] = '\0';
    if (n <= 0)
        snprintf(path, PATH_MAX, "gradproof");
}

static int find_folder(const cmd *o, const char *exe, char folder[PATH_MAX])
{
    const char *given = getenv("GRADPROOF_DEMOS"), *slash = strrchr(exe, '/');
    if (given && *given) {
        if (is_folder(given) && realpath(given, folder))
            return 0;
        return cmd_failf(o, GPF_EFILE, "GRADPROOF_DEMOS is %.300s, which is no folder", given);
    }
    for (size_t i = 0; slash && i < sizeof places / sizeof *places; i++) {
        char path[2 * PATH_MAX];
        snprintf(path, sizeof path, "%.*s/%s", (int)(slash - exe), exe, places[i]);
        if (is_folder(path) && realpath(path, folder))
            return 0;
    }
    if (is_folder(DEMO_DIR) && realpath(DEMO_DIR, folder))
        return 0;
    return cmd_failf(o, GPF_EFILE,
                     "the folder of the demonstrations is not there: looked in %s and beside the "
                     "executable; GRADPROOF_DEMOS names another one",
                     DEMO_DIR);
}

/* The line behind MARK in FOLDER/FILE, without its end; 0 if there is none. */
static int summary(const char *folder, const char *file, char *line, int size)
{
    char path[2 * PATH_MAX];
    snprintf(path, sizeof path, "%s/%s", folder, file);
    FILE *f = fopen(path, "r");
    int found = 0;
    for (int i = 0; f && !found && i < 5 && fgets(line, size, f); i++)
        found = !strncmp(line, MARK, strlen(MARK));
    if (f)
        fclose(f);
    if (found) {
        memmove(line, line + strlen(MARK), strlen(line + strlen(MARK)) + 1);
        line[strcspn(line, "\r\n")] = '\0';
    }
    return found;
}

static int is_script(const struct dirent *d)
{
    size_t n = strlen(d->d_name);
    return n > 3 && *d->d_name != '.' && !strcmp(d->d_name + n - 3, ".sh");
}

/* What to do with each demonstration: its name, its line. */
typedef void (*visit)(const char *name, const char *line, void *arg);

static int for_each_demo(const cmd *o, const char *folder, visit f, void *arg)
{
    struct dirent **list;
    int n = scandir(folder, &list, is_script, alphasort);
    if (n < 0)
        return cmd_failf(o, GPF_EFILE, "%.300s: %s", folder, strerror(errno));
    for (int i = 0; i < n; i++) {
        char line[200];
        char *name = list[i]->d_name;
        if (summary(folder, name, line, sizeof line)) {
            name[strlen(name) - 3] = '\0';
            f(name, line, arg);
        }
        free(list[i]);
    }
    free(list);
    return 0;
}

static void print_demo(const char *name, const char *line, void *arg)
{
    (void)arg;
    printf("  %-15s %s\n", name, line);
}

typedef struct lookup {
    const char *name;
    int found;
    char names[300]; /* all of them, for the message */
} lookup;

static void look(const char *name, const char *line, void *arg)
{
    (void)line;
    lookup *l = arg;
    size_t used = strlen(l->names);
    l->found |= !strcmp(name, l->name);
    snprintf(l->names + used, sizeof l->names - used, "%s%s", used ? ", " : "", name);
}

/* --plot for the script, which runs elsewhere: "-", or DIR made and absolute. */
static int set_plot(const cmd *o)
{
    char path[PATH_MAX];
    if (!o->plot)
        return unsetenv("GPF_PLOT");
    if (!strcmp(o->plot, "-"))
        return setenv("GPF_PLOT", "-", 1);
    if (mkdir(o->plot, 0777) && errno != EEXIST)
        return cmd_failf(o, GPF_EFILE, "--plot: cannot make %.200s: %s", o->plot, strerror(errno));
    if (!is_folder(o->plot) || !realpath(o->plot, path) || access(path, W_OK))
        return cmd_failf(o, GPF_EFILE, "--plot: %.200s is no folder that can be written to",
                         o->plot);
    return setenv("GPF_PLOT", path, 1);
}

int cmd_demo(const cmd *o)
{
    char exe[PATH_MAX], folder[PATH_MAX], script[2 * PATH_MAX];
    own_path(exe);
    int status = find_folder(o, exe, folder);
    if (status)
        return status;
    if (o->n_args == 0) {
        if (o->plot)
            return cmd_usage(o, "--plot needs the NAME of a demonstration", "");
        printf("Demonstrations, in %s:\n\n", folder);
        status = for_each_demo(o, folder, print_demo, NULL);
        printf("\ngradproof demo NAME runs one; with --plot DIR it draws its pictures there too,\n"
               "with --plot - in the terminal.\n");
        return status;
    }
    lookup l = { .name = o->args[0] };
    status = for_each_demo(o, folder, look, &l);
    if (status)
        return status;
    if (!l.found)
        return cmd_failf(o, GPF_ENAME, "'%.100s' is no demonstration; there are %s", l.name,
                         *l.names ? l.names : "none");
    status = set_plot(o);
    if (status)
        return status > 0 ? status : cmd_fail_status(o, GSL_ENOMEM, NULL);
    if (setenv("GRADPROOF", exe, 1))
        return cmd_fail_status(o, GSL_ENOMEM, NULL);
    snprintf(script, sizeof script, "%s/%s.sh", folder, l.name);
    execlp("sh", "sh", script, (char *)NULL);
    return cmd_failf(o, GPF_EFILE, "cannot run sh: %s", strerror(errno));
}
