/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "mlp.h"

#include <math.h>
#include <stdlib.h>
#ifdef _OPENMP
#include <omp.h>
#endif

/* Two parameters of one unit, each at +-STEP, are one evaluation with four batches side by side. */
enum { POINTS = 4 };
#define STEP 1e-6

typedef struct mlp_scratch {
    double *d, *one, *other; /* POINTS x batch; widest layer x POINTS x batch */
} mlp_scratch;

struct mlp_check {
    mlp *m;
    double *numeric, *ones;
    int threads;
    mlp_scratch *scratch; /* per thread */
};

static int max_threads(void)
{
#ifdef _OPENMP
    return omp_get_max_threads();
#else
    return 1;
#endif
}

static int thread(void)
{
#ifdef _OPENMP
    return omp_get_thread_num();
#else
    return 0;
#endif
}

mlp_check *mlp_check_open(const work *w)
{
    mlp_check *c = malloc(sizeof *c);
    const size_t n = POINTS * (size_t)w->batch;
    size_t widest = 1;
    for (int l = 1; l <= w->layers; l++)
        widest = (size_t)w->size[l] > widest ? (size_t)w->size[l] : widest;
    c->m = mlp_open(w, 1);
    c->numeric = malloc(w->n_params * sizeof *c->numeric);
    c->ones = malloc((size_t)w->batch * sizeof *c->ones);
    for (int b = 0; b < w->batch; b++)
        c->ones[b] = 1;
    c->threads = max_threads();
    c->scratch = malloc((size_t)c->threads * sizeof *c->scratch);
    for (int t = 0; t < c->threads; t++) {
        c->scratch[t].d = aligned_alloc(64, (n * (1 + 2 * widest) + 7) / 8 * 64);
        c->scratch[t].one = c->scratch[t].d + n;
        c->scratch[t].other = c->scratch[t].one + n * widest;
    }
    return c;
}

void mlp_check_close(mlp_check *c)
{
    for (int t = 0; t < c->threads; t++)
        free(c->scratch[t].d);
    free(c->scratch);
    free(c->ones);
    free(c->numeric);
    mlp_close(c->m);
    free(c);
}

mlp *mlp_check_net(const mlp_check *c)
{
    return c->m;
}

const double *mlp_check_numeric(const mlp_check *c)
{
    return c->numeric;
}

/* Logits of all points after W[i, o] and W[i + 1, o] of layer l have moved (i = inputs: b[o]):
 *   z_o += h a_i                    one row of layer l
 *   Z += W[o, :]' (a_o(h) - a_o)    a rank-1 update of layer l + 1
 *   Z = W' A + b                    whole products from there on */
static const double *logits(const mlp_check *c, mlp_scratch *s, int l, int o, int i, int params)
{
    const mlp *m = c->m;
    const work *w = &m->w;
    const int B = w->batch, n = 2 * params * B, L = w->layers;
    double *d = s->d, *Z = s->one, *A = s->other;
    for (int p = 0; p < 2 * params; p++) {
        const double *a = i + p / 2 < w->size[l] ? m->a[l] + (i + p / 2) * B : c->ones,
                     *z = m->z[l + 1] + o * B, h = p % 2 ? -STEP : STEP;
        for (int b = 0; b < B; b++)
            d[p * B + b] = z[b] + h * a[b];
    }
    if (l + 1 == L) {
        for (int k = 0; k < w->size[L]; k++)
            for (int p = 0; p < 2 * params; p++)
                for (int b = 0; b < B; b++)
                    Z[k * n + p * B + b] = k == o ? d[p * B + b] : m->z[L][k * B + b];
        return Z;
    }
    mlp_activate(w, (size_t)n, d, d);
    for (int p = 0; p < 2 * params; p++)
        for (int b = 0; b < B; b++)
            d[p * B + b] -= m->a[l + 1][o * B + b];
    const double *W = m->theta + m->weights[l + 1] + o * w->size[l + 2];
    for (int k = 0; k < w->size[l + 2]; k++)
        for (int p = 0; p < 2 * params; p++)
            for (int b = 0; b < B; b++)
                Z[k * n + p * B + b] = m->z[l + 2][k * B + b] + W[k] * d[p * B + b];
    for (int j = l + 2; j < L; j++) {
        mlp_activate(w, (size_t)(w->size[j] * n), Z, Z);
        mlp_affine(m, j, n, Z, A);
        double *const t = Z;
        Z = A;
        A = t;
    }
    return Z;
}

/* All parameters that end in one unit. */
static void unit(const mlp_check *c, mlp_scratch *s, int l, int o)
{
    const mlp *m = c->m;
    const int B = m->w.batch, n_in = m->w.size[l], n_out = m->w.size[l + 1];
    for (int i = 0; i <= n_in; i += 2) {
        const int params = i < n_in ? 2 : 1;
        const double *Z = logits(c, s, l, o, i, params);
        for (int k = 0; k < params; k++) {
            const double *plus = Z + 2 * k * B;
            const size_t ld = (size_t)(2 * params * B);
            c->numeric[m->weights[l] + (size_t)((i + k) * n_out + o)] =
                (mlp_loss(m, plus, ld, NULL) - mlp_loss(m, plus + B, ld, NULL)) / (2 * STEP);
        }
    }
}

static size_t disagreeing(const mlp_check *c)
{
    double top = 0;
    size_t wrong = 0;
    for (size_t i = 0; i < c->m->w.n_params; i++)
        top = fmax(top, fabs(c->m->grad[i]));
    for (size_t i = 0; i < c->m->w.n_params; i++)
        wrong += !(fabs(c->numeric[i] - c->m->grad[i]) <= 1e-5 * top);
    return wrong;
}

size_t mlp_check_run(mlp_check *c)
{
    const work *w = &c->m->w;
    int units = 0;
    for (int l = 1; l <= w->layers; l++)
        units += w->size[l];
    mlp_forward(c->m);
    mlp_backward(c->m);
#pragma omp parallel for schedule(dynamic) if (work_cost(w) * (double)w->n_params > 1e6)
    for (int u = 0; u < units; u++) {
        int l = 0, o = u;
        while (o >= w->size[l + 1])
            o -= w->size[++l];
        unit(c, &c->scratch[thread()], l, o);
    }
    return disagreeing(c);
}

size_t mlp_check_naive(mlp_check *c)
{
    mlp *m = c->m;
    for (size_t i = 0; i < m->w.n_params; i++) {
        const double theta = m->theta[i];
        m->theta[i] = theta + STEP;
        const double plus = mlp_forward(m);
        m->theta[i] = theta - STEP;
        c->numeric[i] = (plus - mlp_forward(m)) / (2 * STEP);
        m->theta[i] = theta;
    }
    mlp_forward(m);
    mlp_backward(m);
    return disagreeing(c);
}
