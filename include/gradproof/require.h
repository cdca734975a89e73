/* Unit tests: a wrong gradient fails the test, with the report as its message.
 *
 *     static void my_gradient(void **state) // cmocka
 *     {
 *         ...
 *         GPF_REQUIRE_GRADIENT(multimin, &my_fdf, x);
 *     }
 *
 *   GPF_REQUIRE_GRADIENT(KIND, STRUCTURE, X)  a structure of GSL's; KIND: function, multimin,
 *                                             multiroot, multifit, multifit_nlinear or
 *                                             multilarge_nlinear; X: a const gsl_vector *, but a
 *                                             double for function
 *   GPF_REQUIRE_ODEIV2(SYSTEM, T, Y)          a gsl_odeiv2_system at the time T and the state Y, an
 *                                             array
 *   GPF_REQUIRE_OP(ROW)                       an op of yours
 *   GPF_REQUIRE_CHECK(CHECK)                  of a graph: a gpf_check that has been run
 *
 * The first three have a second form with one more argument, the options: ..._HOW(.., HOW), a const
 * gpf_fdf_options * or gpf_op_options *. GPF_TAP_.. are the same with a gpf_tap * as the first
 * argument: they print a line of TAP and go on.
 *
 * How it fails:
 *   with <cmocka.h>  as fail_msg
 *   with <check.h>   as ck_abort_msg
 *   with neither     as assert: "file:line: " and the report on stderr, then exit(EXIT_FAILURE),
 *                    which Automake's and CTest's drivers call a failed test
 * The headers may be included in any order. For another framework, define GPF_REQUIRE_FAIL(text),
 * text a const char * that does not outlive the statement:
 *
 *     #define GPF_REQUIRE_FAIL(text) (fputs(text, stderr), failures++)
 *
 * What fails: what is wrong, what could not be checked, and where nothing was tested or f itself is
 * in doubt (GPF_OUTCOME_UNTESTED), for a test that tests nothing is no test. To let these pass,
 * define GPF_REQUIRE_TESTED as 0.
 *
 * @example require
 *     gpf_graph *g = gpf_graph_alloc();
 *     gpf_node w = gpf_param(g, "w", gpf_shape1(3));
 *     gpf_node f = gpf_sum(g, gpf_tanh(g, w), GPF_ALL_AXES);
 *     gpf_point *at = gpf_point_alloc(g, 0);
 *     gsl_vector_set_all(gpf_point_params(at), 0.3);
 *     gpf_check *c = gpf_check_alloc(g, f, &w, NULL, 1, 0, 1, NULL);
 *     gpf_check_options how = gpf_check_defaults();
 *     assert(gpf_check_run(c, at, &how, NULL) == GSL_SUCCESS);
 *     GPF_REQUIRE_CHECK(c);
 *     gpf_tap tap = { stdout, 0, 0 };
 *     GPF_TAP_CHECK(&tap, c); // ok 1 - c
 *     assert(gpf_tap_end(&tap) == 0); // 1..1
 *     gpf_check_free(c);
 *     gpf_point_free(at);
 *     gpf_graph_free(g);
 * @end
 */
#ifndef GPF_REQUIRE_H
#define GPF_REQUIRE_H

#include <gradproof/report.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#ifdef __cplusplus
extern "C" {
#endif

/* What a requirement came to. */
typedef struct gpf_required {
    gpf_outcome outcome; /* GPF_OUTCOME_TROUBLE: it could not be checked */
    gpf_diag why;        /* why not */
    char text[8192];     /* a short report, its closing line the last; no newline at the end */
} gpf_required;

/* Fill in *r from what a check returned and free that; NULL and r->why: it could not be checked.
 * name is what to call it; that of a macro's argument may have a '&'. They return r->outcome. */
GPF_API gpf_outcome gpf_require_fdf(gpf_required *r, gpf_fdf *c, const char *name);
GPF_API gpf_outcome gpf_require_op(gpf_required *r, gpf_op_check *c, const char *name);
/* The same of a check that has been run, which stays the caller's. */
GPF_API gpf_outcome gpf_require_check(gpf_required *r, const gpf_check *c, const char *name);

/* TAP, the Test Anything Protocol: a stream and counts of the caller's, { stdout, 0, 0 } to begin
 * with.
 *
 *     ok 1 - my_fdf
 *     not ok 2 - other_fdf
 *     # other_fdf (gsl_multimin_function_fdf): 1 value of 3 variables, at (1, 2, 3)
 *     # ..
 *     1..2
 *
 * What nothing was tested of is "not ok", or "ok .. # SKIP" where GPF_REQUIRE_TESTED is 0. Tests of
 * other things can stand between: count them in n and failed. */
typedef struct gpf_tap {
    FILE *out;
    int n, failed; /* tests so far, and of these not ok */
} gpf_tap;

/* One line, and what is to be said of it. tested: GPF_REQUIRE_TESTED. */
GPF_API void gpf_tap_add(gpf_tap *tap, const gpf_required *r, const char *name, int tested);
/* The plan, "1..N". What main returns: 0, or 1 if a test failed, none ran or the stream had a write
 * error. */
GPF_API int gpf_tap_end(gpf_tap *tap);

#ifdef __cplusplus
}
#endif

#ifndef GPF_REQUIRE_TESTED
#define GPF_REQUIRE_TESTED 1
#endif
#ifndef GPF_REQUIRE_FAIL
#define GPF_REQUIRE_FAIL(text) \
    GPF_REQUIRE_BY(GPF_REQUIRE_HAS(CMOCKA_H_), GPF_REQUIRE_HAS(CHECK_H))(text)
#endif

#define GPF_REQUIRE_GRADIENT_HOW(KIND, STRUCTURE, X, HOW)                              \
    GPF_REQUIRE_THAT(gpf_require_fdf(                                                  \
        &gpf_required_, gpf_check_##KIND##_fdf(STRUCTURE, X, HOW, &gpf_required_.why), \
        #STRUCTURE))
#define GPF_REQUIRE_ODEIV2_HOW(SYSTEM, T, Y, HOW) \
    GPF_REQUIRE_THAT(gpf_require_fdf(             \
        &gpf_required_, gpf_check_odeiv2(SYSTEM, T, Y, HOW, &gpf_required_.why), #SYSTEM))
#define GPF_REQUIRE_OP_HOW(ROW, HOW) \
    GPF_REQUIRE_THAT(                \
        gpf_require_op(&gpf_required_, gpf_check_op(ROW, HOW, &gpf_required_.why), #ROW))
#define GPF_REQUIRE_CHECK(CHECK) GPF_REQUIRE_THAT(gpf_require_check(&gpf_required_, CHECK, #CHECK))

#define GPF_REQUIRE_GRADIENT(KIND, STRUCTURE, X) GPF_REQUIRE_GRADIENT_HOW(KIND, STRUCTURE, X, NULL)
#define GPF_REQUIRE_ODEIV2(SYSTEM, T, Y) GPF_REQUIRE_ODEIV2_HOW(SYSTEM, T, Y, NULL)
#define GPF_REQUIRE_OP(ROW) GPF_REQUIRE_OP_HOW(ROW, NULL)

#define GPF_TAP_GRADIENT_HOW(TAP, KIND, STRUCTURE, X, HOW)                                      \
    GPF_TAP_THAT(TAP, #STRUCTURE,                                                               \
                 gpf_require_fdf(&gpf_required_,                                                \
                                 gpf_check_##KIND##_fdf(STRUCTURE, X, HOW, &gpf_required_.why), \
                                 #STRUCTURE))
#define GPF_TAP_ODEIV2_HOW(TAP, SYSTEM, T, Y, HOW)                                        \
    GPF_TAP_THAT(TAP, #SYSTEM,                                                            \
                 gpf_require_fdf(&gpf_required_,                                          \
                                 gpf_check_odeiv2(SYSTEM, T, Y, HOW, &gpf_required_.why), \
                                 #SYSTEM))
#define GPF_TAP_OP_HOW(TAP, ROW, HOW) \
    GPF_TAP_THAT(TAP, #ROW,           \
                 gpf_require_op(&gpf_required_, gpf_check_op(ROW, HOW, &gpf_required_.why), #ROW))
#define GPF_TAP_CHECK(TAP, CHECK) \
    GPF_TAP_THAT(TAP, #CHECK, gpf_require_check(&gpf_required_, CHECK, #CHECK))

#define GPF_TAP_GRADIENT(TAP, KIND, STRUCTURE, X) \
    GPF_TAP_GRADIENT_HOW(TAP, KIND, STRUCTURE, X, NULL)
#define GPF_TAP_ODEIV2(TAP, SYSTEM, T, Y) GPF_TAP_ODEIV2_HOW(TAP, SYSTEM, T, Y, NULL)
#define GPF_TAP_OP(TAP, ROW) GPF_TAP_OP_HOW(TAP, ROW, NULL)

/* The rest is how it is done. */
#define GPF_REQUIRE_THAT(OUTCOME)                                           \
    do {                                                                    \
        gpf_required gpf_required_;                                         \
        const gpf_outcome gpf_outcome_ = (OUTCOME);                         \
        if (gpf_outcome_ != GPF_OUTCOME_RIGHT &&                            \
            (gpf_outcome_ != GPF_OUTCOME_UNTESTED || (GPF_REQUIRE_TESTED))) \
            GPF_REQUIRE_FAIL(gpf_required_.text);                           \
    } while (0)
#define GPF_TAP_THAT(TAP, NAME, OUTCOME)                              \
    do {                                                              \
        gpf_required gpf_required_;                                   \
        (void)(OUTCOME);                                              \
        gpf_tap_add(TAP, &gpf_required_, NAME, (GPF_REQUIRE_TESTED)); \
    } while (0)

/* 1 if a framework's header has been included before the place of use, whatever the order of the
 * headers: the guard is then defined, as nothing or 1, and does not stand for itself. */
#define GPF_REQUIRE_HAS(guard) GPF_REQUIRE_HAS_(guard)
#define GPF_REQUIRE_HAS_(guard) GPF_REQUIRE_##guard##_GUARD
#define GPF_REQUIRE__GUARD 1
#define GPF_REQUIRE_1_GUARD 1
#define GPF_REQUIRE_CMOCKA_H__GUARD 0
#define GPF_REQUIRE_CHECK_H_GUARD 0

#define GPF_REQUIRE_BY(cmocka, check) GPF_REQUIRE_BY_(cmocka, check)
#define GPF_REQUIRE_BY_(cmocka, check) GPF_REQUIRE_BY_##cmocka##check
/* print_error() cuts what is longer than 1023 bytes: line by line, the closing line in the
 * message. */
#define GPF_REQUIRE_BY_10(text)                                                        \
    do {                                                                               \
        const char *gpf_line_ = (text), *gpf_end_;                                     \
        for (; (gpf_end_ = strchr(gpf_line_, '\n')) != NULL; gpf_line_ = gpf_end_ + 1) \
            print_error("%.*s", (int)(gpf_end_ + 1 - gpf_line_), gpf_line_);           \
        fail_msg("%s", gpf_line_);                                                     \
    } while (0)
#define GPF_REQUIRE_BY_11(text) GPF_REQUIRE_BY_10(text)
#define GPF_REQUIRE_BY_01(text) ck_abort_msg("%s", text)
#define GPF_REQUIRE_BY_00(text)                                   \
    do {                                                          \
        fflush(stdout);                                           \
        fprintf(stderr, "%s:%d: %s\n", __FILE__, __LINE__, text); \
        exit(EXIT_FAILURE);                                       \
    } while (0)

#endif
