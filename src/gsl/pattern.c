/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "gsl/gsl.h"

#include <stdlib.h>

/* Compressed lists: the second number of each pair under the first, ascending. start has one more
 * element than there are lists. Twice the same pair counts once. */
static bool compress(const size_t *key, const size_t *value, size_t n, size_t lists, size_t **start,
                     size_t **list)
{
    size_t *s = calloc(lists + 2, sizeof *s), *l = malloc((n + 1) * sizeof *l);
    *start = s;
    *list = l;
    if (!s || !l)
        return false;
    for (size_t k = 0; k < n; k++)
        s[key[k] + 2]++;
    for (size_t i = 0; i < lists; i++)
        s[i + 2] += s[i + 1];
    for (size_t k = 0; k < n; k++)
        l[s[key[k] + 1]++] = value[k];
    return true;
}

/* The pairs of a pattern, by rows of ascending columns, each once, in place. */
static size_t each_once(size_t *start, size_t *list, size_t lists)
{
    size_t n = 0;
    for (size_t i = 0; i < lists; i++) {
        const size_t first = n, from = start[i], to = start[i + 1];
        start[i] = first;
        for (size_t k = from; k < to; k++)
            if (n == first || list[n - 1] != list[k])
                list[n++] = list[k];
    }
    start[lists] = n;
    return n;
}

/* Transposes twice: then all lists are ascending. */
static bool lists_of(gpf__pattern *p, size_t *i, size_t *j, size_t n)
{
    size_t *start = NULL, *list = NULL;
    bool ok = compress(i, j, n, p->m, &start, &list); /* columns of each row, in any order */
    for (size_t r = 0, k = 0; ok && r < p->m; r++)
        for (; k < start[r + 1]; k++) {
            i[k] = r;
            j[k] = list[k];
        }
    free(start);
    free(list);
    ok = ok && compress(j, i, n, p->n, &p->column, &p->row_of);
    if (!ok)
        return false;
    n = each_once(p->column, p->row_of, p->n);
    for (size_t c = 0, k = 0; c < p->n; c++)
        for (; k < p->column[c + 1]; k++) {
            j[k] = c;
            i[k] = p->row_of[k];
        }
    return compress(i, j, n, p->m, &p->row, &p->column_of);
}

/* Each column into the first group that has none of its rows. */
static bool colour(gpf__pattern *p, const unsigned char *skip)
{
    size_t *of = malloc((p->n + 1) * sizeof *of),
           *taken =
               malloc((p->n + 1) * sizeof *taken), /* by group: 1 + the last column it is not for */
               *variable = malloc((p->n + 1) * sizeof *variable);
    bool ok = of && taken && variable;
    size_t n = 0;
    for (size_t j = 0; ok && j < p->n; j++) {
        of[j] = p->n;
        taken[j] = 0;
    }
    for (size_t j = 0; ok && j < p->n; j++) {
        if (skip && skip[j])
            continue;
        for (size_t k = p->column[j]; k < p->column[j + 1]; k++) {
            const size_t i = p->row_of[k];
            for (size_t c = p->row[i]; c < p->row[i + 1] && p->column_of[c] < j; c++)
                if (of[p->column_of[c]] < p->n)
                    taken[of[p->column_of[c]]] = j + 1;
        }
        size_t g = 0;
        while (g < p->n_group && taken[g] == j + 1)
            g++;
        p->n_group += g == p->n_group;
        of[j] = g;
        variable[n] = j;
        n++;
    }
    for (size_t k = 0; ok && k < n; k++)
        taken[k] = of[variable[k]];
    ok = ok && compress(taken, variable, n, p->n_group, &p->group, &p->variable);
    free(of);
    free(taken);
    free(variable);
    return ok;
}

gpf__pattern *gpf__pattern_alloc(const gsl_spmatrix *a, size_t m, size_t n,
                                 const unsigned char *skip)
{
    gpf__pattern *p = calloc(1, sizeof *p);
    size_t *i = malloc((a->nz + 1) * sizeof *i), *j = malloc((a->nz + 1) * sizeof *j), nz = 0;
    bool ok = p && i && j;
    if (ok) {
        p->m = m;
        p->n = n;
    }
    /* COO: pairs; CSC: row indices by columns; CSR: the reverse */
    for (size_t k = 0, c = 0; ok && k < a->nz; k++) {
        size_t row = (size_t)a->i[k], col;
        if (GSL_SPMATRIX_ISCOO(a)) {
            col = (size_t)a->p[k];
        } else {
            while ((size_t)a->p[c + 1] <= k)
                c++;
            col = c;
            if (GSL_SPMATRIX_ISCSR(a)) {
                col = row;
                row = c;
            }
        }
        if (row < m && col < n) {
            i[nz] = row;
            j[nz++] = col;
        }
    }
    ok = ok && lists_of(p, i, j, nz) && colour(p, skip);
    free(i);
    free(j);
    if (!ok) {
        gpf__pattern_free(p);
        return NULL;
    }
    return p;
}

void gpf__pattern_free(gpf__pattern *p)
{
    if (!p)
        return;
    free(p->column);
    free(p->row_of);
    free(p->row);
    free(p->column_of);
    free(p->group);
    free(p->variable);
    free(p);
}

bool gpf__pattern_has(const gpf__pattern *p, size_t i, size_t j)
{
    size_t lo = p->column[j], hi = p->column[j + 1];
    while (lo < hi) {
        const size_t mid = lo + (hi - lo) / 2;
        if (p->row_of[mid] < i)
            lo = mid + 1;
        else
            hi = mid;
    }
    return lo < p->column[j + 1] && p->row_of[lo] == i;
}
