/* SPDX-License-Identifier: GPL-3.0-or-later */
#define _XOPEN_SOURCE 700 /* mkdtemp */
#include "help.h"

#include "train/archive.h"
#include "train/loop.h"

#include <malloc.h>
#include <math.h>
#include <unistd.h>

enum { N = 11, HELD = 5, IN = 3, HIDDEN = 4, PARAMS = IN * HIDDEN + HIDDEN + HIDDEN + 1 };

/* A net, its samples and a loop over it, all new. */
typedef struct run {
    gpf_graph *g;
    gpf_point *at, *held;
    gpf_train *t;
    double x[N * IN], y[N], held_x[HELD * IN], held_y[HELD];
    bool by_formulas, partial;
} run;

static gpf_train_options plain(const char *optimizer)
{
    gpf_train_options how = gpf_train_defaults();
    how.optimizer = optimizer;
    how.rate = 0.03125;
    how.epochs = 4;
    how.shuffle = 1;
    how.seed = 77;
    return how;
}

static int begin(run *r, const gpf_train_options *how, gpf_diag *why)
{
    dice d = { 12345 };
    r->g = gpf_graph_alloc();
    const gpf_node X = gpf_data(r->g, "X", gpf_shape2(GPF_N, IN)),
                   y = gpf_data(r->g, "y", gpf_shape2(GPF_N, 1)),
                   h = gpf_dense(r->g, "h", X, HIDDEN, gpf_tanh),
                   out = gpf_dense(r->g, "out", h, 1, NULL), loss = gpf_mse(r->g, out, y, GPF_MEAN),
                   rate = gpf_data(r->g, "e", gpf_shape0());
    const gpf_node w = gpf_graph_param(r->g, 0);
    gpf_node gradient;
    assert_int_equal(gpf_grad(r->g, loss, &w, 1, &gradient), GSL_SUCCESS);
    const gpf_node next = gpf_sub(r->g, w, gpf_mul(r->g, rate, gradient));
    assert_no_error(r->g);
    r->at = gpf_point_alloc(r->g, N);
    r->held = gpf_point_alloc(r->g, HELD);
    fill(&d, r->x, COUNT(r->x), -1, 1);
    fill(&d, r->y, COUNT(r->y), -1, 1);
    fill(&d, r->held_x, COUNT(r->held_x), -1, 1);
    fill(&d, r->held_y, COUNT(r->held_y), -1, 1);
    fill(&d, theta(r->at), PARAMS, -1, 1);
    gpf_point_bind(r->at, X, r->x);
    gpf_point_bind(r->at, y, r->y);
    gpf_point_bind(r->held, X, r->held_x);
    gpf_point_bind(r->held, y, r->held_y);
    gpf_train_with with = gpf_train_plain();
    with.held_out = r->held;
    if (r->by_formulas) {
        with.xs = &w;
        with.n_xs = 1;
        with.updates = &next;
        with.rate = rate;
    }
    const gpf_node two[] = { gpf_graph_param(r->g, 3), gpf_graph_param(r->g, 0) };
    if (r->partial) {
        with.xs = two;
        with.n_xs = 2;
    }
    r->t = gpf_train_alloc(r->g, loss, r->at, how, &with, why);
    return r->t ? GSL_SUCCESS : why->status;
}

static void begin_well(run *r, const gpf_train_options *how)
{
    gpf_diag why = { 0 };
    if (begin(r, how, &why))
        fail_msg("%s", why.text);
}

static void finish(run *r)
{
    gpf_train_free(r->t);
    gpf_point_free(r->at);
    gpf_point_free(r->held);
    gpf_graph_free(r->g);
}

static void save(run *r, const char *path)
{
    gpf_diag why = { 0 };
    if (gpf_train_save(r->t, path, &why))
        fail_msg("%s: %s", why.file, why.text);
}

static void resume(run *r, const char *path)
{
    gpf_diag why = { 0 };
    if (gpf_train_resume(r->t, path, &why))
        fail_msg("%s: %s", why.file, why.text);
}

static void assert_same_file(const char *a, const char *b)
{
    unsigned char *x, *y;
    size_t n, m;
    assert_int_equal(gpf__file_read(a, SIZE_MAX, &x, &n, NULL), GSL_SUCCESS);
    assert_int_equal(gpf__file_read(b, SIZE_MAX, &y, &m, NULL), GSL_SUCCESS);
    assert_int_equal(n, m);
    assert_memory_equal(x, y, n);
    free(x);
    free(y);
}

static char folder[] = "test_checkpoint_XXXXXX";

/* Params, state of the optimiser, counters: a checkpoint has all of it, and one written of the run that
 * was resumed has the same bytes as that of the run that was not. */
static void interrupt_everywhere(const gpf_train_options *how, run kind)
{
    run whole = kind;
    begin_well(&whole, how);
    assert_int_equal(gpf_train_run(whole.t), GSL_SUCCESS);
    save(&whole, "whole.safetensors");
    const size_t steps = gpf_train_progress(whole.t)->step;
    assert_true(steps > 2);
    finish(&whole);
    for (size_t k = 0; k <= steps; k++) {
        run first = kind, second = kind;
        begin_well(&first, how);
        for (size_t i = 0; i < k; i++)
            assert_int_equal(gpf_train_step(first.t), GSL_SUCCESS);
        save(&first, "part.npz");
        begin_well(&second, how);
        memset(theta(second.at), 0x55, PARAMS * sizeof(double)); /* all come from the file */
        resume(&second, "part.npz");
        save(&second, "again.npz");
        assert_same_file("part.npz", "again.npz");
        assert_int_equal(gpf_train_run(second.t), GSL_SUCCESS);
        if (!first.t->minimizer) {
            save(&second, "second.safetensors");
            assert_same_file("whole.safetensors", "second.safetensors");
        } else { /* begins anew where it is saved, in both */
            assert_int_equal(gpf_train_run(first.t), GSL_SUCCESS);
            save(&first, "first.npz");
            save(&second, "second.npz");
            assert_same_file("first.npz", "second.npz");
        }
        finish(&first);
        finish(&second);
    }
}

static void optimizers(void **state)
{
    (void)state;
    const gpf_optimizer_kind *o;
    for (size_t i = 0; (o = gpf_optimizer_at(i)); i++) {
        gpf_train_options how = plain(o->name);
        how.batch = 4;
        how.schedule = "cosine";
        how.warmup = 1;
        how.final = 0.125;
        how.l2 = 0.0625;
        how.clip = 0.5;
        interrupt_everywhere(&how, (run){ 0 });
    }
}

/* Stops early, in the middle of what was planned, and goes back to the best params. */
static void patience(void **state)
{
    (void)state;
    gpf_train_options how = plain("momentum");
    how.batch = 4;
    how.rate = 0.7;
    how.patience = 2;
    how.epochs = 40;
    how.schedule = "step";
    how.every = 7;
    how.factor = 0.5;
    run r = { 0 };
    begin_well(&r, &how);
    save(&r, "first.npz"); /* there is no best so far: zeros, not what the memory held */
    gpf_archive *a = gpf_archive_read("first.npz", NULL);
    const gpf_array *x;
    size_t n_best = 0;
    for (size_t i = 0; (x = gpf_archive_at(a, i)); i++) {
        const bool best = !strncmp(x->name, "best/", strlen("best/"));
        n_best += best;
        for (size_t k = 0; best && k < gpf_shape_size(x->shape, 1); k++)
            assert_true(x->values[k] == 0);
    }
    assert_true(n_best > 0);
    gpf_archive_free(a);
    remove("first.npz");
    gpf_train_run(r.t);
    assert_int_equal(gpf_train_progress(r.t)->end, GPF_TRAIN_PATIENCE);
    finish(&r);
    interrupt_everywhere(&how, (run){ 0 });
    how.evaluate = 3;
    interrupt_everywhere(&how, (run){ 0 });
}

/* Before the first evaluation there is no best, and nothing that lay in the memory before. */
static void nothing_of_the_memory(void **state)
{
    (void)state;
#ifdef M_PERTURB
    static const char *const files[] = { "55.npz", "aa.npz" };
    gpf_train_options how = plain("adam");
    how.patience = 2;
    for (int i = 0; i < 2; i++) {
        run r = { 0 };
        mallopt(M_PERTURB, i ? 0xaa : 0x55);
        begin_well(&r, &how);
        save(&r, files[i]);
        finish(&r);
    }
    mallopt(M_PERTURB, 0);
    assert_same_file(files[0], files[1]);
    remove(files[0]);
    remove(files[1]);
#else
    skip();
#endif
}

static void whole_batches(void **state)
{
    (void)state;
    gpf_train_options how = plain("adam");
    how.epochs = 6;
    interrupt_everywhere(&how, (run){ 0 });
    interrupt_everywhere(&how, (run){ .partial = true });
    how.batch = 1;
    how.epochs = 1;
    interrupt_everywhere(&how, (run){ 0 });
}

static void formulas(void **state)
{
    (void)state;
    gpf_train_options how = plain("sgd");
    how.batch = 3;
    interrupt_everywhere(&how, (run){ .by_formulas = true });
}

static void minimizers(void **state)
{
    (void)state;
    const gpf_minimizer_kind *m;
    for (size_t i = 0; (m = gpf_minimizer_at(i)); i++) {
        gpf_train_options how = plain(m->name);
        how.rate = 0.01;
        interrupt_everywhere(&how, (run){ 0 });
    }
}

/* Stopped by the caller, then on; and to more epochs than planned. */
static int stop(void *arg, const gpf_progress *p)
{
    (void)arg;
    return p->epoch == 2;
}

static void goes_on(void **state)
{
    (void)state;
    gpf_train_options how = plain("adam");
    how.batch = 4;
    run whole = { 0 }, part = { 0 }, more = { 0 };
    begin_well(&whole, &how);
    gpf_train_run(whole.t);
    save(&whole, "whole.npz");
    begin_well(&part, &how);
    part.t->with.progress = stop;
    gpf_train_run(part.t);
    assert_int_equal(gpf_train_progress(part.t)->end, GPF_TRAIN_STOPPED);
    save(&part, "part.npz");
    part.t->with.progress = NULL;
    resume(&part, "part.npz"); /* into the same loop */
    gpf_train_run(part.t);
    save(&part, "part.npz");
    assert_same_file("whole.npz", "part.npz");
    how.epochs = 9;
    begin_well(&more, &how);
    resume(&more, "whole.npz");
    gpf_train_run(more.t);
    assert_int_equal(gpf_train_progress(more.t)->epoch, 9);
    save(&more, "more.npz");
    finish(&whole);
    whole = (run){ 0 };
    begin_well(&whole, &how);
    gpf_train_run(whole.t);
    save(&whole, "whole.npz");
    assert_same_file("whole.npz", "more.npz");
    finish(&whole);
    finish(&part);
    finish(&more);
}

/* Settings that only say when it ends, or that look on, may be others. */
static void ends_elsewhere(void **state)
{
    (void)state;
    gpf_train_options how = plain("adam");
    how.batch = 4;
    run whole = { 0 }, part = { 0 }, rest = { 0 };
    how.until_loss = 1e9;
    begin_well(&part, &how);
    gpf_train_run(part.t);
    assert_int_equal(gpf_train_progress(part.t)->end, GPF_TRAIN_UNTIL);
    assert_int_equal(gpf_train_progress(part.t)->epoch, 0);
    save(&part, "part.npz");
    how.until_loss = NAN;
    how.check_every = 2;
    how.health = 1;
    begin_well(&rest, &how);
    resume(&rest, "part.npz");
    gpf_train_run(rest.t);
    assert_int_equal(gpf_train_progress(rest.t)->end, GPF_TRAIN_EPOCHS);
    begin_well(&whole, &how);
    gpf_train_run(whole.t);
    save(&whole, "whole.npz");
    save(&rest, "more.npz");
    assert_same_file("whole.npz", "more.npz");
    /* the same settings: it has ended and stays so; other ones: it has by now */
    finish(&rest);
    rest = (run){ 0 };
    how.until_loss = 1e9;
    begin_well(&rest, &how);
    resume(&rest, "part.npz");
    assert_int_equal(gpf_train_progress(rest.t)->end, GPF_TRAIN_UNTIL);
    resume(&rest, "whole.npz");
    assert_int_equal(gpf_train_progress(rest.t)->end, GPF_TRAIN_UNTIL);
    finish(&whole);
    finish(&part);
    finish(&rest);
}

/* A loop that is not as it was: refused, and nothing of the loop is touched. */
static void assert_refused(run kind, const gpf_train_options *how, const char *path, int status,
                           const char *text)
{
    gpf_diag why = { 0 };
    run r = kind;
    begin_well(&r, how);
    gpf_train_step(r.t);
    save(&r, "before.npz");
    if (gpf_train_resume(r.t, path, &why) != status || why.status != status ||
        !strstr(why.text, text))
        fail_msg("%d: %s, expected %d: %s", why.status, why.text, status, text);
    assert_string_equal(why.file, path);
    save(&r, "after.npz");
    assert_same_file("before.npz", "after.npz");
    finish(&r);
}

static void other_loops(void **state)
{
    (void)state;
    const gpf_train_options made = plain("adam");
    run r = { 0 };
    begin_well(&r, &made);
    for (int i = 0; i < 2; i++)
        gpf_train_step(r.t);
    save(&r, "c.npz");
    gpf_train_options how = made;
    how.rate = 0.5;
    assert_refused((run){ 0 }, &how, "c.npz", GPF_EDATA,
                   "the checkpoint was made with rate 0.03125, not 0.5; to start a new run from "
                   "its params, load them (--load)");
    how.seed = 78;
    how.beta1 = 0.5;
    assert_refused((run){ 0 }, &how, "c.npz", GPF_EDATA,
                   "with rate 0.03125, not 0.5, and beta1 unset, not 0.5, and seed 77, not 78;");
    how = plain("sgd");
    assert_refused((run){ 0 }, &how, "c.npz", GPF_EDATA, "optimizer adam, not sgd");
    how = made;
    how.epochs = 1;
    assert_refused((run){ 0 }, &how, "c.npz", GPF_EDATA,
                   "the checkpoint is from epoch 2 already, but epochs is 1");
    assert_refused((run){ .partial = true }, &made, "c.npz", GPF_EDATA,
                   "the checkpoint is of another run: it differs in the params to train (");
    assert_refused((run){ 0 }, &made, "none.npz", GPF_EFILE, "No such file");
    gpf_params_write(r.g, gpf_point_params(r.at), "params.npz", NULL);
    assert_refused((run){ 0 }, &made, "params.npz", GPF_EDATA, "is no checkpoint of a run");
    r.x[3] += 1;
    save(&r, "data.npz");
    assert_refused((run){ 0 }, &made, "data.npz", GPF_EDATA, "it differs in the data (");
    finish(&r);
    run other = { .by_formulas = true };
    begin_well(&other, &made);
    save(&other, "f.npz");
    assert_refused((run){ .partial = true }, &made, "f.npz", GPF_EDATA, "the params to train");
    finish(&other);
}

/* Every array and every entry taken away, or made unusable, in turn. */
static void damaged(void **state)
{
    (void)state;
    static const char *const keys[] = { "checkpoint",     "setting/rate",  "setting/epochs",
                                        "made/data",      "made/formulas", "run/epoch",
                                        "run/step",       "run/end",       "run/loss",
                                        "run/best_epoch", "run/evaluated", "run/optimizer_steps" };
    gpf_train_options how = plain("adam");
    how.patience = 9;
    run r = { 0 };
    begin_well(&r, &how);
    gpf_train_step(r.t);
    save(&r, "c.npz");
    gpf_archive *a = gpf_archive_read("c.npz", NULL);
    assert_non_null(a);
    for (size_t k = 0; k < COUNT(keys); k++) {
        const char *text = gpf_archive_get(a, keys[k]);
        assert_non_null(text);
        char *kept = strdup(text);
        gpf_archive_set(a, keys[k], "99999x");
        gpf_archive_write(a, "d.npz", NULL);
        if (strcmp(keys[k], "setting/epochs"))
            assert_refused((run){ 0 }, &how, "d.npz", GPF_EDATA, "");
        gpf_archive_set(a, keys[k], "-1");
        gpf_archive_write(a, "d.npz", NULL);
        if (strcmp(keys[k], "setting/epochs") && strcmp(keys[k], "run/loss"))
            assert_refused((run){ 0 }, &how, "d.npz", GPF_EDATA, "");
        gpf_archive_set(a, keys[k], kept);
        free(kept);
    }
    gpf_archive_set(a, "run/step", "7");
    gpf_archive_write(a, "d.npz", NULL);
    assert_refused((run){ 0 }, &how, "d.npz", GPF_EDATA, "is damaged: epoch 1 after step 7");
    gpf_archive_set(a, "run/step", "1");
    const gpf_array *x;
    for (size_t skipped = 0; gpf_archive_at(a, skipped); skipped++) {
        gpf_archive *b = gpf_archive_alloc();
        for (size_t i = 0; (x = gpf_archive_at(a, i)); i++)
            if (i != skipped)
                gpf_archive_add(b, x->name, x->shape, x->values);
        char key[64];
        const gpf_setting *s;
        for (size_t i = 0; (s = gpf_setting_at(i)); i++) {
            snprintf(key, sizeof key, "setting/%s", s->name);
            gpf_archive_set(b, key, gpf_archive_get(a, key));
        }
        static const char *const rest[] = {
            "checkpoint",     "made/trained", "made/samples",       "made/formulas",
            "made/data",      "run/epoch",    "run/step",           "run/evaluated",
            "run/best_epoch", "run/judged",   "run/worse",          "run/loss",
            "run/penalty",    "run/held_out", "run/accuracy",       "run/held_out_accuracy",
            "run/gradient",   "run/rate",     "run/update",         "run/best",
            "run/dead",       "run/end",      "run/optimizer_steps"
        };
        for (size_t i = 0; i < COUNT(rest); i++)
            gpf_archive_set(b, rest[i], gpf_archive_get(a, rest[i]));
        gpf_archive_write(b, "d.npz", NULL);
        const bool param = !strchr(gpf_archive_at(a, skipped)->name, '/');
        assert_refused((run){ 0 }, &how, "d.npz", param ? GPF_ENAME : GPF_EDATA,
                       gpf_archive_at(a, skipped)->name);
        gpf_archive_free(b);
    }
    gpf_archive_free(a);
    finish(&r);
}

static void unwritable(void **state)
{
    (void)state;
    const gpf_train_options how = plain("bfgs");
    gpf_diag why = { 0 };
    run r = { 0 };
    begin_well(&r, &how);
    gpf_train_step(r.t);
    assert_int_equal(gpf_train_save(r.t, "nowhere/c.npz", &why), GPF_EFILE);
    assert_string_equal(why.file, "nowhere/c.npz");
    assert_true(r.t->started); /* not saved: goes on as if nothing had been */
    assert_int_equal(gpf_train_save(r.t, "c.txt", &why), GPF_ENAME);
    finish(&r);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(optimizers),
        cmocka_unit_test(patience),
        cmocka_unit_test(whole_batches),
        cmocka_unit_test(formulas),
        cmocka_unit_test(minimizers),
        cmocka_unit_test(goes_on),
        cmocka_unit_test(ends_elsewhere),
        cmocka_unit_test(other_loops),
        cmocka_unit_test(damaged),
        cmocka_unit_test(unwritable),
        cmocka_unit_test(nothing_of_the_memory),
    };
    if (!mkdtemp(folder) || chdir(folder))
        return 1;
    const int failed = cmocka_run_group_tests(tests, NULL, NULL);
    static const char *const left[] = { "whole", "part", "again",  "first", "second", "more", "c",
                                        "d",     "data", "before", "after", "params", "f" };
    char name[64];
    for (size_t i = 0; i < COUNT(left); i++) {
        snprintf(name, sizeof name, "%s.npz", left[i]);
        remove(name);
        snprintf(name, sizeof name, "%s.safetensors", left[i]);
        remove(name);
    }
    if (chdir("..") || rmdir(folder))
        return 1;
    return failed;
}
