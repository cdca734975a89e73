/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "model_test.h"

static void params(void **state)
{
    (void)state;
    gpf_model *m = model_of("H = 2\nparam a = -3\nparam b[2] = [1, 2]\nparam c[H,H] = [1 2; 3 4]\n"
                            "param d = [1 2; 3 4]\nparam e[1,2,2] = [1 2 3 4]\n"
                            "param f[2,3] = (1/4)\nparam g ~ constant(5)\n",
                            NULL);
    assert_is(m, "a", "scalar", "-3");
    assert_is(m, "b", "2", "1 2");
    assert_is(m, "c", "2x2", "1 2 3 4");
    assert_is(m, "d", "2x2", "1 2 3 4");
    assert_is(m, "e", "1x2x2", "1 2 3 4");
    assert_is(m, "f", "2x3", "0.25 0.25 0.25 0.25 0.25 0.25");
    assert_is(m, "g", "scalar", "5");
    assert_int_equal(gpf_graph_n_param_tensors(gpf_model_graph(m)), 7);
    gpf_model_free(m);
}

/* A layer is what it would be written out. */
static void layers(void **state)
{
    (void)state;
    gpf_model *m = model_of("data X[N,3] = [1 2 3; -4 5 6]\n"
                            "h = dense(X, 2, relu)\n"
                            "same = sum(h - relu(X @ h.W + h.b))\n"
                            "o = dense(h, 2, bias=0, init=ones)\n"
                            "sum_h = o[:,0] - sum(h, axis=1)\n",
                            NULL);
    assert_is(m, "same", "scalar", "0");
    assert_is(m, "sum_h", "Nx1", "0 0");
    assert_is(m, "h.b", "1x2", "0 0");
    assert_is(m, "o.W", "2x2", "1 1 1 1");
    assert_int_equal(gpf_model_find(m, "o.b"), GPF_NONE);
    assert_string_equal(gpf_model_name(m, 1), "h.W");
    assert_string_equal(gpf_model_name(m, 2), "h.b");
    assert_string_equal(gpf_model_name(m, 3), "h.z");
    assert_string_equal(gpf_model_name(m, 4), "h");
    gpf_model_free(m);
}

static void claims(void **state)
{
    (void)state;
    gpf_model *m = model_of("param w[2] = [1 2]\nf = sum(w^3)\n"
                            "g = grad(f, w)\nk = 2*g\n"
                            "claim k = 6*w^2  # note\n"
                            "claim 1 = 1\n"
                            "claim k + grad(sum(g), w) = jacobian(g, w)\n",
                            NULL);
    assert_int_equal(gpf_model_n_claims(m), 3);
    gpf_model_claim c = gpf_model_claim_at(m, 0);
    assert_string_equal(c.text, "k = 6*w^2");
    assert_int_equal(c.line, 5);
    assert_int_equal(c.left, gpf_model_find(m, "k"));
    assert_int_equal(c.n_uses, 1); /* reached through k and g */
    assert_int_equal(c.uses[0].f, gpf_model_find(m, "f"));
    assert_int_equal(c.uses[0].x, gpf_model_find(m, "w"));
    assert_int_equal(c.uses[0].grad, gpf_model_find(m, "g"));
    assert_int_equal(c.uses[0].jacobian, 0);
    assert_int_equal(gpf_model_claim_at(m, 1).n_uses, 0);
    c = gpf_model_claim_at(m, 2);
    assert_int_equal(c.n_uses, 3);
    assert_int_equal(c.uses[2].jacobian, 1);
    gpf_model_free(m);
}

static void settings(void **state)
{
    (void)state;
    const char *text = "train optimizer=cg-fr, rate=0.25\nseed 7\nparam w = 1\n"
                       "train until-loss = -1e-3, schedule=\"cosine\"\n";
    gpf_model *m = model_of(text, NULL);
    const gpf_train_options *o = gpf_model_train_options(m), plain = gpf_train_defaults();
    assert_string_equal(o->optimizer, "cg-fr");
    assert_string_equal(o->schedule, "cosine");
    assert_true(o->rate == 0.25);
    assert_true(o->until_loss == -1e-3);
    assert_int_equal(o->epochs, plain.epochs);
    assert_int_equal(o->seed, 7);
    gpf_model_free(m);
    /* the settings' own seed, but for one that is asked for */
    m = model_of("train seed=9\nseed 7\n", NULL);
    assert_int_equal(gpf_model_train_options(m)->seed, 9);
    gpf_model_free(m);
    m = model_of("train seed=9\n", &(gpf_model_options){ .seed = 3, .seed_given = 1 });
    assert_int_equal(gpf_model_train_options(m)->seed, 3);
    gpf_model_free(m);
}

static void updates(void **state)
{
    (void)state;
    gpf_model *m = model_of("param w[2] = [1 2]\nparam b = 5\nparam other = 1\nz = w\n"
                            "loss = sum(w^2) + b\n"
                            "update b = b - rate\nupdate w = 0.5\ntrain rate=0.25\n",
                            NULL);
    gpf_node param, next;
    assert_int_equal(gpf_model_update(m, 0, &param, &next), 1);
    assert_int_equal(param, gpf_model_find(m, "b"));
    size_t n;
    double *v = values_of(m, next, &n);
    assert_true(n == 1 && v[0] == 4.75); /* the rate of a setting behind it */
    free(v);
    assert_int_equal(gpf_model_update(m, 1, &param, &next), 1);
    assert_int_equal(param, gpf_model_find(m, "w"));
    v = values_of(m, next, &n);
    assert_true(n == 2 && v[0] == 0.5 && v[1] == 0.5); /* a number fills */
    free(v);
    assert_int_equal(gpf_model_update(m, 2, &param, &next), 0);
    const gpf_node rate = gpf_model_rate(m);
    assert_true(gpf_node_is_data(gpf_model_graph(m), rate));
    assert_int_equal(rate, gpf_model_find(m, "rate"));
    gpf_model_free(m);
}

/* `rate` is a name like others where the text gives it a meaning, and train and update are. */
static void names_of_training_stay_names(void **state)
{
    (void)state;
    gpf_model *m = model_of("train = 2\nupdate = train*2\nrate = update + 1\na = rate\n", NULL);
    assert_is(m, "a", "scalar", "5");
    assert_int_equal(gpf_model_rate(m), GPF_NONE);
    gpf_model_free(m);
    m = model_of("param w = 1\ng = grad(w^2, w)\nf = g*rate\nclaim f = rate*g\n", NULL);
    assert_int_equal(gpf_model_claim_at(m, 0).n_uses, 1);
    gpf_model_free(m);
}

static void independent_errors_are_all_reported(void **state)
{
    (void)state;
    static const char text[] = "X = [1 2; 3 4]\n"
                               "a = X @ [1 2 3]\n" /* 2 */
                               "b = a + 1\n"       /* silent */
                               "claim grad(b, a) = 1\n"
                               "c = nothing + nothing\n" /* 5, once */
                               "h = dense(X, 0)\n"       /* 6 */
                               "d = h.W + h.b\n"         /* silent */
                               "param p[0] = 1\n"        /* 8 */
                               "e = sin(p)\n"            /* silent */
                               "X = 3\n";                /* 10 */
    static const int lines[] = { 2, 5, 6, 8, 10 };
    gpf_diag why[MAX_WHY];
    size_t n;
    assert_null(gpf_model_parse(text, sizeof text - 1, "t.gpf", NULL, why, MAX_WHY, &n));
    assert_int_equal(n, 5);
    for (size_t i = 0; i < n; i++)
        assert_int_equal(why[i].line, lines[i]);
}

static void wrong_statements(void **state)
{
    (void)state;
    static const wrong list[] = {
        { "a = 1\na = 2\n", 2, 1, 1, "'a' was given its meaning in line 1 already", GPF_ENAME },
        { "param W = 1\nW = 2\n", 2, 1, 1, "'W' was given its meaning in line 1", GPF_ENAME },
        { "a = 1\ndata a = [1]\n", 2, 6, 1, "'a' was given its meaning in line 1", GPF_ENAME },
        { "h.W = 1\nX = [1 2]\nh = dense(X, 2)\n", 3, 5, 5, "'h.W' was given its meaning in line 1",
          GPF_ENAME },
        { "N = 3\n", 1, 1, 1, "N always means the number of samples", GPF_ENAME },
        { "pi = 3\n", 1, 1, 2, "pi always means 3.14159...", GPF_ENAME },
        { "param W[N,2] = 1\n", 1, 9, 1, "N, the number of samples, can only be the first size",
          GPF_ESHAPE },
        { "param W[2,0] = 1\n", 1, 11, 1,
          "size: expected a whole number from 1 to 2147483647, not 0", GPF_EDATA },
        { "param W[1.5] = 1\n", 1, 9, 3, "size: expected a whole number from 1", GPF_EDATA },
        { "param W[H] = 1\n", 1, 9, 1, "'H' has no meaning so far", GPF_ENAME },
        { "param W[1,1,1,1,1] = 1\n", 1, 17, 1, "a shape has at most 4 sizes", GPF_ESHAPE },
        { "param W[2,2] = [1 2]\n", 1, 16, 5, "param W is declared as 2x2 but its values are 1x2",
          GPF_ESHAPE },
        { "param W[1000000,1000000] = 0\n", 1, 7, 1, "param W is 1000000x1000000: more than",
          GPF_ELIMIT },
        { "param W[40000,40000] ~ he\n", 1, 7, 1, "param W of 40000x40000 takes 1.28e+04 MB",
          GPF_ELIMIT },
        { "X = [1 2]\nh = dense(X)\n", 2, 5, 5, "dense takes the input and the number of units",
          GPF_ESYNTAX },
        { "X = [1 2]\nh = dense(X, 2, reluu)\n", 2, 17, 5,
          "there is no activation 'reluu' (did you mean 'relu'?)", GPF_ENAME },
        { "X = [1 2]\nh = dense(X, 2, relu, he, 1, 2)\n", 2, 30, 1,
          "after dense(x, units there may be", GPF_ESYNTAX },
        { "X = [1 2]\nh = dense(X, 2, unit=2)\n", 2, 22, 1, "after dense(x, units there may be",
          GPF_ESYNTAX },
        { "X = [1 2]\nh = dense(X, 2, bias=2)\n", 2, 22, 1,
          "bias: expected a whole number from 0 to 1, not 2", GPF_EDATA },
        { "param X[3] = 0\nh = dense(X, 2)\n", 2, 5, 5,
          "dense: X is 3 but samples in rows are expected", GPF_ESHAPE },
        { "param W ~ normal\nseed 3\n", 2, 6, 1, "seed comes too late", GPF_ESYNTAX },
        { "seed -1\n", 1, 6, 2, "seed: expected a whole number from 0 to 4294967295, not -1",
          GPF_EDATA },
        { "split 1\n", 1, 7, 1, "split is the part of the rows to hold out", GPF_EDATA },
        { "data X[2] = [1 2]\nsplit 0.5\n", 2, 7, 3, "split: no data has N rows to hold out",
          GPF_EDATA },
        { "X = [1 2]\nh = dense(X, 2, leaky_relu(X, 0.2))\n", 2, 17, 18,
          "expected the name of an activation, such as relu; one with parameters stands alone: "
          "z = dense(X, 5), h = leaky_relu(z, 0.2)",
          GPF_ESYNTAX },
        { "train raet=1\n", 1, 7, 4, "train: there is no setting 'raet' (did you mean 'rate'?)",
          GPF_ENAME },
        { "train rate=1,\\\n", 1, 14, 1, "character '\\' means nothing here", GPF_ESYNTAX },
        { "train rate=1\n\ntrain epochs=2, rate=1\n", 3, 17, 4,
          "train: rate is given in line 1 already", GPF_ENAME },
        { "train until-loss=1, until_loss=1\n", 1, 21, 10,
          "train: until_loss is given in line 1 already", GPF_ENAME },
        { "train rate=fast\n", 1, 12, 4, "train: rate must be a number", GSL_EDOM },
        { "train epochs=-1\n", 1, 14, 2, "train: epochs must be a whole number", GSL_EDOM },
        { "train optimizer=adm\n", 1, 17, 3,
          "train: there is no optimizer 'adm' (did you mean 'adam'?)", GPF_ENAME },
        { "train schedule=\"cos\"\n", 1, 16, 5, "train: there is no schedule 'cos'", GPF_ENAME },
        { "param W1[2] = 0\nupdate W2 = 1\n", 2, 8, 2,
          "update: there is no param 'W2' so far (did you mean 'W1'?)", GPF_ENAME },
        { "data x[2] = 0\nupdate x = 1\n", 2, 8, 1,
          "update: x is no param; only params have a next value", GPF_ENAME },
        { "param W[2] = 0\nupdate W = [1 2]\n", 2, 12, 5,
          "update: param W is 2 but its next value is 1x2", GPF_ESHAPE },
        { "param W[1] = 0\nupdate W = W\nz = W\nupdate z = 2\n", 4, 8, 1,
          "update: z has got its next value in line 2 already", GPF_ENAME },
        { "param W[0] = 0\nupdate W = 1\n", 1, 9, 1, "size: expected a whole number", GPF_EDATA },
        { "a = rate\nrate = 1\n", 1, 5, 4, "'rate' has no meaning so far", GPF_ENAME },
        { "param p = 1\nf = rate*p\nclaim f = rat*p\n", 3, 11, 3,
          "'rat' has no meaning so far (did you mean 'rate'?)", GPF_ENAME },
        { "param w = 0\ntrain rate=1, optimizer=sgd\nupdate w = 1\n", 2, 15, 9,
          "train: the update of w in line 3 takes the optimizer's place", GPF_ENAME },
        { "split 0.5\nsplit 0.5\n", 2, 7, 3, "there is a split already", GPF_ESYNTAX },
        { "data X = zeros(2, 2)\nsplit 0.5\n", 2, 7, 3, "split comes too late: X was read",
          GPF_ESYNTAX },
    };
    for (size_t i = 0; i < sizeof list / sizeof *list; i++)
        assert_wrong(&list[i]);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(params),
        cmocka_unit_test(layers),
        cmocka_unit_test(claims),
        cmocka_unit_test(settings),
        cmocka_unit_test(updates),
        cmocka_unit_test(names_of_training_stay_names),
        cmocka_unit_test(independent_errors_are_all_reported),
        cmocka_unit_test(wrong_statements),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
