"""Writes tests/golden/parquet: one table as Parquet files of several writers, codecs and types.

    pip install pyarrow polars pandas
    python tests/golden/make_parquet.py

The table is that of tests/it/data_columns.rs.
"""

import datetime
import decimal
import pathlib

import pandas
import polars
import pyarrow
import pyarrow.parquet

FOLDER = pathlib.Path(__file__).parent / "parquet"
COLUMNS = {
    "area": [514.5, None, 612.123456789, 1e21],
    "rooms": [3, 4, None, -7],
    "roof": ["flat", "pitched", None, "flat"],
    "sold": [True, False, True, False],
    "heating": [15.25, None, 1e-7, 24.0],
    "kind": ["house", "barn", "house", "shed"],
}


def main():
    FOLDER.mkdir(exist_ok=True)
    write = pyarrow.parquet.write_table
    plain = pyarrow.table(COLUMNS)
    # The default is Snappy with dictionaries; one row a group makes several batches.
    write(plain, FOLDER / "pyarrow.parquet", row_group_size=1)
    types = pyarrow.schema([
        ("area", pyarrow.float64()),
        ("rooms", pyarrow.int8()),
        ("roof", pyarrow.dictionary(pyarrow.int8(), pyarrow.string())),
        ("sold", pyarrow.bool_()),
        ("heating", pyarrow.float64()),
        ("kind", pyarrow.large_string()),
    ])
    write(plain.cast(types), FOLDER / "types.parquet", compression="none", data_page_version="2.0")
    polars.DataFrame(COLUMNS).write_parquet(FOLDER / "polars.parquet")  # Zstandard, string views
    frame = pandas.DataFrame({
        name: pandas.array(values, dtype="Int64" if name == "rooms" else None) for name, values in COLUMNS.items()
    })
    frame.to_parquet(FOLDER / "pandas.parquet")

    # What is refused, and how a decimal is read.
    write(plain, FOLDER / "gzip.parquet", compression="gzip")
    day = datetime.date(2024, 1, 2)
    write(pyarrow.table({"area": [1.0], "day": [day]}), FOLDER / "date.parquet")
    write(pyarrow.table({"area": [[1.0, 2.0]]}), FOLDER / "nested.parquet")
    write(plain.slice(0, 0), FOLDER / "no_rows.parquet")
    numbers = pyarrow.array([decimal.Decimal("12.30"), None, decimal.Decimal("-0.07")], pyarrow.decimal128(9, 2))
    write(pyarrow.table({"price": numbers}), FOLDER / "decimal.parquet")

    # Longer than a block, in row groups that end elsewhere: what is new at the end is in no other row.
    n = 60_000
    rows = {
        "query": [f"q{i // 7}" for i in range(n)],
        "id": list(range(n)),
        "area": [(i * 37 % 977) / 4 for i in range(n)],
        "age": [None if i > n - 50 and i % 5 == 0 else float(i * 61 % 90) for i in range(n)],
        "roof": ["thatched" if i > n - 50 and i % 3 == 0 else ["flat", "pitched"][i * i % 2] for i in range(n)],
        "price": [None if i % 11 == 3 else i * 13 % 1000 for i in range(n)],
    }
    write(pyarrow.table(rows), FOLDER / "long.parquet", row_group_size=25_000, compression="zstd",
          use_dictionary=["query", "area", "age", "roof", "price"], column_encoding={"id": "DELTA_BINARY_PACKED"})


if __name__ == "__main__":
    main()
