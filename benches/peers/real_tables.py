"""Cross-validate other models on the folds that the example `cross_validation` wrote: the aRRMSE of each, and its seconds.

    pip install numpy pandas scikit-learn catboost pytabkit
    cargo run --release --example cross_validation -- enb.csv Y1,Y2 folds.txt
    python3 benches/peers/real_tables.py enb.csv Y1,Y2 folds.txt catboost realmlp tabm

Each has its defaults and one thread: CatBoost one model of all targets (MultiRMSE); RealMLP and TabM, as pytabkit has them
(RealMLP_TD_Regressor, TabM_D_Regressor), one for each target, with the validation rows that they take for themselves. Columns
of texts are one-hot, and the gaps of other columns are filled with the mean, before the rows are divided into folds.
"""

import sys
import time
import warnings

import numpy as np
import pandas


def catboost(x, y, test, seed):
    from catboost import CatBoostRegressor

    # One target is no case of several.
    loss = "MultiRMSE" if y.shape[1] > 1 else "RMSE"
    model = CatBoostRegressor(loss_function=loss, thread_count=1, random_seed=seed, verbose=False, allow_writing_files=False)
    return model.fit(x, y).predict(test).reshape(len(test), -1)


def each_target(make):
    def fit(x, y, test, seed):
        predicted = [make(seed).fit(x, of_target).predict(test).reshape(-1) for of_target in y.T]
        return np.stack(predicted, axis=1)

    return fit


def realmlp(seed):
    from pytabkit import RealMLP_TD_Regressor

    return RealMLP_TD_Regressor(random_state=seed, device="cpu", n_threads=1)


def tabm(seed):
    from pytabkit import TabM_D_Regressor

    return TabM_D_Regressor(random_state=seed, device="cpu", n_threads=1)


MODELS = {"catboost": catboost, "realmlp": each_target(realmlp), "tabm": each_target(tabm)}


def main(path, targets, folds, models):
    warnings.simplefilter("ignore")
    targets = targets.split(",")
    table = pandas.read_csv(path)
    y = table[targets].to_numpy(dtype=np.float32)
    x = pandas.get_dummies(table.drop(columns=targets), dtype=float)
    x = x.fillna(x.mean()).fillna(0).to_numpy(dtype=np.float32)
    fold_of = np.loadtxt(folds, dtype=int)
    for name in models:
        squares, squares_of_mean = np.zeros(len(targets)), np.zeros(len(targets))
        begin = time.process_time()
        for fold in np.unique(fold_of):
            train, test = fold_of != fold, fold_of == fold
            predicted = MODELS[name](x[train], y[train], x[test], int(fold))
            squares += ((predicted - y[test]) ** 2).sum(axis=0)
            squares_of_mean += ((y[test] - y[train].mean(axis=0)) ** 2).sum(axis=0)
        rrmse = np.sqrt(squares / squares_of_mean)
        seconds = (time.process_time() - begin) / len(np.unique(fold_of))
        print(f"{path} {name}: aRRMSE {rrmse.mean():.4f} ({rrmse.round(4)}), {seconds:.1f} s of processor time a fit", flush=True)


main(sys.argv[1], sys.argv[2], sys.argv[3], sys.argv[4:])
