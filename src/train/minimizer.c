/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "train/train.h"

#include "base/arena.h"

#include <float.h>
#include <gsl/gsl_blas.h>
#include <gsl/gsl_linalg.h>
#include <gsl/gsl_multifit_nlinear.h>
#include <gsl/gsl_multimin.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

static const gpf_minimizer_kind kinds[] = {
    { "bfgs", "quasi-Newton: Fletcher's BFGS with his line search (gsl_multimin vector_bfgs2)",
      &gsl_multimin_fdfminimizer_vector_bfgs2 },
    { "cg-fr", "conjugate gradients of Fletcher and Reeves (gsl_multimin conjugate_fr)",
      &gsl_multimin_fdfminimizer_conjugate_fr },
    { "cg-pr", "conjugate gradients of Polak and Ribiere (gsl_multimin conjugate_pr)",
      &gsl_multimin_fdfminimizer_conjugate_pr },
    { "steepest", "along the gradient, as far as the loss falls (gsl_multimin steepest_descent)",
      &gsl_multimin_fdfminimizer_steepest_descent },
    { "lm", "Levenberg-Marquardt: (J'J + mu D^2) dtheta = -J'r (gsl_multifit_nlinear)", NULL },
};

const gpf_minimizer_kind *gpf_minimizer_at(size_t i)
{
    return i < sizeof kinds / sizeof *kinds ? &kinds[i] : NULL;
}

const gpf_minimizer_kind *gpf_minimizer_find(const char *name)
{
    const gpf_minimizer_kind *k = kinds;
    for (size_t i = 0; (k = gpf_minimizer_at(i)) && strcmp(k->name, name); i++)
        ;
    return k;
}

struct gpf__minimizer {
    gpf__objective objective;
    double rate, tolerance;
    gsl_multimin_fdfminimizer *descent; /* one of these two */
    gsl_multifit_nlinear_workspace *fit;
    struct { /* the fit's last steps */
        gsl_matrix *J, *QR;
        gsl_vector *r, *rest, *tau, *step, *theta, *gradient;
        gsl_permutation *order;
    } last;
    gsl_multimin_function_fdf function;
    gsl_multifit_nlinear_fdf residuals;
    int status;      /* of the objective in this iteration: GSL's callbacks cannot return one */
    bool searching;  /* not at the point where an iteration began */
    bool moved;      /* since it began anew */
    double f, slope; /* where it is: f and the norm of its gradient */
    double first_slope, began_slope, began_f; /* where it was started; where it last began anew */
    double lowest;                            /* f so far */
    double shift, scale;                      /* GSL is shown scale (f - shift) */
    double here;                              /* that, where the iteration began */
    gsl_vector *at, *gradient;                /* where the iteration began */
    struct {                                  /* the gradient computed last */
        gsl_vector *theta, *gradient;
        double f;
        bool there;
    } seen;
};

/* f and its gradient, from memory if GSL asks for one and then for the other. */
static int look_at(gpf__minimizer *m, const gsl_vector *theta, double *f, bool gradient)
{
    const size_t bytes = m->objective.n * sizeof(double);
    if (m->seen.there && !memcmp(theta->data, m->seen.theta->data, bytes)) {
        *f = m->seen.f;
        return GSL_SUCCESS;
    }
    const int status = m->objective.value(m->objective.arg, theta->data, f,
                                          gradient ? m->seen.gradient->data : NULL);
    if (gradient) {
        memcpy(m->seen.theta->data, theta->data, bytes);
        m->seen.f = *f;
        m->seen.there = status == GSL_SUCCESS;
    }
    return status;
}

/* What GSL is shown of f at a point it tries.
 *
 * Where f is not finite: its line searches compare and interpolate, a NaN passes every test of theirs
 * and is taken for progress, an infinity makes the interpolated step 0. f + 4 |g| |d|, d = theta - at,
 * makes them take a part of the step. Where the minimiser ends up is judged by the real values.
 *
 * Where f differs so little that rounding hides by how much: the mean of the slopes at both ends,
 * (g + g')/2 d, of which f is the integral. Without it no search comes nearer to the minimum than
 * sqrt(epsilon) (Hager, Zhang, doi:10.1137/030601880, have an equivalent test). */
static double shown(gpf__minimizer *m, const gsl_vector *theta, double f)
{
    const bool known = isfinite(f);
    if (known && (!m->searching || fabs(f - m->f) > 1e-11 * fabs(m->f)))
        return m->scale * (f - m->shift);
    if (known)
        m->status = look_at(m, theta, &f, true);
    double squares = 0, rise = 0;
    for (size_t i = 0; i < m->objective.n; i++) {
        const double d = theta->data[i] - m->at->data[i];
        squares += d * d;
        rise += (m->gradient->data[i] + m->seen.gradient->data[i]) / 2 * d;
    }
    if (known && isfinite(rise))
        return m->here + m->scale * rise;
    const double wall = m->here + m->scale * 4 * m->slope * sqrt(squares);
    return isfinite(wall) ? fmax(wall, nextafter(m->here, INFINITY)) : DBL_MAX;
}

static void both(const gsl_vector *theta, void *arg, double *f, gsl_vector *gradient)
{
    gpf__minimizer *m = arg;
    *f = NAN;
    if (!m->status)
        m->status = look_at(m, theta, f, gradient != NULL);
    if (m->status)
        return;
    if (gradient) {
        gsl_vector_memcpy(gradient, m->seen.gradient);
        gsl_vector_scale(gradient, m->scale);
    }
    *f = shown(m, theta, *f);
}

static double value(const gsl_vector *theta, void *arg)
{
    double f;
    both(theta, arg, &f, NULL);
    return f;
}

static void slopes(const gsl_vector *theta, void *arg, gsl_vector *gradient)
{
    double f;
    both(theta, arg, &f, gradient);
}

static int residuals(const gsl_vector *theta, void *arg, gsl_vector *r)
{
    gpf__minimizer *m = arg;
    gsl_vector_set_zero(r);
    const int status = m->objective.residuals(m->objective.arg, theta->data, r->data);
    if (status || gpf__all_finite(r->data, m->objective.m))
        return status;
    if (!m->searching)
        return GSL_EBADFUNC;
    gsl_vector_set_zero(r); /* longer than now: the step is refused */
    r->data[0] = 2 * sqrt(2 * m->f);
    return GSL_SUCCESS;
}

/* GSL's matrix is one block without gaps, as its own allocation made it. */
static int jacobian(const gsl_vector *theta, void *arg, gsl_matrix *J)
{
    gpf__minimizer *m = arg;
    gsl_matrix_set_zero(J);
    const int status = m->objective.jacobian(m->objective.arg, theta->data, J->data);
    return status                                          ? status
           : gpf__all_finite(J->data, J->size1 * J->size2) ? GSL_SUCCESS
                                                           : GSL_EBADFUNC;
}

/* D as of More, the longest each column of J has been, which makes the fit independent of the scales
 * of the params; but a param that hardly matters, such as that of a saturated unit, is not let go as
 * far as its column is short, to where no mu brings it back from. */
static int update_scale(const gsl_matrix *J, gsl_vector *D)
{
    double longest = 0;
    for (size_t i = 0; i < D->size; i++) {
        const gsl_vector_const_view column = gsl_matrix_const_column(J, i);
        D->data[i] = fmax(D->data[i], gsl_blas_dnrm2(&column.vector));
        longest = fmax(longest, D->data[i]);
    }
    for (size_t i = 0; i < D->size; i++)
        D->data[i] = fmax(D->data[i], longest > 0 ? 1e-10 * longest : 1);
    return GSL_SUCCESS;
}

static int begin_scale(const gsl_matrix *J, gsl_vector *D)
{
    gsl_vector_set_zero(D);
    return update_scale(J, D);
}

static const gsl_multifit_nlinear_scale scale_of_columns = { "columns", begin_scale, update_scale };

static size_t rows_of(const gpf__objective *f)
{
    return f->m > f->n ? f->m : f->n;
}

/* J and its QR factors twice, once GSL's own, an n x n matrix, and vectors of either length. */
static bool fits(const gpf__objective *f)
{
    const size_t room = gpf__machine_memory() / 16 / sizeof(double);
    return f->n < SIZE_MAX / 2 && rows_of(f) <= room / 5 / (f->n + 4);
}

static int make_fit(gpf__minimizer *m)
{
    const size_t n = m->objective.n, rows = rows_of(&m->objective);
    gsl_multifit_nlinear_parameters how = gsl_multifit_nlinear_default_parameters();
    how.scale = &scale_of_columns;
    m->fit = gsl_multifit_nlinear_alloc(gsl_multifit_nlinear_trust, &how, rows, n);
    m->residuals = (gsl_multifit_nlinear_fdf){ residuals, jacobian, NULL, rows, n, m, 0, 0, 0 };
    m->last.J = gsl_matrix_alloc(rows, n);
    m->last.QR = gsl_matrix_alloc(rows, n);
    m->last.r = gsl_vector_alloc(rows);
    m->last.rest = gsl_vector_alloc(rows);
    m->last.tau = gsl_vector_alloc(n);
    m->last.step = gsl_vector_alloc(n);
    m->last.theta = gsl_vector_alloc(n);
    m->last.gradient = gsl_vector_alloc(n);
    m->last.order = gsl_permutation_alloc(n);
    return m->fit && m->last.J && m->last.QR && m->last.r && m->last.rest && m->last.tau &&
                   m->last.step && m->last.theta && m->last.gradient && m->last.order
               ? GSL_SUCCESS
               : GSL_ENOMEM;
}

static int make_descent(gpf__minimizer *m, const void *type)
{
    const gsl_multimin_fdfminimizer_type *const *gsls = type;
    m->descent = gsl_multimin_fdfminimizer_alloc(*gsls, m->objective.n);
    m->function = (gsl_multimin_function_fdf){ value, slopes, both, m->objective.n, m };
    return m->descent ? GSL_SUCCESS : GSL_ENOMEM;
}

int gpf__minimizer_make(const gpf_minimizer_kind *kind, const gpf__objective *f, double rate,
                        double tolerance, gpf__minimizer **made)
{
    *made = NULL;
    if (f->n == 0)
        return GPF_ENOTHING;
    if (!kind->type && !fits(f))
        return GPF_ELIMIT;
    gpf__minimizer *m = calloc(1, sizeof *m);
    if (!m)
        return GSL_ENOMEM;
    m->objective = *f;
    m->rate = rate > 0 ? rate : 0.01;
    m->tolerance = tolerance > 0 ? tolerance : 0.1;
    m->at = gsl_vector_calloc(f->n);
    m->gradient = gsl_vector_calloc(f->n);
    m->seen.theta = gsl_vector_calloc(f->n);
    m->seen.gradient = gsl_vector_calloc(f->n);
    const bool room = m->at && m->gradient && m->seen.theta && m->seen.gradient;
    const int status = !room ? GSL_ENOMEM : kind->type ? make_descent(m, kind->type) : make_fit(m);
    if (status) {
        gpf__minimizer_free(m);
        return status;
    }
    *made = m;
    return GSL_SUCCESS;
}

void gpf__minimizer_free(gpf__minimizer *m)
{
    if (!m)
        return;
    if (m->descent)
        gsl_multimin_fdfminimizer_free(m->descent);
    gsl_multifit_nlinear_free(m->fit);
    gsl_matrix_free(m->last.J);
    gsl_matrix_free(m->last.QR);
    gsl_vector_free(m->last.r);
    gsl_vector_free(m->last.rest);
    gsl_vector_free(m->last.tau);
    gsl_vector_free(m->last.step);
    gsl_vector_free(m->last.theta);
    gsl_vector_free(m->last.gradient);
    gsl_permutation_free(m->last.order);
    gsl_vector_free(m->at);
    gsl_vector_free(m->gradient);
    gsl_vector_free(m->seen.theta);
    gsl_vector_free(m->seen.gradient);
    free(m);
}

static const gsl_vector *position(const gpf__minimizer *m)
{
    return m->fit ? m->fit->x : m->descent->x;
}

/* Takes over f and the norm of the gradient from where GSL is. */
static int look(gpf__minimizer *m)
{
    if (m->fit) {
        const double r = gsl_blas_dnrm2(m->fit->f);
        m->f = r * r / 2;
        m->slope = gsl_blas_dnrm2(m->fit->g);
    } else if (!m->status) {
        m->status = look_at(m, m->descent->x, &m->f, true);
        m->slope = gsl_blas_dnrm2(m->seen.gradient);
    }
    return m->status                              ? m->status
           : isfinite(m->f) && isfinite(m->slope) ? GSL_SUCCESS
                                                  : GSL_EBADFUNC;
}

/* GSL's descent anew at m->at. Its searches end where they expect to win less than epsilon, and add
 * up what they win: f is shown from 0 on, and its gradient as about 1. */
static int begin_descent(gpf__minimizer *m, double step)
{
    double f;
    m->seen.there = false;
    int status = look_at(m, m->at, &f, true), exponent = 0;
    const double slope = gsl_blas_dnrm2(m->seen.gradient);
    if (!status && !(isfinite(f) && isfinite(slope)))
        status = GSL_EBADFUNC;
    if (status)
        return status;
    frexp(slope, &exponent);
    m->shift = f;
    m->scale = ldexp(1, exponent > 900 ? -900 : exponent < -900 ? 900 : -exponent);
    /* A longer one is no step but a way to overflow, which GSL's BFGS is very slow to come back from. */
    const double size = 1 + gsl_blas_dnrm2(m->at), longest = 1e6 * size;
    /* A shorter one wins less than epsilon, however far the minimum is. */
    const double shortest = 1e-12 * size;
    gsl_multimin_fdfminimizer_set(m->descent, &m->function, m->at,
                                  fmax(shortest, fmin(step, longest)), m->tolerance);
    return m->status;
}

static int begin(gpf__minimizer *m, double step)
{
    m->status = GSL_SUCCESS;
    m->searching = m->moved = false;
    m->status =
        m->fit ? gsl_multifit_nlinear_init(m->at, &m->residuals, m->fit) : begin_descent(m, step);
    const int status = look(m);
    m->began_slope = m->slope;
    m->began_f = m->f;
    m->lowest = fmin(m->lowest, m->f);
    return status;
}

int gpf__minimizer_start(gpf__minimizer *m, const double *theta)
{
    memcpy(m->at->data, theta, m->objective.n * sizeof *theta);
    m->lowest = INFINITY;
    const int status = begin(m, m->rate);
    m->first_slope = m->slope;
    return status;
}

static int iterate(gpf__minimizer *m)
{
    gsl_vector_memcpy(m->at, position(m));
    /* With J = 0 GSL's solver would call it an error that a matrix has no rank. */
    if (m->slope == 0)
        return GSL_ENOPROG;
    if (m->descent) {
        m->here = m->descent->f;
        gsl_vector_memcpy(m->gradient, m->descent->gradient);
        gsl_vector_scale(m->gradient, 1 / m->scale);
    }
    const double f = m->f, slope = m->slope;
    m->searching = true;
    int status = m->fit ? gsl_multifit_nlinear_iterate(m->fit)
                        : gsl_multimin_fdfminimizer_iterate(m->descent);
    m->searching = false;
    if (m->status || status)
        return m->status ? m->status : status;
    /* Some searches give up without saying so. */
    if (!gpf__all_finite(position(m)->data, m->objective.n) ||
        (m->descent && !(m->descent->f <= m->here)))
        return GSL_ENOPROG;
    /* As that of BFGS where the loss falls as far as it looks. Nothing would ever end it. */
    if (!memcmp(position(m)->data, m->at->data, m->objective.n * sizeof(double)))
        return GSL_ENOPROG;
    status = look(m);
    /* What f is shown as trusts the gradient. */
    if (!status && m->f > m->lowest + 1e-12 * fabs(m->lowest)) {
        m->f = f;
        m->slope = slope;
        return GSL_ENOPROG;
    }
    m->lowest = fmin(m->lowest, m->f);
    m->moved = true;
    return status;
}

/* Nothing but rounding is left: the norm of the gradient is small against where it began, or what it
 * promises on a way as long as theta against the loss itself. For a fit column by column, which does
 * not depend on the scales of the params: |J_i'r| against |J_i| |r|, where the param
 * matters at all, or |r| against the terms J_i theta_i that make it up. */
static bool at_minimum(const gpf__minimizer *m)
{
    if (m->slope == 0)
        return true;
    if (!m->fit)
        return m->slope <= 1e-6 * m->first_slope ||
               m->slope * gsl_blas_dnrm2(m->at) <= 1e-8 * fabs(m->f);
    const double r = gsl_blas_dnrm2(m->fit->f);
    double terms = 0, longest = 0;
    bool small = true;
    for (size_t i = 0; i < m->objective.n; i++) {
        const gsl_vector_const_view column = gsl_matrix_const_column(m->fit->J, i);
        longest = fmax(longest, gsl_blas_dnrm2(&column.vector));
    }
    for (size_t i = 0; i < m->objective.n; i++) {
        const gsl_vector_const_view column = gsl_matrix_const_column(m->fit->J, i);
        const double length = gsl_blas_dnrm2(&column.vector);
        terms += length * fabs(m->fit->x->data[i]);
        small = small &&
                (fabs(m->fit->g->data[i]) <= 1e-7 * length * r || length <= DBL_EPSILON * longest);
    }
    return small || r <= 1e-13 * terms;
}

/* Where J (theta - minimum) is below sqrt(epsilon) |r|, rounding hides from |r| whether a step was
 * good, and GSL stops; the gradient J'r still tells. So the fit ends with steps of Gauss and Newton,
 * step = -J^+ r, as long as they halve the gradient and leave |r| as it is but for rounding. */
static void polish(gpf__minimizer *m)
{
    gsl_multifit_nlinear_workspace *w = m->fit;
    for (int k = 0; k < 4 && m->slope > 0; k++) {
        int sign;
        gsl_matrix_memcpy(m->last.QR, w->J);
        gsl_linalg_QRPT_decomp(m->last.QR, m->last.tau, m->last.order, &sign, m->last.gradient);
        const size_t rank = gsl_linalg_QRPT_rank(m->last.QR, -1);
        if (rank == 0)
            return;
        gsl_linalg_QRPT_lssolve2(m->last.QR, m->last.tau, m->last.order, w->f, rank, m->last.step,
                                 m->last.rest);
        gsl_vector_memcpy(m->last.theta, w->x);
        gsl_vector_sub(m->last.theta, m->last.step);
        if (residuals(m->last.theta, m, m->last.r) || jacobian(m->last.theta, m, m->last.J))
            return;
        gsl_blas_dgemv(CblasTrans, 1, m->last.J, m->last.r, 0, m->last.gradient);
        if (!(gsl_blas_dnrm2(m->last.gradient) <= m->slope / 2 &&
              gsl_blas_dnrm2(m->last.r) <= (1 + 1e-12) * gsl_blas_dnrm2(w->f)))
            return;
        gsl_vector_memcpy(w->x, m->last.theta);
        gsl_vector_memcpy(w->f, m->last.r);
        gsl_vector_memcpy(w->g, m->last.gradient);
        gsl_matrix_memcpy(w->J, m->last.J);
        look(m);
    }
}

int gpf__minimizer_iterate(gpf__minimizer *m, double *theta, double *f, double *gradient)
{
    int status = iterate(m);
    /* A search that ends without a lower point may owe that to what it remembers of the way. */
    if (status == GSL_ENOPROG && m->moved && m->slope > 0 &&
        (m->slope < m->began_slope / 2 || m->f < m->began_f - 1e-9 * fabs(m->began_f))) {
        const double step = m->descent ? gsl_blas_dnrm2(m->descent->dx) : 0;
        status = begin(m, step > 0 && step < m->rate ? step : m->rate);
        if (!status)
            status = iterate(m);
    }
    if (status == GSL_ENOPROG && at_minimum(m)) {
        status = GPF__CONVERGED;
        if (m->fit)
            polish(m);
    }
    /* After a failure it is where it was. */
    const bool stay = status > 0 || (status && m->descent);
    memcpy(theta, (stay ? m->at : position(m))->data, m->objective.n * sizeof *theta);
    *f = m->f;
    *gradient = m->slope;
    return status;
}
