/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Stands in until checkpoints are merged. */
#include "train/loop.h"

int gpf_train_save(gpf_train *t, const char *path, gpf_diag *why)
{
    return gpf_params_write(t->g, gpf_point_params(t->at), path, why);
}

int gpf_train_resume(gpf_train *t, const char *path, gpf_diag *why)
{
    (void)why;
    return gpf_params_read(t->g, gpf_point_params(t->at), path, why);
}
