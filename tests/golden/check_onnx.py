"""What ONNX Runtime computes from the crate's ONNX files, against what the crate predicts.

    pip install numpy onnx onnxruntime
    POLYTASK_FILES_FOR_PYTHON="$PWD/target/files-for-python" cargo test --features full --test it onnx -- --ignored
    python tests/golden/check_onnx.py target/files-for-python/onnx

Each file passes onnx.checker with shapes inferred, and every output differs from the crate's by at most 1e-5 (f32) or
1e-12 (f64) of the largest number in it or 1, whichever is larger; 1e-6 in f64 with GELU, whose error function is of f32. Where
the crate predicts nothing, because a cell is empty that must not be, so does the file (NaN); with a text that is not known
it fails.
"""

import collections
import json
import os
import pathlib
import sys

import numpy as np
import onnx
import onnxruntime

TOLERANCE = {"f32": 1e-5, "f64": 1e-12, "f64 with GELU": 1e-6}


PAGE = pathlib.Path(__file__).parents[2] / "docs/book/src/saving-and-serving.md"


def served(folder):
    """Runs the book's program where its model is."""
    (program,) = [
        block for block in PAGE.read_text().split("```python\n")[1:] if "onnxruntime" in block.split("```")[0]
    ]
    names = {}
    before = os.getcwd()
    os.chdir(folder)
    exec(program.split("```")[0], names)
    os.chdir(before)
    predicted = json.loads((folder / "predicted.json").read_text())
    return [
        f"the book's program: {task}"
        for task, expected in predicted.items()
        if names[task].shape != (3, 1) or not np.allclose(names[task][:, 0], expected, rtol=1e-5, atol=1e-5)
    ]


def columns(columns):
    """A column of numbers, null where there is none, or of texts, for each input."""
    texts = lambda values: any(isinstance(value, str) for value in values)
    of_type = lambda values: np.array(values, dtype=object if texts(values) else np.float64)
    return {name: of_type(values).reshape(-1, 1) for name, values in columns.items()}


def main(folder):
    cases = json.loads((folder / "cases.json").read_text())
    worst, counts = collections.Counter(), collections.Counter()
    faults = []
    for case in cases:
        scalar, path = case["scalar"], folder / case["file"]
        model = onnx.load(path)
        onnx.checker.check_model(model, full_check=True)
        options = onnxruntime.SessionOptions()
        # What fails is to fail.
        options.log_severity_level = 4 if case.get("fails") else 2
        session = onnxruntime.InferenceSession(path, options, providers=["CPUExecutionProvider"])
        kind = "f64 with GELU" if scalar == "f64" and any(node.op_type == "Erf" for node in model.graph.node) else scalar
        feeds = columns(case["columns"]) if "columns" in case else {}
        if not feeds:
            (features,) = session.get_inputs()
            feeds[features.name] = np.array(case["features"], dtype={"f32": np.float32, "f64": np.float64}[scalar])
        assert sorted(feeds) == sorted(given.name for given in session.get_inputs()), case["name"]
        if case.get("fails"):
            try:
                session.run(None, feeds)
                faults.append(f"{case['name']}: does not fail")
            except Exception:
                counts[kind] += 1
            continue
        names = [output.name for output in session.get_outputs()]
        assert names == [task for task, _ in case["predicted"]], (case["name"], names)
        for (task, expected), found in zip(case["predicted"], session.run(None, feeds)):
            expected = np.array([[float(number) for number in row] for row in expected])
            assert found.shape == expected.shape, (case["name"], task, found.shape, expected.shape)
            infinite = ~np.isfinite(expected)
            assert np.array_equal(found[infinite], expected[infinite], equal_nan=True), (case["name"], task)
            found, expected = found[~infinite], expected[~infinite]
            size = np.abs(expected).max(initial=1.0)
            error = np.abs(found - expected).max(initial=0.0) / size
            worst[kind] = max(worst[kind], error)
            if not error <= TOLERANCE[kind]:
                faults.append(f"{case['name']}, {task}: {error:.1e}")
        counts[kind] += 1
    for kind, count in counts.items():
        print(f"{kind}: {count} files, the largest difference {worst[kind]:.1e} of the largest output")
    faults += served(folder / "served")
    print("\n".join(faults))
    return 1 if faults or counts.keys() != TOLERANCE.keys() else 0


if __name__ == "__main__":
    sys.exit(main(pathlib.Path(sys.argv[1])))
