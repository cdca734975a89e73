/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "model_test.h"

/* Mean and standard deviation of 40000 draws of each initialiser for a weight of 50 x 800. */
static void moments(void **state)
{
    (void)state;
    static const struct {
        const char *init;
        double mean, sd, lo, hi;
    } list[] = {
        { "zeros", 0, 0, 0, 0 },
        { "ones", 1, 0, 1, 1 },
        { "constant(-2.5)", -2.5, 0, -2.5, -2.5 },
        { "normal", 0, 1, -9, 9 },
        { "normal(3, 0.5)", 3, 0.5, 0, 6 },
        { "uniform", 0.5, 0.28867513, 0, 1 },
        { "uniform(-2, 4)", 1, 1.7320508, -2, 4 },
        { "he", 0, 0.2, -2, 2 },                                   /* sqrt(2/50) */
        { "he_uniform", 0, 0.2, -0.34641017, 0.34641017 },         /* sqrt(6/50) */
        { "glorot()", 0, 0.0485071, -1, 1 },                       /* sqrt(2/850) */
        { "glorot_uniform", 0, 0.0485071, -0.0840169, 0.0840169 }, /* sqrt(6/850) */
        { "lecun", 0, 0.1414214, -1, 1 },                          /* sqrt(1/50) */
        { "lecun_uniform", 0, 0.1414214, -0.2449490, 0.2449490 },  /* sqrt(3/50) */
    };
    for (size_t i = 0; i < sizeof list / sizeof *list; i++) {
        char text[80];
        snprintf(text, sizeof text, "param W[50,800] ~ %s\n", list[i].init);
        gpf_model *m = model_of(text, NULL);
        const gsl_vector *v = gpf_point_params(gpf_model_point(m));
        assert_int_equal(v->size, 40000);
        double sum = 0, squares = 0;
        for (size_t k = 0; k < v->size; k++) {
            const double x = v->data[k];
            assert_true(x >= list[i].lo && x <= list[i].hi);
            sum += x;
            squares += (x - list[i].mean) * (x - list[i].mean);
        }
        const double n = (double)v->size, sd = sqrt(squares / n);
        assert_true(fabs(sum / n - list[i].mean) <= 5 * list[i].sd / sqrt(n));
        assert_true(fabs(sd - list[i].sd) <= 0.02 * list[i].sd);
        gpf_model_free(m);
    }
}

/* A param's values depend on the seed and its name, not on what else is in the model. */
static void streams_are_independent(void **state)
{
    (void)state;
    gpf_model *a = model_of("seed 7\nparam A[3] ~ normal\nparam B[3] ~ normal\n", NULL);
    gpf_model *b = model_of("seed 7\nparam B[3] ~ normal\n", NULL);
    const gpf_model_options other = { .seed = 8, .seed_given = 1 };
    gpf_model *c = model_of("seed 7\nparam B[3] ~ normal\n", &other);
    const double *va = gpf_point_params(gpf_model_point(a))->data;
    const double *vb = gpf_point_params(gpf_model_point(b))->data;
    const double *vc = gpf_point_params(gpf_model_point(c))->data;
    assert_memory_equal(va + 3, vb, 3 * sizeof *vb);
    for (size_t i = 0; i < 3; i++) {
        assert_true(va[i] != vb[i]);
        assert_true(vc[i] != vb[i]);
    }
    assert_int_equal(gpf_model_seed(b), 7);
    assert_int_equal(gpf_model_seed(c), 8);
    gpf_model_free(a);
    gpf_model_free(b);
    gpf_model_free(c);
}

static void wrong_initialisers(void **state)
{
    (void)state;
    static const wrong list[] = {
        { "param w ~ normal(0, -1)\n", 1, 11, 6,
          "normal(0, -1): the standard deviation is not negative", GPF_EDATA },
        { "param w ~ uniform(1, 0)\n", 1, 11, 7,
          "uniform(1, 0): the first number is the lower bound", GPF_EDATA },
        { "param W[2] ~ hee\n", 1, 14, 3, "there is no initialiser 'hee' (did you mean 'he'?)",
          GPF_ENAME },
        { "param W[2] ~ he(1)\n", 1, 14, 2, "he takes 0 to 0 numbers, not 1", GPF_ESYNTAX },
        { "param W[2] ~ constant\n", 1, 14, 8, "constant takes 1 to 1 numbers, not 0",
          GPF_ESYNTAX },
        { "param W[2] ~ normal(0, sd=1)\n", 1, 27, 1, "normal takes its numbers in order",
          GPF_ESYNTAX },
        { "param W[2] ~ normal(0, [1 2])\n", 1, 24, 5, "normal: expected a number", GPF_EDATA },
    };
    for (size_t i = 0; i < sizeof list / sizeof *list; i++)
        assert_wrong(&list[i]);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(moments),
        cmocka_unit_test(streams_are_independent),
        cmocka_unit_test(wrong_initialisers),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
