/* A system of three equations by Powell's hybrid method, with the Jacobian from the graph:
 *   a^2 + b^2 + c^2 = 12,  exp(a) b = 2,  a + sin(c) = 0.5
 *   cc roots.c $(pkg-config --cflags --libs gradproof) -lm && ./a.out */
#include <gradproof.h>
#include <math.h>

#define UNKNOWNS 3

int main(void)
{
    gpf_graph *g = gpf_graph_alloc();
    gpf_node unknown[UNKNOWNS], equation[UNKNOWNS];
    const char *names[UNKNOWNS] = { "a", "b", "c" };
    for (int i = 0; i < UNKNOWNS; i++)
        unknown[i] = gpf_param(g, names[i], gpf_shape1(1));
    gpf_node a = unknown[0], b = unknown[1], c = unknown[2];
    gpf_node squares = gpf_add(g, gpf_square(g, a), gpf_add(g, gpf_square(g, b), gpf_square(g, c)));
    equation[0] = gpf_sub(g, squares, gpf_const(g, 12));
    equation[1] = gpf_sub(g, gpf_mul(g, gpf_exp(g, a), b), gpf_const(g, 2));
    equation[2] = gpf_sub(g, gpf_add(g, a, gpf_sin(g, c)), gpf_const(g, 0.5));
    gpf_node system = gpf_concat(g, equation, UNKNOWNS, 0);
    gpf_point *at = gpf_point_alloc(g, 0);

    gpf_diag why;
    gsl_multiroot_function_fdf f;
    gpf_gsl *callback = gpf_gsl_alloc(g, system, unknown, UNKNOWNS, at, &why);
    if (!callback || gpf_gsl_multiroot(callback, &f, &why)) {
        fprintf(stderr, "%s\n", why.text);
        return 2;
    }

    const double start[UNKNOWNS] = { 0.5, 0.5, 2 };
    gsl_vector_const_view x = gsl_vector_const_view_array(start, UNKNOWNS);
    gpf_fdf *check = gpf_check_multiroot_fdf(&f, &x.vector, NULL, &why);
    int right = check && gpf_fdf_outcome(check) == GPF_OUTCOME_RIGHT;
    printf("J at the start is %s\n", right ? "right" : "NOT right");
    gpf_fdf_free(check);

    gsl_multiroot_fdfsolver *s =
        gsl_multiroot_fdfsolver_alloc(gsl_multiroot_fdfsolver_hybridsj, UNKNOWNS);
    gsl_multiroot_fdfsolver_set(s, &f, &x.vector);
    int status = GSL_CONTINUE, step = 0;
    while (status == GSL_CONTINUE && step++ < 100) {
        status = gsl_multiroot_fdfsolver_iterate(s);
        if (status == GSL_SUCCESS)
            status = gsl_multiroot_test_residual(gsl_multiroot_fdfsolver_f(s), 1e-12);
    }
    printf("%s after %d steps:", gsl_strerror(status), step);
    double v[UNKNOWNS];
    for (size_t i = 0; i < UNKNOWNS; i++) {
        v[i] = gsl_vector_get(gsl_multiroot_fdfsolver_root(s), i);
        printf(" %s = %.10f", names[i], v[i]);
    }
    printf("\n");
    int good = right && status == GSL_SUCCESS && gpf_gsl_status(callback) == GSL_SUCCESS &&
               fabs(v[0] * v[0] + v[1] * v[1] + v[2] * v[2] - 12) < 1e-10 &&
               fabs(exp(v[0]) * v[1] - 2) < 1e-10 && fabs(v[0] + sin(v[2]) - 0.5) < 1e-10;
    gsl_multiroot_fdfsolver_free(s);
    gpf_gsl_free(callback);
    gpf_point_free(at);
    gpf_graph_free(g);
    return good ? 0 : 1;
}
