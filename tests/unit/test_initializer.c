/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "help.h"
#include "model_test.h"
#include "train/train.h"

/* Draws a 50 x 800 param named W with a row's example arguments. */
static void draw(const char *name, const double *arg, unsigned long seed, double *values)
{
    gpf_graph *g = gpf_graph_alloc();
    gpf_param(g, "before", gpf_shape1(3));
    const gpf_node W = gpf_param(g, "W", gpf_shape2(50, 800));
    gsl_vector *all = gsl_vector_calloc(40003);
    assert_int_equal(gpf_initialize(g, W, all, name, arg, seed), GSL_SUCCESS);
    assert_true(all->data[0] == 0 && all->data[1] == 0 && all->data[2] == 0);
    memcpy(values, all->data + 3, 40000 * sizeof *values);
    gsl_vector_free(all);
    gpf_graph_free(g);
}

static double largest(const double *x, size_t n)
{
    double max = 0;
    for (size_t i = 0; i < n; i++)
        max = fmax(max, fabs(x[i]));
    return max;
}

/* Standard deviation and bound as the sources have them, for in = 50, out = 800. */
static void as_the_formulas_say(void **state)
{
    (void)state;
    static const struct {
        const char *name;
        double arg[2], mean, sd, bound;
    } list[] = {
        { "zeros", { 0 }, 0, 0, 0 },
        { "ones", { 0 }, 1, 0, 1 },
        { "constant", { -2.5 }, -2.5, 0, 2.5 },
        { "normal", { 3, 0.5 }, 3, 0.5, 6 },
        { "uniform", { -2, 4 }, 1, 1.7320508, 4 },
        { "he", { 0 }, 0, 0.2, 2 },
        { "he_uniform", { 0 }, 0, 0.2, 0.34641017 },
        { "glorot", { 0 }, 0, 0.0485071, 1 },
        { "glorot_uniform", { 0 }, 0, 0.0485071, 0.0840169 },
        { "lecun", { 0 }, 0, 0.1414214, 1 },
        { "lecun_uniform", { 0 }, 0, 0.1414214, 0.2449490 },
    };
    double *x = malloc(40000 * sizeof *x);
    for (size_t k = 0; k < COUNT(list); k++) {
        assert_string_equal(gpf_initializer_at(k)->name, list[k].name);
        assert_ptr_equal(gpf_initializer_find(list[k].name), gpf_initializer_at(k));
        assert_true(strlen(gpf_initializer_at(k)->formula) > 0);
        draw(list[k].name, list[k].arg, 11, x);
        double sum = 0, squares = 0;
        for (size_t i = 0; i < 40000; i++) {
            sum += x[i];
            squares += (x[i] - list[k].mean) * (x[i] - list[k].mean);
        }
        assert_true(fabs(sum / 40000 - list[k].mean) <= 5 * list[k].sd / 200);
        assert_true(fabs(sqrt(squares / 40000) - list[k].sd) <= 0.02 * list[k].sd);
        assert_true(largest(x, 40000) <= list[k].bound);
    }
    assert_null(gpf_initializer_at(COUNT(list)));
    assert_null(gpf_initializer_find("he_"));
    free(x);
}

static void same_as_in_a_model(void **state)
{
    (void)state;
    static const double none[2] = { 0 };
    static const char *const calls[] = { "he", "glorot_uniform", "normal", "uniform(-1, 3)" };
    double *x = malloc(40000 * sizeof *x);
    for (size_t k = 0; k < COUNT(calls); k++) {
        char text[80];
        snprintf(text, sizeof text, "seed 7\nparam W[50,800] ~ %s\n", calls[k]);
        gpf_model *m = model_of(text, NULL);
        const double bounds[] = { -1, 3 };
        char name[32] = "uniform";
        if (k < 3)
            snprintf(name, sizeof name, "%s", calls[k]);
        draw(name, k == 3 ? bounds : k == 2 ? NULL : none, 7, x);
        assert_memory_equal(x, gpf_point_params(gpf_model_point(m))->data, 40000 * sizeof *x);
        gpf_model_free(m);
    }
    free(x);
}

/* The numbers a seed gives are part of the contract: results published with one stay what they were. */
static void the_same_for_ever(void **state)
{
    (void)state;
    gpf_graph *g = gpf_graph_alloc();
    const gpf_node w = gpf_param(g, "w", gpf_shape1(2)), s = gpf_param(g, "s", gpf_shape0());
    gsl_vector *all = gsl_vector_calloc(3);
    gpf_initialize(g, w, all, "normal", NULL, 1);
    gpf_initialize(g, s, all, "lecun_uniform", NULL, 123456789012345);
    assert_true(all->data[0] == 0x1.be1777fc8fb8bp-2 && all->data[1] == 0x1.5d81e47816696p+0 &&
                all->data[2] == -0x1.f5c92b16168dep-1);
    gsl_vector_free(all);
    gpf_graph_free(g);
    gsl_rng *a = gpf__stream_alloc("x", 5), *b = gpf__stream_alloc("x", 5),
            *c = gpf__stream_alloc("y", 5);
    const unsigned long first = gsl_rng_get(a);
    assert_int_equal(first, gsl_rng_get(b));
    assert_true(first != gsl_rng_get(c));
    gsl_rng_free(a);
    gsl_rng_free(b);
    gsl_rng_free(c);
}

static void what_suits_an_activation(void **state)
{
    (void)state;
    static const char *const pairs[][2] = {
        { "relu", "he" },         { "leaky_relu", "he" },  { "swish", "he" },  { "selu", "lecun" },
        { "tanh", "glorot" },     { "sigmoid", "glorot" }, { "lu", "glorot" }, { "", "glorot" },
        { "relu elu", "glorot" }, { "nobody", "glorot" },
    };
    for (size_t i = 0; i < COUNT(pairs); i++)
        assert_string_equal(gpf_initializer_for(pairs[i][0]), pairs[i][1]);
    assert_string_equal(gpf_initializer_for(NULL), "glorot");
}

static void misuse(void **state)
{
    (void)state;
    gsl_error_handler_t *before = gsl_set_error_handler_off();
    gpf_graph *g = gpf_graph_alloc();
    const gpf_node w = gpf_param(g, "w", gpf_shape1(2)), x = gpf_data(g, "x", gpf_shape1(2));
    gsl_vector *two = gsl_vector_calloc(2), *three = gsl_vector_calloc(3),
               *four = gsl_vector_alloc(4);
    gsl_vector_view strided = gsl_vector_subvector_with_stride(four, 0, 2, 2);
    const double inverted[] = { 1, 0 }, negative[] = { 0, -1 }, nan[] = { NAN, 1 };
    assert_int_equal(gpf_initialize(g, w, two, "hee", NULL, 1), GPF_ENAME);
    assert_int_equal(gpf_initialize(g, w, two, "constant", NULL, 1), GSL_EINVAL);
    assert_int_equal(gpf_initialize(g, w, two, "uniform", inverted, 1), GSL_EDOM);
    assert_int_equal(gpf_initialize(g, w, two, "normal", negative, 1), GSL_EDOM);
    assert_int_equal(gpf_initialize(g, w, two, "normal", nan, 1), GSL_EDOM);
    assert_int_equal(gpf_initialize(g, w, three, "he", NULL, 1), GSL_EBADLEN);
    assert_int_equal(gpf_initialize(g, w, NULL, "he", NULL, 1), GSL_EBADLEN);
    assert_int_equal(gpf_initialize(g, w, &strided.vector, "he", NULL, 1), GSL_EINVAL);
    assert_int_equal(gpf_initialize(g, x, two, "he", NULL, 1), GSL_EINVAL);
    assert_true(two->data[0] == 0 && two->data[1] == 0);
    gsl_vector_free(two);
    gsl_vector_free(three);
    gsl_vector_free(four);
    gpf_graph_free(g);
    gsl_set_error_handler(before);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(as_the_formulas_say),
        cmocka_unit_test(same_as_in_a_model),
        cmocka_unit_test(the_same_for_ever),
        cmocka_unit_test(what_suits_an_activation),
        cmocka_unit_test(misuse),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
