"""What ONNX Runtime computes from the crate's ONNX files, against what the crate predicts.

    pip install numpy onnx onnxruntime
    POLYTASK_FILES_FOR_PYTHON="$PWD/target/files-for-python" cargo test --all-features --test it onnx -- --ignored
    python tests/golden/check_onnx.py target/files-for-python/onnx

Each file passes onnx.checker with shapes inferred, and every output differs from the crate's by at most 1e-5 (f32) or
1e-12 (f64) of the largest number in it or 1, whichever is larger; 1e-6 in f64 with GELU, whose error function is of f32.
"""

import collections
import json
import pathlib
import sys

import numpy as np
import onnx
import onnxruntime

TOLERANCE = {"f32": 1e-5, "f64": 1e-12, "f64 with GELU": 1e-6}


def main(folder):
    cases = json.loads((folder / "cases.json").read_text())
    worst, counts = collections.Counter(), collections.Counter()
    faults = []
    for case in cases:
        scalar, path = case["scalar"], folder / case["file"]
        model = onnx.load(path)
        onnx.checker.check_model(model, full_check=True)
        session = onnxruntime.InferenceSession(path, providers=["CPUExecutionProvider"])
        kind = "f64 with GELU" if scalar == "f64" and any(node.op_type == "Erf" for node in model.graph.node) else scalar
        (features,) = session.get_inputs()
        x = np.array(case["features"], dtype={"f32": np.float32, "f64": np.float64}[scalar])
        names = [output.name for output in session.get_outputs()]
        assert names == [task for task, _ in case["predicted"]], (case["name"], names)
        for (task, expected), found in zip(case["predicted"], session.run(None, {features.name: x})):
            expected = np.array([[float(number) for number in row] for row in expected])
            assert found.shape == expected.shape, (case["name"], task, found.shape, expected.shape)
            infinite = np.isinf(expected)
            assert (found[infinite] == expected[infinite]).all(), (case["name"], task)
            found, expected = found[~infinite], expected[~infinite]
            size = np.abs(expected).max(initial=1.0)
            error = np.abs(found - expected).max(initial=0.0) / size
            worst[kind] = max(worst[kind], error)
            if not error <= TOLERANCE[kind]:
                faults.append(f"{case['name']}, {task}: {error:.1e}")
        counts[kind] += 1
    for kind, count in counts.items():
        print(f"{kind}: {count} files, the largest difference {worst[kind]:.1e} of the largest output")
    print("\n".join(faults))
    return 1 if faults or counts.keys() != TOLERANCE.keys() else 0


if __name__ == "__main__":
    sys.exit(main(pathlib.Path(sys.argv[1])))
