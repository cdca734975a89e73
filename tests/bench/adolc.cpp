/* SPDX-License-Identifier: GPL-3.0-or-later */
/* ADOL-C: a tape of every scalar operation, recorded once and replayed. */
#include "worker.h"

#include <adolc/adolc.h>
#include <cstring>
#include <vector>

namespace
{

struct job {
    work w;
    short tape;
    std::vector<double> theta, grad, X, Y;
};

bool is(const work &w, const char *kind)
{
    return !std::strcmp(w.kind, kind);
}

adouble act(const work &w, const adouble &z)
{
    return w.act[0] == 'r' ? fmax(z, 0.0) : adouble(1 / (1 + exp(-z)));
}

/* The loss of one sample's logits, as the mean's term. */
adouble loss(const work &w, const std::vector<adouble> &z, const double *y)
{
    const double c = w.loss[0] == 'c' ? 1.0 / w.batch : 1.0 / (w.batch * double(z.size()));
    adouble s = 0;
    if (w.loss[0] == 'c') {
        adouble sum = 0;
        for (const adouble &u : z)
            sum += exp(u);
        s = log(sum);
    }
    for (size_t o = 0; o < z.size(); o++)
        if (w.loss[0] == 'm')
            s += (z[o] - y[o]) * (z[o] - y[o]);
        else if (w.loss[0] == 'b')
            s += log(1 + exp(z[o])) - y[o] * z[o];
        else if (y[o] != 0)
            s -= y[o] * z[o];
    return c * s;
}

adouble net(const job &j, const std::vector<adouble> &theta)
{
    const work &w = j.w;
    adouble total = 0;
    for (int b = 0; b < w.batch; b++) {
        std::vector<adouble> a(&j.X[size_t(b) * size_t(w.size[0])],
                               &j.X[size_t(b) * size_t(w.size[0])] + w.size[0]);
        const adouble *W = theta.data();
        for (int l = 0; l < w.layers; l++) {
            const int n_in = w.size[l], n_out = w.size[l + 1];
            std::vector<adouble> z(W + n_in * n_out, W + (n_in + 1) * n_out);
            for (int o = 0; o < n_out; o++) {
                for (int i = 0; i < n_in; i++)
                    z[size_t(o)] += W[i * n_out + o] * a[size_t(i)];
                if (l + 1 < w.layers)
                    z[size_t(o)] = act(w, z[size_t(o)]);
            }
            a = z;
            W += (n_in + 1) * n_out;
        }
        total += loss(w, a, &j.Y[size_t(b) * size_t(w.size[w.layers])]);
    }
    return total;
}

adouble chain(const std::vector<adouble> &theta)
{
    adouble x = theta[0];
    for (size_t i = 1; i < theta.size(); i++)
        x = i % 2 ? x * theta[i] : x + theta[i];
    return x;
}

void reset(void *of)
{
    job &j = *static_cast<job *>(of);
    if (is(j.w, "chain"))
        for (size_t i = 0; i < j.theta.size(); i++)
            j.theta[i] = 1 + 1e-3 * double(i) / j.w.size[0];
    else
        work_params(&j.w, j.theta.data());
}

void *open_job(const work *w)
{
    static short tapes;
    const size_t n = is(*w, "chain") ? size_t(w->size[0]) + 1 : w->n_params;
    if (!is(*w, "chain") && (!is(*w, "train") || work_cost(w) > 2e7)) /* tapes of gigabytes */
        return nullptr;
    job *j = new job{ *w, ++tapes, std::vector<double>(n), std::vector<double>(n), {}, {} };
    if (!is(*w, "chain")) {
        j->X.resize(size_t(w->batch) * size_t(w->size[0]));
        j->Y.resize(size_t(w->batch) * size_t(w->size[w->layers]));
        work_data(w, j->X.data(), j->Y.data());
    }
    reset(j);
    double y;
    trace_on(j->tape);
    std::vector<adouble> theta(n);
    for (size_t i = 0; i < n; i++)
        theta[i] <<= j->theta[i];
    adouble f = is(*w, "chain") ? chain(theta) : net(*j, theta);
    f >>= y;
    trace_off();
    return j;
}

void run(void *of, long times)
{
    job &j = *static_cast<job *>(of);
    for (; times > 0; times--) {
        gradient(j.tape, int(j.theta.size()), j.theta.data(), j.grad.data());
        for (size_t i = 0; is(j.w, "train") && i < j.theta.size(); i++)
            j.theta[i] -= WORK_RATE * j.grad[i];
    }
}

double value(job &j)
{
    double y;
    function(j.tape, 1, int(j.theta.size()), j.theta.data(), &y);
    return y;
}

void values(void *of, double *three)
{
    job &j = *static_cast<job *>(of);
    three[0] = value(j);
    gradient(j.tape, int(j.theta.size()), j.theta.data(), j.grad.data());
    three[1] = work_projection(j.grad.size(), j.grad.data());
    run(of, 10);
    three[2] = value(j);
}

} // namespace

int main()
{
    static const contender adolc = { "adolc", VERSION, open_job, reset, run, values, nullptr };
    return worker_main(&adolc);
}
