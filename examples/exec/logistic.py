#!/usr/bin/env python3
"""Logistic regression as a program that gradproof can ask, gradproof(1), "PROTOCOL OF --exec": it
reads lines of params w and writes lines with the loss and its gradient; or, with the argument npy,
arrays of NumPy's .npy format. Without NumPy it does the first in plain Python.

    loss(w) = sum_i log(1 + exp(-s_i)) + |w|^2/20,   s_i = y_i x_i w,   y_i = 1 or -1
    d loss/dw_j = -sum_i y_i x_ij / (1 + exp(s_i)) + w_j/10

Check:
    gradproof check --exec 'python3 logistic.py' --at 0.3,-0.8,1.1
    prints: right: all 3 entries of df
    gradproof check --exec 'python3 logistic.py npy' --exec-format npy --at 0.3,-0.8,1.1
    prints: right: all 3 entries of df
"""
import io
import math
import sys

try:
    import numpy as np
except ImportError:
    np = None

x = [[1, 0.52, -1.7], [1, -1.31, 0.44], [1, 0.83, 1.26],
     [1, 2.05, -0.6], [1, -0.27, -0.9], [1, -1.88, 0.15]]
y = [-1, -1, 1, 1, -1, 1]


def loss_plain(w):
    f = sum(wj * wj for wj in w) / 20
    g = [wj / 10 for wj in w]
    for xi, yi in zip(x, y):
        s = yi * sum(xij * wj for xij, wj in zip(xi, w))
        f += math.log1p(math.exp(-s))
        for j, xij in enumerate(xi):
            g[j] -= yi * xij / (1 + math.exp(s))
    return [f] + g


def loss_numpy(w):
    yx = np.array(y)[:, None] * np.array(x)
    s = yx @ w
    f = np.log1p(np.exp(-s)).sum() + w @ w / 20
    g = -yx.T @ (1 / (1 + np.exp(s))) + w / 10
    return np.concatenate([[f], g])


def answer_lines():
    loss = loss_plain if np is None else lambda w: loss_numpy(np.array(w))
    for line in sys.stdin:
        w = [float(word) for word in line.split()]
        # repr gives all digits; a pipe is buffered: without flush the answer never comes
        print(*(repr(float(v)) for v in loss(w)), flush=True)


def answer_npy():
    """np.load and np.save want files they can seek in; a pipe is none."""
    pipe = sys.stdin.buffer
    while pipe.peek(1):
        np.lib.format.read_magic(pipe)
        shape, _, dtype = np.lib.format.read_array_header_1_0(pipe)
        w = np.frombuffer(pipe.read(shape[0] * dtype.itemsize), dtype)
        to = io.BytesIO()
        np.save(to, loss_numpy(w))
        sys.stdout.buffer.write(to.getvalue())
        sys.stdout.buffer.flush()


if sys.argv[1:] == ["npy"]:
    answer_npy()
else:
    answer_lines()
