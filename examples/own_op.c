/* Ops of your own in C, checked alone, used in a net that is trained, and one that is wrong.
 *   cc own_op.c $(pkg-config --cflags --libs gradproof) -lm && ./a.out */
#include <gradproof.h>
#include <math.h>
#include <string.h>

/* shrink: x moved towards 0 by 1/2, 0 where it would change sign. A map, with a kink at +-1/2; its
 * rule is nodes of other ops. */
static void shrink_map(size_t n, double *y, const double *const *x, const gpf_attr *attr)
{
    (void)attr;
    for (size_t j = 0; j < n; j++)
        y[j] = x[0][j] > 0.5 ? x[0][j] - 0.5 : x[0][j] < -0.5 ? x[0][j] + 0.5 : 0 * x[0][j];
}

/* Pieces are even, edges odd; the margin is how far the nearest edge is. With it a checker can tell a
 * kink from a wrong derivative. */
static void shrink_side(size_t n, int *side, double *margin, const double *const *x,
                        const gpf_attr *attr)
{
    (void)attr;
    for (size_t j = 0; j < n; j++) {
        const double u = x[0][j];
        side[j] = u < -0.5 ? 0 : u == -0.5 ? 1 : u < 0.5 ? 2 : u == 0.5 ? 3 : 4;
        margin[j] = fabs(fabs(u) - 0.5);
    }
}

/* bar where |x| > 1/2, else 0 */
static gpf_node shrink_rule(const gpf_rule_args *r)
{
    gpf_node over = gpf_sub(r->g, gpf_abs(r->g, r->x[0]), gpf_const(r->g, 0.5));
    return gpf_mul(r->g, r->bar, gpf_step(r->g, over, 0));
}

/* memory: every row is a series, y_j = tanh(x_j + 0.6 y_(j-1)). */
static const double KEEP = 0.6;

static int series_shape(const gpf_shape *x, int n_x, const gpf_attr *attr, gpf_shape *y, char *why,
                        size_t why_size)
{
    (void)attr;
    *y = x[0];
    for (int i = 0; i < n_x; i++)
        if (x[i].rank != 2 || !gpf_shape_equal(x[i], x[0])) {
            snprintf(why, why_size, "matrices of one shape are expected");
            return GPF_ESHAPE;
        }
    return GSL_SUCCESS;
}

/* Inputs may have any strides; y is row by row. */
static double at(const gpf_tensor *x, size_t i, size_t j)
{
    return x->data[(ptrdiff_t)i * x->stride[0] + (ptrdiff_t)j * x->stride[1]];
}

static void memory_eval(const gpf_call *c)
{
    const gpf_tensor *x = c->x[0];
    const size_t n = x->dim[1];
    for (size_t i = 0; i < x->dim[0]; i++) {
        double *y = c->y->data + i * n;
        for (size_t j = 0; j < n; j++)
            y[j] = tanh(at(x, i, j) + (j > 0 ? KEEP * y[j - 1] : 0));
    }
}

/* Its cotangent is numeric code, a kernel of a second row that gets y and bar: from the last place
 * to the first, s_j = bar_j + 0.6 z_(j+1), z_j = (1 - y_j^2) s_j is what goes to x_j. That row has no
 * rule itself: a second derivative would be GPF_ENOGRAD. */
static void memory_back_eval(const gpf_call *c)
{
    const gpf_tensor *y = c->x[0], *bar = c->x[1];
    const size_t n = y->dim[1];
    for (size_t i = 0; i < y->dim[0]; i++) {
        double *z = c->y->data + i * n;
        for (size_t j = n; j-- > 0;)
            z[j] = (1 - at(y, i, j) * at(y, i, j)) *
                   (at(bar, i, j) + (j + 1 < n ? KEEP * z[j + 1] : 0));
    }
}

static gpf_op shrink, memory, memory_back, forgetful; /* rows live as long as their graphs */

static gpf_node memory_rule(const gpf_rule_args *r)
{
    gpf_node in[2];
    in[0] = r->y;
    in[1] = r->bar;
    return gpf_apply(r->g, &memory_back, in, 2, NULL);
}

/* What one writes at first: the derivative at every place alone, without what it does to later ones. */
static gpf_node forgetful_rule(const gpf_rule_args *r)
{
    gpf_node slope = gpf_sub(r->g, gpf_const(r->g, 1), gpf_square(r->g, r->y));
    return gpf_mul(r->g, r->bar, slope);
}

static void fill_in_rows(void)
{
    memset(&shrink, 0, sizeof shrink);
    shrink.name = "shrink";
    shrink.arity = 1;
    shrink.formula = "x moved towards 0 by 1/2";
    shrink.map = shrink_map;
    shrink.side = shrink_side;
    shrink.pieces = "below|zero|above";
    shrink.tie = "0 at |x| = 1/2";
    shrink.vjp[0] = shrink_rule;
    shrink.jvp[0] = shrink_rule; /* elementwise: the same factor both ways */

    memset(&memory, 0, sizeof memory);
    memory.name = "memory";
    memory.arity = 1;
    memory.formula = "y_j = tanh(x_j + 0.6 y_(j-1)) along every row";
    memory.shape = series_shape;
    memory.eval = memory_eval;
    memory.vjp[0] = memory_rule;

    memory_back = memory;
    memory_back.name = "memory_back";
    memory_back.arity = 2;
    memory_back.formula = "the cotangent of memory from its value a and the cotangent b";
    memory_back.eval = memory_back_eval;
    memory_back.vjp[0] = NULL;

    forgetful = memory;
    forgetful.name = "forgetful";
    forgetful.vjp[0] = forgetful_rule;
}

/* Checks a row alone and prints what was found. */
static gpf_outcome check(const gpf_op *row)
{
    gpf_diag why;
    gpf_op_check *c = gpf_check_op(row, NULL, &why);
    if (!c) {
        fprintf(stderr, "%s\n", why.text);
        return GPF_OUTCOME_TROUBLE;
    }
    gpf_report_options how = gpf_report_defaults();
    how.model = row->name;
    gpf_report_op_text(stdout, c, &how);
    gpf_outcome outcome = gpf_op_check_outcome(c);
    gpf_op_check_free(c);
    return outcome;
}

int main(void)
{
    enum { SAMPLES = 60, LENGTH = 6, EPOCHS = 60 };
    fill_in_rows();
    if (check(&shrink) != GPF_OUTCOME_RIGHT || check(&memory) != GPF_OUTCOME_RIGHT ||
        check(&forgetful) != GPF_OUTCOME_WRONG)
        return GPF_OUTCOME_TROUBLE;

    /* series, and what remains of their shrunk values if old ones fade */
    static double x[SAMPLES][LENGTH], want[SAMPLES];
    gsl_rng *rng = gsl_rng_alloc(gsl_rng_taus);
    for (int i = 0; i < SAMPLES; i++)
        for (int j = 0; j < LENGTH; j++) {
            x[i][j] = 4 * gsl_rng_uniform(rng) - 2;
            want[i] = 0.7 * want[i] + 0.3 * (fabs(x[i][j]) > 0.5 ? x[i][j] : 0);
        }
    gsl_rng_free(rng);

    /* used like any other op */
    gpf_graph *g = gpf_graph_alloc();
    gpf_node X = gpf_data(g, "X", gpf_shape2(GPF_N, LENGTH));
    gpf_node y = gpf_data(g, "y", gpf_shape2(GPF_N, 1));
    gpf_node h = gpf_apply(g, &shrink, &X, 1, NULL);
    h = gpf_dense(g, "in", h, LENGTH, NULL);
    h = gpf_apply(g, &memory, &h, 1, NULL);
    gpf_node loss = gpf_mse(g, gpf_dense(g, "out", h, 1, NULL), y, GPF_MEAN);
    gpf_node_set_name(g, loss, "loss");
    gpf_node params[2];
    params[0] = gpf_graph_find(g, "in.W");
    params[1] = gpf_graph_find(g, "out.W");
    gpf_point *point = gpf_point_alloc(g, SAMPLES);
    gpf_point_bind(point, X, x[0]);
    gpf_point_bind(point, y, want);
    for (int i = 0; i < 2; i++)
        gpf_initialize(g, params[i], gpf_point_params(point), "glorot", NULL, 1);

    gpf_diag why;
    gpf_train_options how = gpf_train_defaults();
    how.epochs = EPOCHS;
    how.batch = 10;
    gpf_train *t = gpf_train_alloc(g, loss, point, &how, NULL, &why);
    if (!t || gpf_train_run(t)) {
        fprintf(stderr, "%s\n", t ? "training failed" : why.text);
        return GPF_OUTCOME_TROUBLE;
    }
    printf("\n%s; loss %.4f\n\n", gpf_train_progress(t)->why, gpf_train_progress(t)->loss);

    /* and in the net, at the point where training ended */
    gpf_check *c = gpf_check_alloc(g, loss, params, NULL, 2, SAMPLES, 1, &why);
    if (!c || gpf_check_run(c, point, NULL, &why)) {
        fprintf(stderr, "%s\n", why.text);
        return GPF_OUTCOME_TROUBLE;
    }
    gpf_report_text(stdout, c, NULL);
    gpf_outcome outcome = gpf_check_outcome(c);
    gpf_check_free(c);
    gpf_train_free(t);
    gpf_point_free(point);
    gpf_graph_free(g);
    return (int)outcome;
}
