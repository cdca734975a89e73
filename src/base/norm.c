/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "base/norm.h"

#include <float.h>
#include <math.h>

/* Four sums side by side, always in the same order. */
static double squares(const double *x, size_t n, double scale)
{
    double sum[4] = { 0, 0, 0, 0 };
    size_t i = 0;
    for (; i + 4 <= n; i += 4)
        for (size_t k = 0; k < 4; k++)
            sum[k] += x[i + k] * scale * (x[i + k] * scale);
    for (; i < n; i++)
        sum[0] += x[i] * scale * (x[i] * scale);
    return (sum[0] + sum[1]) + (sum[2] + sum[3]);
}

double gpf__norm(const double *x, size_t n)
{
    const double plain = squares(x, n, 1);
    if (isnan(plain) || (plain < DBL_MAX && plain > 1e-280))
        return sqrt(plain);
    const double most = gpf__max_norm(x, n);
    if (most == 0 || !isfinite(most))
        return most;
    /* squares that do not fit a double are taken of what is scaled */
    const double scale = most < 1 ? 0x1p600 : 0x1p-540;
    return sqrt(squares(x, n, scale)) / scale;
}

double gpf__max_norm(const double *x, size_t n)
{
    double most = 0;
    for (size_t i = 0; i < n; i++)
        most = fmax(most, fabs(x[i]));
    return most;
}

bool gpf__all_finite(const double *x, size_t n)
{
    for (size_t i = 0; x && i < n; i++)
        if (!isfinite(x[i]))
            return false;
    return true;
}
