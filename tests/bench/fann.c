/* SPDX-License-Identifier: GPL-3.0-or-later */
/* FANN, double. It has no ReLU, softmax or cross-entropy and takes no weights of ours: clipped
 * linear units and squared error stand in, and its numbers are not compared. */
#include "worker.h"

#include <doublefann.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

typedef struct job {
    struct fann *net;
    struct fann_train_data *data;
} job;

static void *open_job(const work *w)
{
    if (strcmp(w->kind, "train"))
        return NULL;
    unsigned size[MAX_LAYERS + 1];
    for (int l = 0; l <= w->layers; l++)
        size[l] = (unsigned)w->size[l];
    job *j = malloc(sizeof *j);
    const size_t B = (size_t)w->batch, n_x = size[0], n_y = size[w->layers];
    double *X = malloc(B * (n_x + n_y) * sizeof *X), *Y = X + B * n_x;
    work_data(w, X, Y);
    j->net = fann_create_standard_array((unsigned)w->layers + 1, size);
    fann_set_activation_function_hidden(j->net,
                                        w->act[0] == 'r' ? FANN_LINEAR_PIECE : FANN_SIGMOID);
    fann_set_activation_function_output(j->net, w->loss[0] == 'm' ? FANN_LINEAR : FANN_SIGMOID);
    fann_set_training_algorithm(j->net, FANN_TRAIN_BATCH);
    fann_set_learning_rate(j->net, (float)WORK_RATE);
    j->data = fann_create_train((unsigned)B, (unsigned)n_x, (unsigned)n_y);
    for (size_t b = 0; b < B; b++) {
        memcpy(j->data->input[b], X + b * n_x, n_x * sizeof *X);
        memcpy(j->data->output[b], Y + b * n_y, n_y * sizeof *X);
    }
    free(X);
    return j;
}

static void reset(void *of)
{
    fann_randomize_weights(((job *)of)->net, -0.5, 0.5);
}

static void run(void *of, long times)
{
    job *j = of;
    for (; times > 0; times--)
        fann_train_epoch(j->net, j->data);
}

int main(void)
{
    static const contender fann = { "fann", VERSION, open_job, reset, run, NULL, NULL };
    return worker_main(&fann);
}
