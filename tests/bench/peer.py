# SPDX-License-Identifier: GPL-3.0-or-later
"""NumPy by hand and PyTorch as contenders: `peer.py numpy|torch`. Protocol: worker.h, jobs and
starting numbers: work.h."""
import resource
import sys
import time

import numpy as np

RATE = 0.01


def draw(stream, n):
    """Numbers 0 .. n-1 of a stream, in [-1, 1): splitmix64 by counter."""
    with np.errstate(over="ignore"):
        z = np.uint64(stream << 32) + np.arange(1, n + 1, dtype=np.uint64) * np.uint64(
            0x9E3779B97F4A7C15)
        z = (z ^ z >> np.uint64(30)) * np.uint64(0xBF58476D1CE4E5B9)
        z = (z ^ z >> np.uint64(27)) * np.uint64(0x94D049BB133111EB)
        z ^= z >> np.uint64(31)
    return (z >> np.uint64(11)).astype(float) * 2.0**-52 - 1


class Work:
    def __init__(self, text):
        self.kind, sizes, batch, self.act, self.loss = text.split()
        self.size = [int(s) for s in sizes.split(",")]
        self.batch = int(batch)
        pairs = list(zip(self.size, self.size[1:]))
        self.n_params = sum((i + 1) * o for i, o in pairs)
        u, k, self.params = draw(1, self.n_params), 0, []
        for i, o in pairs:
            self.params.append((6.0 / i) ** 0.5 * u[k:k + i * o].reshape(i, o))
            self.params.append(0.1 * u[k + i * o:k + (i + 1) * o])
            k += (i + 1) * o
        if self.loss == "bce":
            self.X = np.array([[0, 0], [0, 1], [1, 0], [1, 1]], float)
            self.Y = np.array([[0], [1], [1], [0]], float)
        else:
            n_y = self.size[-1]
            self.X = draw(2, self.batch * self.size[0]).reshape(self.batch, -1)
            if self.loss == "ce":
                self.label = ((draw(3, self.batch) + 1) / 2 * n_y).astype(int)
                self.Y = np.eye(n_y)[self.label]
            else:
                self.Y = draw(3, self.batch * n_y).reshape(self.batch, -1)


def projection(grads):
    g = np.concatenate([np.ravel(x) for x in grads])
    return float(draw(4, g.size) @ g)


class NumPy:
    version = np.__version__

    def __init__(self, w):
        if w.kind != "train":
            raise ValueError
        self.w = w
        self.reset()

    def reset(self):
        self.p = [x.copy() for x in self.w.params]

    def step(self):
        w, p, a = self.w, self.p, [self.w.X]
        layers = len(p) // 2
        for l in range(layers):
            z = a[-1] @ p[2 * l] + p[2 * l + 1]
            if l + 1 < layers:
                z = np.maximum(z, 0) if w.act == "relu" else 1 / (1 + np.exp(-z))
            a.append(z)
        if w.loss == "mse":
            e = z - w.Y
            self.loss, d = np.mean(e * e), 2 * e / e.size
        elif w.loss == "bce":
            self.loss = np.mean(np.logaddexp(0, z) - w.Y * z)
            d = (1 / (1 + np.exp(-z)) - w.Y) / z.size
        else:
            e = np.exp(z - z.max(1, keepdims=True))
            s = e.sum(1, keepdims=True)
            self.loss = -np.mean(np.log(e[np.arange(w.batch), w.label] / s[:, 0]))
            d = (e / s - w.Y) / w.batch
        self.grad = [None] * len(p)
        for l in reversed(range(layers)):
            self.grad[2 * l], self.grad[2 * l + 1] = a[l].T @ d, d.sum(0)
            if l:
                d = d @ p[2 * l].T
                d *= a[l] > 0 if w.act == "relu" else a[l] * (1 - a[l])
        for x, g in zip(p, self.grad):
            x -= RATE * g

    def run(self, times):
        for _ in range(times):
            self.step()

    def values(self):
        self.step()
        first = self.loss, projection(self.grad)
        self.run(10)
        return (*first, self.loss)


class Torch:
    """A lean training step: functional layers, grads taken in one call, SGD in place."""

    def __init__(self, w):
        self.w = w
        if w.kind not in ("train", "check"):
            raise ValueError
        self.X, self.Y = torch.from_numpy(w.X), torch.from_numpy(w.Y)
        self.label = torch.from_numpy(w.label) if w.loss == "ce" else None
        self.reset()

    def reset(self):
        self.p = [torch.from_numpy(x.copy()).requires_grad_() for x in self.w.params]

    def net(self, *p):
        a = self.X
        for l in range(0, len(p), 2):
            a = torch.addmm(p[l + 1], a, p[l])
            if l + 2 < len(p):
                a = torch.relu(a) if self.w.act == "relu" else torch.sigmoid(a)
        f = torch.nn.functional
        if self.w.loss == "mse":
            return f.mse_loss(a, self.Y)
        if self.w.loss == "bce":
            return f.binary_cross_entropy_with_logits(a, self.Y)
        return f.cross_entropy(a, self.label)

    def step(self):
        self.loss = self.net(*self.p)
        self.grad = torch.autograd.grad(self.loss, self.p)
        with torch.no_grad():
            for x, g in zip(self.p, self.grad):
                x.sub_(g, alpha=RATE)

    def run(self, times):
        for _ in range(times):
            if self.w.kind == "train":
                self.step()
            else:
                torch.autograd.gradcheck(self.net, self.p, eps=1e-6, atol=1e-5,
                                         raise_exception=False)

    def values(self):
        if self.w.kind == "check":
            raise ValueError  # gradcheck does not hand out what it found
        self.step()
        first = self.loss.item(), projection([g.numpy() for g in self.grad])
        self.run(10)
        return (*first, self.loss.item())


class Job:
    def __init__(self, contender, text):
        self.of, self.times = contender(Work(text)), 1

    def chunk(self):
        start = time.perf_counter()
        self.of.run(self.times)
        return time.perf_counter() - start

    def slice(self, seconds):
        """As worker.c does it."""
        self.of.reset()
        while (t := self.chunk()) < 0.5e-3:
            self.times *= 2
        times = [t]
        while len(times) < 256 and sum(times) < seconds:
            times.append(self.chunk())
        return sorted(times)[len(times) // 2] / self.times


def main(contender):
    jobs = {}

    def job(text):
        if text not in jobs:
            jobs[text] = Job(contender, text)
        return jobs[text]

    for line in sys.stdin:
        verb, _, rest = line.strip().partition(" ")
        try:
            if verb == "version":
                print("ok", contender.version)
            elif verb == "values":
                job(rest).of.reset()
                print("ok", *("%.17g" % v for v in job(rest).of.values()))
            else:
                seconds, text = rest.split(" ", 1)
                t = job(text).slice(float(seconds))
                print("ok %.9g nan %d" %
                      (t, resource.getrusage(resource.RUSAGE_SELF).ru_maxrss))
        except ValueError:
            print("no")
        sys.stdout.flush()


if sys.argv[1:] == ["torch"]:
    import torch

    Torch.version = torch.__version__
    main(Torch)
else:
    main(NumPy)
