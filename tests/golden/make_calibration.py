"""Writes calibration.json: reliability curves by scikit-learn (1.9) and calibration errors, for tests/it/calibration.rs.

The error is written out by definition over scikit-learn's bins; what scikit-learn does not have, weights and the
confidence in one of several classes, repeats rows and takes the likeliest class. In the quantile strategy the number
of rows is a multiple of that of bins, where scikit-learn's edges and ours divide the rows alike.

    python3 tests/golden/make_calibration.py
"""

import json
import pathlib

import numpy as np
from sklearn.calibration import calibration_curve
from sklearn.metrics import brier_score_loss

rng = np.random.default_rng(4)


def curve(t, p, bins, strategy):
    share, mean = calibration_curve(t, p, n_bins=bins, strategy=strategy)
    if strategy == "uniform":
        edges = np.linspace(0, 1, bins + 1)
    else:
        edges = np.percentile(p, np.linspace(0, 1, bins + 1) * 100)
    counts = np.bincount(np.searchsorted(edges[1:-1], p), minlength=bins)
    counts = counts[counts > 0]
    return {
        "bins": bins,
        "strategy": strategy,
        "mean": mean.tolist(),
        "share": share.tolist(),
        "rows": counts.tolist(),
        "ece": float(np.sum(counts * np.abs(share - mean)) / len(p)),
        "mce": float(np.max(np.abs(share - mean))),
    }


cases = []
for rows, coarse in [(120, False), (120, True), (600, False)]:
    p = rng.beta(0.7, 1.3, rows)
    if coarse:
        p = np.round(p, 1)
    t = (rng.random(rows) < p**1.5).astype(float)
    curves = [curve(t, p, bins, "uniform") for bins in (1, 5, 10, 15)]
    if not coarse:
        curves += [curve(t, p, bins, "quantile") for bins in (1, 4, 10)]
    weights = rng.integers(0, 4, rows)
    again = np.repeat(np.arange(rows), weights)
    cases.append(
        {
            "predictions": p.tolist(),
            "targets": t.tolist(),
            "brier": float(brier_score_loss(t, p)),
            "curves": curves,
            "weights": weights.tolist(),
            "weighted": curve(t[again], p[again], 10, "uniform"),
        }
    )

p = rng.dirichlet([0.6, 0.9, 1.2, 0.4], 80)
t = rng.integers(0, 4, 80)
right = (p.argmax(axis=1) == t).astype(float)
classes = {"predictions": p.tolist(), "targets": t.tolist(), "curve": curve(right, p.max(axis=1), 10, "uniform")}

path = pathlib.Path(__file__).with_name("calibration.json")
path.write_text(json.dumps({"cases": cases, "classes": classes}) + "\n")
