"""Writes label_weights.json: what scikit-learn (1.9) makes of a table with a weight for each row and task, for
tests/it/label_weights.rs: least squares and metrics of each target with its own sample weights.

    python3 tests/golden/make_label_weights.py
"""

import json
import pathlib

import numpy as np
from sklearn import metrics as sk
from sklearn.linear_model import LinearRegression

rng = np.random.default_rng(11)
n = 30
features = rng.normal(size=(n, 3)).round(3)
price = (features @ [1.0, -2.0, 0.5] + 0.7 + rng.normal(scale=0.8, size=n)).round(3)
rent = (features @ [-0.3, 0.1, 2.0] - 1.1 + rng.normal(scale=0.8, size=n)).round(3)
rows = rng.choice([0.5, 1.0, 2.0], size=n)
own = [rng.choice([0.0, 0.25, 1.0, 3.0], size=n), rng.choice([0.0, 1.0, 4.0], size=n)]

fits = []
for target, weights in zip([price, rent], own):
    fit = LinearRegression().fit(features, target, sample_weight=rows * weights)
    predicted = fit.predict(features)
    of = dict(sample_weight=rows * weights)
    fits.append(
        {
            "coefficients": fit.coef_.tolist(),
            "intercept": fit.intercept_,
            "mean_squared_error": sk.mean_squared_error(target, predicted, **of),
            "rmse": sk.root_mean_squared_error(target, predicted, **of),
            "mae": sk.mean_absolute_error(target, predicted, **of),
            "r2": sk.r2_score(target, predicted, **of),
        }
    )
golden = {
    "features": features.tolist(),
    "targets": np.stack([price, rent], axis=1).tolist(),
    "rows": rows.tolist(),
    "own": [weights.tolist() for weights in own],
    "fits": fits,
}
path = pathlib.Path(__file__).with_name("label_weights.json")
path.write_text(json.dumps(golden) + "\n")
