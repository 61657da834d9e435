"""Save one small matrix in the ways NumPy has, for the reader of its files.

Needs: numpy.
usage: make_npy.py FOLDER

Each file holds [[0, 1, 2], [3, 4, 5]], of type and order in its name; bool.npy holds [[F, T, T], [T, T, T]],
vector.npy [0, 1, 2, 3, 4, 5] and version2.npy the matrix with a header of format version 2. The files header_*.npy have
headers that other programs write, and NumPy reads; two.npy holds one array after the other; halves.npy has half
precision's numbers of every kind, and halves_f8.npy the same as NumPy widens them.
"""
import io
import pathlib
import struct
import sys

import numpy as np

folder = pathlib.Path(sys.argv[1])
matrix = np.arange(6).reshape(2, 3)
for descr in ["<f4", "<f8", ">f4", ">f8", "|i1", "|u1", "<i2", "<i4", "<i8", "<u2", "<u4", "<u8", "<f2",
              ">i2", ">i4", ">i8", ">u2", ">u4", ">u8", ">f2"]:
    name = descr.replace("<", "little_").replace(">", "big_").replace("|", "byte_")
    np.save(folder / f"{name}.npy", matrix.astype(descr))
np.save(folder / "fortran.npy", np.asfortranarray(matrix.astype("<f8")))
np.save(folder / "bool.npy", matrix > 0)
np.save(folder / "vector.npy", np.arange(6.0))
np.save(folder / "image.npy", np.zeros((2, 2, 2)))
np.save(folder / "text.npy", np.array([["a", "b"]]))
with open(folder / "version2.npy", "wb") as file:
    np.lib.format.write_array(file, matrix.astype("<f4"), version=(2, 0))


def with_header(text, numbers):
    return b"\x93NUMPY\x01\x00" + struct.pack("<H", len(text)) + text.encode() + numbers.tobytes()


double, byte = matrix.astype("<f8"), matrix.astype("u1")
for name, text, numbers in [
    ("native", "{'descr': '=f8', 'fortran_order': False, 'shape': (2, 3), }\n", double),
    ("unmarked", "{'descr': 'f8', 'fortran_order': False, 'shape': (2, 3), }\n", double),
    ("named", "{'descr': 'float64', 'fortran_order': False, 'shape': (2, 3), }\n", double),
    ("marked_byte", "{'descr': '<u1', 'fortran_order': False, 'shape': (2, 3), }\n", byte),
    ("big_byte", "{'descr': '>i1', 'fortran_order': False, 'shape': (2, 3), }\n", byte),
    ("native_byte", "{'descr': '=u1', 'fortran_order': False, 'shape': (2, 3), }\n", byte),
    ("quotes", '{"descr": "<f8", "fortran_order": False, "shape": (2, 3)}', double),
    ("unicode", "{'descr': u'<f8', 'fortran_order': False, 'shape': (2, 3)}", double),
    ("spaces", "  {'shape':( 2 ,\t3,) ,\n 'fortran_order' :False, 'descr' : '<f8' }  \n", double),
    ("longs", "{'descr': '<f8', 'fortran_order': False, 'shape': (2L, 3L), }\n", double),
]:
    file = with_header(text, numbers)
    assert (np.load(io.BytesIO(file)) == matrix).all(), name
    (folder / f"header_{name}.npy").write_bytes(file)
with open(folder / "two.npy", "wb") as file:
    np.save(file, double)
    np.save(file, double)
halves = np.array([0x0000, 0x8000, 0x0001, 0x83FF, 0x0400, 0x3555, 0x3C00, 0xC000, 0x7BFF, 0xFBFF, 0x7C00, 0xFC00, 0x7E00],
                  dtype="<u2").view("<f2")
np.save(folder / "halves.npy", halves)
np.save(folder / "halves_f8.npy", halves.astype("<f8"))
