"""Save one small matrix in the ways NumPy has, for the reader of its files.

Needs: numpy.
usage: make_npy.py FOLDER

Each file holds [[0, 1, 2], [3, 4, 5]], of type and order in its name; bool.npy holds [[F, T, T], [T, T, T]],
vector.npy [0, 1, 2, 3, 4, 5] and version2.npy the matrix with a header of format version 2.
"""
import pathlib
import sys

import numpy as np

folder = pathlib.Path(sys.argv[1])
matrix = np.arange(6).reshape(2, 3)
for descr in ["<f4", "<f8", ">f4", ">f8", "|i1", "|u1", "<i2", "<i4", "<i8", "<u2", "<u4", "<u8",
              ">i2", ">i4", ">i8", ">u2", ">u4", ">u8"]:
    name = descr.replace("<", "little_").replace(">", "big_").replace("|", "byte_")
    np.save(folder / f"{name}.npy", matrix.astype(descr))
np.save(folder / "fortran.npy", np.asfortranarray(matrix.astype("<f8")))
np.save(folder / "bool.npy", matrix > 0)
np.save(folder / "vector.npy", np.arange(6.0))
np.save(folder / "image.npy", np.zeros((2, 2, 2)))
np.save(folder / "text.npy", np.array([["a", "b"]]))
with open(folder / "version2.npy", "wb") as file:
    np.lib.format.write_array(file, matrix.astype("<f4"), version=(2, 0))
