/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Any bytes as model text: a model, or errors that each have a place and a text. */
#include <gradproof/model.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    enum { MAX = 4 };
    gpf_diag why[MAX];
    size_t n_why;
    const gpf_model_options options = { .max_bytes = 1 << 20 };
    gpf_model *m =
        gpf_model_parse((const char *)data, size, "fuzz.gpf", &options, why, MAX, &n_why);
    if ((m == NULL) != (n_why > 0))
        abort();
    for (size_t i = 0; i < n_why && i < MAX; i++)
        if (!why[i].status || !*why[i].text || strpbrk(why[i].text, "\n\033") ||
            (why[i].line > 0 && (why[i].column < 1 || why[i].width < 1)))
            abort();
    if (m) {
        const gpf_node y = gpf_model_output(m);
        if (y != GPF_NONE && (size_t)y >= gpf_graph_n_nodes(gpf_model_graph(m)))
            abort();
        gpf_node param, next;
        for (size_t i = 0; gpf_model_update(m, i, &param, &next); i++)
            if (!gpf_node_is_param(gpf_model_graph(m), param) || next <= GPF_POISON)
                abort();
        gpf_point_free(gpf_model_rows(m, 1, NULL));
    }
    gpf_model_free(m);
    return 0;
}
