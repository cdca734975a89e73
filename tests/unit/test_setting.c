/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "train_test.h"

#include <float.h>
#include <locale.h>

static double real(const gpf_train_options *o, const gpf_setting *s)
{
    return *(const double *)(const void *)((const char *)o + s->offset);
}

static void set(gpf_train_options *o, const char *name, const char *value)
{
    gpf_diag why;
    if (gpf_setting_set(o, name, value, &why))
        fail_msg("%s = '%s': %s", name, value, why.text);
}

static void refuse(const char *name, const char *value, int status, const char *text)
{
    gpf_train_options o = gpf_train_defaults();
    char before[64], after[64];
    const gpf_setting *s = gpf_setting_find(name);
    gpf_diag why = { .status = 0 };
    if (s)
        gpf_setting_text(&o, s, before, sizeof before);
    assert_int_equal(gpf_setting_set(&o, name, value, &why), status);
    assert_int_equal(gpf_setting_set(&o, name, value, NULL), status);
    assert_string_equal(why.text, text);
    assert_int_equal(why.status, status);
    if (s)
        assert_string_equal(gpf_setting_text(&o, s, after, sizeof after), before);
}

/* The table covers the whole of the options, each byte by one row. */
static void test_table(void **state)
{
    (void)state;
    size_t covered = 0;
    const gpf_setting *s;
    for (size_t i = 0; (s = gpf_setting_at(i)); i++) {
        const size_t size = s->type == GPF_SETTING_REAL    ? sizeof(double)
                            : s->type == GPF_SETTING_WHOLE ? sizeof(size_t)
                            : s->type == GPF_SETTING_FLAG  ? sizeof(int)
                                                           : sizeof(const char *);
        assert_true(s->offset + size <= sizeof(gpf_train_options));
        covered += size;
        assert_ptr_equal(gpf_setting_find(s->name), s);
        assert_true(strlen(s->help) > 10);
        for (size_t k = 0; k < i; k++)
            assert_true(gpf_setting_at(k)->offset != s->offset);
    }
    assert_true(covered <= sizeof(gpf_train_options));
    assert_true(sizeof(gpf_train_options) - covered < 2 * sizeof(double)); /* padding */
    assert_ptr_equal(gpf_setting_find("weight-decay"), gpf_setting_find("weight_decay"));
    assert_null(gpf_setting_find("weight"));
    assert_null(gpf_setting_find("weight_decay_"));
    assert_null(gpf_setting_find(""));
}

static void test_defaults(void **state)
{
    (void)state;
    const gpf_train_options o = gpf_train_defaults();
    assert_string_equal(o.optimizer, "adam");
    assert_true(o.rate == 0.01 && o.tolerance == 0.1 && o.every == 100 && o.factor == 0.1);
    assert_string_equal(o.schedule, "constant");
    assert_true(o.final == 0 && o.warmup == 0 && o.l2 == 0 && o.clip == 0);
    assert_true(o.epochs == 200 && o.batch == 0 && o.shuffle == 1 && o.patience == 0);
    assert_true(o.evaluate == 1 && o.check_every == 0 && o.check_sample == 20 && o.seed == 1);
    assert_true(!o.check_step && !o.health);
    assert_true(isnan(o.weight_decay) && isnan(o.momentum) && isnan(o.decay) && isnan(o.beta1));
    assert_true(isnan(o.beta2) && isnan(o.epsilon) && isnan(o.until_loss));
    assert_true(isnan(o.until_gradient) && isnan(o.until_accuracy));
    gpf_train_options same = o;
    assert_int_equal(gpf__settings_check(&same, false, NULL), GSL_SUCCESS);
}

/* Any number in a row's range comes back as it was, whatever the locale. */
static void test_round_trip(void **state)
{
    (void)state;
    dice d = { 31 };
    const bool comma = setlocale(LC_NUMERIC, "de_DE.UTF-8") != NULL;
    print_message("# decimal comma: %s\n", comma ? "yes" : "no such locale");
    const gpf_setting *s;
    for (size_t i = 0; (s = gpf_setting_at(i)); i++)
        for (int round = 0; round < 300; round++) {
            gpf_train_options a = gpf_train_defaults(), b = a;
            char text[64], again[64];
            if (s->type == GPF_SETTING_REAL) {
                double v = ldexp(between(&d, -1, 1), below(&d, 80) - 60);
                v = v < s->lo ? -v : v;
                if (!(v <= s->hi))
                    continue;
                memcpy((char *)&a + s->offset, &v, sizeof v);
            } else if (s->type == GPF_SETTING_WHOLE) {
                const size_t v = (size_t)(roll(&d) >> below(&d, 64));
                if ((double)v > s->hi || (double)v < s->lo)
                    continue;
                memcpy((char *)&a + s->offset, &v, sizeof v);
            }
            gpf_setting_text(&a, s, text, sizeof text);
            set(&b, s->name, text);
            assert_string_equal(gpf_setting_text(&b, s, again, sizeof again), text);
            if (s->type == GPF_SETTING_REAL && !isnan(real(&a, s)))
                assert_true(real(&a, s) == real(&b, s));
            else if (s->type == GPF_SETTING_WHOLE)
                assert_memory_equal((char *)&a + s->offset, (char *)&b + s->offset, sizeof(size_t));
        }
    setlocale(LC_NUMERIC, "C");
}

static void test_values(void **state)
{
    (void)state;
    gpf_train_options o = gpf_train_defaults();
    char text[40], two[2];
    set(&o, "rate", "0.1");
    assert_string_equal(gpf_setting_text(&o, gpf_setting_find("rate"), text, 40), "0.1");
    assert_string_equal(gpf_setting_text(&o, gpf_setting_find("rate"), two, 2), "0");
    assert_string_equal(gpf_setting_text(&o, gpf_setting_find("momentum"), text, 40), "");
    set(&o, "momentum", "0.5");
    set(&o, "momentum", ""); /* the row decides again */
    assert_true(isnan(o.momentum));
    set(&o, "epochs", "1e4");
    assert_int_equal(o.epochs, 10000);
    set(&o, "seed", "18446744073709551615");
    assert_true(o.seed == UINT64_MAX);
    set(&o, "until-loss", "-3.25");
    assert_true(o.until_loss == -3.25);
    set(&o, "health", "1");
    set(&o, "health", "0");
    assert_int_equal(o.health, 0);
    char name[] = "cg-pr";
    set(&o, "optimizer", name);
    *name = '?'; /* nothing is borrowed */
    assert_string_equal(o.optimizer, "cg-pr");
    set(&o, "schedule", "cosine");
    assert_ptr_equal(o.schedule, gpf_schedule_find("cosine")->name);
}

static void test_refusals(void **state)
{
    (void)state;
    refuse("raet", "1", GPF_ENAME, "there is no setting 'raet' (did you mean 'rate'?)");
    refuse("xyzzyplugh", "1", GPF_ENAME, "there is no setting 'xyzzyplugh'");
    refuse("optimizer", "adm", GPF_ENAME,
           "there is no optimizer 'adm' (did you mean 'adam'?); there are sgd, momentum, nesterov, "
           "adagrad, rmsprop, adam, adamw, bfgs, cg-fr, cg-pr, steepest, lm");
    refuse("schedule", "", GPF_ENAME, "there is no schedule ''; there are constant, step, cosine");
    refuse("rate", "fast", GSL_EDOM, "rate must be a number from 0 on, not 'fast'");
    refuse("rate", "", GSL_EDOM, "rate must be a number from 0 on, not ''");
    refuse("rate", "0.1x", GSL_EDOM, "rate must be a number from 0 on, not '0.1x'");
    refuse("rate", "0,1", GSL_EDOM, "rate must be a number from 0 on, not '0,1'");
    refuse("rate", "nan", GSL_EDOM, "rate must be a number from 0 on, not 'nan'");
    refuse("rate", "inf", GSL_EDOM, "rate must be a number from 0 on, not 'inf'");
    refuse("rate", "-1e-9", GSL_EDOM, "rate must be a number from 0 on, not '-1e-9'");
    refuse("momentum", "1", GSL_EDOM, "momentum must be a number from 0 to below 1, not '1'");
    refuse("momentum", "nan", GSL_EDOM, "momentum must be a number from 0 to below 1, not 'nan'");
    refuse("tolerance", "0", GSL_EDOM, "tolerance must be a number above 0 and below 1, not '0'");
    refuse("every", "0", GSL_EDOM, "every must be a number above 0, not '0'");
    refuse("until_accuracy", "1.5", GSL_EDOM,
           "until_accuracy must be a number from 0 to 1, not '1.5'");
    refuse("until_loss", "low", GSL_EDOM, "until_loss must be a number, not 'low'");
    refuse("evaluate", "0", GSL_EDOM, "evaluate must be a whole number from 1 on, not '0'");
    refuse("batch", "2.5", GSL_EDOM, "batch must be a whole number from 0 on, not '2.5'");
    refuse("batch", "-1", GSL_EDOM, "batch must be a whole number from 0 on, not '-1'");
    refuse("seed", "18446744073709551616", GSL_EDOM,
           "seed must be a whole number from 0 on, not '18446744073709551616'");
    refuse("shuffle", "yes", GSL_EDOM, "shuffle must be 0 or 1, not 'yes'");
}

/* What an option of a C program can be that no text can. */
static void test_check(void **state)
{
    (void)state;
    const struct {
        const char *optimizer;
        bool updates;
        const char *name, *value;
        int status;
        const char *text;
    } cases[] = {
        { "sgd", false, "momentum", "0.5", GPF_ENAME,
          "sgd has no setting momentum, only weight_decay" },
        { "adam", false, "decay", "0.5", GPF_ENAME,
          "adam has no setting decay, only weight_decay, beta1, beta2, epsilon" },
        { "lm", false, "weight_decay", "0.5", GPF_ENAME, "lm has no setting weight_decay" },
        { "sgd", true, "weight_decay", "0.5", GPF_ENAME,
          "weight_decay: the update formulas of the model take its place" },
        { "bfgs", false, "batch", "5", GPF_ENAME,
          "bfgs does not go with batch: it takes all samples at once, which is batch=0" },
        { "bfgs", false, "schedule", "cosine", GPF_ENAME,
          "bfgs does not go with schedule: it chooses its own steps" },
        { "lm", false, "warmup", "1", GPF_ENAME,
          "lm does not go with warmup: it chooses its own steps" },
        { "bfgs", false, "clip", "1", GPF_ENAME,
          "bfgs does not go with clip: there is no gradient step to clip" },
        { "sgd", true, "clip", "1", GPF_ENAME,
          "update formulas do not go with clip: there is no gradient step to clip" },
        { "sgd", true, "l2", "1", GPF_ENAME,
          "update formulas do not go with l2: write the penalty into loss and "
          "updates" },
        { "sgd", true, "until_gradient", "1", GPF_ENAME,
          "update formulas do not go with until_gradient: no gradient is computed" },
        { "adam", false, "check_step", "1", GPF_ENAME,
          "adam does not go with check_step: its step is not the rate times the gradient, as that "
          "of sgd is" },
        { "adam", true, "check_step", "1", GSL_SUCCESS, "" },
        { "sgd", false, "check_step", "1", GSL_SUCCESS, "" },
        { "sgd", false, "l2", "1", GSL_SUCCESS, "" },
        { "bfgs", false, "l2", "1", GSL_SUCCESS, "" },
    };
    for (size_t i = 0; i < COUNT(cases); i++) {
        gpf_train_options o = gpf_train_defaults();
        gpf_diag why = { .status = 0 };
        set(&o, "optimizer", cases[i].optimizer);
        set(&o, cases[i].name, cases[i].value);
        assert_int_equal(gpf__settings_check(&o, cases[i].updates, &why), cases[i].status);
        assert_string_equal(why.text, cases[i].text);
    }
    gpf_train_options o = gpf_train_defaults();
    gpf_diag why;
    o.optimizer = "sgd";
    o.check_step = 1;
    o.clip = 2;
    assert_int_equal(gpf__settings_check(&o, false, &why), GPF_ENAME);
    o = gpf_train_defaults();
    o.rate = NAN;
    assert_int_equal(gpf__settings_check(&o, false, &why), GSL_EDOM);
    assert_string_equal(why.text, "rate must be a number from 0 on, not 'nan'");
    o = gpf_train_defaults();
    o.factor = INFINITY;
    assert_int_equal(gpf__settings_check(&o, false, &why), GSL_EDOM);
    o = gpf_train_defaults();
    o.shuffle = 2;
    assert_int_equal(gpf__settings_check(&o, false, &why), GSL_EDOM);
    assert_string_equal(why.text, "shuffle must be 0 or 1, not '2'");
    o = gpf_train_defaults();
    o.evaluate = 0;
    assert_int_equal(gpf__settings_check(&o, false, &why), GSL_EDOM);
    o = gpf_train_defaults();
    o.schedule = NULL;
    assert_int_equal(gpf__settings_check(&o, false, &why), GPF_ENAME);
    assert_string_equal(why.text, "schedule is not set");
    o.schedule = "stairs";
    assert_int_equal(gpf__settings_check(&o, false, &why), GPF_ENAME);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_table),      cmocka_unit_test(test_defaults),
        cmocka_unit_test(test_round_trip), cmocka_unit_test(test_values),
        cmocka_unit_test(test_refusals),   cmocka_unit_test(test_check),
    };
    gsl_set_error_handler_off();
    return cmocka_run_group_tests(tests, NULL, NULL);
}
