"""Writes transforms.json: Box-Cox and Yeo-Johnson by SciPy (1.17), for tests/it/target_transforms.rs.

    python3 tests/golden/make_transforms.py
"""

import json
import pathlib

import numpy as np
from scipy import special, stats

rng = np.random.default_rng(11)
positive = {
    "lognormal": np.exp(rng.normal(2.0, 0.8, 80)),
    "gamma": rng.gamma(2.0, 3.0, 120),
    "uniform": rng.uniform(1.0, 2.0, 60),
    "left": 10.0 - rng.gamma(2.0, 1.0, 90).clip(0, 9),
    "prices": np.round(np.exp(rng.normal(12.0, 0.5, 100)), 2),
}
signed = {
    "normal": rng.normal(1.0, 2.0, 80),
    "skewed": rng.gamma(1.5, 2.0, 100) - 2.0,
    "heavy": rng.standard_t(3, 90),
    "negative": -rng.gamma(2.0, 1.0, 70),
}
cases = []
for name, x in positive.items():
    y, lam = stats.boxcox(x)
    cases.append({"transform": "box_cox", "name": name, "x": x.tolist(), "lambda": float(lam), "y": y.tolist()})
for name, x in signed.items():
    y, lam = stats.yeojohnson(x)
    cases.append({"transform": "yeo_johnson", "name": name, "x": x.tolist(), "lambda": float(lam), "y": y.tolist()})

given = []
for lam in [-1.5, -0.5, 0.0, 1e-9, 0.3, 1.0, 2.0, 3.0]:
    x = [0.02, 0.7, 1.0, 3.0, 250.0]
    z = [-6.0, -0.4, 0.0, 0.9, 40.0]
    given.append(
        {
            "lambda": lam,
            "x": x,
            "box_cox": special.boxcox(x, lam).tolist(),
            "z": z,
            "yeo_johnson": stats.yeojohnson(np.array(z), lam).tolist(),
        }
    )

path = pathlib.Path(__file__).with_name("transforms.json")
path.write_text(json.dumps({"fitted": cases, "given": given}) + "\n")
