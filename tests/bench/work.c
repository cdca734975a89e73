/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "work.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

int work_parse(const char *text, work *w)
{
    char sizes[128];
    *w = (work){ .layers = -1 };
    if (sscanf(text, "%15s %127s %d %15s %15s", w->kind, sizes, &w->batch, w->act, w->loss) != 5)
        return 0;
    for (char *s = strtok(sizes, ","); s && w->layers < MAX_LAYERS; s = strtok(NULL, ","))
        w->size[++w->layers] = atoi(s);
    for (int l = 0; l < w->layers; l++)
        w->n_params += (size_t)(w->size[l] + 1) * (size_t)w->size[l + 1];
    return w->batch > 0;
}

/* Number i of a stream, in [-1, 1): splitmix64 by counter, so that any language can do it. */
static double draw(uint64_t stream, size_t i)
{
    uint64_t z = (stream << 32) + ((uint64_t)i + 1) * 0x9e3779b97f4a7c15u;
    z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9u;
    z = (z ^ z >> 27) * 0x94d049bb133111ebu;
    return (double)((z ^ z >> 31) >> 11) * 0x1p-52 - 1;
}

void work_params(const work *w, double *theta)
{
    size_t k = 0;
    for (int l = 0; l < w->layers; l++) {
        const size_t units = (size_t)w->size[l + 1], weights = (size_t)w->size[l] * units;
        const double scale = sqrt(6.0 / w->size[l]);
        for (size_t i = 0; i < weights; i++, k++)
            theta[k] = scale * draw(1, k);
        for (size_t i = 0; i < units; i++, k++)
            theta[k] = 0.1 * draw(1, k);
    }
}

void work_data(const work *w, double *X, double *Y)
{
    static const double xor_x[] = { 0, 0, 0, 1, 1, 0, 1, 1 }, xor_y[] = { 0, 1, 1, 0 };
    const size_t B = (size_t)w->batch, n_x = (size_t)w->size[0], n_y = (size_t)w->size[w->layers];
    if (!strcmp(w->loss, "bce")) {
        memcpy(X, xor_x, sizeof xor_x);
        memcpy(Y, xor_y, sizeof xor_y);
        return;
    }
    for (size_t i = 0; i < B * n_x; i++)
        X[i] = draw(2, i);
    for (size_t i = 0; i < B * n_y; i++)
        Y[i] = strcmp(w->loss, "ce") ? draw(3, i) : 0;
    for (size_t b = 0; b < B && !strcmp(w->loss, "ce"); b++)
        Y[b * n_y + (size_t)((draw(3, b) + 1) / 2 * (double)n_y)] = 1;
}

double work_projection(size_t n, const double *g)
{
    double s = 0;
    for (size_t i = 0; i < n; i++)
        s += draw(4, i) * g[i];
    return s;
}

double work_cost(const work *w)
{
    double cost = 0;
    for (int l = 0; l < w->layers; l++)
        cost += (double)w->batch * w->size[l] * w->size[l + 1];
    return cost;
}
