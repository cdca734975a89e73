/* A neural differential equation: a small net as the right-hand side, its Jacobian from the graph for
 * an implicit stepper, and an explicit one for comparison.
 *   cc neural_ode.c $(pkg-config --cflags --libs gradproof) -lm && ./a.out */
#include <gradproof.h>
#include <gsl/gsl_randist.h>
#include <math.h>

#define DIM 4

static int integrate(const gsl_odeiv2_system *f, const gsl_odeiv2_step_type *type, double *y)
{
    double t = 0;
    for (int i = 0; i < DIM; i++)
        y[i] = i % 2 ? -0.5 : 1;
    gsl_odeiv2_driver *d = gsl_odeiv2_driver_alloc_y_new(f, type, 1e-4, 1e-10, 1e-10);
    int status = gsl_odeiv2_driver_apply(d, &t, 10, y);
    gsl_odeiv2_driver_free(d);
    printf("%-7s %s:", type->name, gsl_strerror(status));
    for (int i = 0; i < DIM; i++)
        printf(" % .8f", y[i]);
    printf("\n");
    return status;
}

int main(void)
{
    /* dy/dt = tanh(y W1 + b) W2 - damping y + (sin t, 0, 0, 0); the state y is data, the weights are
     * params; two directions are damped so strongly that the system is stiff. */
    const double damping_values[DIM] = { 0.3, 1, 40, 200 }, push_values[DIM] = { 1, 0, 0, 0 };
    gpf_graph *g = gpf_graph_alloc();
    gpf_node y = gpf_data(g, "y", gpf_shape2(1, DIM)), t = gpf_data(g, "t", gpf_shape0());
    gpf_node hidden = gpf_dense(g, "hidden", y, 6, gpf_tanh);
    gpf_node net = gpf_dense(g, "out", hidden, DIM, NULL);
    gpf_node damping = gpf_const_tensor(g, gpf_shape2(1, DIM), damping_values);
    gpf_node push = gpf_const_tensor(g, gpf_shape2(1, DIM), push_values);
    gpf_node right_side =
        gpf_add(g, gpf_sub(g, net, gpf_mul(g, damping, y)), gpf_mul(g, push, gpf_sin(g, t)));
    gpf_point *at = gpf_point_alloc(g, 0);
    gsl_rng *r = gsl_rng_alloc(gsl_rng_default);
    gsl_vector *weights = gpf_point_params(at);
    for (size_t i = 0; i < weights->size; i++)
        gsl_vector_set(weights, i, gsl_ran_gaussian(r, 0.8));
    gsl_rng_free(r);

    gpf_diag why;
    gsl_odeiv2_system f;
    gpf_gsl *system = gpf_gsl_alloc(g, right_side, &y, 1, at, &why);
    if (!system || gpf_gsl_odeiv2(system, t, &f, &why)) {
        fprintf(stderr, "%s\n", why.text);
        return 2;
    }

    const double somewhere[DIM] = { 0.7, -0.3, 0.2, 0.1 };
    gpf_fdf *check = gpf_check_odeiv2(&f, 1.3, somewhere, NULL, &why);
    int right = check && gpf_fdf_outcome(check) == GPF_OUTCOME_RIGHT;
    printf("dfdy and dfdt are %s: %zu entries\n", right ? "right" : "NOT right",
           check ? gpf_fdf_n_elements(check) : 0);
    gpf_fdf_free(check);

    double implicit[DIM], explicit_too[DIM], apart = 0;
    int good = right && integrate(&f, gsl_odeiv2_step_msbdf, implicit) == GSL_SUCCESS;
    good = good && integrate(&f, gsl_odeiv2_step_rk8pd, explicit_too) == GSL_SUCCESS;
    for (int i = 0; good && i < DIM; i++)
        apart = fmax(apart, fabs(implicit[i] - explicit_too[i]));
    printf("they are %.0e apart\n", apart);
    good = good && apart < 1e-6 && gpf_gsl_status(system) == GSL_SUCCESS;
    gpf_gsl_free(system);
    gpf_point_free(at);
    gpf_graph_free(g);
    return good ? 0 : 1;
}
