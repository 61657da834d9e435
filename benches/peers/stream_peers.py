"""An epoch on a CSV file that is read while a network learns from it, by other libraries.

    python3 benches/peers/stream_peers.py write rows.csv 100     # 100 MB: 10 features, 2 targets; or rows.parquet
    cargo bench --bench stream -- file S rows.csv
    python3 benches/peers/stream_peers.py sklearn rows.csv
    python3 benches/peers/stream_peers.py keras rows.csv

The network is the tutorial's: one shared layer of 10 rectified units, two outputs, Adam, batches of 32 rows, one thread for the
arithmetic. scikit-learn's has both outputs in one network, and is given pandas' chunks of 65,536 rows. Keras reads by
`make_csv_dataset` with its shuffle buffer of the same length.
"""

import os
import resource
import sys
import time

FEATURES = [f"x{j}" for j in range(10)]
TARGETS = ["0", "1"]


def write(path, megabytes):
    import numpy as np

    rng = np.random.default_rng(1)
    if path.endswith(".parquet"):
        import pyarrow
        import pyarrow.parquet

        # Eight bytes for each number, in groups of a million rows.
        schema = pyarrow.schema([(name, pyarrow.float64()) for name in FEATURES + TARGETS])
        with pyarrow.parquet.ParquetWriter(path, schema, use_dictionary=False) as file:
            for _ in range(int(megabytes / 96) or 1):
                columns = [pyarrow.array(rng.uniform(-1, 1, 1_000_000)) for _ in schema]
                file.write_table(pyarrow.table(columns, schema=schema))
        return
    with open(path, "w") as file:
        file.write(",".join(FEATURES + TARGETS) + "\n")
        while file.tell() < megabytes * 1e6:
            np.savetxt(file, rng.uniform(-1, 1, (20_000, 12)), fmt="%.6f", delimiter=",")


def sklearn(path):
    import pandas
    from sklearn.neural_network import MLPRegressor

    network = MLPRegressor(hidden_layer_sizes=(10,), solver="adam", batch_size=32, learning_rate_init=1e-3)
    begin = time.perf_counter()
    rows = 0
    for chunk in pandas.read_csv(path, chunksize=65_536, dtype="float32"):
        chunk = chunk.sample(frac=1, random_state=rows)
        network.partial_fit(chunk[FEATURES].to_numpy(), chunk[TARGETS].to_numpy())
        rows += len(chunk)
    return rows, time.perf_counter() - begin


def keras(path):
    os.environ["TF_CPP_MIN_LOG_LEVEL"] = "2"
    import tensorflow as tf

    tf.config.threading.set_intra_op_parallelism_threads(1)
    inputs = tf.keras.Input((10,))
    shared = tf.keras.layers.Dense(10, activation="relu")(inputs)
    outputs = [tf.keras.layers.Dense(1)(shared) for _ in TARGETS]
    network = tf.keras.Model(inputs, outputs)
    network.compile(tf.keras.optimizers.Adam(1e-3), loss=["mse", "mse"])
    data = tf.data.experimental.make_csv_dataset(
        path, 32, num_epochs=1, shuffle_buffer_size=65_536, shuffle_seed=1,
        column_defaults=[tf.float32] * 12, prefetch_buffer_size=1,
    )

    def split(row):
        x = tf.stack([row[name] for name in FEATURES], axis=1)
        return x, tuple(row[name] for name in TARGETS)

    data = data.map(split)
    rows = sum(1 for _ in open(path)) - 1
    begin = time.perf_counter()
    network.fit(data, epochs=1, verbose=0)
    return rows, time.perf_counter() - begin


if __name__ == "__main__":
    what, path = sys.argv[1:3]
    if what == "write":
        write(path, float(sys.argv[3]))
    else:
        rows, seconds = {"sklearn": sklearn, "keras": keras}[what](path)
        memory = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024
        print(f"{what}: {rows} rows in {seconds:.2f} s, {rows / seconds:,.0f} rows a second; most memory {memory} MiB")
