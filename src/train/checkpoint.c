/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Checkpoints: a run between two steps as an archive.
 *
 *   arrays   NAME                every param of the graph
 *            optimizer/I/NAME    state vector I of the optimiser, param by param
 *            best/NAME           the params of the best evaluation, with patience
 *   entries  checkpoint          version of what is described here
 *            setting/NAME        every setting, as gpf_setting_text has it
 *            run/NAME            rows of `counters` below
 *            made/NAME           what the loop was made of: rows of `makings`
 *
 * No name of a param has a slash. The order of the samples depends on seed and epoch only, so there
 * is no state of a generator. */
#include "plan/plan.h"
#include "train/archive.h"
#include "train/loop.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#define VERSION "1"

enum { TEXT = 256, NAME = 300 };

/* Numbers of the state of a run. */
typedef struct counter {
    const char *name;
    bool real;
    size_t offset;
} counter;

#define WHOLE(field)                                            \
    {                                                           \
#field, false, offsetof(gpf__run_state, progress.field) \
    }
#define REAL(field)                                            \
    {                                                          \
#field, true, offsetof(gpf__run_state, progress.field) \
    }
static const counter counters[] = {
    WHOLE(epoch),
    WHOLE(step),
    WHOLE(evaluated),
    WHOLE(best_epoch),
    { "judged", false, offsetof(gpf__run_state, judged) },
    { "worse", false, offsetof(gpf__run_state, worse) },
    REAL(loss),
    REAL(penalty),
    REAL(held_out),
    REAL(accuracy),
    REAL(held_out_accuracy),
    REAL(gradient),
    REAL(rate),
    REAL(update),
    REAL(best),
    REAL(dead),
};
enum { N_COUNTERS = sizeof counters / sizeof *counters };

/* What has to be the same in the loop that goes on, in words, as far as settings do not say it. */
typedef struct making {
    const char *name, *what;
    void (*text)(const gpf_train *t, char *buf, size_t size);
} making;

static void trained(const gpf_train *t, char *buf, size_t size)
{
    uint64_t h = GPF__HASH;
    for (size_t i = 0; i < t->n_xs; i++) {
        const char *name = gpf_node_name(t->g, t->xs[i]);
        h = gpf__hash(h, name, strlen(name) + 1);
    }
    gpf__format(buf, size, "%zu params, %016llx", t->n_xs, (unsigned long long)h);
}

/* Op, shape, and the hashes of the inputs, which are older, with attributes; of a leaf its name, or its
 * number. (The other attributes of a leaf depend on what else is in the graph.) */
static uint64_t node_hash(const gpf_graph *g, gpf_node n, const uint64_t *of)
{
    const gpf_shape s = gpf_node_shape(g, n);
    const char *op = gpf_node_op(g, n)->name, *name = gpf_node_name(g, n);
    const gpf_attr *attr = gpf_node_attr(g, n);
    uint64_t h = gpf__hash(GPF__HASH, op, strlen(op));
    int n_x;
    const gpf_node *x = gpf_node_inputs(g, n, &n_x);
    h = gpf__hash(h, s.dim, sizeof s.dim);
    if (n_x == 0)
        return name ? gpf__hash(h, name, strlen(name)) : gpf__hash(h, attr->p, sizeof attr->p);
    h = gpf__hash(h, attr, sizeof *attr);
    for (int i = 0; i < n_x; i++)
        h = gpf__hash(h, &of[x[i]], sizeof *of);
    return h;
}

/* The loss and the formulas of updates. */
static void formulas(const gpf_train *t, char *buf, size_t size)
{
    gpf_node last = t->loss;
    for (size_t i = 0; t->updates && i < t->n_xs; i++)
        last = t->updates[i] > last ? t->updates[i] : last;
    uint64_t *of = malloc(((size_t)last + 1) * sizeof *of);
    *buf = 0;
    if (!of)
        return;
    for (gpf_node n = GPF_POISON + 1; n <= last; n++)
        of[n] = node_hash(t->g, n, of);
    uint64_t h = of[t->loss];
    for (size_t i = 0; t->updates && i < t->n_xs; i++)
        h = gpf__hash(h, &of[t->updates[i]], sizeof *of);
    free(of);
    gpf__format(buf, size, "%016llx", (unsigned long long)h);
}

static uint64_t data_hash(uint64_t h, const gpf_graph *g, const gpf_point *at, gpf_node rate)
{
    for (size_t i = 0; i < at->n_data; i++) {
        const gpf_node leaf = at->data_node[i];
        const double *x = gpf_point_values(at, leaf);
        const size_t n = gpf_shape_size(gpf_node_shape(g, leaf), gpf_point_batch(at));
        if (leaf == rate || !x)
            continue;
        for (size_t k = 0; k < n; k++) { /* as gpf__hash, but eight bytes at once */
            uint64_t bits;
            memcpy(&bits, &x[k], sizeof bits);
            h = (h ^ bits) * 0x100000001b3u;
            h ^= h >> 32;
        }
    }
    return h;
}

static void samples(const gpf_train *t, char *buf, size_t size)
{
    gpf__format(buf, size, "%zu and %zu held out", t->N,
                t->with.held_out ? gpf_point_batch(t->with.held_out) : 0);
}

static void data(const gpf_train *t, char *buf, size_t size)
{
    uint64_t h = data_hash(GPF__HASH, t->g, t->at, t->with.rate);
    if (t->with.held_out)
        h = data_hash(h, t->g, t->with.held_out, t->with.rate);
    gpf__format(buf, size, "%016llx", (unsigned long long)h);
}

static const making makings[] = {
    { "trained", "the params to train", trained },
    { "samples", "the number of samples", samples },
    { "formulas", "the formula of the loss or an update", formulas },
    { "data", "the data", data },
};
enum { N_MAKINGS = sizeof makings / sizeof *makings };

/* Saving. */
static int no_memory(gpf_diag *why)
{
    return gpf__diag(why, GSL_ENOMEM, "out of memory");
}

/* Text under a name of two parts. */
static int say(gpf_archive *a, const char *kind, const char *name, const char *text, gpf_diag *why)
{
    char key[NAME];
    gpf__format(key, sizeof key, "%s/%s", kind, name);
    return gpf__archive_set(a, key, text) ? no_memory(why) : GSL_SUCCESS;
}

static char *joined(const char *kind, const char *name)
{
    const size_t size = strlen(kind) + strlen(name) + 2;
    char *text = malloc(size);
    if (text)
        gpf__format(text, size, "%s/%s", kind, name);
    return text;
}

/* A vector of the params trained, param by param. */
static int add_vector(gpf_archive *a, const gpf_train *t, const char *kind, const double *values,
                      gpf_diag *why)
{
    int status = GSL_SUCCESS;
    for (size_t i = 0; !status && i < t->n_xs; i++) {
        const gpf_shape shape = gpf_node_shape(t->g, t->xs[i]);
        const char *param = gpf_node_name(t->g, t->xs[i]);
        char *name = joined(kind, param);
        double *room;
        if (!name)
            return no_memory(why);
        status = gpf__archive_room(a, name, shape, &room, why);
        free(name);
        const size_t n = gpf_shape_size(shape, 1);
        if (!status)
            memcpy(room, values, n * sizeof *room);
        values += n;
    }
    return status;
}

static char *state_kind(int i, char buf[32])
{
    gpf__format(buf, 32, "optimizer/%d", i);
    return buf;
}

static int add_vectors(gpf_archive *a, const gpf_train *t, gpf_diag *why)
{
    int status = gpf__params_into(t->g, t->at->theta, a, why);
    const double *state;
    char kind[32];
    for (int i = 0; !status && t->optimizer && (state = gpf_optimizer_state(t->optimizer, i)); i++)
        status = add_vector(a, t, state_kind(i, kind), state, why);
    if (!status && t->best)
        status = add_vector(a, t, "best", t->best, why);
    return status;
}

static int add_counters(gpf_archive *a, const gpf_train *t, gpf_diag *why)
{
    char text[TEXT];
    int status = GSL_SUCCESS;
    for (int i = 0; !status && i < N_COUNTERS; i++) {
        const void *at = (const char *)&t->now + counters[i].offset;
        if (counters[i].real)
            gpf__format(text, sizeof text, "%.17g", *(const double *)at);
        else
            gpf__format(text, sizeof text, "%zu", *(const size_t *)at);
        status = say(a, "run", counters[i].name, text, why);
    }
    gpf__format(text, sizeof text, "%d", (int)t->now.progress.end);
    if (!status)
        status = say(a, "run", "end", text, why);
    if (!status)
        status = say(a, "run", "why", t->now.progress.why, why);
    gpf__format(text, sizeof text, "%lu", t->optimizer ? gpf_optimizer_steps(t->optimizer) : 0);
    return status ? status : say(a, "run", "optimizer_steps", text, why);
}

static int describe(gpf_archive *a, const gpf_train *t, gpf_diag *why)
{
    char text[TEXT];
    int status = gpf__archive_set(a, "checkpoint", VERSION) ? no_memory(why) : GSL_SUCCESS;
    const gpf_setting *s;
    for (size_t i = 0; !status && (s = gpf_setting_at(i)); i++)
        status = say(a, "setting", s->name, gpf_setting_text(&t->how, s, text, sizeof text), why);
    for (int i = 0; !status && i < N_MAKINGS; i++) {
        makings[i].text(t, text, sizeof text);
        status = *text ? say(a, "made", makings[i].name, text, why) : no_memory(why);
    }
    return status ? status : add_counters(a, t, why);
}

int gpf_train_save(gpf_train *t, const char *path, gpf_diag *why)
{
    gpf_archive *a = gpf_archive_alloc();
    gpf_diag what = { 0 };
    int status = a ? describe(a, t, &what) : no_memory(&what);
    if (!status)
        status = add_vectors(a, t, &what);
    status =
        status ? gpf__diag_of(why, path, status, "%s", what.text) : gpf_archive_write(a, path, why);
    gpf_archive_free(a);
    if (!status)
        gpf__train_saved(t);
    return status;
}

/* Resuming: everything is read and compared before the loop is touched. */
static const char *said(const gpf_archive *a, const char *kind, const char *name)
{
    char key[NAME];
    gpf__format(key, sizeof key, "%s/%s", kind, name);
    return gpf_archive_get(a, key);
}

static int missing(gpf_diag *why, const char *kind, const char *name)
{
    return gpf__diag(why, GPF_EDATA, "the checkpoint is damaged: no usable %s/%s in it", kind,
                     name);
}

static bool read_whole(const char *text, size_t *x)
{
    return text && gpf__read_digits(text, x);
}

static bool read_real(const char *text, double *x)
{
    char *end;
    *x = text ? gpf__strtod(text, &end) : NAN;
    return text && end > text && !*end;
}

/* All settings that move params. */
static int compare_settings(const gpf_archive *a, const gpf_train *t, gpf_diag *why)
{
    char text[TEXT], differ[300] = "";
    const gpf_setting *s;
    for (size_t i = 0; (s = gpf_setting_at(i)); i++) {
        const char *then = said(a, "setting", s->name);
        gpf_setting_text(&t->how, s, text, sizeof text);
        if (!then)
            return missing(why, "setting", s->name);
        if (!s->loose && strcmp(then, text))
            gpf__append(differ, sizeof differ, "%s%s %.30s, not %.30s", *differ ? ", and " : "",
                        s->name, *then ? then : "unset", *text ? text : "unset");
    }
    return *differ ? gpf__diag(why, GPF_EDATA,
                               "the checkpoint was made with %s; to start a new run from its "
                               "params, load them (--load)",
                               differ)
                   : GSL_SUCCESS;
}

static int compare_makings(const gpf_archive *a, const gpf_train *t, gpf_diag *why)
{
    char text[TEXT];
    for (int i = 0; i < N_MAKINGS; i++) {
        const char *then = said(a, "made", makings[i].name);
        makings[i].text(t, text, sizeof text);
        if (!*text)
            return no_memory(why);
        if (!then)
            return missing(why, "made", makings[i].name);
        if (strcmp(then, text))
            return gpf__diag(why, GPF_EDATA,
                             "the checkpoint is of another run: it differs in %s (%.60s there, %s "
                             "here); to start a new run from its params, load them (--load)",
                             makings[i].what, then, text);
    }
    return GSL_SUCCESS;
}

static int read_counters(const gpf_archive *a, const gpf_train *t, gpf__run_state *now,
                         size_t *optimizer_steps, gpf_diag *why)
{
    *now = t->now;
    for (int i = 0; i < N_COUNTERS; i++) {
        const char *text = said(a, "run", counters[i].name);
        void *at = (char *)now + counters[i].offset;
        if (!(counters[i].real ? read_real(text, at) : read_whole(text, at)))
            return missing(why, "run", counters[i].name);
    }
    gpf_progress *p = &now->progress;
    size_t end;
    if (!read_whole(said(a, "run", "end"), &end) || end > GPF_TRAIN_STOPPED)
        return missing(why, "run", "end");
    p->end = (gpf_train_end)end;
    const char *words = said(a, "run", "why");
    gpf__format(p->why, sizeof p->why, "%s", words ? words : "");
    if (!read_whole(said(a, "run", "optimizer_steps"), optimizer_steps))
        return missing(why, "run", "optimizer_steps");
    if (p->epoch != p->step / t->steps || p->evaluated > p->epoch || p->best_epoch > p->epoch)
        return gpf__diag(why, GPF_EDATA, "the checkpoint is damaged: epoch %zu after step %zu",
                         p->epoch, p->step);
    if (p->epoch > t->how.epochs)
        return gpf__diag(why, GPF_EDATA,
                         "the checkpoint is from epoch %zu already, but epochs is %zu", p->epoch,
                         t->how.epochs);
    return GSL_SUCCESS;
}

/* A vector of the params trained. */
static int read_vector(const gpf_archive *a, const gpf_train *t, const char *kind, double *to,
                       gpf_diag *why)
{
    for (size_t i = 0; i < t->n_xs; i++) {
        const gpf_shape shape = gpf_node_shape(t->g, t->xs[i]);
        const char *param = gpf_node_name(t->g, t->xs[i]);
        const size_t n = gpf_shape_size(shape, 1);
        char *name = joined(kind, param);
        if (!name)
            return no_memory(why);
        const gpf_array *x = gpf_archive_find(a, name);
        free(name);
        if (!x || !gpf_shape_equal(x->shape, shape))
            return missing(why, kind, param);
        memcpy(to, x->values, n * sizeof *to);
        to += n;
    }
    return GSL_SUCCESS;
}

/* Where the vectors of a checkpoint go: all params, then those of the params trained. */
typedef struct vectors {
    gsl_vector_view params;
    double *state[GPF_MAX_STATE], *best;
} vectors;

static int read_vectors(const gpf_archive *a, const gpf_train *t, double *room, vectors *v,
                        gpf_diag *why)
{
    const size_t n_params = gpf_graph_n_params(t->g);
    char kind[32];
    v->params = gsl_vector_view_array(room, n_params);
    room += n_params;
    int status = gpf__params_from(t->g, &v->params.vector, a, "", why);
    for (int i = 0; !status && t->optimizer && gpf_optimizer_state(t->optimizer, i); i++) {
        status = read_vector(a, t, state_kind(i, kind), v->state[i] = room, why);
        room += t->n;
    }
    return !status && t->best ? read_vector(a, t, "best", v->best = room, why) : status;
}

static int resume(gpf_train *t, const gpf_archive *a, double *room, gpf_diag *why)
{
    gpf__run_state now;
    size_t optimizer_steps = 0;
    vectors v = { 0 };
    int status = compare_makings(a, t, why);
    if (!status)
        status = compare_settings(a, t, why);
    if (!status)
        status = read_counters(a, t, &now, &optimizer_steps, why);
    if (!status)
        status = read_vectors(a, t, room, &v, why);
    if (status)
        return status;
    gsl_vector_memcpy(t->at->theta, &v.params.vector);
    for (int i = 0; i < GPF_MAX_STATE; i++)
        if (v.state[i])
            memcpy(gpf_optimizer_state(t->optimizer, i), v.state[i], t->n * sizeof *v.state[i]);
    if (t->optimizer)
        gpf_optimizer_set_steps(t->optimizer, (unsigned long)optimizer_steps);
    if (t->best)
        memcpy(t->best, v.best, t->n * sizeof *v.best);
    t->now = now;
    gpf__train_resumed(t);
    return GSL_SUCCESS;
}

int gpf_train_resume(gpf_train *t, const char *path, gpf_diag *why)
{
    gpf_diag what = { 0 };
    gpf_archive *a = gpf_archive_read(path, &what);
    const char *version = a ? gpf_archive_get(a, "checkpoint") : NULL;
    int status = a ? GSL_SUCCESS : what.status;
    if (a && !version)
        status = gpf__diag(&what, GPF_EDATA,
                           "has params but is no checkpoint of a run; load them (--load)");
    else if (a && strcmp(version, VERSION))
        status =
            gpf__diag(&what, GPF_EDATA, "is a checkpoint of version %.20s, not " VERSION, version);
    double *room = NULL;
    if (!status) {
        const size_t n = gpf_graph_n_params(t->g) + (GPF_MAX_STATE + 1) * t->n;
        room = malloc(n * sizeof *room);
        status = room ? resume(t, a, room, &what) : no_memory(&what);
    }
    free(room);
    gpf_archive_free(a);
    return status ? gpf__diag_of(why, path, status, "%s", what.text) : GSL_SUCCESS;
}
