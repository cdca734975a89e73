/* A net that learns, in C: its progress, the proof of its gradient, its health, a file NumPy reads.
 *   cc train.c $(pkg-config --cflags --libs gradproof) && ./a.out trained.npz */
#include <gradproof.h>
#include <math.h>

enum { TRAIN = 160, HELD_OUT = 40, SAMPLES = TRAIN + HELD_OUT };

/* Called after every epoch that was evaluated; another value than 0 would end the run. */
static int show(void *arg, const gpf_progress *p)
{
    if (p->epoch % 50 == 0)
        fprintf((FILE *)arg, "epoch %3zu  loss %.6f  held out %.6f\n", p->epoch, p->loss,
                p->held_out);
    return 0;
}

/* A point borrows its samples: they must live as long as it does. */
static gpf_point *samples(const gpf_graph *g, size_t n, gpf_node X, const double *x, gpf_node y,
                          const double *want)
{
    gpf_point *p = gpf_point_alloc(g, n);
    if (p) {
        gpf_point_bind(p, X, x);
        gpf_point_bind(p, y, want);
    }
    return p;
}

int main(int argc, char **argv)
{
    /* a surface that no line fits: y = x0 x1 on [-1, 1]^2 */
    static double x[SAMPLES][2], want[SAMPLES];
    gsl_rng *rng = gsl_rng_alloc(gsl_rng_taus);
    for (int i = 0; i < SAMPLES; i++) {
        x[i][0] = 2 * gsl_rng_uniform(rng) - 1;
        x[i][1] = 2 * gsl_rng_uniform(rng) - 1;
        want[i] = x[i][0] * x[i][1];
    }
    gsl_rng_free(rng);

    /* the net */
    gpf_graph *g = gpf_graph_alloc();
    gpf_node X = gpf_data(g, "X", gpf_shape2(GPF_N, 2)), y = gpf_data(g, "y", gpf_shape2(GPF_N, 1));
    gpf_node h = gpf_dense(g, "h", X, 16, gpf_tanh);
    gpf_node loss = gpf_mse(g, gpf_dense(g, "out", h, 1, NULL), y, GPF_MEAN);
    gpf_node_set_name(g, loss, "loss"); /* for the reports */
    gpf_node params[] = { gpf_graph_find(g, "h.W"), gpf_graph_find(g, "h.b"),
                          gpf_graph_find(g, "out.W"), gpf_graph_find(g, "out.b") };

    /* the samples, and where it begins; the biases stay 0 */
    gpf_point *at = samples(g, TRAIN, X, x[0], y, want);
    gpf_point *held_out = samples(g, HELD_OUT, X, x[TRAIN], y, want + TRAIN);
    gsl_vector *theta = gpf_point_params(at);
    gpf_initialize(g, params[0], theta, "glorot", NULL, 1);
    gpf_initialize(g, params[2], theta, "glorot", NULL, 1);

    /* the loop, which writes the params of the point it was given */
    gpf_diag why; /* filled where something fails */
    gpf_train_options how = gpf_train_defaults();
    gpf_train_with with = gpf_train_plain();
    how.epochs = 200;
    how.batch = 16;
    with.held_out = held_out;
    with.progress = show;
    with.progress_arg = stdout;
    gpf_train *t = gpf_train_alloc(g, loss, at, &how, &with, &why);
    if (!t || gpf_train_run(t)) {
        fprintf(stderr, "%s\n", t ? "training failed" : why.text);
        return GPF_OUTCOME_TROUBLE;
    }
    printf("%s\n", gpf_train_progress(t)->why);

    /* is the gradient it went by right, and could it go on? */
    gpf_check *check = gpf_check_alloc(g, loss, params, NULL, 4, TRAIN, 1, NULL);
    gpf_health *health = gpf_health_alloc(g, loss, TRAIN, NULL, NAN, NULL);
    if (!check || !health || gpf_check_run(check, at, NULL, NULL) || gpf_health_run(health, at))
        return GPF_OUTCOME_TROUBLE;
    gpf_report_text(stdout, check, NULL);
    gpf_report_health_text(stdout, health, NULL);

    /* the params alone; gpf_train_save would write all it takes to go on */
    if (argc > 1 && gpf_params_write(g, theta, argv[1], &why))
        fprintf(stderr, "%s\n", why.text);

    gpf_outcome outcome = gpf_check_outcome(check);
    gpf_health_free(health);
    gpf_check_free(check);
    gpf_train_free(t);
    gpf_point_free(held_out);
    gpf_point_free(at);
    gpf_graph_free(g);
    return (int)outcome;
}
