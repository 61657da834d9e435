"""Save small matrices in NumPy's archives, stored and deflated, for the reader of its files.

Needs: numpy.
usage: make_npz.py FOLDER

x is [[0, 1, 2], [3, 4, 5]] in f4, columns first; y is [10, 20] in i8; zeros is 200 × 10 zeros; the text and the cube are no
matrices. unnamed.npz holds [1, 2] and [3] under the names that NumPy gives.
"""
import pathlib
import sys

import numpy as np

folder = pathlib.Path(sys.argv[1])
arrays = {
    "x": np.asfortranarray(np.arange(6).reshape(2, 3).astype("<f4")),
    "y": np.array([10, 20], dtype="<i8"),
    "zeros": np.zeros((200, 10)),
    "größe": np.array([1.5]),
    "text": np.array(["a", "b"]),
    "cube": np.zeros((2, 2, 2)),
}
np.savez_compressed(folder / "deflated.npz", **arrays)
del arrays["zeros"]
np.savez(folder / "stored.npz", **arrays)
np.savez(folder / "unnamed.npz", np.array([1.0, 2.0]), np.array([3.0]))
