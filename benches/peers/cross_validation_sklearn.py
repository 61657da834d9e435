"""Cross-validate scikit-learn's MLPRegressor on the folds that the example `cross_validation` wrote.

Same trunk (64-64 ReLU), batch 32, standardised columns, up to 500 epochs; scikit-learn's own defaults otherwise
(Adam 0.001, L2 0.0001, stops when the training loss does not improve for 10 epochs). Numeric tables whose last
columns are the targets.

usage: cross_validation_sklearn.py TABLE.csv N_TARGETS FOLDS.txt        needs scikit-learn, numpy
"""
import sys
import warnings

import numpy as np
from sklearn.neural_network import MLPRegressor
from sklearn.preprocessing import StandardScaler


def main(table, n_targets, folds):
    warnings.simplefilter("ignore")
    numbers = np.genfromtxt(table, delimiter=",", skip_header=1)
    x, y = numbers[:, :-n_targets], numbers[:, -n_targets:]
    fold_of = np.loadtxt(folds, dtype=int)
    squares, squares_of_mean = np.zeros(n_targets), np.zeros(n_targets)
    for fold in np.unique(fold_of):
        train, test = fold_of != fold, fold_of == fold
        scale_x, scale_y = StandardScaler().fit(x[train]), StandardScaler().fit(y[train])
        net = MLPRegressor(hidden_layer_sizes=(64, 64), batch_size=32, max_iter=500, random_state=int(fold))
        net.fit(scale_x.transform(x[train]), scale_y.transform(y[train]))
        predicted = scale_y.inverse_transform(net.predict(scale_x.transform(x[test])))
        squares += ((predicted - y[test]) ** 2).sum(axis=0)
        squares_of_mean += ((y[test] - y[train].mean(axis=0)) ** 2).sum(axis=0)
    rrmse = np.sqrt(squares / squares_of_mean)
    print("R2", 1 - rrmse**2, "RRMSE", rrmse, "aRRMSE %.4f" % rrmse.mean())


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]), sys.argv[3])
