"""A large table with what trees like, by boosted trees: R2 on new rows, seconds and memory.

    pip install numpy scikit-learn catboost lightgbm
    python3 benches/peers/large_table.py write target/large 100000       # rows to learn from; 20,000 more to test on
    cargo run --release --example large_table -- target/large
    python3 benches/peers/large_table.py catboost target/large           # or lightgbm, hist

20 features, of which four are one of ten codes without an order, and four targets:

    y0   two products of features, and a sine
    y1   steps: thresholds of three features, alone and joined by "and"
    y2   a table of the first two codes, 10 x 10 numbers, that a third feature scales
    y3   half of y0, half of y1, and a maximum of two features

with normal noise of a tenth of the variance, so that no prediction is expected to have an R2 above 0.909. Each program has its
defaults, two threads, and is told of no validation rows: CatBoost's has all targets in one model (MultiRMSE), the others one
for each target.
"""

import pathlib
import resource
import sys
import time

import numpy as np

TEST_ROWS = 20_000


def write(folder, rows):
    rng = np.random.default_rng(1)
    n = rows + TEST_ROWS
    x = rng.uniform(-1, 1, (n, 20))
    x[:, 16:] = rng.integers(0, 10, (n, 4))
    codes = rng.normal(size=(10, 10))
    step = lambda j, at: (x[:, j] > at).astype(float)
    y = np.empty((n, 4))
    y[:, 0] = 2 * x[:, 0] * x[:, 1] + x[:, 2] * x[:, 3] + np.sin(4 * x[:, 4])
    y[:, 1] = step(5, 0.3) + 2 * step(6, -0.2) * step(7, 0.4) - step(8, 0.6) * step(5, -0.5)
    y[:, 2] = codes[x[:, 16].astype(int), x[:, 17].astype(int)] * (1 + x[:, 9])
    y[:, 3] = 0.5 * y[:, 0] + 0.5 * y[:, 1] + np.maximum(x[:, 10], x[:, 11])
    y += rng.normal(size=y.shape) * y.std(axis=0) * np.sqrt(0.1)
    folder.mkdir(parents=True, exist_ok=True)
    for name, part in [("train", slice(0, rows)), ("test", slice(rows, n))]:
        np.save(folder / f"{name}_x.npy", x[part].astype(np.float32))
        np.save(folder / f"{name}_y.npy", y[part].astype(np.float32))


def catboost(x, y, test):
    from catboost import CatBoostRegressor

    model = CatBoostRegressor(loss_function="MultiRMSE", thread_count=2, random_seed=1, verbose=False, allow_writing_files=False)
    return model.fit(x, y).predict(test)


def lightgbm(x, y, test):
    from lightgbm import LGBMRegressor

    models = [LGBMRegressor(n_jobs=2, random_state=1, verbose=-1).fit(x, of_target) for of_target in y.T]
    return np.stack([model.predict(test) for model in models], axis=1)


def hist(x, y, test):
    from sklearn.ensemble import HistGradientBoostingRegressor

    models = [HistGradientBoostingRegressor(random_state=1).fit(x, of_target) for of_target in y.T]
    return np.stack([model.predict(test) for model in models], axis=1)


def main(task, folder, rows=None):
    folder = pathlib.Path(folder)
    if task == "write":
        return write(folder, int(rows))
    load = lambda name: np.load(folder / f"{name}.npy")
    x, y, test_x, test_y = load("train_x"), load("train_y"), load("test_x"), load("test_y")
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    begin = time.perf_counter()
    predicted = {"catboost": catboost, "lightgbm": lightgbm, "hist": hist}[task](x, y, test_x)
    seconds = time.perf_counter() - begin
    usage = resource.getrusage(resource.RUSAGE_SELF)
    r2 = 1 - ((test_y - predicted) ** 2).sum(0) / ((test_y - test_y.mean(0)) ** 2).sum(0)
    each = "  ".join(f"{of_target:.4f}" for of_target in r2)
    print(f"{task}: R2 {r2.mean():.4f} ({each}), {seconds:.1f} s, {usage.ru_utime + usage.ru_stime:.1f} s of processor time, "
          f"{usage.ru_maxrss / 1024:.0f} MB at most, {before / 1024:.0f} MB before the fit")


main(*sys.argv[1:])
