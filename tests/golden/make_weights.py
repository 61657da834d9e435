"""Weights of other libraries' models, and what these predict: weights/*.safetensors and weights/*.json.

    python3 make_weights.py pytorch    needs torch and safetensors
    python3 make_weights.py keras      needs keras with any backend, and safetensors

Every number is of 64 bits. tests/it/weights.rs takes the weights over and predicts the same. Modules are named as people name
them, not as polytask does.
"""

import json
import pathlib
import sys

import numpy as np

HERE = pathlib.Path(__file__).parent / "weights"
ROWS, FEATURES = 7, 6


def features(seed, categories=None):
    """Numbers, and in column 1 an index, if there are categories; the index behind the last is for all others."""
    generator = np.random.default_rng(seed)
    x = generator.normal(size=(ROWS, FEATURES))
    if categories:
        x[:, 1] = generator.integers(0, categories + 1, size=ROWS)
    return x


def write(name, made, x, predictions):
    predicted = {task: np.asarray(y).tolist() for task, y in predictions.items()}
    about = {"made": made, "features": x.tolist(), "predictions": predicted}
    (HERE / f"{name}.json").write_text(json.dumps(about) + "\n")


def pytorch():
    import torch
    import torch.nn.functional as F
    from safetensors.torch import save_file
    from torch import nn

    torch.set_default_dtype(torch.float64)
    torch.set_num_threads(1)

    class Residual(nn.Module):
        def __init__(self, *layers):
            super().__init__()
            self.block = nn.Sequential(*layers)

        def forward(self, x):
            return x + self.block(x)

    class Layers(nn.Module):
        def __init__(self):
            super().__init__()
            self.brand = nn.Embedding(5, 3)
            self.first = nn.Linear(8, 12)
            self.norm = nn.LayerNorm(12)
            self.glu = nn.Linear(12, 20)
            self.batch = nn.BatchNorm1d(10)
            self.residual = Residual(nn.LayerNorm(10), nn.Linear(10, 7), nn.SiLU(), nn.Linear(7, 10))
            self.slopes = nn.PReLU(10)
            self.factors = nn.Parameter(torch.ones(10))
            # As many rows as columns: a shape alone does not say which way round it is.
            self.last = nn.Linear(10, 10)
            self.price = nn.Linear(10, 1)
            self.kind = nn.Sequential(nn.Linear(10, 5), nn.GELU(), nn.Linear(5, 3))

        def forward(self, x):
            numbers = torch.cat([x[:, :1], x[:, 2:]], 1)
            h = torch.cat([numbers, self.brand(x[:, 1].long())], 1)
            h = self.norm(torch.relu(self.first(h)))
            h = self.residual(self.batch(F.glu(self.glu(h))))
            h = torch.tanh(self.last(self.slopes(h) * self.factors))
            return {"price": self.price(h), "kind": torch.softmax(self.kind(h), 1)}

    class FeatureMaps(nn.Module):
        """A linear map of its own for the encoding of each feature, as in rtdl_num_embeddings."""

        def __init__(self, t, width):
            super().__init__()
            self.weight = nn.Parameter(torch.empty(FEATURES, t, width))
            self.linear = nn.Parameter(torch.empty(FEATURES, width))
            self.bias = nn.Parameter(torch.empty(FEATURES, width))

        def forward(self, x, encoded):
            maps = torch.einsum("bnt,ntd->bnd", encoded, self.weight)
            return (x[:, :, None] * self.linear + maps + self.bias).flatten(1)

    class Periodic(nn.Module):
        def __init__(self):
            super().__init__()
            self.frequencies = nn.Parameter(torch.empty(FEATURES, 2))
            self.maps = FeatureMaps(4, 4)
            self.y = nn.Linear(FEATURES * 4, 1)

        def forward(self, x):
            v = 2 * torch.pi * x[:, :, None] * self.frequencies
            return {"y": self.y(self.maps(x, torch.cat([torch.sin(v), torch.cos(v)], 2)))}

    class PiecewiseLinear(nn.Module):
        def __init__(self):
            super().__init__()
            edges = torch.quantile(torch.randn(99, FEATURES), torch.tensor([0.0, 0.3, 0.7, 1.0]), 0)
            self.register_buffer("edges", edges.T.contiguous())
            self.maps = FeatureMaps(3, 3)
            self.y = nn.Linear(FEATURES * 3, 1)

        def forward(self, x):
            lefts, rights = self.edges[:, :-1], self.edges[:, 1:]
            ratio = (x[:, :, None] - lefts) / (rights - lefts)
            first, middle, last = ratio.unbind(2)
            encoded = [first.clamp(max=1), middle.clamp(0, 1), last.clamp(min=0)]
            return {"y": self.y(self.maps(x, torch.stack(encoded, 2)))}

    class Ensemble(nn.Module):
        """Three members: weights for all with factors for each, and a head for each."""

        def __init__(self):
            super().__init__()
            self.shared = nn.Linear(FEATURES, 8, bias=False)
            self.r = nn.Parameter(torch.empty(3, FEATURES))
            self.s = nn.Parameter(torch.empty(3, 8))
            self.b = nn.Parameter(torch.empty(3, 8))
            self.head_weight = nn.Parameter(torch.empty(3, 8, 2))
            self.head_bias = nn.Parameter(torch.empty(3, 2))

        def forward(self, x):
            h = torch.relu(self.shared(x[:, None] * self.r) * self.s + self.b)
            y = torch.einsum("bmi,mio->bmo", h, self.head_weight) + self.head_bias
            return {"pair": y.mean(1)}

    class Mixture(nn.Module):
        """Experts for all tasks, some for each, and a gate for each: MMoE, or CGC."""

        def __init__(self, shared, own):
            super().__init__()
            tasks = ["one", "two"]
            expert = lambda: nn.Sequential(nn.Linear(FEATURES, 5), nn.ReLU())
            self.experts = nn.ModuleList(expert() for _ in range(shared))
            self.own = nn.ModuleDict({task: nn.ModuleList(expert() for _ in range(own)) for task in tasks})
            self.gates = nn.ModuleDict({task: nn.Linear(FEATURES, shared + own) for task in tasks})
            self.towers = nn.ModuleDict({task: nn.Linear(5, 1) for task in tasks})

        def forward(self, x):
            predicted = {}
            for task, tower in self.towers.items():
                experts = torch.stack([expert(x) for expert in [*self.own[task], *self.experts]], 2)
                shares = torch.softmax(self.gates[task](x), 1)
                predicted[task] = tower((experts * shares[:, None]).sum(2))
            return predicted

    cases = {
        "layers": (Layers, 4),
        "periodic": (Periodic, None),
        "piecewise": (PiecewiseLinear, None),
        "ensemble": (Ensemble, None),
        "mmoe": (lambda: Mixture(3, 0), None),
        "cgc": (lambda: Mixture(2, 1), None),
    }
    for seed, (name, (module, categories)) in enumerate(cases.items()):
        torch.manual_seed(seed)
        twin = module()
        with torch.no_grad():
            for p in twin.parameters():
                p.copy_(torch.randn(p.shape) * 0.6)
        # Running means and variances that are not the first ones.
        twin.train()
        for more in range(3):
            twin(torch.tensor(features(100 + more, categories)))
        twin.eval()
        x = features(seed, categories)
        with torch.no_grad():
            write(f"pytorch_{name}", f"torch {torch.__version__}", x, twin(torch.tensor(x)))
        save_file(twin.state_dict(), HERE / f"pytorch_{name}.safetensors")


def keras():
    import keras
    from keras import layers
    from safetensors.numpy import save_file

    keras.backend.set_floatx("float64")

    def of_layers():
        numbers, brand = keras.Input((5,)), keras.Input((), dtype="int64")
        h = layers.Concatenate()([numbers, layers.Embedding(5, 3, name="brand")(brand)])
        h = layers.Dense(12, "relu", name="first")(h)
        h = layers.LayerNormalization(name="norm")(h)
        h = layers.Dense(20, name="glu")(h)
        h = layers.Multiply()([h[:, :10], layers.Activation("sigmoid")(h[:, 10:])])
        h = layers.BatchNormalization(name="batch")(h)
        inside = layers.Dense(7, "silu", name="inside")(layers.LayerNormalization(name="inside_norm")(h))
        h = layers.Add()([h, layers.Dense(10, name="outside")(inside)])
        h = layers.PReLU(name="slopes")(h)
        h = layers.Dense(10, "tanh", name="last")(h)
        price = layers.Dense(1, name="price")(h)
        kind = layers.Dense(3, "softmax", name="kind")(layers.Dense(5, "softplus", name="hidden")(h))
        return keras.Model([numbers, brand], [price, kind]), ["price", "kind"]

    def of_experts():
        x = keras.Input((FEATURES,))
        experts = [layers.Dense(5, "relu", name=f"expert_{e}")(x) for e in range(3)]
        experts = layers.Lambda(keras.ops.stack, arguments={"axis": 1}, output_shape=(3, 5))(experts)
        tasks = ["one", "two"]
        shares = [layers.Dense(3, "softmax", name=f"gate_{task}")(x) for task in tasks]
        mixed = [layers.Dot(1)([share, experts]) for share in shares]
        return keras.Model(x, [layers.Dense(1, name=task)(h) for task, h in zip(tasks, mixed)]), tasks

    for seed, (name, build) in enumerate({"layers": of_layers, "mmoe": of_experts}.items()):
        model, tasks = build()
        generator = np.random.default_rng(seed)
        for weight in model.weights:
            drawn = generator.normal(size=weight.shape) * 0.6
            weight.assign(np.abs(drawn) + 0.1 if "variance" in weight.path else drawn)
        x = features(seed, 4 if name == "layers" else None)
        given = [np.delete(x, 1, 1), x[:, 1].astype(int)] if name == "layers" else x
        write(f"keras_{name}", f"keras {keras.__version__}", x, dict(zip(tasks, model.predict(given, verbose=0))))
        save_file({w.path: w.numpy() for w in model.weights}, HERE / f"keras_{name}.safetensors")


if __name__ == "__main__":
    {"pytorch": pytorch, "keras": keras}[sys.argv[1]]()
