"""Trajectories of optimisers and values of schedules, in float64, from PyTorch and TensorFlow.

Needs: torch, tensorflow, numpy.        usage: make_optimizers.py OUT.json

The problem has five parameters with curvatures of very different size and pseudo-random noise, so that no
rule is tested only near its fixed point. With s an integer that starts at 42, at each step, for each
parameter i in order:

    s = (1103515245 s + 12345) mod 2**31;   noise = s / 2**30 - 1
    g[i] = curvature[i] (theta[i] - target[i] + noise)

Parameter 3 has gradient 0 in steps 1 to 9 and 101 to 1000. theta starts at [1, -1, 0.5, 2, 0].
Written: "trajectories", name -> {step -> theta after that step}; "schedules", name -> [factor of steps 1, 2, ...].
"""
import json
import multiprocessing
import os
import sys

import numpy as np

CURVATURE = np.array([1.0, 1000.0, 1e-6, 1.0, 0.1])
TARGET = np.array([3.0, 0.25, -2.0, 1.0, -0.5])
START = np.array([1.0, -1.0, 0.5, 2.0, 0.0])
STEPS = 1000
KEPT = [1, 2, 10, 100, 1000]


class Problem:
    def __init__(self):
        self.s, self.step = 42, 0

    def gradient(self, theta):
        self.step += 1
        noise = np.empty(5)
        for i in range(5):
            self.s = (1103515245 * self.s + 12345) % 2**31
            noise[i] = self.s / 2**30 - 1
        g = CURVATURE * (theta - TARGET + noise)
        if self.step < 10 or self.step > 100:
            g[3] = 0.0
        return g


def with_torch(make, clip=None, schedule=None):
    import torch
    theta = torch.nn.Parameter(torch.tensor(START))
    optimizer = make([theta])
    scheduler = schedule(optimizer) if schedule else None
    problem, kept = Problem(), {}
    for t in range(1, STEPS + 1):
        theta.grad = torch.tensor(problem.gradient(theta.detach().numpy()))
        if clip:
            torch.nn.utils.clip_grad_norm_([theta], clip)
        optimizer.step()
        if scheduler:
            scheduler.step()
        if t in KEPT:
            kept[t] = theta.tolist()
    return kept


def with_tensorflow(make, clip=None):
    """The 1.x graph API. Settings are float64 tensors: Python floats would be held in float32."""
    import tensorflow as tf
    v1 = tf.compat.v1
    problem, kept = Problem(), {}
    with tf.Graph().as_default(), v1.Session() as session:
        theta = v1.get_variable("theta", initializer=START)
        g = v1.placeholder(tf.float64, [5])
        gradients = tf.clip_by_global_norm([g], tf.constant(clip, tf.float64))[0] if clip else [g]
        train = make(lambda x: tf.constant(x, tf.float64)).apply_gradients([(gradients[0], theta)])
        session.run(v1.global_variables_initializer())
        for t in range(1, STEPS + 1):
            session.run(train, {g: problem.gradient(session.run(theta))})
            if t in KEPT:
                kept[t] = session.run(theta).tolist()
    return kept


def from_tensorflow():
    os.environ["TF_CPP_MIN_LOG_LEVEL"] = "3"
    import tensorflow as tf

    adam = tf.compat.v1.train.AdamOptimizer
    return {
        "tensorflow": tf.__version__,
        "trajectories": {
            "adam epsilon hat": with_tensorflow(lambda c: adam(c(0.01), c(0.9), c(0.999), c(1e-8))),
            "adam epsilon hat clipped": with_tensorflow(
                lambda c: adam(c(0.01), c(0.8), c(0.95), c(1e-4)), clip=0.5),
        },
    }


def from_torch():
    import torch
    from torch import optim as o
    from torch.optim import lr_scheduler as s

    def unit():
        return o.SGD([torch.nn.Parameter(torch.zeros(1))], lr=1.0)

    def factors(make, steps):
        optimizer = unit()
        scheduler, values = make(optimizer), []
        for _ in range(steps):
            values.append(optimizer.param_groups[0]["lr"])
            optimizer.step()
            scheduler.step()
        return values

    def plateau(metrics, **settings):
        optimizer = unit()
        scheduler, values = s.ReduceLROnPlateau(optimizer, **settings), []
        for metric in metrics:
            scheduler.step(metric)
            values.append(optimizer.param_groups[0]["lr"])
        return values

    def rise(optimizer, steps):
        return s.LinearLR(optimizer, start_factor=1 / steps, total_iters=steps - 1)

    trajectories = {
        "adam": with_torch(lambda p: o.Adam(p, 0.01)),
        "adam other betas": with_torch(lambda p: o.Adam(p, 0.02, betas=(0.8, 0.95), eps=1e-4)),
        "adam weight decay": with_torch(lambda p: o.Adam(p, 0.01, weight_decay=0.1)),
        "adam clipped": with_torch(lambda p: o.Adam(p, 0.01), clip=0.5),
        "adam cosine": with_torch(
            lambda p: o.Adam(p, 0.01), schedule=lambda q: s.CosineAnnealingLR(q, 1000, eta_min=0.001)),
        "adamw": with_torch(lambda p: o.AdamW(p, 0.01)),
        "adamw strong decay": with_torch(
            lambda p: o.AdamW(p, 0.02, betas=(0.8, 0.95), weight_decay=0.5)),
        "sgd": with_torch(lambda p: o.SGD(p, 1e-3)),
        "sgd weight decay": with_torch(lambda p: o.SGD(p, 1e-3, weight_decay=0.1)),
        "sgd momentum": with_torch(lambda p: o.SGD(p, 1e-4, momentum=0.9)),
        "sgd nesterov": with_torch(lambda p: o.SGD(p, 1e-4, momentum=0.9, nesterov=True)),
        "sgd nesterov weight decay": with_torch(
            lambda p: o.SGD(p, 1e-4, momentum=0.7, nesterov=True, weight_decay=0.1)),
        "sgd clipped": with_torch(lambda p: o.SGD(p, 0.01), clip=0.5),
    }
    schedules = {
        "steps": factors(lambda q: s.StepLR(q, 7, 0.3), 30),
        "exponential": factors(lambda q: s.ExponentialLR(q, 0.9), 30),
        "cosine": factors(lambda q: s.CosineAnnealingLR(q, 20, eta_min=0.1), 21),
        "one cycle": factors(lambda q: s.OneCycleLR(q, 1.0, total_steps=40), 40),
        "one cycle with": factors(lambda q: s.OneCycleLR(
            q, 1.0, total_steps=25, pct_start=0.5, div_factor=10.0, final_div_factor=20.0), 25),
        "warm-up cosine": factors(lambda q: s.SequentialLR(
            q, [rise(q, 5), s.CosineAnnealingLR(q, 20)], milestones=[5]), 26),
    }
    metrics = [3.0, 2.0, 1.9999, 1.99995, 2.5, 1.5, 1.6, 1.5, float("nan"), 1.49999, 1.4, 1.4, 1.4, 1.4, 1.4, 1.0]
    return {
        "torch": torch.__version__,
        "trajectories": trajectories,
        "schedules": schedules,
        # JSON has no NaN.
        "plateau": {"metrics": [m if m == m else None for m in metrics],
                    "scales": plateau(metrics, factor=0.5, patience=2)},
    }


def main(out):
    # Two processes: the two libraries cannot always be loaded into one.
    with multiprocessing.get_context("spawn").Pool(1, maxtasksperchild=1) as pool:
        record, other = pool.apply(from_torch), pool.apply(from_tensorflow)
    record["trajectories"].update(other.pop("trajectories"))
    with open(out, "w") as file:
        file.write(json.dumps({**other, **record}, indent=1) + "\n")


if __name__ == "__main__":
    main(sys.argv[1])
