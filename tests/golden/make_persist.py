"""Another program's side of saved models.

    python3 make_persist.py            writes persist_pytorch.safetensors and persist_pytorch.json: a PyTorch twin's
                                       state dict, and what the twin predicts; needs torch and safetensors
    python3 make_persist.py check [FOLDER]
                                       opens persist_model.safetensors and persist_estimator.safetensors, which
                                       tests/it/persistence_python.rs wrote, and compares a forward pass in NumPy with the
                                       predictions beside each; needs numpy and safetensors

To write the files of the second form anew: cargo test --features full --test it persistence_python -- --ignored
Into another folder than this, with POLYTASK_FILES_FOR_PYTHON=FOLDER before it: .ci/run checks what it has just written.
"""

import json
import pathlib
import sys

import numpy as np
from safetensors import safe_open

HERE = pathlib.Path(__file__).parent


def forward(tensors, architecture, x):
    """What a network predicts for each task, from the numbers in its file alone."""
    h = (x - tensors["scaling.features.mean"]) / tensors["scaling.features.std"]
    phi = {"relu": lambda z: np.maximum(z, 0), "tanh": np.tanh, "identity": lambda z: z}

    def layers(h, name, settings):
        for i, layer in enumerate(settings):
            z = h @ tensors[f"{name}.{i}.weight"] + tensors[f"{name}.{i}.bias"]
            h = phi[layer["dense"]["activation"]](z)
        return h

    trunk = layers(h, "trunk", architecture["sharing"]["shared_trunk"])
    predictions = {}
    for task in architecture["tasks"]:
        name = task["name"]
        own = layers(trunk, f"head.{name}", task["layers"])
        last = f"head.{name}.{len(task['layers'])}"
        y = own @ tensors[f"{last}.weight"] + tensors[f"{last}.bias"]
        if f"scaling.task.{name}.mean" in tensors:
            y = y * tensors[f"scaling.task.{name}.std"] + tensors[f"scaling.task.{name}.mean"]
        else:
            e = np.exp(y - y.max(axis=1, keepdims=True))
            y = e / e.sum(axis=1, keepdims=True)
        predictions[name] = y
    return predictions


def of_estimator(tensors, about, x):
    """The mean over the members, kept between the smallest and the largest label."""
    members = []
    for m in range(about["estimator"]["members"]):
        own = f"member.{m}."
        numbers = {name.removeprefix(own): t for name, t in tensors.items() if name.startswith(own)}
        members.append(forward(numbers, about["architecture"], x))
    return {
        name: np.clip(
            np.mean([member[name] for member in members], axis=0),
            tensors["labels.smallest"][k],
            tensors["labels.largest"][k],
        )
        for k, name in enumerate(members[0])
    }


def check(folder):
    for file_name in ["persist_model", "persist_estimator"]:
        with safe_open(folder / f"{file_name}.safetensors", framework="numpy") as file:
            tensors = {name: file.get_tensor(name) for name in file.keys()}
            about = json.loads(file.metadata()["polytask"])
        given = json.loads((folder / f"{file_name}.json").read_text())
        x = np.array(given["features"], dtype=np.float64)
        if "estimator" in about:
            predictions = of_estimator(tensors, about, x)
        else:
            predictions = forward(tensors, about["architecture"], x)
        assert predictions.keys() == given["predictions"].keys()
        for name, y in predictions.items():
            expected = np.array(given["predictions"][name])
            distance = np.abs(y - expected).max()
            # Sums of a dozen numbers of size 1 in f64, in another order.
            assert y.shape == expected.shape and distance < 1e-13, (file_name, name, distance)
            print(f"{file_name}, {name}: {y.shape[0]} rows, largest difference {distance:.1e}")
        print("columns", about["names"]["features"], "written by polytask", about["crate"])


def write():
    import torch
    from safetensors.torch import save_file

    torch.manual_seed(7)
    torch.set_num_threads(1)

    class Twin(torch.nn.Module):
        def __init__(self):
            super().__init__()
            self.trunk = torch.nn.Sequential(
                torch.nn.Linear(5, 7), torch.nn.ReLU(), torch.nn.Linear(7, 4), torch.nn.Tanh()
            )
            self.price = torch.nn.Linear(4, 1)
            self.kind = torch.nn.Sequential(torch.nn.Linear(4, 6), torch.nn.GELU(), torch.nn.Linear(6, 3))

        def forward(self, x):
            h = self.trunk(x)
            return {"price": self.price(h), "kind": torch.softmax(self.kind(h), 1)}

    twin = Twin()
    x = torch.randn(9, 5)
    save_file(twin.state_dict(), HERE / "persist_pytorch.safetensors")
    with torch.no_grad():
        predictions = {name: y.double().tolist() for name, y in twin(x).items()}
    made = {"torch": torch.__version__, "features": x.double().tolist(), "predictions": predictions}
    (HERE / "persist_pytorch.json").write_text(json.dumps(made) + "\n")


if __name__ == "__main__":
    if sys.argv[1:2] == ["check"]:
        check(pathlib.Path(sys.argv[2]) if sys.argv[2:] else HERE)
    else:
        write()
