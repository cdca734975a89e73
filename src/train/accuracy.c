/* SPDX-License-Identifier: GPL-3.0-or-later */
#include <gradproof/train.h>
#include <math.h>
#include <stdbool.h>

static size_t largest(const double *x, size_t n)
{
    size_t at = 0;
    for (size_t i = 1; i < n; i++)
        if (x[i] > x[at])
            at = i;
    return at;
}

static size_t right_rows(size_t rows, size_t cols, const double *p, size_t target_cols,
                         const double *t)
{
    size_t right = 0;
    for (size_t i = 0; i < rows; i++) {
        const size_t chosen = largest(p + i * cols, cols);
        right += target_cols == 1 ? (double)chosen == t[i]
                                  : chosen == largest(t + i * target_cols, target_cols);
    }
    return right;
}

/* The class an element stands for: on which side of the threshold it is. */
static bool upper(gpf_decision d, double p)
{
    return d == GPF_DECIDE_HALF ? p > 0.5 : d == GPF_DECIDE_LOGIT ? p > 0 : p >= 0;
}

double gpf_accuracy(gpf_decision d, size_t rows, size_t cols, const double *prediction,
                    size_t target_cols, const double *target)
{
    const bool by_row = d == GPF_DECIDE_ARGMAX;
    if (d == GPF_DECIDE_NOTHING || rows == 0 || cols == 0 ||
        !(target_cols == cols || (by_row && target_cols == 1)))
        return NAN;
    for (size_t i = 0; i < rows * cols; i++)
        if (isnan(prediction[i]))
            return NAN;
    for (size_t i = 0; i < rows * target_cols; i++)
        if (isnan(target[i]))
            return NAN;
    if (by_row)
        return (double)right_rows(rows, cols, prediction, target_cols, target) / (double)rows;
    size_t right = 0;
    for (size_t i = 0; i < rows * cols; i++) {
        /* targets are 0 and 1, but for SIGN: -1 and 1 */
        const bool is = target[i] > (d == GPF_DECIDE_SIGN ? 0 : 0.5);
        right += upper(d, prediction[i]) == is;
    }
    return (double)right / (double)(rows * cols);
}
