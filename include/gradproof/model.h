/* Models: the .gpf language.
 *
 * Reads a model text into a graph and a point: see gradproof-model(5) for the language.
 *
 * @example model
 *     const char *text = "data  X[N,2] = [0.2 0.9; -1.1 0.4; 0.3 0.7]\n"
 *                        "param W[2,1] ~ normal(0, 1)\n"
 *                        "loss = mean((X @ W)^2)\n";
 *     gpf_diag why[8];
 *     size_t n_why;
 *     gpf_model *m = gpf_model_parse(text, strlen(text), "inline", NULL, why, 8, &n_why);
 *     assert(m && n_why == 0);
 *     assert(gpf_model_output(m) == gpf_graph_find(gpf_model_graph(m), "loss"));
 *     gpf_model_free(m);
 * @end
 */
#ifndef GPF_MODEL_H
#define GPF_MODEL_H

#include <gradproof/train.h>

#ifdef __cplusplus
extern "C" {
#endif

typedef struct gpf_model gpf_model;

typedef struct gpf_model_options {
    unsigned long seed; /* of initialisers, generators and splits */
    int seed_given;     /* 1: overrides the model's own `seed` statement */
    int rows;           /* which rows of a split: 0 training, 1 test, 2 all */
    double split;       /* part of the samples to hold out, over the model's own; 0: as it says */
    size_t max_bytes;   /* of tables and params together; 0: 1 GiB. More is GPF_ELIMIT */
} gpf_model_options;

/* Parses text (any bytes, need not end in 0). `name` stands in messages; tables are looked for
 * beside it. All independent errors are reported: up to max_why of them in why, their number in
 * *n_why (may exceed max_why). NULL if there was any. options may be NULL. Model text is data: it
 * can read the tables it names, and exhaust or run nothing. */
GPF_API gpf_model *gpf_model_parse(const char *text, size_t length, const char *name,
                                   const gpf_model_options *options, gpf_diag *why, size_t max_why,
                                   size_t *n_why);
/* The same from a file; "-" is standard input. */
GPF_API gpf_model *gpf_model_read(const char *path, const gpf_model_options *options, gpf_diag *why,
                                  size_t max_why, size_t *n_why);
GPF_API void gpf_model_free(gpf_model *m);

/* Borrowed from the model. The point holds all tables and the initial params. */
GPF_API gpf_graph *gpf_model_graph(gpf_model *m);
GPF_API gpf_point *gpf_model_point(gpf_model *m);
GPF_API unsigned long gpf_model_seed(const gpf_model *m); /* the one in effect */
/* The node called `loss`, else the last one-element assignment, else GPF_NONE. */
GPF_API gpf_node gpf_model_output(const gpf_model *m);
/* Node of a name as the text assigned it, GPF_NONE if none; names by index in text order, NULL
 * past the end. Two names may mean the same node. */
GPF_API gpf_node gpf_model_find(const gpf_model *m, const char *name);
GPF_API const char *gpf_model_name(const gpf_model *m, size_t i);

/* A second point of the same model that holds the other rows of its split (options.rows), its params
 * those of the model's point at this moment. NULL with GPF_EDATA in *why (may be NULL) if the model
 * holds nothing out. Owned by the caller; its data is the model's. */
GPF_API gpf_point *gpf_model_rows(gpf_model *m, int rows, gpf_diag *why);

/* Puts other samples in place of the model's: its data statements are evaluated again, with csv()
 * tables read from the file `path` instead, by the same column names and categories, `standardize`
 * with the means and deviations of the model's own training rows, `one_hot` with its number of
 * classes. A table made of neither files nor other tables takes the columns NAME (one column) or
 * NAME.0, NAME.1, .. . Data of fixed size stay. A table whose columns the file lacks, or that cannot be
 * made for as many rows, becomes unbound: an error only where it is needed (gpf_model_bound), or if it
 * is all of them. The point gets as many samples as the file has rows, nothing is held out of
 * them; pointers into the old point die. On failure everything is as before: GPF_EFILE, GPF_EDATA, ..
 * with the place in *why. "-" is standard input.
 *
 * @example samples
 *     const char *text = "data  x[N,1] = [1; 2; 3]\n"
 *                        "param w = [0.5]\n"
 *                        "p = x @ w\n";
 *     gpf_model *m = gpf_model_parse(text, strlen(text), "inline", NULL, NULL, 0, NULL);
 *     FILE *f = fopen("example.csv", "w");
 *     fputs("id,x\n1,7\n2,-3\n", f);
 *     fclose(f);
 *     assert(gpf_model_read_data(m, "example.csv", NULL) == GSL_SUCCESS);
 *     assert(gpf_point_batch(gpf_model_point(m)) == 2);
 *     assert(gpf_point_values(gpf_model_point(m), gpf_model_find(m, "x"))[1] == -3);
 *     gpf_model_free(m);
 *     remove("example.csv");
 * @end
 */
GPF_API int gpf_model_read_data(gpf_model *m, const char *path, gpf_diag *why);
/* GSL_SUCCESS if all data that n nodes need have values; GPF_EUNBOUND with the first one that has none
 * and why, such as the columns a file lacked. GSL_ENOMEM. */
GPF_API int gpf_model_bound(const gpf_model *m, const gpf_node *nodes, size_t n, gpf_diag *why);

/* Settings of the model's `train` statements over the defaults, the seed that of the model. */
GPF_API const gpf_train_options *gpf_model_train_options(const gpf_model *m);
/* `update` statement i: the param and the formula of its next value; 0 past the end, else 1. And the
 * data leaf `rate` of such formulas, for gpf_train_with: GPF_NONE if they do not use it. */
GPF_API int gpf_model_update(const gpf_model *m, size_t i, gpf_node *param, gpf_node *next);
GPF_API gpf_node gpf_model_rate(const gpf_model *m);
/* What the model predicts: the arguments of the loss function that `loss` is made of; where the loss
 * is written out, the node called yhat, p, logits or prediction and the data called y, Y or labels. */
GPF_API gpf_task gpf_model_task(const gpf_model *m);
/* Text of category `code` of a data leaf: the words of its column, sorted; of one_hot rows that of a
 * column. NULL if it has none. */
GPF_API const char *gpf_model_category(const gpf_model *m, gpf_node data, size_t code);

/* Reads values over the params: "NAME = [..]" lines, as `gradproof eval` prints them, or an archive
 * (train.h), known by its content or its ending. On failure they are as before. */
GPF_API int gpf_model_read_params(gpf_model *m, const char *path, gpf_diag *why);

/* The claims, in text order. */
typedef struct gpf_model_claim {
    gpf_node left, right;
    const gpf_claim_use *uses;
    size_t n_uses;
    const char *text; /* as written */
    int line;
} gpf_model_claim;
GPF_API size_t gpf_model_n_claims(const gpf_model *m);
GPF_API gpf_model_claim gpf_model_claim_at(const gpf_model *m, size_t i);

/* Reductions of the losses in use, for reports: "mse: mean over 200 terms"; NULL past the end. */
GPF_API const char *gpf_model_note(const gpf_model *m, size_t i);
/* 1 if y depends on the loss of note i: a model may mention more of them, in claims. */
GPF_API int gpf_model_note_concerns(const gpf_model *m, size_t i, gpf_node y);

/* A table of numbers read from CSV text: header line, then rows; '#' starts a comment line. Text
 * columns become category codes 0, 1, .. in alphabetical order. Numbers parse the same under
 * every locale. Owned by the caller. */
typedef struct gpf_table gpf_table;
GPF_API gpf_table *gpf_table_parse(const char *text, size_t length, const char *name,
                                   gpf_diag *why);
GPF_API gpf_table *gpf_table_read(const char *path, gpf_diag *why);
GPF_API void gpf_table_free(gpf_table *t);
GPF_API size_t gpf_table_rows(const gpf_table *t);
GPF_API size_t gpf_table_columns(const gpf_table *t);
GPF_API const char *gpf_table_column_name(const gpf_table *t, size_t j);
/* Index of a column by name, exact; -1 if there is none. */
GPF_API long gpf_table_find(const gpf_table *t, const char *name);
/* Values of column j, gpf_table_rows of them, borrowed. */
GPF_API const double *gpf_table_column(const gpf_table *t, size_t j);
/* Categories of a text column; 0 for a column of numbers. */
GPF_API size_t gpf_table_categories(const gpf_table *t, size_t j);
GPF_API const char *gpf_table_category(const gpf_table *t, size_t j, size_t code);

#ifdef __cplusplus
}
#endif
#endif
