/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "mlp.h"

#include <gsl/gsl_cblas.h>
#include <math.h>
#include <stdlib.h>

/* Below this many weights a call costs more than the loops. */
enum { LOOPS = 16 };

/* Room for n doubles at *at, in whole cache lines; without memory only counted. */
static double *put(double *memory, size_t *at, size_t n)
{
    double *const p = memory ? memory + *at : NULL;
    *at += (n + 7) / 8 * 8;
    return p;
}

static size_t lay_out(mlp *m, int keep_z)
{
    const work *w = &m->w;
    const size_t B = (size_t)w->batch;
    size_t k = 0, at = 0;
    m->theta = put(m->memory, &at, w->n_params);
    m->grad = put(m->memory, &at, w->n_params);
    m->X = m->a[0] = put(m->memory, &at, B * (size_t)w->size[0]);
    m->Y = put(m->memory, &at, B * (size_t)w->size[w->layers]);
    for (int l = 0; l < w->layers; l++) {
        const size_t n = B * (size_t)w->size[l + 1];
        m->weights[l] = k;
        k += (size_t)(w->size[l] + 1) * (size_t)w->size[l + 1];
        m->z[l + 1] = put(m->memory, &at, n);
        m->a[l + 1] = keep_z ? put(m->memory, &at, n) : m->z[l + 1];
        m->delta[l + 1] = put(m->memory, &at, n);
    }
    return at * sizeof(double);
}

static void transpose(int rows, int cols, const double *x, double *y)
{
    for (int i = 0; i < rows; i++)
        for (int j = 0; j < cols; j++)
            y[j * rows + i] = x[i * cols + j];
}

mlp *mlp_open(const work *w, int keep_z)
{
    mlp *m = calloc(1, sizeof *m);
    m->w = *w;
    m->memory = aligned_alloc(64, lay_out(m, keep_z));
    lay_out(m, keep_z);
    const int n_x = w->size[0], n_y = w->size[w->layers];
    const size_t x = (size_t)w->batch * (size_t)n_x, y = (size_t)w->batch * (size_t)n_y;
    double *rows = malloc((x + y) * sizeof *rows);
    work_data(w, rows, rows + x);
    transpose(w->batch, n_x, rows, m->X);
    transpose(w->batch, n_y, rows + x, m->Y);
    free(rows);
    mlp_reset(m);
    return m;
}

void mlp_close(mlp *m)
{
    free(m->memory);
    free(m);
}

void mlp_reset(mlp *m)
{
    work_params(&m->w, m->theta);
}

void mlp_affine(const mlp *m, int l, int n, const double *A, double *Z)
{
    const int n_in = m->w.size[l], n_out = m->w.size[l + 1];
    const double *W = m->theta + m->weights[l], *b = W + n_in * n_out;
    for (int o = 0; o < n_out; o++)
        for (int j = 0; j < n; j++)
            Z[o * n + j] = b[o];
    if (n_in * n_out > LOOPS) {
        cblas_dgemm(CblasRowMajor, CblasTrans, CblasNoTrans, n_out, n, n_in, 1, W, n_out, A, n, 1,
                    Z, n);
        return;
    }
    for (int o = 0; o < n_out; o++)
        for (int i = 0; i < n_in; i++)
            for (int j = 0; j < n; j++)
                Z[o * n + j] += W[i * n_out + o] * A[i * n + j];
}

void mlp_activate(const work *w, size_t n, const double *z, double *a)
{
    if (w->act[0] == 'r')
        for (size_t j = 0; j < n; j++)
            a[j] = z[j] > 0 ? z[j] : 0;
    else
        for (size_t j = 0; j < n; j++)
            a[j] = 1 / (1 + exp(-z[j]));
}

/* Mean of (z - y)^2 over all elements; delta = 2 (z - y) / n. */
static double mse(const mlp *m, const double *z, size_t ld, double *delta)
{
    const size_t B = (size_t)m->w.batch, n = (size_t)m->w.size[m->w.layers];
    const double c = 1 / (double)(B * n);
    double s = 0;
    for (size_t o = 0; o < n; o++)
        for (size_t b = 0; b < B; b++) {
            const double e = z[o * ld + b] - m->Y[o * B + b];
            s += e * e;
            if (delta)
                delta[o * B + b] = 2 * c * e;
        }
    return c * s;
}

/* Mean of log(1 + exp(z)) - y z; delta = (sigmoid(z) - y) / n. */
static double bce(const mlp *m, const double *z, size_t ld, double *delta)
{
    const size_t B = (size_t)m->w.batch, n = (size_t)m->w.size[m->w.layers];
    const double c = 1 / (double)(B * n);
    double s = 0;
    for (size_t o = 0; o < n; o++)
        for (size_t b = 0; b < B; b++) {
            const double u = z[o * ld + b], y = m->Y[o * B + b], e = exp(-fabs(u));
            s += (u > 0 ? u : 0) + log(1 + e) - y * u;
            if (delta)
                delta[o * B + b] = c * ((u > 0 ? 1 : e) / (1 + e) - y);
        }
    return c * s;
}

/* Mean over the samples of log sum_o exp(z_o) - sum_o y_o z_o; delta = (softmax(z) - y) / B. Blocks
 * of samples, so that the sums over units vectorise. */
static double cross_entropy(const mlp *m, const double *z, size_t ld, double *delta)
{
    enum { BLOCK = 64 };
    const size_t B = (size_t)m->w.batch, n = (size_t)m->w.size[m->w.layers];
    const double c = 1 / (double)B;
    double loss = 0, top[BLOCK], sum[BLOCK];
    for (size_t b0 = 0; b0 < B; b0 += BLOCK) {
        const size_t block = B - b0 < BLOCK ? B - b0 : BLOCK;
        const double *u = z + b0, *y = m->Y + b0;
        double *d = delta + b0;
        for (size_t j = 0; j < block; j++)
            top[j] = u[j], sum[j] = 0;
        for (size_t o = 1; o < n; o++)
            for (size_t j = 0; j < block; j++)
                top[j] = u[o * ld + j] > top[j] ? u[o * ld + j] : top[j];
        for (size_t o = 0; o < n; o++)
            for (size_t j = 0; j < block; j++) {
                const double e = exp(u[o * ld + j] - top[j]);
                sum[j] += e;
                loss -= y[o * B + j] * u[o * ld + j];
                if (delta)
                    d[o * B + j] = e;
            }
        for (size_t j = 0; j < block; j++)
            loss += top[j] + log(sum[j]);
        for (size_t o = 0; delta && o < n; o++)
            for (size_t j = 0; j < block; j++)
                d[o * B + j] = c * (d[o * B + j] / sum[j] - y[o * B + j]);
    }
    return c * loss;
}

double mlp_loss(const mlp *m, const double *z, size_t ld, double *delta)
{
    return (m->w.loss[0] == 'm' ? mse : m->w.loss[0] == 'b' ? bce : cross_entropy)(m, z, ld, delta);
}

double mlp_forward(mlp *m)
{
    const work *w = &m->w;
    for (int l = 0; l < w->layers; l++) {
        mlp_affine(m, l, w->batch, m->a[l], m->z[l + 1]);
        if (l + 1 < w->layers)
            mlp_activate(w, (size_t)w->size[l + 1] * (size_t)w->batch, m->z[l + 1], m->a[l + 1]);
    }
    return mlp_loss(m, m->z[w->layers], (size_t)w->batch, m->delta[w->layers]);
}

/* dW = A delta', db = delta 1, delta of the layer before = W delta * act'(z). */
static void layer_backward(mlp *m, int l)
{
    const work *w = &m->w;
    const int B = w->batch, n_in = w->size[l], n_out = w->size[l + 1];
    const double *A = m->a[l], *W = m->theta + m->weights[l], *d = m->delta[l + 1];
    double *dW = m->grad + m->weights[l], *db = dW + n_in * n_out, *D = m->delta[l];
    for (int o = 0; o < n_out; o++) {
        double s = 0;
        for (int b = 0; b < B; b++)
            s += d[o * B + b];
        db[o] = s;
    }
    if (n_in * n_out > LOOPS) {
        cblas_dgemm(CblasRowMajor, CblasNoTrans, CblasTrans, n_in, n_out, B, 1, A, B, d, B, 0, dW,
                    n_out);
        if (l)
            cblas_dgemm(CblasRowMajor, CblasNoTrans, CblasNoTrans, n_in, B, n_out, 1, W, n_out, d,
                        B, 0, D, B);
    } else
        for (int i = 0; i < n_in; i++) {
            for (int b = 0; l && b < B; b++)
                D[i * B + b] = 0;
            for (int o = 0; o < n_out; o++) {
                double s = 0;
                for (int b = 0; b < B; b++)
                    s += A[i * B + b] * d[o * B + b];
                dW[i * n_out + o] = s;
                for (int b = 0; l && b < B; b++)
                    D[i * B + b] += W[i * n_out + o] * d[o * B + b];
            }
        }
    if (l && w->act[0] == 'r')
        for (int j = 0; j < n_in * B; j++)
            D[j] = A[j] > 0 ? D[j] : 0;
    else if (l)
        for (int j = 0; j < n_in * B; j++)
            D[j] *= A[j] * (1 - A[j]);
}

void mlp_backward(mlp *m)
{
    for (int l = m->w.layers; l-- > 0;)
        layer_backward(m, l);
}

double mlp_step(mlp *m)
{
    const double loss = mlp_forward(m);
    mlp_backward(m);
    for (size_t i = 0; i < m->w.n_params; i++)
        m->theta[i] -= WORK_RATE * m->grad[i];
    return loss;
}
