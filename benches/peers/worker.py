"""What the Python peers share: the workload that the driver names on the command line, and the loop that answers
its commands. `worker.rs` is the same for Rust."""
import argparse
import json
import os
import sys
import time

parser = argparse.ArgumentParser()
for name in ("batch", "inputs", "tasks", "outputs", "threads"):
    parser.add_argument(f"--{name}", type=int)
for name in ("trunk", "head"):
    parser.add_argument(f"--{name}", type=lambda widths: [int(w) for w in widths.split(",") if w])
parser.add_argument("--rate", type=float)
parser.add_argument("--numbers")
parser.add_argument("--mode")
workload = parser.parse_args()

import numpy as np  # after the driver's OMP_NUM_THREADS and the like, which it reads

RATE, BETA1, BETA2, EPSILON = workload.rate, 0.9, 0.999, 1e-8


def numbers():
    """The batch and the numbers that all peers begin with: x, the ys, and the (weight, bias) of every layer of the
    trunk and of each head. Weights are in × out."""
    file, used = np.fromfile(workload.numbers, "<f4"), 0

    def take(*shape):
        nonlocal used
        used += int(np.prod(shape))
        return file[used - int(np.prod(shape)):used].reshape(shape).copy()

    def stack(widths):
        return [(take(i, o), take(o)) for i, o in zip(widths, widths[1:])]

    x = take(workload.batch, workload.inputs)
    ys = [take(workload.batch, workload.outputs) for _ in range(workload.tasks)]
    trunk = stack([workload.inputs, *workload.trunk])
    heads = [stack([workload.trunk[-1], *workload.head, workload.outputs]) for _ in range(workload.tasks)]
    return x, ys, trunk, heads


def serve(run, loss, at_least=1):
    """Answers the driver until it hangs up. `run(n)` takes n steps and waits for the last; n is a multiple of
    `at_least`. `loss()` is the sum of the tasks' losses."""
    print(json.dumps({"ready": True}), flush=True)
    for line in sys.stdin:
        command, *n = line.split()
        if command == "run":
            steps = -(-int(n[0]) // at_least) * at_least
            start = time.perf_counter()
            run(steps)
            answer = {"steps": steps, "seconds": time.perf_counter() - start}
        else:
            answer = {"loss": float(loss())}
        print(json.dumps(answer), flush=True)
