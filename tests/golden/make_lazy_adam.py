"""Trajectories of optimisers that leave the untouched rows of a table alone, in float64.

Needs: torch, and elsewhere tensorflow 2.15 with tensorflow-addons 0.23 (Python 3.11), each in an environment of its own.
usage: python make_lazy_adam.py torch | tensorflow > part.json, then python make_lazy_adam.py merge PARTS > lazy_adam.json

A table E of 7 × 3 is read by a batch of 5 indices in each of 60 steps, and there is a vector w of 2 in no table. With s an
integer that starts at 42, next(): s = (1103515245 s + 12345) mod 2**31; return s / 2**31. At each step, in this order:

    i[b] = floor(7 next()) for each b, but never 6             d[b, j] = 0.5 (E[i[b], j] - 1) + 4 next() - 2 for each b, j
    g[k] = 0.5 (w[k] + 1) + 4 next() - 2 for each k            in steps 20 to 29 all d are 0 instead, and are drawn all the same

The gradient of E[c] is the sum of d[b] over the b with i[b] = c; rows of no index are not touched. E[c, j] starts at
0.1 (3 c + j), w at (1, -1). Written: "trajectories": source, settings, {step -> E row by row, then w}; PyTorch's is without w.
"""
import json
import sys

import numpy as np

STEPS = 60
KEPT = [1, 2, 5, 19, 30, 60]
SETTINGS = [
    {"learning_rate": 0.01, "beta1": 0.9, "beta2": 0.999, "epsilon": 1e-8},
    {"learning_rate": 0.05, "beta1": 0.8, "beta2": 0.95, "epsilon": 1e-4},
    {"learning_rate": 0.05, "beta1": 0.8, "beta2": 0.95, "epsilon": 1e-4, "clip": 2.0},
]


class Problem:
    def __init__(self):
        self.s, self.step = 42, 0

    def next(self):
        self.s = (1103515245 * self.s + 12345) % 2**31
        return self.s / 2**31

    def batch(self, table, w):
        self.step += 1
        indices = [min(int(7 * self.next()), 5) for _ in range(5)]
        noise = np.array([[4 * self.next() - 2 for _ in range(3)] for _ in range(5)])
        deltas = 0.5 * (table[indices] - 1) + noise
        if 20 <= self.step < 30:
            deltas = np.zeros((5, 3))
        g = np.array([0.5 * (x + 1) + 4 * self.next() - 2 for x in w])
        return indices, deltas, g


def start():
    return 0.1 * np.arange(21, dtype=float).reshape(7, 3), np.array([1.0, -1.0])


def with_torch():
    import torch
    for s in SETTINGS:
        if "clip" in s:
            continue
        table, w = start()
        table = torch.nn.Parameter(torch.tensor(table.tolist(), dtype=torch.float64))
        settings = {"lr": s["learning_rate"], "betas": (s["beta1"], s["beta2"]), "eps": s["epsilon"]}
        optimizer = torch.optim.SparseAdam([table], **settings)
        problem, kept = Problem(), {}
        for t in range(1, STEPS + 1):
            indices, deltas, _ = problem.batch(np.array(table.tolist()), w)
            deltas = torch.tensor(deltas.tolist(), dtype=torch.float64)
            table.grad = torch.sparse_coo_tensor([indices], deltas, (7, 3))
            optimizer.step()
            if t in KEPT:
                kept[t] = table.detach().flatten().tolist()
        yield {"source": f"torch {torch.__version__}, SparseAdam", "settings": s, "theta": kept}


def with_tensorflow():
    """Settings are float64 tensors: Python floats would be held in float32."""
    import tensorflow as tf
    import tensorflow_addons as tfa
    for s in SETTINGS:
        table, w = (tf.Variable(x, dtype=tf.float64) for x in start())
        of = lambda name: tf.constant(s[name], tf.float64)
        optimizer = tfa.optimizers.LazyAdam(
            learning_rate=of("learning_rate"), beta_1=of("beta1"), beta_2=of("beta2"), epsilon=s["epsilon"])
        problem, kept = Problem(), {}
        for t in range(1, STEPS + 1):
            indices, deltas, g = problem.batch(table.numpy(), w.numpy())
            rows = sorted(set(indices))
            sums = [sum(deltas[b] for b in range(5) if indices[b] == row) for row in rows]
            gradients = [tf.IndexedSlices(tf.constant(np.array(sums)), tf.constant(rows), (7, 3)), tf.constant(g)]
            if "clip" in s:
                gradients, _ = tf.clip_by_global_norm(gradients, of("clip"))
            optimizer.apply_gradients(zip(gradients, [table, w]))
            if t in KEPT:
                kept[t] = table.numpy().flatten().tolist() + w.numpy().tolist()
        source = f"tensorflow {tf.__version__}, tensorflow-addons {tfa.__version__}, LazyAdam"
        yield {"source": source, "settings": s, "theta": kept}


if __name__ == "__main__":
    if sys.argv[1] == "merge":
        record = [entry for part in sys.argv[2:] for entry in json.load(open(part))]
        print(json.dumps({"trajectories": record}, indent=1))
    else:
        print(json.dumps(list({"torch": with_torch, "tensorflow": with_tensorflow}[sys.argv[1]]())))
