/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "model_test.h"

#define X "data X[N,2] = [0 0; 0 1; 1 0; 1 1]\n"
#define NET "param W[2,1] ~ normal\nz = X @ W\n"
#define WIDE "param W[2,3] ~ normal\nz = X @ W\n"
#define HALF "data y[N,1] = [0; 1; 1; 0]\n"
#define SIGN "data y[N,1] = [-1; 1; 1; 1]\n"
#define REAL "data y[N,1] = [0; 1; 2; 0.5]\n"
#define ONE_HOT "data Y[N,3] = [1 0 0; 0 1 0; 0 0 1; 1 0 0]\n"
#define MANY "data Y[N,3] = [1 0 0; 1 1 0; 0 1 1; 0 0 0]\n"
#define LABELS "data labels[N,1] = [2; 0; 1; 1]\n"

static const struct {
    const char *text, *prediction, *target; /* NULL: not known */
    gpf_decision decision;
} list[] = {
    /* losses of the library */
    { X REAL NET "loss = mse(z, y)\n", "z", "y", GPF_DECIDE_NOTHING },
    { X REAL NET "loss = mae(y, z)\n", "z", "y", GPF_DECIDE_NOTHING },
    { X REAL NET "loss = 3*huber(z, y) + 0.1*l2(W)\n", "z", "y", GPF_DECIDE_NOTHING },
    { X REAL NET "loss = 0.5*mse(z, y)\n", "z", "y", GPF_DECIDE_NOTHING },
    { X HALF NET "loss = half_sse(y, z)\n", "z", "y", GPF_DECIDE_HALF },
    { X SIGN NET "loss = mse(z, y)\n", "z", "y", GPF_DECIDE_SIGN },
    { X ONE_HOT WIDE "loss = mse(z, Y)\n", "z", "Y", GPF_DECIDE_ARGMAX },
    { X MANY WIDE "loss = mse(z, Y)\n", "z", "Y", GPF_DECIDE_HALF },
    { X HALF NET "p = sigmoid(z)\nloss = bce(p, y)\n", "p", "y", GPF_DECIDE_HALF },
    { X REAL NET "p = sigmoid(z)\nloss = bce(p, y)\n", "p", "y", GPF_DECIDE_HALF },
    { X HALF NET "loss = bce_with_logits(z, y)\n", "z", "y", GPF_DECIDE_LOGIT },
    { X ONE_HOT WIDE "loss = cross_entropy(z, Y)\n", "z", "Y", GPF_DECIDE_ARGMAX },
    { X SIGN NET "loss = hinge(z, y)\n", "z", "y", GPF_DECIDE_SIGN },
    /* of several losses the one in the output, of several there the larger */
    { X HALF NET "p = sigmoid(z)\nerr = mse(p, y)\nloss = bce(p, y)\n", "p", "y", GPF_DECIDE_HALF },
    { X HALF NET "loss = bce_with_logits(z, y) + mse(W, [1; 2])\n", "z", "y", GPF_DECIDE_LOGIT },
    { X HALF NET "loss = mse(W, [1; 2]) + bce_with_logits(z, y)\n", "z", "y", GPF_DECIDE_LOGIT },
    /* written out */
    { X HALF NET "p = sigmoid(z)\nloss = -sum(y*log(p) + (1 - y)*log(1 - p))\n", "p", "y",
      GPF_DECIDE_HALF },
    { X HALF NET "logits = z*1\nloss = sum(softplus(logits) - y*logits)\n", "logits", "y",
      GPF_DECIDE_LOGIT },
    { X REAL NET "yhat = 2*z\nloss = mean((yhat - y)^2)\n", "yhat", "y", GPF_DECIDE_NOTHING },
    { X ONE_HOT WIDE "p = softmax(z)\nloss = -sum(Y*log(p))\n", "p", "Y", GPF_DECIDE_ARGMAX },
    { X LABELS WIDE "p = softmax(z)\nloss = -sum(one_hot(labels, 3)*log(p))\n", "p", "labels",
      GPF_DECIDE_ARGMAX },
    { X LABELS WIDE "p = softmax(z)\nY = one_hot(labels, 3)\nloss = -sum(Y*log(p))\n", "p", "Y",
      GPF_DECIDE_ARGMAX },
    { X SIGN NET "prediction = tanh(z)\nloss = sum(relu(-y*prediction))\n", "prediction", "y",
      GPF_DECIDE_SIGN },
    /* not known: no target in the loss, no prediction that learns, none of the names */
    { X HALF NET "p = sigmoid(z)\nloss = sum(p)\n", NULL, NULL, GPF_DECIDE_NOTHING },
    { X HALF NET "p = X[:,0]\nloss = sum((p - y)^2) + sum(W)\n", NULL, NULL, GPF_DECIDE_NOTHING },
    { X HALF NET "a = sigmoid(z)\nloss = sum((a - y)^2)\n", NULL, NULL, GPF_DECIDE_NOTHING },
    { X HALF "loss = mse(X[:,0], y)\n", NULL, NULL, GPF_DECIDE_NOTHING },
    { "param w = 1\n", NULL, NULL, GPF_DECIDE_NOTHING },
    { "", NULL, NULL, GPF_DECIDE_NOTHING },
};

static void tasks(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof list / sizeof *list; i++) {
        gpf_model *m = model_of(list[i].text, NULL);
        const gpf_task t = gpf_model_task(m);
        const gpf_node none = GPF_NONE;
        const gpf_node p = list[i].prediction ? gpf_model_find(m, list[i].prediction) : none;
        const gpf_node y = list[i].target ? gpf_model_find(m, list[i].target) : none;
        if (t.prediction != p || t.target != y || t.decision != list[i].decision)
            fail_msg("%s\nprediction %d (%d), target %d (%d), decision %d (%d)", list[i].text,
                     t.prediction, p, t.target, y, (int)t.decision, (int)list[i].decision);
        gpf_model_free(m);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = { cmocka_unit_test(tasks) };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
