/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Every knob of a training run is a row here: what sets it, prints it and checks it walks the rows. */
#include "base/text.h"
#include "train/loop.h"

#include <float.h>
#include <math.h>
#include <string.h>

#define BELOW_1 0x1.fffffffffffffp-1 /* the largest number below 1 */

#define LOOSE_ROW(name, type, lo, hi, help, loose)                                        \
    {                                                                                     \
#name, GPF_SETTING_##type, offsetof(gpf_train_options, name), lo, hi, help, loose \
    }
#define ROW(name, type, lo, hi, help) LOOSE_ROW(name, type, lo, hi, help, 0)
#define LOOSE(name, type, lo, hi, help) LOOSE_ROW(name, type, lo, hi, help, 1)

static const gpf_setting settings[] = {
    ROW(optimizer, OPTIMIZER, 0, 0,
        "sgd momentum nesterov adagrad rmsprop adam adamw, or a minimiser of GSL, which takes all\n"
        "samples at once: bfgs cg-fr cg-pr steepest lm"),
    ROW(rate, REAL, 0, DBL_MAX, "learning rate; of a minimiser: the length of its first step"),
    ROW(weight_decay, REAL, 0, DBL_MAX,
        "of the optimiser: adds weight_decay * param to the gradient of every param, in adamw to\n"
        "the step; see l2 (0; adamw: 0.01)"),
    ROW(momentum, REAL, 0, BELOW_1, "of momentum, nesterov: the part of the last step kept (0.9)"),
    ROW(decay, REAL, 0, BELOW_1, "of rmsprop: how slowly it forgets squared gradients (0.9)"),
    ROW(beta1, REAL, 0, BELOW_1, "of adam, adamw: how slowly they forget gradients (0.9)"),
    ROW(beta2, REAL, 0, BELOW_1,
        "of adam, adamw: how slowly they forget squared gradients (0.999)"),
    ROW(epsilon, REAL, 0, DBL_MAX,
        "of adagrad .. adamw: keeps them from dividing by 0 (1e-8; adagrad: 1e-10)"),
    ROW(tolerance, REAL, DBL_MIN, BELOW_1, "of bfgs .. steepest: how roughly a line is searched"),
    ROW(schedule, SCHEDULE, 0, 0, "of the rate: constant, step or cosine"),
    ROW(warmup, REAL, 0, DBL_MAX, "epochs in which the rate grows to its full size"),
    ROW(every, REAL, DBL_MIN, DBL_MAX, "of the schedule step: epochs between its steps"),
    ROW(factor, REAL, 0, DBL_MAX, "of the schedule step: what a step multiplies the rate by"),
    ROW(final, REAL, 0, DBL_MAX,
        "of the schedule cosine: part of the rate that is left at the end"),
    LOOSE(epochs, WHOLE, 0, 0x1p53, "times through all samples; a minimiser's iterations"),
    ROW(batch, WHOLE, 0, 0x1p53, "samples per step; 0: all, 1: a step after each sample"),
    ROW(shuffle, FLAG, 0, 1, "another order of the samples in every epoch, where batch is not all"),
    ROW(l2, REAL, 0, DBL_MAX,
        "lambda of the penalty lambda/2 |W|^2 on the weights (not the biases), once per epoch\n"
        "whatever the batch"),
    ROW(clip, REAL, 0, DBL_MAX, "longest gradient, as a norm over all params; 0: any"),
    ROW(patience, WHOLE, 0, 0x1p53,
        "evaluations without a better held-out loss (loss, if nothing is held out) until it stops\n"
        "and goes back to the best params; 0: never"),
    LOOSE(until_loss, REAL, -DBL_MAX, DBL_MAX, "stop when the loss is as low"),
    LOOSE(until_gradient, REAL, 0, DBL_MAX, "stop when the norm of the gradient is as small"),
    LOOSE(until_accuracy, REAL, 0, 1, "stop when such a part of the samples is classified rightly"),
    ROW(evaluate, WHOLE, 1, 0x1p53, "epochs between evaluations of loss, held-out loss, accuracy"),
    LOOSE(check_every, WHOLE, 0, 0x1p53, "epochs between gradient checks against GSL; 0: none"),
    LOOSE(check_sample, WHOLE, 1, 0x1p53, "elements per tensor in such a check"),
    LOOSE(check_step, FLAG, 0, 1, "check the update itself: (before - after)/rate against GSL"),
    LOOSE(health, FLAG, 0, 1, "look for dead, saturated and equal units at every evaluation"),
    ROW(seed, WHOLE, 0, 0x1p64, "of the order of the samples and of samples of checks"),
};

gpf_train_options gpf_train_defaults(void)
{
    return (gpf_train_options){ .optimizer = "adam",
                                .rate = 0.01,
                                .weight_decay = NAN,
                                .momentum = NAN,
                                .decay = NAN,
                                .beta1 = NAN,
                                .beta2 = NAN,
                                .epsilon = NAN,
                                .tolerance = 0.1,
                                .schedule = "constant",
                                .every = 100,
                                .factor = 0.1,
                                .epochs = 200,
                                .shuffle = 1,
                                .until_loss = NAN,
                                .until_gradient = NAN,
                                .until_accuracy = NAN,
                                .evaluate = 1,
                                .check_sample = 20,
                                .seed = 1 };
}

const gpf_setting *gpf_setting_at(size_t i)
{
    return i < sizeof settings / sizeof *settings ? &settings[i] : NULL;
}

static char plain(char c)
{
    return c == '-' ? '_' : c;
}

const gpf_setting *gpf_setting_find(const char *name)
{
    for (size_t i = 0; i < sizeof settings / sizeof *settings; i++) {
        const char *a = settings[i].name, *b = name;
        for (; *a && *a == plain(*b); a++, b++)
            ;
        if (*a == plain(*b))
            return &settings[i];
    }
    return NULL;
}

static int unknown_setting(const char *given, gpf_diag *why)
{
    gpf__suggestion near = { .wanted = given };
    char hint[100];
    for (size_t i = 0; i < sizeof settings / sizeof *settings; i++)
        gpf__suggest(&near, settings[i].name);
    return gpf__diag(why, GPF_ENAME, "there is no setting '%.40s'%s", given,
                     gpf__suggestion_text(&near, hint, sizeof hint));
}

/* Row i of the optimisers with the minimisers behind them, or of the schedules. */
static const char *name_at(gpf_setting_type type, size_t i)
{
    const gpf_schedule *schedule = gpf_schedule_at(i);
    if (type == GPF_SETTING_SCHEDULE)
        return schedule ? schedule->name : NULL;
    size_t n = 0;
    for (const gpf_optimizer_kind *o; (o = gpf_optimizer_at(n)); n++)
        if (n == i)
            return o->name;
    const gpf_minimizer_kind *m = gpf_minimizer_at(i - n);
    return m ? m->name : NULL;
}

/* The static name of a row. */
static int find_name(const gpf_setting *s, const char *given, const char **name, gpf_diag *why)
{
    gpf__suggestion near = { .wanted = given };
    char all[200] = "", hint[100];
    const char *row;
    for (size_t i = 0; (row = name_at(s->type, i)); i++) {
        if (!strcmp(row, given)) {
            *name = row;
            return GSL_SUCCESS;
        }
        gpf__append(all, sizeof all, "%s%s", i ? ", " : "", row);
        gpf__suggest(&near, row);
    }
    return gpf__diag(why, GPF_ENAME, "there is no %s '%.40s'%s; there are %s", s->name, given,
                     gpf__suggestion_text(&near, hint, sizeof hint), all);
}

/* What a number of the row has to be. */
static int out_of_range(const gpf_setting *s, const char *given, gpf_diag *why)
{
    char range[80] = "";
    const char *what = s->type == GPF_SETTING_REAL ? "a number" : "a whole number";
    if (s->lo == DBL_MIN)
        gpf__append(range, sizeof range, " above 0");
    else if (s->lo > -DBL_MAX)
        gpf__append(range, sizeof range, " from %g", s->lo);
    if (s->hi == BELOW_1)
        gpf__append(range, sizeof range, "%s", s->lo > 0 ? " and below 1" : " to below 1");
    else if (s->hi == 1)
        gpf__append(range, sizeof range, " to 1");
    else if (s->lo != DBL_MIN && *range)
        gpf__append(range, sizeof range, " on");
    return gpf__diag(why, GSL_EDOM, "%s must be %s%s, not '%.40s'", s->name, what, range, given);
}

static double *real_of(gpf_train_options *o, const gpf_setting *s)
{
    return (double *)(void *)((char *)o + s->offset);
}

static size_t *whole_of(gpf_train_options *o, const gpf_setting *s)
{
    return (size_t *)(void *)((char *)o + s->offset);
}

static int *flag_of(gpf_train_options *o, const gpf_setting *s)
{
    return (int *)(void *)((char *)o + s->offset);
}

static const char **name_of(gpf_train_options *o, const gpf_setting *s)
{
    return (const char **)(void *)((char *)o + s->offset);
}

/* May a number be NaN, for "not set"? */
static bool may_lack(const gpf_setting *s)
{
    gpf_train_options o = gpf_train_defaults();
    return s->type == GPF_SETTING_REAL && isnan(*real_of(&o, s));
}

static bool in_range(const gpf_setting *s, double v)
{
    return v >= s->lo && v <= s->hi;
}

bool gpf__read_digits(const char *text, size_t *x)
{
    const char *p = text;
    for (*x = 0; *p >= '0' && *p <= '9'; p++) {
        const size_t digit = (size_t)(*p - '0');
        if (*x > (SIZE_MAX - digit) / 10)
            return false;
        *x = 10 * *x + digit;
    }
    return p > text && !*p;
}

/* Digits exactly, however many; else any way to write a whole number (1e4). */
static bool read_whole(const char *text, size_t *v)
{
    char *end;
    if (gpf__read_digits(text, v))
        return true;
    const double x = gpf__strtod(text, &end);
    if (end == text || *end || !(x >= 0 && x <= 0x1p53) || x != floor(x))
        return false;
    *v = (size_t)x;
    return true;
}

static int set(gpf_train_options *o, const gpf_setting *s, const char *value, gpf_diag *why)
{
    char *end;
    double x;
    size_t n;
    switch (s->type) {
    case GPF_SETTING_OPTIMIZER:
    case GPF_SETTING_SCHEDULE:
        return find_name(s, value, name_of(o, s), why);
    case GPF_SETTING_REAL:
        x = gpf__strtod(value, &end);
        if (!*value && may_lack(s))
            x = NAN;
        else if (end == value || *end || !in_range(s, x))
            return out_of_range(s, value, why);
        *real_of(o, s) = x;
        return GSL_SUCCESS;
    case GPF_SETTING_WHOLE:
        if (!read_whole(value, &n) || !in_range(s, (double)n))
            return out_of_range(s, value, why);
        *whole_of(o, s) = n;
        return GSL_SUCCESS;
    default:
        if (strcmp(value, "0") && strcmp(value, "1"))
            return gpf__diag(why, GSL_EDOM, "%s must be 0 or 1, not '%.40s'", s->name, value);
        *flag_of(o, s) = *value == '1';
        return GSL_SUCCESS;
    }
}

int gpf_setting_set(gpf_train_options *o, const char *name, const char *value, gpf_diag *why)
{
    const gpf_setting *s = gpf_setting_find(name);
    return s ? set(o, s, value, why) : unknown_setting(name, why);
}

char *gpf_setting_text(const gpf_train_options *o, const gpf_setting *s, char *buf, size_t size)
{
    gpf_train_options copy = *o;
    double x;
    if (size == 0)
        return buf;
    *buf = '\0';
    switch (s->type) {
    case GPF_SETTING_OPTIMIZER:
    case GPF_SETTING_SCHEDULE:
        gpf__format(buf, size, "%s", *name_of(&copy, s));
        break;
    case GPF_SETTING_REAL:
        x = *real_of(&copy, s);
        for (int digits = 15; digits <= 17 && !isnan(x); digits++) {
            gpf__format(buf, size, "%.*g", digits, x);
            if (gpf__strtod(buf, NULL) == x)
                break;
        }
        break;
    case GPF_SETTING_WHOLE:
        gpf__format(buf, size, "%zu", *whole_of(&copy, s));
        break;
    default:
        gpf__format(buf, size, "%d", *flag_of(&copy, s));
    }
    return buf;
}

static bool has_setting(const gpf_optimizer_kind *o, const char *name)
{
    for (int i = 0; o && i < GPF_MAX_SETTINGS && o->setting[i].name; i++)
        if (!strcmp(o->setting[i].name, name))
            return true;
    return false;
}

/* Does the setting belong to the rows of some optimisers? */
static bool of_rows(const gpf_setting *s)
{
    const gpf_optimizer_kind *o;
    for (size_t i = 0; (o = gpf_optimizer_at(i)); i++)
        if (has_setting(o, s->name))
            return true;
    return false;
}

/* A setting of the rows of other optimisers than the one chosen. */
static int check_row_settings(const gpf_train_options *how, bool updates, gpf_diag *why)
{
    const gpf_optimizer_kind *o = updates ? NULL : gpf_optimizer_find(how->optimizer);
    gpf_train_options copy = *how;
    const gpf_setting *s = NULL;
    for (size_t i = 0; (s = gpf_setting_at(i)); i++)
        if (of_rows(s) && !has_setting(o, s->name) && !isnan(*real_of(&copy, s)))
            break;
    if (!s)
        return GSL_SUCCESS;
    if (updates)
        return gpf__diag(why, GPF_ENAME, "%s: the update formulas of the model take its place",
                         s->name);
    char has[128] = "";
    for (int i = 0; o && i < GPF_MAX_SETTINGS && o->setting[i].name; i++)
        gpf__append(has, sizeof has, "%s%s", i ? ", " : ", only ", o->setting[i].name);
    return gpf__diag(why, GPF_ENAME, "%s has no setting %s%s", how->optimizer, s->name, has);
}

/* What a minimiser of GSL, or an update written as a formula, has no use for. */
static int check_fitting(const gpf_train_options *how, bool updates, gpf_diag *why)
{
    const bool minimizer = !updates && gpf_minimizer_find(how->optimizer);
    const struct {
        bool given, wrong;
        const char *text;
    } cases[] = {
        { minimizer, how->batch != 0, "batch: it takes all samples at once, which is batch=0" },
        { minimizer, strcmp(how->schedule, "constant") != 0, "schedule: it chooses its own steps" },
        { minimizer, how->warmup > 0, "warmup: it chooses its own steps" },
        { minimizer || updates, how->clip > 0, "clip: there is no gradient step to clip" },
        { updates, how->l2 > 0, "l2: write the penalty into loss and updates" },
        { updates, !isnan(how->until_gradient), "until_gradient: no gradient is computed" },
        { !updates && strcmp(how->optimizer, "sgd") != 0, how->check_step != 0,
          "check_step: its step is not the rate times the gradient, as that of sgd is" },
        { !updates, how->check_step && (how->clip > 0 || how->weight_decay > 0),
          "check_step: with clip or weight_decay its step is not the rate times the gradient" },
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++)
        if (cases[i].given && cases[i].wrong)
            return gpf__diag(why, GPF_ENAME, "%s%s not go with %s",
                             updates ? "update formulas do" : how->optimizer,
                             updates ? "" : " does", cases[i].text);
    return GSL_SUCCESS;
}

int gpf__settings_check(gpf_train_options *how, bool updates, gpf_diag *why)
{
    char text[64];
    int status = GSL_SUCCESS;
    for (size_t i = 0; i < sizeof settings / sizeof *settings && !status; i++) {
        const gpf_setting *s = &settings[i];
        /* What is in its range reads back from its own text. */
        if (s->type == GPF_SETTING_REAL && isnan(*real_of(how, s)) && !may_lack(s))
            status = out_of_range(s, "nan", why);
        else if (s->type >= GPF_SETTING_OPTIMIZER && !*name_of(how, s))
            status = gpf__diag(why, GPF_ENAME, "%s is not set", s->name);
        else if (s->type >= GPF_SETTING_OPTIMIZER)
            status = set(how, s, *name_of(how, s), why);
        else
            status = set(how, s, gpf_setting_text(how, s, text, sizeof text), why);
    }
    if (!status)
        status = check_row_settings(how, updates, why);
    return status ? status : check_fitting(how, updates, why);
}
