/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "base/norm.h"
#include "base/text.h"
#include "check/explain.h"
#include "check/generic.h"
#include "check/stencil.h"
#include "plan/plan.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { POINTS = 8, DRAWS = 32, FEWEST = 3, GRAD_POINTS = 2, GRAD_SAMPLE = 64 };

/* Relative differences: rounding stays below the first, an error is above the second. And how many
 * times their measured noise both sides may be apart: the noise is a part of what shaking by
 * GPF__NOISE_UNITS does, which is out of proportion where no digit is left: 1/(1 - p) of a p that
 * rounds to nearly 1 can only get smaller. */
static const double HOLDS = 1e-9, REFUTED = 1e-6, NOISE = 2 * GPF__NOISE_UNITS;

/* A formula may be true only of small or of large numbers; the first points are also those at which
 * gradients are compared with GSL. Further draws are for domains not met so. */
static gpf__draw draw_of(size_t i)
{
    static const double scale[POINTS] = { 1, 1, 0.05, 8, 0.3, 3, 25, 1 };
    return i < POINTS       ? (gpf__draw){ GPF__ANYWHERE, scale[i] }
           : i < 2 * POINTS ? (gpf__draw){ GPF__ALIKE, scale[i % POINTS] }
                            : (gpf__draw){ GPF__NEARBY, 1 };
}

/* Both sides at one batch size: outputs left, right and their noise. */
typedef struct sides {
    size_t N;
    gpf_plan *plan;
    gpf_workspace *ws;
    double *noise;
} sides;

static int make_sides(const gpf_graph *g, gpf_node left, gpf_node right, size_t N, sides *s)
{
    const gpf_node out[] = { left, right };
    s->N = N;
    int status = gpf__plan_make(g, out, 2, N, NULL, 0, true, &s->plan);
    if (status)
        return status;
    s->ws = gpf__workspace_make(s->plan);
    s->noise = malloc((gpf_plan_output_size(s->plan, 0) + gpf_plan_output_size(s->plan, 1)) *
                      sizeof *s->noise);
    return s->ws && s->noise ? GSL_SUCCESS : GSL_ENOMEM;
}

static void free_sides(sides *s)
{
    gpf_workspace_free(s->ws);
    gpf_plan_free(s->plan);
    free(s->noise);
}

static double at(const double *x, size_t n, size_t i)
{
    return x[n == 1 ? 0 : i];
}

/* How far apart both sides are at the point s was last run at, as a fraction of their size; what is
 * within their noise does not count. -1 if there is more noise than could be seen through. */
static double apart(const sides *s, gpf_claim_result *worst)
{
    const double *l = gpf_workspace_output(s->ws, 0), *r = gpf_workspace_output(s->ws, 1);
    const size_t nl = gpf_plan_output_size(s->plan, 0), nr = gpf_plan_output_size(s->plan, 1),
                 n = nl > nr ? nl : nr;
    /* Elements far below the largest are held to a thousandth of it: what cancels to nearly
     * nothing has no digits of its own. */
    const double floor = 1e-3 * fmax(gpf__max_norm(l, nl), gpf__max_norm(r, nr));
    double most = -1;
    /* The first point that refutes is the one to show: its numbers are of ordinary size. */
    const bool settled = !worst || worst->worst > REFUTED;
    for (size_t i = 0; i < n; i++) {
        const double a = at(l, nl, i), b = at(r, nr, i), size = fmax(fmax(fabs(a), fabs(b)), floor),
                     noise = NOISE * (at(s->noise, nl, i) + at(s->noise + nl, nr, i)),
                     gap = fabs(a - b), off = gap > noise && size > 0 ? gap / size : 0;
        if (gap <= noise && noise > REFUTED * size)
            continue; /* says nothing */
        if (off <= most)
            continue;
        most = off;
        if (!settled && (off > worst->worst || worst->points == 0)) {
            worst->worst = off;
            worst->element = i;
            worst->left = a;
            worst->right = b;
            worst->ratio = a / b;
            worst->shape = gpf_plan_output_shape(s->plan, nl >= nr ? 0 : 1);
            worst->N = s->N;
        }
    }
    return most;
}

/* A gradient inside the claim against GSL at one point. A Jacobian J of f stands for the gradient
 * J' w of sum(w f) with unequal weights w. */
static int check_use(gpf_graph *g, const gpf_claim_use *use, const gpf_point *p, unsigned long seed,
                     gpf_claim_result *result)
{
    gpf_node f = use->f, grad = use->grad;
    if (use->jacobian) {
        const gpf_shape fs = gpf_node_shape(g, f), xs = gpf_node_shape(g, use->x);
        const size_t m = gpf_shape_size(fs, 1);
        double *w = malloc(m * sizeof *w);
        if (!w)
            return GSL_ENOMEM;
        for (size_t i = 0; i < m; i++)
            w[i] = 0.5 + fmod((double)(i + 1) * 0.6180339887498949, 1);
        f = gpf_sum(g, gpf_mul(g, f, gpf_const_tensor(g, fs, w)), GPF_ALL_AXES);
        grad = gpf_reshape(
            g, gpf_matmul(g, gpf_const_tensor(g, gpf_shape2(1, (ptrdiff_t)m), w), grad), xs);
        free(w);
    }
    gpf_check *c = gpf_check_alloc(g, f, &use->x, &grad, 1, p->N, seed, NULL);
    if (!c)
        return gpf_graph_status(g, NULL) ? gpf_graph_status(g, NULL) : GSL_ENOMEM;
    gpf_check_options how = gpf_check_defaults();
    how.sample = GRAD_SAMPLE;
    how.threads = 1; /* small points, few elements */
    how.seed = seed;
    const int status = gpf_check_run(c, p, &how, NULL);
    if (status == GSL_SUCCESS) {
        const gpf_tally t = gpf_check_tally(c, -1);
        result->grads_checked += t.checked;
        result->grads_right += t.count[GPF_RIGHT];
        for (size_t i = 0; i < gpf_check_n_elements(c) && !result->why[0]; i++) {
            const gpf_element *e = gpf_check_element(c, i);
            char label[80];
            if (e->verdict == GPF_WRONG)
                gpf__format(result->why, sizeof result->why,
                            "the gradient with respect to %s is itself wrong: %.7g, GSL says %.7g",
                            gpf_node_label(g, use->x, label, sizeof label), e->analytic,
                            e->numeric);
        }
    }
    gpf_check_free(c);
    return status;
}

/* What the sides have in common where they differ, at every point that tells. */
typedef struct pattern {
    gpf_explanation first;
    size_t n, N[POINTS];
    double ratio[POINTS];
    bool differs; /* from point to point: then it is nothing of the claim */
} pattern;

static int explain_sides(const sides *s, gpf_explanation *x)
{
    const size_t n = gpf_plan_output_size(s->plan, 0);
    const gpf_shape shape = gpf_plan_output_shape(s->plan, 0);
    const size_t cols = shape.rank == 2 ? (size_t)shape.dim[1] : n;
    const double *l = gpf_workspace_output(s->ws, 0), *r = gpf_workspace_output(s->ws, 1),
                 floor = fmax(gpf__max_norm(l, n), gpf__max_norm(r, n));
    double *error = malloc(n * sizeof *error);
    unsigned char *verdict = malloc(n);
    int found = -1;
    if (error && verdict) {
        for (size_t i = 0; i < n; i++) {
            error[i] = (s->noise[i] + s->noise[n + i]) * NOISE / GPF__SAFETY;
            verdict[i] = fabs(l[i] - r[i]) > REFUTED * floor ? GPF_WRONG : GPF_RIGHT;
        }
        const gpf__count N = { (double)s->N, "the number of samples", "N" };
        const gpf__evidence e = { .name = "left",
                                  .truth = "right",
                                  .rows = n / cols,
                                  .cols = cols,
                                  .analytic = l,
                                  .numeric = r,
                                  .error = error,
                                  .verdict = verdict,
                                  .counts = &N,
                                  .n_counts = s->N > 0 };
        found = gpf__explain(&e, x, 2);
        if (found != 1)
            x[0] = gpf__explanation(GPF_UNEXPLAINED, 0);
    }
    free(error);
    free(verdict);
    return found < 0 ? GSL_ENOMEM : GSL_SUCCESS;
}

/* A ratio of all entries, seen at a point where only some of them tell: those of a column, say,
 * where the others are as good as zero. */
static bool is_less_of(const gpf_explanation *x, const gpf_explanation *all)
{
    return all->kind == GPF_SCALED &&
           (x->kind == GPF_SCALED_COLUMN || x->kind == GPF_SCALED_ROW || x->kind == GPF_SINGLE);
}

static int note_pattern(const sides *s, pattern *c)
{
    gpf_explanation x[2] = { gpf__explanation(GPF_UNEXPLAINED, 0) };
    const int status = gpf_plan_output_size(s->plan, 0) == gpf_plan_output_size(s->plan, 1)
                           ? explain_sides(s, x)
                           : GSL_SUCCESS;
    if (c->n == 0 || is_less_of(&c->first, &x[0]))
        c->first = x[0];
    c->differs |= !is_less_of(&x[0], &c->first) &&
                  (c->first.kind != x[0].kind || c->first.row != x[0].row ||
                   c->first.column != x[0].column || c->first.other != x[0].other);
    c->N[c->n] = s->N;
    c->ratio[c->n++] = x[0].ratio;
    return status;
}

/* "left is 2 times right: ", or "". */
static void say_pattern(const pattern *c, char *text, size_t size)
{
    char ratio[64] = "";
    text[0] = '\0';
    if (c->n < 2 || c->differs)
        return;
    if (isfinite(c->ratio[0]) && !gpf__name_ratio(c->ratio, c->N, c->n, ratio, sizeof ratio))
        return;
    const gpf_explanation *x = &c->first;
    if (x->kind == GPF_SCALED)
        gpf__format(text, size, "left is %s times right: ", ratio);
    else if (x->kind == GPF_TRANSPOSED)
        gpf__format(text, size, "left is %s%sthe transpose of right: ", ratio,
                    *ratio ? " times " : "");
    else if (x->kind == GPF_SCALED_COLUMN && x->column >= 0)
        gpf__format(text, size, "column %td of left is %s times that of right: ", x->column, ratio);
    else if (x->kind == GPF_SCALED_ROW && x->row >= 0)
        gpf__format(text, size, "row %td of left is %s times that of right: ", x->row, ratio);
}

/* Both sides at a point: 1 compared, 0 not finite or nothing but noise, negative: trouble. */
static int compare(sides *s, const gpf_point *p, gpf_claim_result *result, pattern *said,
                   bool *nonzero)
{
    if (gpf_plan_run(s->plan, s->ws, p) || gpf__plan_noise(s->plan, s->ws, s->noise))
        return -1; /* generic points bind every leaf: only memory can be missing */
    const double *l = gpf_workspace_output(s->ws, 0), *r = gpf_workspace_output(s->ws, 1);
    const size_t nl = gpf_plan_output_size(s->plan, 0), nr = gpf_plan_output_size(s->plan, 1);
    const double off = gpf__all_finite(l, nl) && gpf__all_finite(r, nr) ? apart(s, result) : -1;
    if (off < 0)
        return 0;
    if (off > REFUTED && note_pattern(s, said))
        return -1;
    *nonzero |= gpf__max_norm(l, nl) > 0 || gpf__max_norm(r, nr) > 0;
    result->points++;
    return 1;
}

/* Runs the claim at up to POINTS generic points, at both batch sizes in turn. */
static int compare_everywhere(gpf_graph *g, sides s[2], const gpf_claim_use *uses, size_t n_uses,
                              const gpf_point *like, unsigned long seed, gpf_claim_result *result,
                              pattern *said, bool *nonzero)
{
    int status = GSL_SUCCESS;
    for (size_t draw = 0; draw < DRAWS && result->points < POINTS && !status; draw++) {
        sides *here = &s[draw % 2];
        gpf_point *p =
            gpf__generic(g, like, here->N, seed + (unsigned long)draw * 0x9e3779b9u, draw_of(draw));
        const int compared = p ? compare(here, p, result, said, nonzero) : -1;
        status = compared < 0 ? GSL_ENOMEM : GSL_SUCCESS;
        for (size_t i = 0; compared > 0 && i < n_uses && !status && result->points <= GRAD_POINTS;
             i++)
            status = check_use(g, &uses[i], p, seed + (unsigned long)draw, result);
        gpf_point_free(p);
    }
    return status;
}

/* Do both sides agree at the model's own point? */
static int compare_here(const gpf_graph *g, gpf_node left, gpf_node right, const gpf_point *like,
                        int *agree)
{
    sides own = { .N = like->N };
    int status = make_sides(g, left, right, like->N, &own);
    if (status == GSL_SUCCESS)
        status = gpf_plan_run(own.plan, own.ws, like);
    if (status == GSL_SUCCESS)
        status = gpf__plan_noise(own.plan, own.ws, own.noise);
    if (status == GSL_SUCCESS) {
        const double off = apart(&own, NULL);
        *agree = off >= 0 && off <= HOLDS;
    }
    free_sides(&own);
    return status == GPF_EUNBOUND ? GSL_SUCCESS : status; /* the claim does not need values */
}

static bool has_batch(const gpf_graph *g)
{
    for (size_t i = 0; i < g->n_data; i++)
        for (int a = 0; a < gpf_node_shape(g, g->data[i]).rank; a++)
            if (gpf_node_shape(g, g->data[i]).dim[a] == GPF_N)
                return true;
    return false;
}

static void judge(gpf_claim_result *result, const pattern *said, bool same, bool nonzero)
{
    const bool guilty_grad = result->why[0] != 0;
    char *why = result->why;
    const size_t size = sizeof result->why;
    if (guilty_grad) {
        result->verdict = GPF_UNDECIDED;
    } else if (result->worst > REFUTED) {
        result->verdict = GPF_REFUTED;
        char common[96];
        say_pattern(said, common, sizeof common);
        gpf__format(why, size, "%sleft %.7g, right %.7g", common, result->left, result->right);
    } else if (result->points < FEWEST) {
        result->verdict = GPF_UNDECIDED;
        gpf__format(why, size,
                    "%s random points were found at which both sides are finite and "
                    "not mere rounding noise",
                    result->points ? "too few" : "no");
    } else if (result->worst > HOLDS) {
        result->verdict = GPF_UNDECIDED;
        gpf__format(why, size,
                    "the sides differ by %.1e of their size: more than rounding, less "
                    "than an error",
                    result->worst);
    } else if (!nonzero) {
        result->verdict = GPF_UNDECIDED;
        gpf__format(why, size, "0 = 0 at every point: nothing was tested");
    } else {
        result->verdict = GPF_HOLDS;
        gpf__format(why, size, "%s%zu random points",
                    same ? "both sides are the same expression; " : "", result->points);
    }
}

int gpf_claim_run(gpf_graph *g, gpf_node left, gpf_node right, const gpf_claim_use *uses,
                  size_t n_uses, const gpf_point *like, unsigned long seed,
                  gpf_claim_result *result)
{
    memset(result, 0, sizeof *result);
    if (!gpf__ok(g, left) || !gpf__ok(g, right))
        return gpf_graph_status(g, NULL);
    const gpf_shape ls = gpf_node_shape(g, left), rs = gpf_node_shape(g, right);
    const bool one = gpf_shape_size(ls, 2) == 1 || gpf_shape_size(rs, 2) == 1;
    if (!one && !gpf_shape_equal(ls, rs)) {
        char a[64], b[64];
        result->verdict = GPF_REFUTED;
        result->left = result->right = result->ratio = result->worst = NAN;
        gpf__format(result->why, sizeof result->why, "the shapes differ: left is %s, right is %s",
                    gpf_shape_text(ls, a, sizeof a), gpf_shape_text(rs, b, sizeof b));
        return GSL_SUCCESS;
    }
    const size_t N = has_batch(g) ? gpf__unlike_batch(g, 0) : 0;
    sides s[2] = { { .N = 0 }, { .N = 0 } };
    int status = make_sides(g, left, right, N, &s[0]);
    if (status == GSL_SUCCESS)
        status = make_sides(g, left, right, N ? gpf__unlike_batch(g, N) : 0, &s[1]);
    bool nonzero = false;
    pattern said = { .n = 0 };
    if (status == GSL_SUCCESS)
        status = compare_everywhere(g, s, uses, n_uses, like, seed, result, &said, &nonzero);
    if (status == GSL_SUCCESS) {
        judge(result, &said, left == right, nonzero);
        if (result->verdict == GPF_REFUTED && like)
            status = compare_here(g, left, right, like, &result->holds_here);
    }
    free_sides(&s[0]);
    free_sides(&s[1]);
    return status;
}
