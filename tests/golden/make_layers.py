"""Records outputs and all gradients of every layer, activation and sharing form, in float64, from PyTorch.

A layer's case is a network of one trunk, in which the layer stands between two others, and two regressions; a sharing
form's case has it in the place of the trunk. The layers are PyTorch's own where it has them, and elsewhere their formula,
as the forms are; PyTorch differentiates them.

usage: python make_layers.py > layers.json        (needs torch)

Answer: {"torch": version, "cases": [{"case", "features", "targets", "parameters": {name: [rows]}, "outputs" (batch ×
tasks), "gradient": {name: [rows]}, "input_gradient", "state" after the step, "predicted": outputs at that state}]}
"""
import json

import torch
import torch.nn.functional as F

torch.set_default_dtype(torch.float64)
ROWS, FEATURES, WIDTH = 7, 4, 5
TASKS = {"a": 0.7, "b": 1.3}


class Parameters:
    """Named matrices, drawn when a name is first asked for: in × out, as the crate stores them."""

    def __init__(self, seed):
        self.generator = torch.Generator().manual_seed(seed)
        self.named, self.state, self.training, self.penalty, self.mask = {}, {}, True, 0.0, None

    def __call__(self, name, rows, columns):
        if name not in self.named:
            drawn = 0.8 * torch.randn(rows, columns, generator=self.generator)
            self.named[name] = drawn.requires_grad_()
        return self.named[name]


def dense(width, activation=lambda z: z):
    def layer(p, name, x):
        return activation(x @ p(f"{name}.weight", x.shape[1], width) + p(f"{name}.bias", 1, width))
    return layer


def activation(phi):
    return dense(WIDTH, phi)


def gated(phi):
    def layer(p, name, x):
        both = x @ p(f"{name}.weight", x.shape[1], 2 * WIDTH) + p(f"{name}.bias", 1, 2 * WIDTH)
        if phi is torch.sigmoid:
            return F.glu(both, dim=1)
        values, gates = both.chunk(2, dim=1)
        return values * phi(gates)
    return layer


def layer_norm(epsilon):
    def layer(p, name, x):
        scale, bias = p(f"{name}.scale", 1, x.shape[1]), p(f"{name}.bias", 1, x.shape[1])
        return F.layer_norm(x, (x.shape[1],), scale[0], bias[0], epsilon)
    return layer


def batch_norm(epsilon, momentum):
    def layer(p, name, x):
        n = x.shape[1]
        scale, bias = p(f"{name}.scale", 1, n), p(f"{name}.bias", 1, n)
        mean = p.state.setdefault(f"{name}.mean", torch.zeros(1, n))
        variance = p.state.setdefault(f"{name}.variance", torch.ones(1, n))
        return F.batch_norm(x, mean[0], variance[0], scale[0], bias[0], p.training, momentum, epsilon)
    return layer


# What the crate draws first from its default seed for seven rows of five with p = 0.3: tests/it/layers.rs compares.
MASK = ["01001", "11011", "11001", "00111", "00111", "11011", "11101"]


def dropout(probability, mask):
    def layer(p, name, x):
        p.mask = torch.tensor([[float(bit) for bit in row] for row in mask])
        return x * p.mask / (1 - probability) if p.training else x
    return layer


def scale(p, name, x):
    return x * p(f"{name}.scale", 1, x.shape[1])


def parametric(phi):
    def layer(p, name, x):
        strength = p(f"{name}.strength", 1, x.shape[1])
        return (1 - strength) * x + strength * phi(x)
    return layer


def feature_maps(p, name, x, encoded, width):
    """`encoded` is batch × features × t."""
    n, t = encoded.shape[1:]
    weight = p(f"{name}.weight", n * t, width).reshape(n, t, width)
    linear, bias = p(f"{name}.linear", n, width), p(f"{name}.bias", n, width)
    return (x[:, :, None] * linear + torch.einsum("bnt,ntd->bnd", encoded, weight) + bias).flatten(1)


def periodic(frequencies, width):
    def layer(p, name, x):
        v = 2 * torch.pi * x[:, :, None] * p(f"{name}.frequency", x.shape[1], frequencies)
        return feature_maps(p, name, x, torch.cat([torch.sin(v), torch.cos(v)], dim=2), width)
    return layer


def piecewise_linear(edges, width):
    def layer(p, name, x):
        lefts, rights = torch.tensor(edges[:-1]), torch.tensor(edges[1:])
        ratio = (x[:, :, None] - lefts) / (rights - lefts)
        inner = [r.clamp(min=None if t == 0 else 0.0, max=None if t == len(lefts) - 1 else 1.0)
                 if len(lefts) > 1 else r for t, r in enumerate(ratio.unbind(2))]
        return feature_maps(p, name, x, torch.stack(inner, dim=2), width)
    return layer


def embedding(columns, width, numbers=()):
    """Vectors of columns, given as {column: categories}, behind the other columns."""
    def layer(p, name, x):
        others = [j for j in range(x.shape[1]) if j not in columns]
        vectors = [F.embedding(x[:, j].detach().long(), p(f"{name}.table.{j}", n + 1, width))
                   for j, n in columns.items()]
        return torch.cat([chain(numbers, p, f"{name}.numbers", x[:, others]), *vectors], dim=1)
    return layer


def residual(*inside):
    def layer(p, name, x):
        return x + chain(inside, p, name, x)
    return layer


def chain(layers, p, name, x):
    for i, layer in enumerate(layers):
        x = layer(p, f"{name}.{i}", x)
    return x


LAYERS = {
    "identity": activation(lambda z: z),
    "relu": activation(F.relu),
    "leaky_relu 0.2": activation(lambda z: F.leaky_relu(z, 0.2)),
    "elu 0.7": activation(lambda z: F.elu(z, 0.7)),
    "gelu": activation(F.gelu),
    "silu": activation(F.silu),
    "mish": activation(F.mish),
    "selu": activation(F.selu),
    "tanh": activation(torch.tanh),
    "sigmoid": activation(torch.sigmoid),
    "softplus": activation(F.softplus),
    "glu": gated(torch.sigmoid),
    "swiglu": gated(F.silu),
    "geglu": gated(F.gelu),
    "reglu": gated(F.relu),
    "bilinear": gated(lambda z: z),
    "layer_norm 1e-5": layer_norm(1e-5),
    "layer_norm 0.3": layer_norm(0.3),
    "batch_norm": batch_norm(1e-5, 0.1),
    "batch_norm 0.3 0.4": batch_norm(0.3, 0.4),
    "scale": scale,
    "parametric mish": parametric(F.mish),
    "parametric selu": parametric(F.selu),
    "residual": residual(layer_norm(1e-5), dense(6, F.relu), residual(dense(6, F.silu)), dense(WIDTH)),
}


def numbers(x):
    return [numbers(row) for row in x] if x.dim() else x.item()


def record(case, network, seed, index_columns=None):
    """`network(p, x)` gives the outputs, batch × tasks; index columns are given as {column: categories}."""
    p, generator = Parameters(seed), torch.Generator().manual_seed(1000 + seed)
    x = torch.randn(ROWS, FEATURES, generator=generator)
    for j, n in (index_columns or {}).items():
        x[:, j] = torch.randint(0, n + 1, (ROWS,), generator=generator)
    x.requires_grad_()
    targets = torch.randn(ROWS, len(TASKS), generator=generator)
    outputs = network(p, x)
    weights = torch.tensor(list(TASKS.values()))
    ((weights * ((outputs - targets) ** 2).mean(0)).sum() + p.penalty).backward()
    p.training, state = False, {name: numbers(block) for name, block in p.state.items()}
    mask = {} if p.mask is None else {"mask": numbers(p.mask)}
    return mask | {
        "case": case, "features": numbers(x.detach()), "targets": numbers(targets),
        "parameters": {name: numbers(block.detach()) for name, block in p.named.items()},
        "outputs": numbers(outputs.detach()),
        "gradient": {name: numbers(block.grad) for name, block in p.named.items()},
        "input_gradient": numbers(x.grad), "state": state, "predicted": numbers(network(p, x).detach()),
    }


def heads(p, representations):
    return torch.cat([dense(1)(p, f"head.{task}.0", h) for task, h in zip(TASKS, representations)], dim=1)


def behind(stem, form):
    """What all parts of the form read is what the stem computes."""
    def network(p, x):
        return form(p, chain(stem, p, "stem", x))
    return network


def independent(p, x):
    return heads(p, [expert(p, f"trunk.{task}", x) for task in TASKS])


def trunk(layer):
    def network(p, x):
        h = chain([dense(WIDTH, torch.tanh), layer, dense(3, torch.tanh)], p, "trunk", x)
        return heads(p, [h, h])
    return network


def expert(p, name, x):
    return chain([dense(WIDTH, torch.tanh), dense(3, F.silu)], p, name, x)


def mixed(p, name, hidden, x, outputs):
    """The gate called `name` reads x and weighs the outputs, each batch × n."""
    logits = chain([*hidden, dense(len(outputs))], p, name, x)
    return torch.einsum("be,ben->bn", torch.softmax(logits, dim=1), torch.stack(outputs, dim=1))


def mmoe(n, hidden=(), one_gate=False):
    def network(p, x):
        outputs = [expert(p, f"expert.{e}", x) for e in range(n)]
        names = ["gate" if one_gate else f"gate.{task}" for task in TASKS]
        return heads(p, [mixed(p, name, hidden, x, outputs) for name in names])
    return network


def ple(*levels):
    """Levels of (shared experts, experts of each task), the paper's equations with its gate of the shared stream."""
    def network(p, x):
        streams, shared_stream = {task: x for task in TASKS}, x
        for l, (n_shared, n_own) in enumerate(levels):
            shared = [expert(p, f"level.{l}.shared.{e}", shared_stream) for e in range(n_shared)]
            own = {task: [expert(p, f"level.{l}.expert.{task}.{e}", z) for e in range(n_own)]
                   for task, z in streams.items()}
            if l + 1 < len(levels):
                everything = [f for experts in own.values() for f in experts] + shared
                next_shared = mixed(p, f"level.{l}.shared_gate", (), shared_stream, everything)
            streams = {task: mixed(p, f"level.{l}.gate.{task}", (), z, own[task] + shared)
                       for task, z in streams.items()}
            shared_stream = next_shared if l + 1 < len(levels) else None
        return heads(p, streams.values())
    return network


def cross_stitch(p, x):
    """With the matrix A of each layer put together from its diagonal and its other entries."""
    n, streams = len(TASKS), [x for _ in TASKS]
    for l, (width, phi) in enumerate([(WIDTH, torch.tanh), (3, F.silu)]):
        outputs = [chain([dense(width, phi)], p, f"layer.{l}.{task}", z) for task, z in zip(TASKS, streams)]
        own, others = p(f"stitch.{l}.own", 1, n), p(f"stitch.{l}.others", n, n - 1)
        rows = [torch.cat([others[k, :k], own[0, k:k + 1], others[k, k:]]) for k in range(n)]
        streams = torch.einsum("kj,jbn->kbn", torch.stack(rows), torch.stack(outputs))
    return heads(p, streams)


def soft(strength):
    """A trunk for each task; half the strength times the squared distance of each pair of trunks is the penalty."""
    def network(p, x):
        representations = [expert(p, f"trunk.{task}", x) for task in TASKS]
        blocks = [[block for name, block in p.named.items() if name.startswith(f"trunk.{task}.")] for task in TASKS]
        theta = [torch.cat([block.flatten() for block in blocks]) for blocks in blocks]
        pairs = [(a, b) for i, a in enumerate(theta) for b in theta[:i]]
        p.penalty = 0.5 * strength * sum(((a - b) ** 2).sum() for a, b in pairs)
        return heads(p, representations)
    return network


def smooth_step(t, width):
    inside = -2 * t ** 3 / width ** 3 + 3 * t / (2 * width) + 0.5
    return torch.where(t <= -width / 2, torch.zeros_like(t), torch.where(t >= width / 2, torch.ones_like(t), inside))


def dselect_k(n, k, width, entropy):
    """Hazimeh et al. 2021 with static gates: the shares are the same for every row."""
    digits = (n - 1).bit_length()
    codes_of = torch.tensor([[e >> b & 1 for b in range(digits)] for e in range(2 ** digits)], dtype=torch.bool)

    def network(p, x):
        outputs, p.penalty, representations = [expert(p, f"expert.{e}", x) for e in range(n)], 0.0, []
        for task in TASKS:
            codes, weights = p(f"gate.{task}.codes", k, digits), p(f"gate.{task}.weights", 1, k)
            steps = smooth_step(codes, width)[:, None, :]
            single = torch.where(codes_of, steps, 1 - steps).prod(2)
            shares = (torch.softmax(weights, dim=1) @ single)[0, :n]
            representations.append(sum(share * f for share, f in zip(shares, outputs)))
            above_0 = torch.where(single > 0, single, torch.ones_like(single))
            p.penalty = p.penalty - entropy * (above_0 * above_0.log()).sum()
            if n < 2 ** digits:
                p.penalty = p.penalty + (1 / single[:, :n].sum(1)).sum()
        return heads(p, representations)
    return network


def adatt(*levels):
    """Levels, each with a number of experts per task: the paper's form without shared experts."""
    def network(p, x):
        streams = {task: x for task in TASKS}
        for l, n in enumerate(levels):
            own = {task: [expert(p, f"level.{l}.expert.{task}.{e}", z) for e in range(n)]
                   for task, z in streams.items()}
            everything = [f for experts in own.values() for f in experts]
            for task, z in streams.items():
                weights = p(f"level.{l}.residual.{task}.own", 1, n)[0] if n > 1 else [1.0]
                residual = sum(weight * f for weight, f in zip(weights, own[task]))
                streams[task] = mixed(p, f"level.{l}.gate.{task}", (), z, everything) + residual
        return heads(p, streams.values())
    return network


FORMS = {
    "mmoe": mmoe(3),
    "mmoe, hidden layers in the gates": mmoe(4, [dense(6, torch.tanh)]),
    "omoe": mmoe(3, one_gate=True),
    "cross-stitch": cross_stitch,
    "cgc": ple((2, 1)),
    "ple 2": ple((1, 2), (2, 1)),
    "ple 3": ple((1, 1), (2, 2), (2, 1)),
    "soft 0.3": soft(0.3),
    "dselect-k 4 2": dselect_k(4, 2, 5.0, 0.3),
    "dselect-k 5 3": dselect_k(5, 3, 2.0, 0.1),
    "adatt 1": adatt(1),
    "adatt 2": adatt(2, 1, 3),
}


EMBEDDINGS = {
    "periodic": trunk(periodic(3, 2)),
    "periodic 1.5": trunk(periodic(1, 4)),
    "piecewise_linear": trunk(piecewise_linear([-0.6, -0.1, 0.05, 0.7], 2)),
    "piecewise_linear, one bin": trunk(piecewise_linear([-0.3, 0.4], 3)),
}


INDEX_COLUMNS = {
    "an embedding before mmoe": {1: 3, 3: 5},
    "an embedding before ple 2": {0: 4},
    "an embedding before adatt 2": {2: 2},
    "an embedding before soft 0.3": {0: 1, 2: 6},
    "embedding": {1: 3, 3: 5},
    "embedding, numbers in bins": {0: 4},
    "embedding, no numbers": {3: 2, 0: 2, 1: 9, 2: 1},
}


def first(layer):
    def network(p, x):
        h = chain([layer, dense(3, torch.tanh)], p, "trunk", x)
        return heads(p, [h, h])
    return network


EMBEDDINGS |= {
    "embedding": first(embedding(INDEX_COLUMNS["embedding"], 2)),
    "embedding, numbers in bins": first(
        embedding(INDEX_COLUMNS["embedding, numbers in bins"], 3, [piecewise_linear([-0.6, -0.1, 0.05, 0.7], 2)])),
    "embedding, no numbers": first(embedding(INDEX_COLUMNS["embedding, no numbers"], 1)),
}


STEMS = {
    "dropout 0.3": trunk(dropout(0.3, MASK)),
    "independent": independent,
    "mmoe behind a stem": behind([dense(WIDTH, torch.tanh)], mmoe(3)),
    "omoe behind a stem": behind([dense(WIDTH, torch.tanh)], mmoe(3, one_gate=True)),
    "cross-stitch behind a stem": behind([dense(WIDTH, torch.tanh)], cross_stitch),
    "cgc behind a stem": behind([dense(6, F.gelu), dense(WIDTH, torch.tanh)], ple((2, 1))),
    "dselect-k behind a stem": behind([dense(WIDTH, torch.tanh)], dselect_k(4, 2, 5.0, 0.3)),
    "adatt behind a stem": behind([dense(WIDTH, torch.tanh)], adatt(2)),
    "independent behind a stem": behind([dense(WIDTH, torch.tanh)], independent),
}
for name, form in {"mmoe": mmoe(3), "ple 2": ple((1, 2), (2, 1)), "adatt 2": adatt(2, 1, 3), "soft 0.3": soft(0.3)}.items():
    case = f"an embedding before {name}"
    STEMS[case] = behind([embedding(INDEX_COLUMNS[case], 2)], form)


def cases():
    networks = {name: trunk(layer) for name, layer in LAYERS.items()} | FORMS | EMBEDDINGS | STEMS
    for seed, (name, network) in enumerate(networks.items()):
        yield record(name, network, seed, INDEX_COLUMNS.get(name))


print(json.dumps({"torch": torch.__version__.split("+")[0], "cases": list(cases())}, allow_nan=False).replace("}, {", "},\n{"))
