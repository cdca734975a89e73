/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Any bytes as a CSV table: finite numbers in every column, or one error. */
#include <gradproof/model.h>
#include <math.h>
#include <stdint.h>
#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    gpf_diag why = { 0 };
    gpf_table *t = gpf_table_parse((const char *)data, size, "fuzz.csv", &why);
    if ((t == NULL) != (why.status != 0))
        abort();
    for (size_t j = 0; t && j < gpf_table_columns(t); j++) {
        if (gpf_table_find(t, gpf_table_column_name(t, j)) != (long)j)
            abort();
        for (size_t i = 0; i < gpf_table_rows(t); i++) {
            const double x = gpf_table_column(t, j)[i];
            const size_t n = gpf_table_categories(t, j);
            if (!isfinite(x) || (n && !gpf_table_category(t, j, (size_t)x)))
                abort();
        }
    }
    gpf_table_free(t);
    return 0;
}
