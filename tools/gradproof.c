/* SPDX-License-Identifier: GPL-3.0-or-later */
/* The command: its verbs, their options and help. */
#define _GNU_SOURCE /* dlsym's RTLD_DEFAULT */
#include "cmd.h"
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <float.h>
#include <getopt.h>
#include <gsl/gsl_version.h>
#include <limits.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>
#ifdef _OPENMP
#include <omp.h>
#endif

/* Which verbs take an option. */
enum {
    CHECK = 1,
    TRAIN = 2,
    EVAL = 4,
    GRAD = 8,
    GRAPH = 16,
    OPS = 32,
    PREDICT = 64,
    HEALTH = 128,
    DEMO = 256,
    CALLBACK = 512 /* check with --plugin or --exec; CHECK alone: with a MODEL */
};

static const char check_exits[] =
    "Exit status:\n"
    "  0  nothing is wrong, and in every tensor something was really tested;\n"
    "     a kink with its value between both slopes counts as tested\n"
    "  1  something is wrong: an element, or a refuted claim\n"
    "  2  trouble: usage, input, memory, output that cannot be written\n"
    "  3  nothing is wrong, but a tensor or a claim was not really tested\n";

static const char health_exits[] = "Exit status: 0 healthy, 1 findings, 2 trouble.\n";

static const char train_exits[] =
    "Exit status:\n"
    "  0  it ran to its end; with --seeds, however the runs ended\n"
    "  1  a check of the gradient or the step found an element wrong\n"
    "  2  trouble: usage, input, memory, output that cannot be written\n"
    "  3  it ended early: a loss or param that is not finite, or ^C\n";

static const char demo_exits[] = "Exit status: that of the script: 0, or 2 in trouble.\n";

static const cmd_verb verbs[] = {
    { "check", "MODEL\n--plugin FILE --symbol NAME --at X\n--exec COMMAND --at X",
      "is the gradient right, element by element?",
      "Compares backprop with GSL's finite differences for every element of every param,\n"
      "tests the claims of the model, and explains what disagrees. With --plugin the same for\n"
      "a structure of GSL's that a shared library exports, with --exec for a program in any\n"
      "language that reads points and writes a loss and its gradient.",
      "gradproof check --wrt 'W*' --sample 20 examples/advertising.gpf\n"
      "  gradproof check --plugin ./libmine.so --symbol my_fdf --at 1,2.5,3\n"
      "  gradproof check --exec 'python3 my_loss.py' --at-file points.csv",
      0, 1, cmd_check, CHECK | CALLBACK, check_exits },
    { "train", "MODEL", "fit the params",
      "Minimises the loss, as the model's train statements say and the options over them, and\n"
      "prints how it goes.",
      "gradproof train --save iris.npz --log iris.tsv examples/iris.gpf", 1, 1, cmd_train, TRAIN,
      train_exits },
    { "health", "MODEL", "can this net learn?",
      "Looks for units that are dead, saturated or identical, for params without a gradient, for\n"
      "gradients and values that vanish or explode, and says why and what usually helps.",
      "gradproof health --load trained.npz examples/iris.gpf", 1, 1, cmd_health, HEALTH,
      health_exits },
    { "predict", "MODEL", "what the model says of other samples, as CSV",
      "Prints the prediction, one row per sample, and the class where the loss shows how one is\n"
      "decided: a header, then numbers that read back exactly.",
      "gradproof predict --load trained.npz --data new.csv examples/iris.gpf", 1, 1, cmd_predict,
      PREDICT, NULL },
    { "eval", "MODEL [NAME]...", "values of nodes",
      "Prints the nodes whose names match the NAMEs (patterns are allowed), or the output, as\n"
      "lines NAME = [..; ..] that --load reads back exactly where they are params.",
      "gradproof eval examples/xor.gpf p 'W*' > start.txt", 1, INT_MAX, cmd_eval, EVAL, NULL },
    { "grad", "MODEL", "gradients, as backprop computes them",
      "Prints the gradient of the output by every param, as lines grad(f, x) = [..; ..].",
      "gradproof grad --of loss --wrt W1 examples/xor.gpf", 1, 1, cmd_grad, GRAD, NULL },
    { "graph", "MODEL", "the nodes, as text or for Graphviz",
      "Prints the graph one node a line, of the whole model or of what --of NODE needs.",
      "gradproof graph --grad --dot examples/xor.gpf | dot -Tsvg > xor.svg", 1, 1, cmd_graph, GRAPH,
      NULL },
    { "ops", "", "the ops and functions a model can use",
      "Prints every op with its parameters, formula and derivative at a tie, then the functions\n"
      "that are composed of ops.",
      "gradproof ops --json", 0, 0, cmd_ops, OPS, NULL },
    { "demo", "[NAME]", "demonstrations, step by step",
      "Lists the demonstrations, or runs one: a shell script around models, in a folder of files\n"
      "that are meant to be opened and changed. The exit status is the script's.",
      "gradproof demo dying-relu --plot pictures", 0, 1, cmd_demo, DEMO, demo_exits },
};
enum { N_VERBS = sizeof verbs / sizeof *verbs };

typedef struct option_row {
    const char *name, *arg; /* arg: what to call the argument, NULL: none */
    unsigned verbs;
    const char *(*set)(void *field, const char *arg); /* NULL, or what was expected */
    size_t field;
    const char *help;
} option_row;

static const char *set_flag(void *field, const char *arg)
{
    (void)arg;
    *(int *)field = 1;
    return NULL;
}

static const char *set_text(void *field, const char *arg)
{
    *(const char **)field = arg;
    return NULL;
}

static const char *set_whole(void *field, const char *arg, const char *largest)
{
    char *end;
    errno = 0;
    unsigned long x = strtoul(arg, &end, 10);
    if (*arg < '0' || *arg > '9' || *end || errno || x > strtoul(largest, NULL, 10))
        return largest;
    *(size_t *)field = x;
    return NULL;
}

#define WHOLE "a whole number from 0 to "

static const char *set_count(void *field, const char *arg)
{
    return set_whole(field, arg, "2147483647") ? WHOLE "2147483647" : NULL;
}

/* As the seed statement takes them. */
static const char *set_seed(void *field, const char *arg)
{
    return set_whole(field, arg, "4294967295") ? WHOLE "4294967295" : NULL;
}

/* NaN for what is no decimal number. */
static double number(const char *arg)
{
    char *end;
    const double x = strtod(arg, &end);
    return !*arg || *end || strpbrk(arg, "xX \t\n\v\f\r") ? NAN : x;
}

static const char *set_part(void *field, const char *arg)
{
    const double x = number(arg);
    if (!(x > 0 && x < 1))
        return "a number between 0 and 1";
    *(double *)field = x;
    return NULL;
}

/* A..B */
static const char *set_seeds(void *field, const char *arg)
{
    enum { MOST = 1000000 };
    size_t *seeds = field;
    const char *dots = strstr(arg, "..");
    char from[24];
    const char *expected = "A..B, two whole numbers, for at most 1000000 runs";
    if (!dots || (size_t)(dots - arg) >= sizeof from)
        return expected;
    snprintf(from, sizeof from, "%.*s", (int)(dots - arg), arg);
    size_t range[2];
    if (set_seed(&range[0], from) || set_seed(&range[1], dots + 2) || range[1] < range[0] ||
        range[1] - range[0] >= MOST)
        return expected;
    memcpy(seeds, range, sizeof range);
    return NULL;
}

/* The field is the whole cmd: whether it was given counts too. */
static const char *set_rate(void *field, const char *arg)
{
    cmd *o = field;
    o->rate = number(arg);
    o->rate_given = 1;
    if (!(o->rate > 0 && o->rate <= DBL_MAX))
        return "a number above 0";
    return NULL;
}

/* Both fields are the whole cmd, too. */
static const char *set_time(void *field, const char *arg)
{
    cmd *o = field;
    o->t = number(arg);
    o->t_given = 1;
    return o->t - o->t == 0 ? NULL : "a finite number";
}

static const char *set_limit(void *field, const char *arg)
{
    cmd *o = field;
    o->time_limit = number(arg);
    return o->time_limit >= 0 && o->time_limit <= 1e6 ? NULL : "seconds, from 0 to 1000000";
}

static const char *set_choice(void *field, const char *arg, const char *choices)
{
    size_t n = strlen(arg);
    int i = 0;
    for (const char *c = choices; *c; i++) {
        size_t length = strcspn(c, "|");
        if (n == length && !strncmp(arg, c, n)) {
            *(int *)field = i;
            return NULL;
        }
        c += length + (c[length] == '|');
    }
    return choices;
}

#define ROWS_CHOICES "train|test|all"
#define COLOR_CHOICES "auto|always|never"
#define CLAIMS_CHOICES "too|no|only"

#define FORMAT_CHOICES "lines|npy"

static const char *set_format(void *field, const char *arg)
{
    return set_choice(field, arg, FORMAT_CHOICES);
}

static const char *set_rows(void *field, const char *arg)
{
    return set_choice(field, arg, ROWS_CHOICES);
}

static const char *set_color(void *field, const char *arg)
{
    return set_choice(field, arg, COLOR_CHOICES);
}

static const char *set_claims(void *field, const char *arg)
{
    return set_choice(field, arg, CLAIMS_CHOICES);
}

/* The field is the whole cmd: a list has a length too. It has room for as many as there are
 * args. */
static const char *add_pattern(void *field, const char *arg)
{
    cmd *o = field;
    o->wrt[o->n_wrt++] = arg;
    return NULL;
}

static const option_row options[] = {
    { "wrt", "PATTERN", CHECK | GRAD | GRAPH, add_pattern, 0,
      "names of params, data or assigned nodes to differentiate by;\n"
      "* ? [..] as in the shell; may be repeated; default: all params" },
    { "wrt", "PATTERN", TRAIN, add_pattern, 0,
      "names of the params to train; * ? [..] as in the shell; may be\n"
      "repeated; default: all" },
    { "of", "NODE", TRAIN, set_text, offsetof(cmd, of),
      "what is minimised; default: loss, or the last one-element\nassignment" },
    { "of", "NODE", CHECK | GRAD | GRAPH | HEALTH, set_text, offsetof(cmd, of),
      "the output; default: loss, or the last one-element assignment" },
    { "of", "NODE", PREDICT, set_text, offsetof(cmd, of),
      "what is predicted; default: what the loss compares with data" },
    { "load", "FILE", TRAIN | CHECK | EVAL | GRAD | GRAPH | PREDICT | HEALTH, set_text,
      offsetof(cmd, at),
      "params from a file: .safetensors, .npz, or lines NAME = [..]\n"
      "as eval prints them" },
    { "at", "init|FILE", CHECK | EVAL | GRAD | GRAPH | HEALTH, set_text, offsetof(cmd, at),
      "the same; init: as the model initialises them (default)" },
    { "data", "FILE.csv", TRAIN | CHECK | EVAL | GRAD | GRAPH | PREDICT | HEALTH, set_text,
      offsetof(cmd, data),
      "samples from this file in place of the model's: by the same\n"
      "column names, or NAME, NAME.0, NAME.1, .. for other tables" },
    { "split", "F", TRAIN | CHECK | EVAL | GRAD | GRAPH | PREDICT | HEALTH, set_part,
      offsetof(cmd, split), "hold out this part of the samples, over the model's own split" },
    { "out", "FILE", PREDICT, set_text, offsetof(cmd, out), "write there, not on standard output" },
    { "seed", "S", TRAIN | CHECK | CALLBACK | EVAL | GRAD | GRAPH | PREDICT | HEALTH, set_seed,
      offsetof(cmd, seed),
      "of initialisers, generators, splits, samples and random points;\n"
      "default: the model's own; without a model: 1" },
    { "rows", ROWS_CHOICES, TRAIN | CHECK | EVAL | GRAD | GRAPH | PREDICT | HEALTH, set_rows,
      offsetof(cmd, rows), "which rows of a split table; default: train" },
    { "rate", "R", HEALTH, set_rate, 0,
      "judge the length of a step of plain descent at this learning rate;\n"
      "default: the model's, if its optimizer is sgd" },
    { "seeds", "A..B", TRAIN, set_seeds, offsetof(cmd, seeds),
      "train once from every seed, a line each" },
    { "save", "FILE", TRAIN, set_text, offsetof(cmd, save),
      "the params, and all it takes to go on: .npz or .safetensors" },
    { "save-every", "K", TRAIN, set_count, offsetof(cmd, save_every),
      "epochs between saving; default: at the end and, but for GSL's\n"
      "minimisers, every 10 s" },
    { "resume", "FILE", TRAIN, set_text, offsetof(cmd, resume), "go on with a run that was saved" },
    { "log", "FILE", TRAIN, set_text, offsetof(cmd, log),
      "a row per evaluated epoch, as .tsv or .jsonl" },
    { "print-every", "K", TRAIN, set_count, offsetof(cmd, print_every),
      "epochs between lines; default: about 20 lines in all" },
    { "sample", "K", CHECK, set_count, offsetof(cmd, sample),
      "check K elements of each tensor, chosen at random; 0: all (default)" },
    { "fast", NULL, CHECK | CALLBACK, set_flag, offsetof(cmd, fast),
      "whole tensors along random directions, with the probability of\n"
      "missing an error; elements one by one only where that disagrees" },
    { "threads", "T", CHECK, set_count, offsetof(cmd, threads),
      "0: as many as OpenMP gives (default); results do not depend on it" },
    { "max-failures", "M", CHECK | CALLBACK, set_count, offsetof(cmd, max_failures),
      "stop once M elements are wrong; 0: never (default)" },
    { "claims", CLAIMS_CHOICES, CHECK, set_claims, offsetof(cmd, claims),
      "test the claims of the model too (default), not, or only them" },
    { "all", NULL, CHECK | CALLBACK, set_flag, offsetof(cmd, all),
      "show every element in order, not only what needs a look" },
    { "quiet", NULL, TRAIN | CHECK | CALLBACK | HEALTH, set_flag, offsetof(cmd, quiet),
      "print the closing line only" },
    { "color", COLOR_CHOICES, TRAIN | CHECK | CALLBACK | HEALTH, set_color, offsetof(cmd, color),
      "colour the verdicts; auto (default): on a terminal" },
    { "plugin", "FILE", CALLBACK, set_text, offsetof(cmd, plugin),
      "a shared library; it is loaded into a process of its own" },
    { "symbol", "NAME", CALLBACK, set_text, offsetof(cmd, symbol),
      "the structure in it: an exported object, e.g. a gsl_multimin_function_fdf" },
    { "kind", "KIND", CALLBACK, set_text, offsetof(cmd, kind),
      "function, multimin, multiroot, multifit, multifit_nlinear, multilarge_nlinear or odeiv2;\n"
      "default: the text that is exported as NAME_kind, else multimin" },
    { "exec", "COMMAND", CALLBACK, set_text, offsetof(cmd, exec),
      "a command for /bin/sh that reads a line of numbers, writes a line with the loss and its\n"
      "gradient, and goes on: see gradproof(1)" },
    { "exec-format", FORMAT_CHOICES, CALLBACK, set_format, offsetof(cmd, exec_format),
      "how these are written; default: lines" },
    { "at", "X", CALLBACK, set_text, offsetof(cmd, at),
      "where: numbers separated by commas or blanks" },
    { "at-file", "FILE", CALLBACK, set_text, offsetof(cmd, at_file),
      "where: a point in every line, checked one after the other, under a header or none; or one\n"
      "point, with a number in every line" },
    { "t", "T", CALLBACK, set_time, 0, "of odeiv2: the time; default: 0" },
    { "lo", "X", CALLBACK, set_text, offsetof(cmd, lo),
      "nothing is called below; one number stands for all; -inf: no bound" },
    { "hi", "X", CALLBACK, set_text, offsetof(cmd, hi), "nor above" },
    { "scale", "X", CALLBACK, set_text, offsetof(cmd, scale),
      "typical size of the variables, for the steps; default: from the point" },
    { "names", "A,B,..", CALLBACK, set_text, offsetof(cmd, names),
      "of the variables, for the report; default: the header of --at-file" },
    { "weights", "FILE", CALLBACK, set_text, offsetof(cmd, weights),
      "of the residuals, as GSL is given them: to see where they are applied twice" },
    { "time-limit", "S", CALLBACK, set_limit, 0,
      "seconds that a call or an answer may take; 0: any; default: 10" },
    { "grad", NULL, GRAPH, set_flag, offsetof(cmd, grad), "with the gradient of the output" },
    { "values", NULL, GRAPH, set_flag, offsetof(cmd, values),
      "with the value of every node; with --grad also d output/d node" },
    { "dot", NULL, GRAPH, set_flag, offsetof(cmd, dot), "as a Graphviz digraph" },
    { "plot", "DIR|-", DEMO, set_text, offsetof(cmd, plot),
      "draw pictures too: SVG and PNG into DIR, with the .gp and .tsv\n"
      "they are made of; - draws them in the terminal. Needs gnuplot\n"
      "and, for graphs, Graphviz" },
    { "json", NULL, TRAIN | CHECK | CALLBACK | EVAL | GRAD | OPS | HEALTH, set_flag,
      offsetof(cmd, json), "one JSON object on standard output, errors included" },
    { "help", NULL, TRAIN | CHECK | CALLBACK | EVAL | GRAD | GRAPH | OPS | PREDICT | HEALTH | DEMO,
      set_flag, offsetof(cmd, help), "print this and exit" },
};
enum { N_OPTIONS = sizeof options / sizeof *options };

/* Room for the name of a setting. */
enum { SETTING_SIZE = 40, MAX_SETTINGS = 64 };

static int has_option(unsigned verb, const char *name)
{
    for (int i = 0; i < N_OPTIONS; i++)
        if (options[i].verbs & verb && !strcmp(options[i].name, name))
            return 1;
    return 0;
}

static void print_help(void)
{
    printf("Usage: gradproof VERB [OPTION]... [MODEL]\n"
           "Tells whether a gradient is right and, when it is not, why. Trains models, and\n"
           "tells whether they can learn.\n"
           "\nVerbs:\n");
    for (int i = 0; i < N_VERBS; i++)
        printf("  %-7s %-16.*s  %s\n", verbs[i].name, (int)strcspn(verbs[i].args, "\n"),
               verbs[i].args, verbs[i].summary);
    printf("\n"
           "gradproof VERB --help   the verb's options\n"
           "gradproof --version     versions, and the CBLAS, threads and CPU in use\n"
           "\nA MODEL is a text of formulas, see gradproof-model(5); - is standard input.\n"
           "\nExit status (VERB --help says more):\n"
           "  0  all is well\n"
           "  1  something is wrong: an element of the gradient, a claim, a net's health\n"
           "  2  trouble: usage, input, memory, output that cannot be written\n"
           "  3  something was not really tested, or training ended early\n"
           "\nExample:\n  %.*s\n",
           (int)strcspn(verbs[0].example, "\n"), verbs[0].example);
}

/* Words of a text, which begins in column `at` and goes on there where a line of a terminal is
 * full. */
static void put_words(const char *text, size_t at)
{
    enum { WIDTH = 80 };
    size_t column = at;
    for (size_t n; *(text += strspn(text, " \n")); text += n) {
        n = strcspn(text, " \n");
        if (column > at && column + 1 + n > WIDTH) {
            printf("\n%*s", (int)at, "");
            column = at;
        }
        column += (size_t)printf("%s%.*s", column > at ? " " : "", (int)n, text);
    }
    putchar('\n');
}

static void print_option(const char *left, const char *help)
{
    printf("  %-26s ", left);
    put_words(help, 29);
}

/* The option of a setting: its name with - for _. */
static void setting_option(const gpf_setting *s, char *buf, size_t size)
{
    snprintf(buf, size, "%s", s->name);
    for (char *c = buf; *c; c++)
        *c = *c == '_' ? '-' : *c;
}

static void print_settings(void)
{
    static const char *const args[] = { [GPF_SETTING_REAL] = " X",
                                        [GPF_SETTING_WHOLE] = " K",
                                        [GPF_SETTING_FLAG] = "[=0|1]",
                                        [GPF_SETTING_OPTIMIZER] = " NAME",
                                        [GPF_SETTING_SCHEDULE] = " NAME" };
    const gpf_train_options plain = gpf_train_defaults();
    const gpf_setting *s;
    printf("\nSettings, over those of the model's train statements (default):\n");
    for (size_t i = 0; (s = gpf_setting_at(i)); i++) {
        char name[SETTING_SIZE], left[64], text[64], help[512];
        setting_option(s, name, sizeof name);
        snprintf(left, sizeof left, "--%s%s", name, args[s->type]);
        gpf_setting_text(&plain, s, text, sizeof text);
        snprintf(help, sizeof help, "%s%s%s%s", s->help, *text ? " (" : "", text, *text ? ")" : "");
        if (!has_option(TRAIN, name))
            print_option(left, help);
    }
}

/* Options that go with just these of the verb's ways to be called. */
static void print_options(const char *title, unsigned verb, unsigned these)
{
    printf("\n%s:\n", title);
    for (int i = 0; i < N_OPTIONS; i++) {
        const option_row *r = &options[i];
        char left[64];
        if ((r->verbs & verb) != these)
            continue;
        snprintf(left, sizeof left, "--%s%s%s", r->name, r->arg ? " " : "", r->arg ? r->arg : "");
        print_option(left, r->help);
    }
}

static void print_verb_help(const cmd_verb *v)
{
    size_t n;
    for (const char *c = v->args; c; c = c[n] ? c + n + 1 : NULL) {
        n = strcspn(c, "\n");
        printf("%s gradproof %s [OPTION]...%s%.*s\n", c == v->args ? "Usage:" : "   or:", v->name,
               n ? " " : "", (int)n, c);
    }
    put_words(v->about, 0);
    print_options("Options", v->bit, v->bit);
    if (v->bit & CALLBACK) {
        print_options("Only with a MODEL", v->bit, v->bit & ~(unsigned)CALLBACK);
        print_options("Only with --plugin or --exec", v->bit, CALLBACK);
    }
    if (v->bit == TRAIN)
        print_settings();
    printf("\n%s", v->exits ? v->exits : "Exit status: 0, or 2 in trouble.\n");
    printf("\nExample:\n  %s\n", v->example);
}

static void print_version(void)
{
    char blas[512];
    printf("gradproof %s\nGSL       %s\nCBLAS     %s\n", gpf_version(), gsl_version,
           gpf_cblas_provider(blas, sizeof blas));
#ifdef _OPENMP
    printf("threads   %d (OpenMP)\n", omp_get_max_threads());
#else
    printf("threads   1 (built without OpenMP)\n");
#endif
    printf("CPU       %s (own kernels)\n", gpf_cpu());
    printf("\nLicense GPLv3+: GNU GPL version 3 or later <https://gnu.org/licenses/gpl.html>.\n"
           "This is free software: you are free to change and redistribute it.\n"
           "There is NO WARRANTY, to the extent permitted by law.\n");
}

/* A CBLAS on several threads may add up in another order, and beside the checker's own threads it
 * would only spin: with one, no number depends on how many there are. */
static void use_one_blas_thread(void)
{
    static const char *const setters[] = { "openblas_set_num_threads",
                                           "bli_thread_set_num_threads" };
    for (size_t i = 0; i < sizeof setters / sizeof *setters; i++) {
        void *address = dlsym(RTLD_DEFAULT, setters[i]);
        if (address && i == 0) {
            void (*set)(int);
            memcpy(&set, &address, sizeof set); /* ISO C has no cast from object to function */
            set(1);
        } else if (address) {
            void (*set)(long); /* BLIS' dim_t */
            memcpy(&set, &address, sizeof set);
            set(1);
        }
    }
}

/* --json counts wherever it stands, even where it is not allowed: programs read what comes out. */
static int asks_for_json(char **argv)
{
    for (; *argv && strcmp(*argv, "--"); argv++)
        if (!strcmp(*argv, "--json"))
            return 1;
    return 0;
}

int cmd_usage(const cmd *o, const char *text, const char *arg)
{
    int status = cmd_failf(o, GSL_EINVAL, "%s%s%s%.200s", o->verb ? o->verb->name : "",
                           o->verb ? ": " : "", text, arg);
    fprintf(stderr, "Try 'gradproof %s%s--help'.\n", o->verb ? o->verb->name : "",
            o->verb ? " " : "");
    return status;
}

/* What getopt_long did not like about an option. */
static void explain(const struct option *longs, const char *arg, char *buf, size_t size)
{
    size_t length = strcspn(arg, "="), n = 0;
    char list[200] = "";
    if (strncmp(arg, "--", 2)) {
        snprintf(buf, size, "unknown option ");
        return;
    }
    for (const struct option *l = longs; l->name; l++) {
        if (strncmp(l->name, arg + 2, length - 2))
            continue;
        size_t used = strlen(list);
        snprintf(list + used, sizeof list - used, "%s--%s", n++ ? ", " : "", l->name);
        if (strlen(l->name) == length - 2) {
            n = 1;
            break;
        }
    }
    if (n == 0)
        snprintf(buf, size, "unknown option ");
    else if (n == 1)
        snprintf(buf, size, "this option takes no value: ");
    else
        snprintf(buf, size, "ambiguous option (%s): ", list);
}

/* Settings are options of their own: N_OPTIONS + i for gpf_setting_at(i). Returns how many. */
static int setting_options(struct option *longs, char (*name)[SETTING_SIZE], int *row)
{
    const gpf_setting *s;
    int n = 0;
    for (int i = 0; i < MAX_SETTINGS && (s = gpf_setting_at((size_t)i)); i++) {
        setting_option(s, name[i], SETTING_SIZE);
        if (has_option(TRAIN, name[i]))
            continue;
        const int arg = s->type == GPF_SETTING_FLAG ? optional_argument : required_argument;
        longs[n++] = (struct option){ name[i], arg, row, N_OPTIONS + i };
    }
    return n;
}

/* NULL, or what is wrong with the value. There is room for as many as there are args. */
static const char *add_setting(cmd *o, const gpf_setting *s, const char *value)
{
    static gpf_diag why;
    gpf_train_options scratch = gpf_train_defaults();
    value = value ? value : "1";
    if (gpf_setting_set(&scratch, s->name, value, &why))
        return why.text;
    o->set[o->n_set++] = (cmd_setting){ s, value };
    return NULL;
}

/* Remembers what goes with only one of the ways to call check. */
static void note_option(cmd *o, const option_row *r)
{
    const char **first = has_option(CHECK, r->name) ? &o->model_option : &o->callback_option;
    if (has_option(CHECK, r->name) != has_option(CALLBACK, r->name) && !*first)
        *first = r->name;
}

/* --at has two rows, for two kinds of points. */
static int is_listed(const struct option *longs, int n, const char *name)
{
    while (n-- > 0)
        if (!strcmp(longs[n].name, name))
            return 1;
    return 0;
}

static int run_verb(cmd *o, int argc, char **argv)
{
    struct option longs[N_OPTIONS + MAX_SETTINGS + 1] = { { 0 } };
    char names[MAX_SETTINGS][SETTING_SIZE];
    int n = 0, c, row = 0;
    for (int i = 0; i < N_OPTIONS; i++)
        if (options[i].verbs & o->verb->bit && !is_listed(longs, n, options[i].name))
            longs[n++] = (struct option){ options[i].name, options[i].arg != NULL, &row, i };
    if (o->verb->bit == TRAIN)
        n += setting_options(longs + n, names, &row);
    /* Errors are kept until all options are read, so that --json is known wherever it stands. */
    char complaint[256] = "";
    const char *about = "";
    opterr = 0;
    while ((c = getopt_long(argc, argv, ":h", longs, NULL)) != -1) {
        if (c == 'h') {
            o->help = 1;
        } else if (c == 0 && row >= N_OPTIONS) {
            const char *wrong = add_setting(o, gpf_setting_at((size_t)(row - N_OPTIONS)), optarg);
            if (wrong && !*complaint)
                snprintf(complaint, sizeof complaint, "%.250s", wrong);
        } else if (c == 0) {
            const option_row *r = &options[row];
            note_option(o, r);
            const char *expected = r->set((char *)o + r->field, optarg);
            if (expected && !*complaint) {
                snprintf(complaint, sizeof complaint, "--%s takes %s, not ", r->name, expected);
                about = optarg;
            }
        } else if (!*complaint) {
            about = argv[optind - 1];
            if (c == ':')
                snprintf(complaint, sizeof complaint, "a value is missing after ");
            else
                explain(longs, about, complaint, sizeof complaint);
        }
    }
    o->args = argv + optind;
    o->n_args = argc - optind;
    o->json |= *complaint && asks_for_json(argv);
    if (*complaint)
        return cmd_usage(o, complaint, about);
    if (o->help) {
        print_verb_help(o->verb);
        return 0;
    }
    if (o->n_args < o->verb->min_args)
        return cmd_usage(o, "missing argument ", o->verb->args);
    if (o->n_args > o->verb->max_args)
        return cmd_usage(o, "one argument too many: ", o->args[o->verb->max_args]);
    return o->verb->run(o);
}

static int run(int argc, char **argv)
{
    if (argc < 2)
        return cmd_usage(&(cmd){ 0 }, "no verb given", "");
    if (!strcmp(argv[1], "--help") || !strcmp(argv[1], "-h")) {
        print_help();
        return 0;
    }
    if (!strcmp(argv[1], "--version") || !strcmp(argv[1], "-V")) {
        print_version();
        return 0;
    }
    for (int i = 0; i < N_VERBS; i++) {
        if (strcmp(argv[1], verbs[i].name))
            continue;
        cmd o = {
            .verb = &verbs[i], .seed = CMD_NOT_GIVEN, .seeds[1] = CMD_NOT_GIVEN, .time_limit = 10
        };
        o.wrt = calloc((size_t)argc, sizeof *o.wrt);
        o.set = calloc((size_t)argc, sizeof *o.set);
        int status = o.wrt && o.set ? run_verb(&o, argc - 1, argv + 1)
                                    : cmd_fail_status(&o, GSL_ENOMEM, NULL);
        free(o.wrt);
        free(o.set);
        return status;
    }
    char text[300];
    int used = snprintf(text, sizeof text, "'%.100s' is no verb; there are", argv[1]);
    for (int i = 0; i < N_VERBS; i++)
        used +=
            snprintf(text + used, sizeof text - (size_t)used, "%s %s", i ? "," : "", verbs[i].name);
    return cmd_usage(&(cmd){ .json = asks_for_json(argv) }, text,
                     *argv[1] == '-' ? "; options stand behind it" : "");
}

/* Where a standard stream is closed, a pipe would take its number. What stands in for it fails as
 * the closed one would. */
static void occupy_standard_streams(void)
{
    for (int fd = 0; fd <= 2; fd++)
        if (fcntl(fd, F_GETFD) < 0)
            open("/dev/null", fd ? O_RDONLY : O_WRONLY);
}

int main(int argc, char **argv)
{
    occupy_standard_streams();
    gsl_set_error_handler(cmd_gsl_error);
    use_one_blas_thread();
    int status = run(argc, argv);
    /* A report that was not written is no report: /dev/full, a full disk, a closed pipe. */
    int bad = ferror(stdout);
    errno = 0; /* of a write long ago it may say anything */
    if (fclose(stdout) || bad) {
        fprintf(stderr, "gradproof: cannot write standard output%s%s\n", errno ? ": " : "",
                errno ? strerror(errno) : "");
        return GPF_OUTCOME_TROUBLE;
    }
    return status;
}
