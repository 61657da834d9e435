"""Records outputs, losses, predictions and all gradients of batch ensembles, in float64, from PyTorch.

Each member is a plain network here, with weights of its own that are put together from what it shares and what is its
own, W_m = W * outer(r_m, s_m); nothing is computed for all members at once. PyTorch differentiates the mean of their losses.

usage: python make_ensembles.py > ensembles.json        (needs torch)

Answer: {"torch": version, "cases": [{"case", "members", "features", "targets", "parameters": {name: [rows]}, "outputs":
{task: (batch * members) x width, row n * members + m is member m's}, "losses": [per task], "gradient": {name: [rows]},
"input_gradient", "predicted": {task: mean over members}}]}
"""
import json

import torch
import torch.nn.functional as F

torch.set_default_dtype(torch.float64)
ROWS, FEATURES = 7, 4


class Parameters:
    """Named matrices, drawn when a name is first asked for: in x out, as the crate stores them."""

    def __init__(self, seed, members):
        self.generator = torch.Generator().manual_seed(seed)
        self.members, self.named = members, {}

    def __call__(self, name, rows, columns):
        if name not in self.named:
            drawn = 0.8 * torch.randn(rows, columns, generator=self.generator)
            self.named[name] = drawn.requires_grad_()
        return self.named[name]


def dense(width, phi=lambda z: z):
    def layer(p, m, name, x):
        n = x.shape[1]
        weight = p(f"{name}.weight", n, width)
        r, s = p(f"{name}.input_scale", p.members, n)[m], p(f"{name}.output_scale", p.members, width)[m]
        return phi(x @ (weight * torch.outer(r, s)) + p(f"{name}.bias", p.members, width)[m])
    return layer


def of_its_own(width):
    def layer(p, m, name, x):
        n = x.shape[1]
        weight = p(f"{name}.weight", p.members * n, width)[m * n:(m + 1) * n]
        return x @ weight + p(f"{name}.bias", p.members, width)[m]
    return layer


def layer_norm(p, m, name, x):
    n = x.shape[1]
    return F.layer_norm(x, (n,), p(f"{name}.scale", 1, n)[0], p(f"{name}.bias", 1, n)[0], 1e-5)


def residual(*inside):
    return lambda p, m, name, x: x + chain(inside, p, m, name, x)


def chain(layers, p, m, name, x):
    for i, layer in enumerate(layers):
        x = layer(p, m, f"{name}.{i}", x)
    return x


def shared_trunk(p, m, x, tasks):
    layers = [dense(5, torch.tanh), layer_norm, residual(dense(6, F.relu), dense(5)), dense(3, F.silu)]
    h = chain(layers, p, m, "trunk", x)
    return {task: h for task in tasks}


def mmoe(p, m, x, tasks):
    experts = [chain([dense(5, torch.tanh), dense(3, F.silu)], p, m, f"expert.{e}", x) for e in range(2)]
    def mixed(task):
        shares = torch.softmax(chain([dense(2)], p, m, f"gate.{task}", x), dim=1)
        return torch.einsum("be,ben->bn", shares, torch.stack(experts, dim=1))
    return {task: mixed(task) for task in tasks}


def squared(outputs, labels):
    return ((outputs[:, 0] - labels) ** 2).mean()


def crossed(outputs, labels):
    return F.cross_entropy(outputs, labels.long())


def logistic(outputs, labels):
    return F.binary_cross_entropy_with_logits(outputs[:, 0], labels)


# name: (members, sharing form, {task: (hidden layers of the head, width, loss, prediction, labels, weight)})
CASES = {
    "regression": (3, shared_trunk, {
        "a": ((), 1, squared, lambda z: z, None, 0.7),
        "b": ((dense(4, torch.tanh),), 1, squared, lambda z: z, None, 1.3),
    }),
    "classes": (4, mmoe, {
        "a": ((), 3, crossed, lambda z: torch.softmax(z, 1), 3, 0.7),
        "b": ((), 1, logistic, torch.sigmoid, 2, 1.3),
    }),
}


def numbers(x):
    return [numbers(row) for row in x] if x.dim() else x.item()


def record(case, seed, members, form, tasks):
    p, generator = Parameters(seed, members), torch.Generator().manual_seed(1000 + seed)
    x = torch.randn(ROWS, FEATURES, generator=generator).requires_grad_()
    def labels(classes):
        if classes:
            return torch.randint(0, classes, (ROWS,), generator=generator).double()
        return torch.randn(ROWS, generator=generator)
    targets = {task: labels(classes) for task, (_, _, _, _, classes, _) in tasks.items()}
    outputs, losses, predicted = {}, {}, {}
    for m in range(members):
        for task, h in form(p, m, x, tasks).items():
            hidden, width, loss, predict, _, _ = tasks[task]
            z = chain([*hidden, of_its_own(width)], p, m, f"head.{task}", h)
            outputs.setdefault(task, []).append(z)
            losses[task] = losses.get(task, 0) + loss(z, targets[task]) / members
            predicted[task] = predicted.get(task, 0) + predict(z).detach() / members
    sum(weight * losses[task] for task, (*_, weight) in tasks.items()).backward()
    return {
        "case": case, "members": members, "features": numbers(x.detach()),
        "targets": numbers(torch.stack(list(targets.values()), dim=1)),
        "parameters": {name: numbers(block.detach()) for name, block in p.named.items()},
        "outputs": {task: numbers(torch.stack(z, dim=1).flatten(0, 1).detach()) for task, z in outputs.items()},
        "losses": [losses[task].item() for task in tasks],
        "gradient": {name: numbers(block.grad) for name, block in p.named.items()},
        "input_gradient": numbers(x.grad),
        "predicted": {task: numbers(mean) for task, mean in predicted.items()},
    }


cases = [record(name, seed, *case) for seed, (name, case) in enumerate(CASES.items())]
print(json.dumps({"torch": torch.__version__.split("+")[0], "cases": cases}, allow_nan=False).replace("}, {", "},\n{"))
