/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Groups of columns of a pattern: in all of GSL's formats, each column once, no row twice. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "gsl/gsl.h"

#include <gsl/gsl_rng.h>
#include <gsl/gsl_spmatrix.h>
#include <stdlib.h>
#include <string.h>

static void check(const gsl_spmatrix *a, const gsl_spmatrix *entries, const unsigned char *skip)
{
    const size_t m = a->size1, n = a->size2;
    gpf__pattern *p = gpf__pattern_alloc(a, m, n, skip);
    assert_non_null(p);
    size_t seen = 0;
    for (size_t g = 0; g < p->n_group; g++) {
        unsigned char *row = calloc(m, 1);
        for (size_t k = p->group[g]; k < p->group[g + 1]; k++, seen++) {
            const size_t j = p->variable[k];
            assert_false(skip && skip[j]);
            for (size_t c = p->column[j]; c < p->column[j + 1]; c++) {
                assert_int_equal(row[p->row_of[c]], 0);
                row[p->row_of[c]] = 1;
            }
        }
        free(row);
    }
    size_t expected = 0;
    for (size_t j = 0; j < n; j++)
        expected += !(skip && skip[j]);
    assert_int_equal(seen, expected);
    for (size_t i = 0; i < m; i++)
        for (size_t j = 0; j < n; j++)
            assert_int_equal(gpf__pattern_has(p, i, j), gsl_spmatrix_get(entries, i, j) != 0);
    gpf__pattern_free(p);
}

static void formats(void **state)
{
    (void)state;
    gsl_rng *r = gsl_rng_alloc(gsl_rng_mt19937);
    for (int round = 0; round < 30; round++) {
        const size_t m = 1 + gsl_rng_uniform_int(r, 9), n = 1 + gsl_rng_uniform_int(r, 9);
        gsl_spmatrix *a = gsl_spmatrix_alloc(m, n);
        for (size_t k = gsl_rng_uniform_int(r, 20); k > 0; k--)
            gsl_spmatrix_set(a, gsl_rng_uniform_int(r, m), gsl_rng_uniform_int(r, n), 1.5);
        gsl_spmatrix *csc = gsl_spmatrix_compress(a, GSL_SPMATRIX_CSC),
                     *csr = gsl_spmatrix_compress(a, GSL_SPMATRIX_CSR);
        unsigned char skip[9];
        for (size_t j = 0; j < n; j++)
            skip[j] = gsl_rng_uniform_int(r, 3) == 0;
        const gsl_spmatrix *all[] = { a, csc, csr };
        for (int f = 0; f < 3; f++) {
            check(all[f], a, NULL);
            check(all[f], a, skip);
        }
        gsl_spmatrix_free(a);
        gsl_spmatrix_free(csc);
        gsl_spmatrix_free(csr);
    }
    gsl_rng_free(r);
}

static void a_band_needs_as_many_groups_as_it_is_wide(void **state)
{
    (void)state;
    enum { SIZE = 50 };
    gsl_spmatrix *a = gsl_spmatrix_alloc(SIZE, SIZE);
    for (size_t i = 0; i < SIZE; i++)
        for (size_t j = i > 0 ? i - 1 : 0; j <= i + 1 && j < SIZE; j++)
            gsl_spmatrix_set(a, i, j, 1);
    gpf__pattern *p = gpf__pattern_alloc(a, SIZE, SIZE, NULL);
    assert_int_equal(p->n_group, 3);
    gpf__pattern_free(p);
    gsl_spmatrix_free(a);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(formats),
        cmocka_unit_test(a_band_needs_as_many_groups_as_it_is_wide),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
