"""The checkers of PyTorch and JAX, at their defaults, on the functions and gradients of gradcheck_study.rs.

Run `cargo run --release --example gradcheck_study -- DIRECTORY` first, then this with the same directory.
"""

import sys
import time
from pathlib import Path

import jax

jax.config.update("jax_enable_x64", True)

import jax.numpy as jnp
import numpy as np
import torch
from jax.test_util import check_grads

DECAY, CHURN = 1e-2, 0.5

# Evaluations of the loss, counted anew for each check.
evaluations = 0

# Once the fast check has failed, PyTorch differences every entry of the block to write its message: hours for a
# million entries. The verdict stands by then, so the message is skipped.
sys.modules["torch.autograd.gradcheck"]._run_slow_mode_and_get_error = lambda *_, **__: ""


def numbers(path):
    return np.fromfile(path, dtype="<f8")


def load(place):
    widths = numbers(place / "widths").astype(int)
    theta, churn = numbers(place / "theta"), numbers(place / "churn").astype(int)
    x = numbers(place / "x").reshape(len(churn), widths[0])
    blocks, start = [], 0
    for n_in, n_out in zip(widths, widths[1:]):
        for shape in (n_in, n_out), (n_out,):
            blocks.append((start, shape))
            start += int(np.prod(shape))
    assert start == len(theta)
    return blocks, theta, x, numbers(place / "price"), churn, numbers(place / "loss")[0]


def cut(vector, blocks):
    return [vector[start : start + int(np.prod(shape))].reshape(shape) for start, shape in blocks]


def torch_loss(parts, x, price, churn):
    a = x
    for weight, bias in zip(parts[0:4:2], parts[1:4:2]):
        a = torch.relu(a @ weight + bias)
    out = a @ parts[4] + parts[5]
    loss = 0.5 * ((out[:, 0] - price) ** 2).mean()
    loss = loss + CHURN * torch.nn.functional.cross_entropy(out[:, 1:], churn)
    return loss + 0.5 * DECAY * sum((p * p).sum() for p in parts)


def jax_loss(parts, x, price, churn):
    a = x
    for weight, bias in zip(parts[0:4:2], parts[1:4:2]):
        a = jax.nn.relu(a @ weight + bias)
    out = a @ parts[4] + parts[5]
    loss = 0.5 * jnp.mean((out[:, 0] - price) ** 2)
    likelihood = jax.nn.log_softmax(out[:, 1:])[jnp.arange(len(churn)), churn]
    return loss - CHURN * jnp.mean(likelihood) + 0.5 * DECAY * sum(jnp.sum(p * p) for p in parts)


def torch_flags(blocks, theta, data, handed_in):
    class Loss(torch.autograd.Function):
        @staticmethod
        def forward(ctx, *parts):
            global evaluations
            evaluations += 1
            return torch_loss(parts, *data)

        @staticmethod
        def backward(ctx, outer):
            return tuple(outer * torch.from_numpy(g) for g in cut(handed_in, blocks))

    parts = tuple(torch.from_numpy(p.copy()).requires_grad_() for p in cut(theta, blocks))
    return not torch.autograd.gradcheck(Loss.apply, parts, fast_mode=True, raise_exception=False)


def jax_flags(blocks, theta, forward, handed_in):
    gradient = [jnp.asarray(g) for g in cut(handed_in, blocks)]
    loss = jax.custom_vjp(forward)
    loss.defvjp(lambda parts: (forward(parts), None), lambda _, outer: ([outer * g for g in gradient],))
    try:
        check_grads(loss, ([jnp.asarray(p) for p in cut(theta, blocks)],), order=1, modes=["rev"])
    except AssertionError:
        return True
    return False


class Tally:
    """What one checker said of one kind of gradient, over all draws."""

    def __init__(self):
        self.flagged = self.evaluations = self.seconds = 0

    def add(self, check, *arguments):
        global evaluations
        evaluations, started = 0, time.perf_counter()
        self.flagged += check(*arguments)
        self.seconds += time.perf_counter() - started
        self.evaluations += evaluations

    def row(self, draws):
        return f"{self.flagged} | {self.evaluations / draws:.0f} | {self.seconds / draws:.2f}"


def main(directory):
    print(f"torch {torch.__version__}, jax {jax.__version__}")
    for size in ("1e6", "467"):
        draws = sorted((Path(directory) / size).iterdir(), key=lambda p: int(p.name))
        tallies = {}
        for place in draws:
            blocks, theta, x, price, churn, expected = load(place)
            data = torch.from_numpy(x), torch.from_numpy(price), torch.from_numpy(churn)
            loss = torch_loss([torch.from_numpy(p) for p in cut(theta, blocks)], *data).item()
            compiled = jax.jit(lambda parts: jax_loss(parts, x, price, churn))
            twin = float(compiled([jnp.asarray(p) for p in cut(theta, blocks)]))

            def forward(parts):
                global evaluations
                evaluations += 1
                return compiled(parts)

            assert abs(loss - expected) < 1e-10 * expected and abs(twin - expected) < 1e-10 * expected
            if not tallies:  # What is compiled and allocated once is not to be counted.
                right = numbers(place / "gradient")
                torch_flags(blocks, theta, data, right), jax_flags(blocks, theta, forward, right)
            for path in sorted(place.glob("*.patch"), key=lambda p: int(p.name.split()[0])):
                patch = numbers(path)
                handed_in = numbers(place / "gradient")
                start = int(patch[0])
                handed_in[start : start + len(patch) - 1] = patch[1:]
                by_torch, by_jax = tallies.setdefault(path.stem.split(" ", 1)[1], (Tally(), Tally()))
                by_torch.add(torch_flags, blocks, theta, data, handed_in)
                by_jax.add(jax_flags, blocks, theta, forward, handed_in)
        print(f"\n{len(theta)} parameters, {len(draws)} draws\n")
        columns = "flagged | losses | seconds"
        print(f"| gradient handed in | torch gradcheck, fast: {columns} | jax check_grads: {columns} |")
        print("|---|---|---|---|---|---|---|")
        for what, (by_torch, by_jax) in tallies.items():
            print(f"| {what} | {by_torch.row(len(draws))} | {by_jax.row(len(draws))} |")


main(sys.argv[1])
