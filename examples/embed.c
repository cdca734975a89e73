/* A net with a hidden layer in C, its gradient, and the proof that the gradient is right.
 *   cc embed.c $(pkg-config --cflags --libs gradproof) && ./a.out */
#include <gradproof.h>

int main(void)
{
    gpf_graph *g = gpf_graph_alloc();
    gpf_node X = gpf_data(g, "X", gpf_shape2(GPF_N, 3)), y = gpf_data(g, "y", gpf_shape2(GPF_N, 1));
    gpf_node hidden = gpf_dense(g, "hidden", X, 4, gpf_tanh);
    gpf_node loss = gpf_mse(g, gpf_dense(g, "out", hidden, 1, NULL), y, GPF_MEAN);
    gpf_node params[] = { gpf_graph_find(g, "hidden.W"), gpf_graph_find(g, "out.W") };
    gpf_node grads[2];
    gpf_grad(g, loss, params, 2, grads);
    gpf_point *at = gpf_point_generic(g, NULL, 5, 42); /* 5 random samples, random params */
    gpf_check *check = gpf_check_alloc(g, loss, params, grads, 2, 5, 1, NULL);
    if (!check || gpf_check_run(check, at, NULL, NULL))
        return GPF_OUTCOME_TROUBLE;
    gpf_report_text(stdout, check, NULL);
    gpf_outcome outcome = gpf_check_outcome(check);
    gpf_check_free(check);
    gpf_point_free(at);
    gpf_graph_free(g);
    return (int)outcome;
}
