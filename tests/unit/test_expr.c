/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "model_test.h"

static void operators_and_functions(void **state)
{
    (void)state;
    gpf_model *m = model_of("X = [1 2; 3 4]\n"
                            "a = X @ X' - 2*X/4 + X^2\n"
                            "b = -X^2\n"
                            "c = max(X, 2.5)\n"
                            "d = max(X, axis=1)\n"
                            "e = max(X, 0)\n" /* two tensors: elementwise */
                            "f = sum(X, axis=-2)\n"
                            "g = sum(X, axis=0, axis=1)\n"
                            "h = clip(X, 1.5, hi=3.5)\n"
                            "i = leaky_relu(-X, 0.5)\n"
                            "j = reshape(X, 4, 1)\n"
                            "k = broadcast([1 2], 3, 2)\n"
                            "l = concat(X, X, axis=1)\n"
                            "n = size(X)*size(X, axis=1)\n"
                            "o = one_hot([1; 0], 3)\n"
                            "p = mse(X, 2*X, reduction=sum)\n"
                            "q = cos(pi)\n"
                            "r = mean(X)\n",
                            NULL);
    assert_is(m, "a", "2x2", "5.5 14 18.5 39");
    assert_is(m, "b", "2x2", "-1 -4 -9 -16");
    assert_is(m, "c", "2x2", "2.5 2.5 3 4");
    assert_is(m, "d", "2x1", "2 4");
    assert_is(m, "e", "2x2", "1 2 3 4");
    assert_is(m, "f", "1x2", "4 6");
    assert_is(m, "g", "1x1", "10");
    assert_is(m, "h", "2x2", "1.5 2 3 3.5");
    assert_is(m, "i", "2x2", "-0.5 -1 -1.5 -2");
    assert_is(m, "j", "4x1", "1 2 3 4");
    assert_is(m, "k", "3x2", "1 2 1 2 1 2");
    assert_is(m, "l", "2x4", "1 2 1 2 3 4 3 4");
    assert_is(m, "n", "scalar", "8");
    assert_is(m, "o", "2x3", "0 1 0 1 0 0");
    assert_is(m, "p", "scalar", "30");
    assert_is(m, "q", "scalar", "-1");
    assert_is(m, "r", "scalar", "2.5");
    gpf_model_free(m);
}

static void slices(void **state)
{
    (void)state;
    gpf_model *m = model_of("X = [1 2 3; 4 5 6]\nH = 1\ndata D[N,2] = [1 2; 3 4; 5 6]\n"
                            "a = X[0]\nb = X[1,2]\nc = X[:, H]\nd = X[-1, -2:]\ne = X[:1, 1:3]\n"
                            "f = D[:, 0]\ng = D[:]\nh = X[0:2][1]\n",
                            NULL);
    assert_is(m, "a", "1x3", "1 2 3");
    assert_is(m, "b", "1x1", "6");
    assert_is(m, "c", "2x1", "2 5");
    assert_is(m, "d", "1x2", "5 6");
    assert_is(m, "e", "1x2", "2 3");
    assert_is(m, "f", "Nx1", "1 3 5");
    assert_is(m, "g", "Nx2", "1 2 3 4 5 6");
    assert_is(m, "h", "1x3", "4 5 6");
    gpf_model_free(m);
}

static void derivatives(void **state)
{
    (void)state;
    gpf_model *m = model_of("param w[3] = [1 2 3]\nparam u = 2\nv = u*w^2\nf = sum(v)\n"
                            "a = grad(f, w)\nb = grad(f, v)\nc = grad(sum(a), w)\n"
                            "d = jacobian(v, w)\ne = grad(3*u, w)\n",
                            NULL);
    assert_is(m, "a", "3", "4 8 12");
    assert_is(m, "b", "3", "1 1 1");
    assert_is(m, "c", "3", "4 4 4");
    assert_is(m, "d", "3x3", "4 0 0 0 8 0 0 0 12");
    assert_is(m, "e", "3", "0 0 0"); /* no dependence */
    gpf_model_free(m);
}

static void number_of_samples(void **state)
{
    (void)state;
    gpf_model *m =
        model_of("data X[N,2] = [1 2; 3 4; 5 6]\na = sum(X)/N\nb = grad(a, X)*N\n", NULL);
    assert_is(m, "a", "scalar", "7");
    assert_is(m, "b", "Nx2", "1 1 1 1 1 1");
    gpf_model_free(m);
}

static void wrong_expressions(void **state)
{
    (void)state;
#define X "X = [1 2; 3 4]\n"
    static const wrong list[] = {
        { "param x = 1\ny = clip(x, 1, 0)\n", 2, 5, 4, "clip: lo = 1 is larger than hi = 0",
          GPF_EDATA },
        { "param x = 1\nf = x^2\ng = grad(f, 3)\n", 3, 13, 1, "grad: a constant has no gradient",
          GPF_ENOGRAD },
        { "param x = 1\nf = x^2\ne = sin(x)\ng = grad(f, e)\n", 4, 13, 1,
          "grad: f was not built from e", GPF_ENOGRAD },
        { "y = sum([(1/0) 2])\n", 1, 11, 3, "element: expected a finite number, not inf",
          GPF_EDATA },
        { "param x = 1\ny = sin(x, x, 1)\n", 2, 5, 3, "sin takes 1 tensor, 3 arguments are given",
          GPF_ESYNTAX },
        { "param x = 1\ny = max(x, x, 1, 2)\n", 2, 5, 3, "max takes 1 or 2 tensors, 4 arguments",
          GPF_ESYNTAX },
        { "param x = 1\ny = matmul(x)\n", 2, 5, 6, "matmul takes 2 tensors, 1 argument is given",
          GPF_ESYNTAX },
        { X "a = X @ [1 2 3]\n", 2, 7, 1, "matmul: X is 2x2 but ", GPF_ESHAPE },
        { "param A[2,3] = 0\nparam B[2,3] = 0\na = A @ B\n", 3, 7, 1,
          "matmul: A is 2x3 but B is 2x3 (inner sizes 3 and 2 differ)", GPF_ESHAPE },
        { "param A[2,3] = 0\nparam B[3,2] = 0\na = 1 + (A*B)\n", 3, 11, 1,
          "mul: A is 2x3 but B is 3x2", GPF_ESHAPE },
        { X "a = 1 + Y\n", 2, 9, 1, "'Y' has no meaning so far", GPF_ENAME },
        { "alpha = 1\na = alhpa\n", 2, 5, 5,
          "'alhpa' has no meaning so far (did you mean 'alpha'?)", GPF_ENAME },
        { X "a = tanh\n", 2, 5, 4, "'tanh' is a function: write tanh(x)", GPF_ENAME },
        { X "a = 2*sigmiod(X)\n", 2, 7, 7, "there is no function 'sigmiod' (did you mean 'sigmoid'",
          GPF_ENAME },
        { X "a = sin(X, X)\n", 2, 5, 3, "sin takes 1 tensor, 2 arguments are given", GPF_ESYNTAX },
        { X "a = sin()\n", 2, 5, 3, "sin takes 1 tensor, 0 arguments are given", GPF_ESYNTAX },
        { X "a = relu(X, at=1)\n", 2, 16, 1, "relu has no parameter 'at'; it has at0", GPF_ENAME },
        { X "a = relu(X, at0=1, at0=1)\n", 2, 24, 1, "relu: at0 is given twice", GPF_ENAME },
        { X "a = relu(X, at0=X)\n", 2, 17, 1, "at0: expected a number that is known here",
          GPF_EDATA },
        { X "a = sum(X, axis=2)\n", 2, 17, 1,
          "X has 2 axes: expected a whole number from -2 to 1, not 2", GPF_EDATA },
        { X "a = mse(X, X, reduction=avg)\n", 2, 25, 3, "reduction is mean, sum or half_sum",
          GPF_ENAME },
        { X "a = X[2]\n", 2, 7, 1,
          "axis 0 of X has size 2: expected a whole number from -2 to 1, not 2", GPF_EDATA },
        { X "a = X[:,1:1]\n", 2, 9, 3, "axis 1 of X has size 2: 1:1 is empty", GPF_ESHAPE },
        { X "a = X[0,0,0]\n", 2, 6, 7, "X is 2x2 but has 3 indices here", GPF_ESHAPE },
        { "data D[N,1] = [1; 2]\na = D[0]\n", 2, 7, 1,
          "axis 0 of D is N, the samples: only ':' is possible there", GPF_ESHAPE },
        { X "a = grad(X, X)\n", 2, 5, 4, "grad: X is 2x2, but only one number has a gradient",
          GPF_ESHAPE },
        { X "a = grad(sum(X))\n", 2, 5, 4, "grad takes two arguments", GPF_ESYNTAX },
        { "data D[N,1] = [1; 2]\na = jacobian(D, D)\n", 2, 5, 8, "jacobian: D is Nx1", GPF_ESHAPE },
        { X "a = one_hot(X)\n", 2, 5, 7, "the number of classes is not known", GPF_ESYNTAX },
        { X "a = 1 + dense(X, 2)\n", 2, 9, 5, "dense makes params named after it", GPF_ESYNTAX },
        { X "a = slice(X)\n", 2, 5, 5, "slice cannot be called; parts of x are x[1:3, :]",
          GPF_ESYNTAX },
        { "a = randint(3, 2)\n", 1, 5, 7, "randint makes a table: data X = randint(..)",
          GPF_ENAME },
        { "a = N\n", 1, 5, 1, "N is not known: no data has N rows so far", GPF_ENAME },
        { "a = \"x\"\n", 1, 5, 3, "a string has no value here", GPF_ESYNTAX },
    };
#undef X
    for (size_t i = 0; i < sizeof list / sizeof *list; i++)
        assert_wrong(&list[i]);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(operators_and_functions),
        cmocka_unit_test(slices),
        cmocka_unit_test(derivatives),
        cmocka_unit_test(number_of_samples),
        cmocka_unit_test(wrong_expressions),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
