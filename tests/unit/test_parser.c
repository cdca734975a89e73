/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "model/ast.h"
#include "model_test.h"

/* The tree as a parenthesised expression. */
static void show(const gpf__ast *a, char *out, size_t size)
{
    if (!a)
        return;
    if (a->key)
        gpf__append(out, size, "%s=", a->key);
    switch (a->kind) {
    case GPF__NUMBER:
        gpf__append(out, size, "%g", a->number);
        return;
    case GPF__STRING:
        gpf__append(out, size, "\"%s\"", a->text);
        return;
    case GPF__NAME:
        gpf__append(out, size, "%s", a->text);
        return;
    case GPF__RANGE:
        show(a->from, out, size);
        gpf__append(out, size, ":");
        show(a->to, out, size);
        return;
    case GPF__MATRIX:
        gpf__append(out, size, "[%zux%zu", a->rows, a->cols);
        for (size_t i = 0; i < a->n_values; i++)
            gpf__append(out, size, " %g", a->values[i]);
        gpf__append(out, size, "]");
        return;
    case GPF__CALL:
    case GPF__SLICE:
        gpf__append(out, size, "(%s", a->kind == GPF__CALL ? a->text : "slice");
        for (const gpf__ast *c = a->first; c; c = c->next) {
            gpf__append(out, size, " ");
            show(c, out, size);
        }
        gpf__append(out, size, ")");
        return;
    }
}

static void precedence(void **state)
{
    (void)state;
    static const struct {
        const char *text, *tree;
    } list[] = {
        { "a = 1 + 2*3", "(add 1 (mul 2 3))" },
        { "a = 1 - 2 - 3", "(sub (sub 1 2) 3)" },
        { "a = x / y * z", "(mul (div x y) z)" },
        { "a = x @ y * z", "(mul (matmul x y) z)" },
        { "a = -x^2", "(neg (pow x 2))" },
        { "a = 2^-x*y", "(mul (pow 2 (neg x)) y)" },
        { "a = x^y^z", "(pow x (pow y z))" },
        { "a = -x @ y", "(matmul (neg x) y)" },
        { "a = x'^2", "(pow (transpose x) 2)" },
        { "a = x[0]'", "(transpose (slice x 0))" },
        { "a = f(x)[1:, :-1]", "(slice (f x) 1: :(neg 1))" },
        { "a = f(x, k=2, y)", "(f x k=2 y)" },
        { "a = f()", "(f)" },
        { "a = +x", "x" },
        { "a = (1 + 2)*3", "(mul (add 1 2) 3)" },
        { "a = [1 -2, 3; 4 5 +6;]", "[2x3 1 -2 3 4 5 6]" },
        { "a = csv(\"f\", \"x y\")", "(csv \"f\" \"x y\")" },
        { "data a[N,2] = x", "x" },
        { "param a ~ he", "(he)" },
        { "param a[H] ~ normal(0, 1)", "(normal 0 1)" },
        { "train a=1, b-c = -1e-3, d=cg-fr, e=\"x y\"",
          "(train a=\"1\" b-c=\"-1e-3\" d=\"cg-fr\" e=\"x y\")" },
        { "update W = W - 1", "(sub W 1)" },
        /* names, where they are no words of the language */
        { "train = update", "update" },
        { "update = train*2", "(mul train 2)" },
        { "data train[2] = update (1)", "(update 1)" },
    };
    for (size_t i = 0; i < sizeof list / sizeof *list; i++) {
        gpf_diag why = { 0 };
        gpf__source s = { .text = list[i].text,
                          .length = strlen(list[i].text),
                          .name = "t",
                          .why = &why,
                          .max_why = 1 };
        gpf__arena arena = { NULL };
        gpf__statement *statement;
        assert_int_equal(gpf__ast_parse(&s, &arena, &statement), GSL_SUCCESS);
        assert_int_equal(s.n_why, 0);
        char tree[200] = "";
        show(statement->right, tree, sizeof tree);
        assert_string_equal(tree, list[i].tree);
        assert_null(statement->next);
        gpf__arena_free(&arena);
    }
}

static void what_was_expected(void **state)
{
    (void)state;
    static const wrong list[] = {
        { "param x = 1\nclaim x\n", 2, 8, 1,
          "expected '=' or an operator but found the end of the line", GPF_ESYNTAX },
        { "a = 1 +\n", 1, 8, 1, "expected an expression but found the end of the line",
          GPF_ESYNTAX },
        { "a = 1 2\n", 1, 7, 1, "expected an operator or the end of the line but found 2",
          GPF_ESYNTAX },
        { "a = sin(1\nb = 2\n", 2, 1, 1,
          "expected an operator, ')' or ',' but found b ('(' of line 1 is still open)",
          GPF_ESYNTAX },
        { "a = (2", 1, 7, 1,
          "expected an operator or ')' but found the end of the line "
          "('(' of line 1 is still open)",
          GPF_ESYNTAX },
        { "data = 3\n", 1, 6, 1, "expected a name but found '='", GPF_ESYNTAX },
        { "param W[2,2]\n", 1, 13, 1, "expected '=' or '~' but found the end of the line",
          GPF_ESYNTAX },
        { "W[2,2] = 1\n", 1, 2, 1, "expected '=' but found '['", GPF_ESYNTAX },
        { "train rate 0.1\n", 1, 12, 3, "expected '=' but found 0.1", GPF_ESYNTAX },
        { "train rate = (1)\n", 1, 14, 1, "expected a value but found '('", GPF_ESYNTAX },
        { "train rate=0.1,\n", 1, 16, 1, "expected a name but found the end of the line",
          GPF_ESYNTAX },
        { "train\n", 1, 6, 1, "expected '=' but found the end of the line", GPF_ESYNTAX },
        { "update W[0] = 1\n", 1, 9, 1, "expected '=' but found '['", GPF_ESYNTAX },
        { "a = 1 update b\n", 1, 7, 6,
          "expected an operator or the end of the line but found 'update'", GPF_ESYNTAX },
        { "* 3\n", 1, 1, 1, "expected a statement but found '*'", GPF_ESYNTAX },
        { "a = [1 2; 3]\n", 1, 5, 8, "row 2 has 1 element but row 1 has 2", GPF_ESHAPE },
        { "a = [1-2]\n", 1, 7, 2, "separate elements by blanks or commas", GPF_ESYNTAX },
        { "a = [1.5.2]\n", 1, 9, 2, "separate elements by blanks or commas", GPF_ESYNTAX },
        { "a = [1 - 2]\n", 1, 8, 1, "inside [ ] a sign touches its number", GPF_ESYNTAX },
        { "a = [1 2\n3 4]\n", 2, 1, 1, "a literal goes on in a new line after ','", GPF_ESYNTAX },
    };
    for (size_t i = 0; i < sizeof list / sizeof *list; i++)
        assert_wrong(&list[i]);
}

static void reading_goes_on_after_an_error(void **state)
{
    (void)state;
    static const char text[] = "a = 1 +\nb = )\nc = a + b\nd = 2 *\n";
    gpf_diag why[MAX_WHY];
    size_t n;
    assert_null(gpf_model_parse(text, sizeof text - 1, "t.gpf", NULL, why, MAX_WHY, &n));
    assert_int_equal(n, 3); /* c is silent: a and b are wrong already */
    assert_int_equal(why[0].line, 1);
    assert_int_equal(why[1].line, 2);
    assert_int_equal(why[2].line, 4);
}

/* head + n times middle + n times tail must be one error with that text. */
static void assert_limit(const char *head, const char *middle, size_t n, const char *tail,
                         const char *message)
{
    const size_t m = strlen(middle), t = strlen(tail), size = strlen(head) + n * (m + t) + 3;
    char *text = malloc(size), *p = text;
    assert_non_null(text);
    p += sprintf(p, "%s", head);
    for (size_t i = 0; i < n; i++, p += m)
        memcpy(p, middle, m);
    *p++ = '1';
    for (size_t i = 0; i < n; i++, p += t)
        memcpy(p, tail, t);
    *p++ = '\n';
    gpf_diag why[MAX_WHY];
    size_t n_why;
    assert_null(gpf_model_parse(text, (size_t)(p - text), "t.gpf", NULL, why, MAX_WHY, &n_why));
    assert_int_equal(n_why, 1);
    assert_int_equal(why[0].status, GPF_ELIMIT);
    assert_non_null(strstr(why[0].text, message));
    free(text);
}

static void nesting_is_limited(void **state)
{
    (void)state;
    assert_limit("a = ", "(", 100000, ")", "nested too deep");
    assert_limit("a = ", "-", 100000, "", "nested too deep");
    assert_limit("a = ", "2^", 100000, "", "nested too deep");
    assert_limit("a = ", "1+", 300, "", "more than 256 levels");
    assert_limit("a = ", "", 300, "'", "more than 256 levels");
    assert_limit("a = ", "sin(", 300, ")", "more than 256 levels");
    assert_limit("a = ", "", 300, "[0]", "more than 256 levels");
    gpf_diag why;
    size_t n, length = (16u << 20) + 1;
    char *text = calloc(length, 1);
    assert_non_null(text);
    memset(text, '\n', length);
    assert_null(gpf_model_parse(text, length, "t.gpf", NULL, &why, 1, &n));
    assert_int_equal(why.status, GPF_ELIMIT);
    gpf_model *m = gpf_model_parse(text, length - 1, "t.gpf", NULL, &why, 1, &n);
    assert_non_null(m);
    gpf_model_free(m);
    free(text);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(precedence),
        cmocka_unit_test(what_was_expected),
        cmocka_unit_test(reading_goes_on_after_an_error),
        cmocka_unit_test(nesting_is_limited),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
