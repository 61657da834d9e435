"""Writes metrics.json: values of the metrics by scikit-learn (1.9), for tests/it/metrics.rs.

Missing labels are dropped before scikit-learn sees the data, column by column. A value is null where scikit-learn
gives NaN or raises; "confusion" has confusion matrices, row after row. What scikit-learn does not have is written out below by definition: the relative error, boxes,
and the ranking metrics with ties, as the plain mean over every order of the tied rows.

    python3 tests/golden/make_metrics.py
"""

import itertools
import json
import math
import pathlib
import warnings

import numpy as np
from sklearn import metrics as sk

warnings.filterwarnings("ignore")
rng = np.random.default_rng(20)
NAN = float("nan")
data, values = {}, []


def mean_over_columns(function):
    """The metric of each column's labelled rows, averaged over the columns where it is defined."""

    def metric(d):
        found = []
        for j in range(d["targets"].shape[1]):
            keep = ~np.isnan(d["targets"][:, j]) & (d["weights"] > 0)
            if keep.any():
                found.append(function(d["targets"][keep, j], d["predictions"][keep, j], d["weights"][keep]))
        found = [value for value in found if not math.isnan(value)]
        return sum(found) / len(found) if found else NAN

    return metric


def of_classes(function):
    def metric(d):
        keep = ~np.isnan(d["targets"][:, 0]) & (d["weights"] > 0)
        t = d["targets"][keep, 0].astype(int)
        return function(t, d["predictions"][keep], d["weights"][keep]) if keep.any() else NAN

    return metric


def decisions(p):
    return p.argmax(axis=1) if p.ndim == 2 else (p > 0.5).astype(int)


def decided(function, **settings):
    return lambda t, p, w: function(t, decisions(p), sample_weight=w, **settings)


def one_against_rest(function):
    def metric(t, p, w):
        if p.shape[1] == 2:
            return function(t, p[:, 1], sample_weight=w)
        return float(np.mean([function(t == c, p[:, c], sample_weight=w) for c in np.unique(t)]))

    return metric


TRAINING_MEAN = [0.25, -0.5, 0.125]


def rrmse(d):
    roots = []
    for j in range(d["targets"].shape[1]):
        keep = ~np.isnan(d["targets"][:, j])
        t, y, w = d["targets"][keep, j], d["predictions"][keep, j], d["weights"][keep]
        roots.append(math.sqrt(np.sum(w * (y - t) ** 2) / np.sum(w * (TRAINING_MEAN[j] - t) ** 2)))
    return sum(roots) / len(roots)


QUANTITIES = {
    "mse": mean_over_columns(lambda t, y, w: sk.mean_squared_error(t, y, sample_weight=w)),
    "rmse": mean_over_columns(lambda t, y, w: sk.root_mean_squared_error(t, y, sample_weight=w)),
    "mae": mean_over_columns(lambda t, y, w: sk.mean_absolute_error(t, y, sample_weight=w)),
    "r2": mean_over_columns(lambda t, y, w: sk.r2_score(t, y, sample_weight=w, force_finite=False)),
    "explained_variance": mean_over_columns(lambda t, y, w: sk.explained_variance_score(t, y, sample_weight=w, force_finite=False)),
    "pinball@0.9": mean_over_columns(lambda t, y, w: sk.mean_pinball_loss(t, y, sample_weight=w, alpha=0.9)),
}
MAX_ERROR = {"max_error": mean_over_columns(lambda t, y, w: sk.max_error(t, y))}


def decision_metrics(lift):
    table = {"accuracy": lift(decided(sk.accuracy_score)), "balanced_accuracy": lift(decided(sk.balanced_accuracy_score))}
    for name, function in [("precision", sk.precision_score), ("recall", sk.recall_score), ("f1", sk.f1_score)]:
        table[name] = lift(decided(function))
        table[name + "_macro"] = lift(decided(function, average="macro"))
        table[name + "_micro"] = lift(decided(function, average="micro"))
    return table


YES_OR_NO = decision_metrics(mean_over_columns) | {
    "log_loss": mean_over_columns(lambda t, p, w: sk.log_loss(t, p, sample_weight=w, labels=[0, 1])),
    "brier": mean_over_columns(lambda t, p, w: sk.brier_score_loss(t, p, sample_weight=w, pos_label=1)),
    "roc_auc": mean_over_columns(lambda t, p, w: sk.roc_auc_score(t, p, sample_weight=w)),
    "average_precision": mean_over_columns(lambda t, p, w: sk.average_precision_score(t, p, sample_weight=w)),
}

# Several columns: the class yes of each column, by mean or by summed counts.
def multi_label_micro(function):
    def metric(d):
        keep = ~np.isnan(d["targets"]) & (d["weights"] > 0)[:, None]
        w = np.broadcast_to(d["weights"][:, None], keep.shape)[keep]
        return function(d["targets"][keep], (d["predictions"][keep] > 0.5).astype(int), sample_weight=w)

    return metric


MULTI_LABEL = {name: YES_OR_NO[name] for name in
               ["accuracy", "balanced_accuracy", "log_loss", "brier", "roc_auc", "average_precision"]}
for name, function in [("precision", sk.precision_score), ("recall", sk.recall_score), ("f1", sk.f1_score)]:
    MULTI_LABEL[name + "_macro"] = YES_OR_NO[name]
    MULTI_LABEL[name + "_micro"] = multi_label_micro(function)


def indicator(t, p):
    return list(range(p.shape[1]))


CLASSES = {name: metric for name, metric in decision_metrics(of_classes).items()
           if name not in ["precision", "recall", "f1"]} | {
    "log_loss": of_classes(lambda t, p, w: sk.log_loss(t, p, sample_weight=w, labels=indicator(t, p))),
    "brier": of_classes(lambda t, p, w: sk.brier_score_loss(t, p, sample_weight=w, labels=indicator(t, p))),
    "roc_auc": of_classes(one_against_rest(sk.roc_auc_score)),
    "average_precision": of_classes(one_against_rest(sk.average_precision_score)),
}
# scikit-learn breaks ties the other way in top-k: only for data without them.
TOP_K = {"accuracy@2": of_classes(
    lambda t, p, w: sk.top_k_accuracy_score(t, p, k=2, sample_weight=w, labels=indicator(t, p)))}


def over_lists(function, shortest=1):
    """The mean over the lists of at least `shortest` labelled rows."""

    def metric(d):
        found, weights = [], []
        for group in np.unique(d["groups"]):
            keep = (d["groups"] == group) & ~np.isnan(d["targets"][:, 0])
            if keep.sum() >= shortest:
                found.append(function(d["targets"][keep, 0], d["predictions"][keep, 0]))
                weights.append(d["weights"][keep].mean())
        return float(np.average(found, weights=weights)) if found else NAN

    return metric


def over_orders(function):
    """The mean of function(labels from first place to last) over every order of equal scores."""

    def metric(t, s):
        groups = [t[s == score] for score in sorted(set(s), reverse=True)]
        orders = itertools.product(*[list(itertools.permutations(group)) for group in groups])
        return float(np.mean([function(np.concatenate(order)) for order in orders]))

    return metric


def average_precision(labels):
    if not (labels > 0).any():
        return 0.0
    scores = -np.arange(len(labels), dtype=float)
    return sk.average_precision_score(labels > 0, scores)


def reciprocal_rank(labels):
    return 1.0 / (1 + np.argmax(labels > 0)) if (labels > 0).any() else 0.0


def ndcg(k, gain):
    # scikit-learn raises for a list of one row.
    return over_lists(lambda t, s: sk.ndcg_score([gain(t)], [s], k=k), shortest=2)


RANKING = {
    "ndcg@3": ndcg(3, lambda t: 2.0**t - 1),
    "ndcg_linear": ndcg(None, lambda t: t),
    "map": over_lists(over_orders(average_precision)),
    "mrr": over_lists(over_orders(reciprocal_rank)),
}


def mean_iou(d):
    keep = ~np.isnan(d["targets"]).any(axis=1)
    a, b, w = d["predictions"][keep], d["targets"][keep], d["weights"][keep]
    area = lambda lo, hi: np.prod(np.clip(hi - lo, 0, None), axis=1)
    overlap = area(np.maximum(a[:, :2], b[:, :2]), np.minimum(a[:, 2:], b[:, 2:]))
    union = area(a[:, :2], a[:, 2:]) + area(b[:, :2], b[:, 2:]) - overlap
    return float(np.average(np.divide(overlap, union, out=np.zeros_like(union), where=union > 0), weights=w))


def add(name, predictions, targets, table, weights=None, groups=None, missing=0.0):
    predictions, targets = np.array(predictions, float), np.array(targets, float)
    targets[rng.random(targets.shape) < missing] = NAN
    given = {"predictions": predictions, "targets": targets}
    if weights is not None:
        given["weights"] = np.array(weights, float)
    if groups is not None:
        given["groups"] = np.array(groups)
    data[name] = {
        key: [None if isinstance(x, float) and math.isnan(x) else x for x in array.ravel().tolist()]
        for key, array in given.items()
    } | {"output_width": predictions.shape[1], "target_width": targets.shape[1]}
    complete = {"weights": np.ones(len(targets)), "groups": np.zeros(len(targets))} | given
    for metric, function in table.items():
        try:
            value = float(function(complete))
        except ValueError:
            value = NAN
        values.append([metric, name, value if math.isfinite(value) else None])


def weights(n):
    return rng.integers(0, 5, n) / 2


def softmax(z):
    e = np.exp(z - z.max(axis=1, keepdims=True))
    return e / e.sum(axis=1, keepdims=True)


t = rng.normal(size=(20, 3))
y = t + 0.5 * rng.normal(size=t.shape)
add("quantities", y, t, QUANTITIES | {"rrmse": rrmse})
add("quantities missing weighted", y, t, QUANTITIES | {"rrmse": rrmse}, weights=weights(20), missing=0.3)
add("quantities one column", y[:, :1], t[:, :1], QUANTITIES | MAX_ERROR)
add("quantities large offset", 1e6 + y[:, :1], 1e6 + t[:, :1], QUANTITIES | MAX_ERROR)
add("constant hit", np.full((5, 1), 2.0), np.full((5, 1), 2.0), QUANTITIES | MAX_ERROR)
add("constant offset", np.full((5, 1), 3.5), np.full((5, 1), 2.0), QUANTITIES | MAX_ERROR)
add("constant missed", y[:5, :1], np.full((5, 1), 2.0), QUANTITIES | MAX_ERROR)
add("one row", [[1.5]], [[1.0]], QUANTITIES | MAX_ERROR)

p = rng.random((40, 1))
t = (rng.random((40, 1)) < p).astype(float)
add("yes/no", p, t, YES_OR_NO)
add("yes/no ties", np.round(p, 1), t, YES_OR_NO)
add("yes/no ties missing weighted", np.round(p, 1), t, YES_OR_NO, weights=weights(40), missing=0.2)
add("yes/no all equal", np.full((40, 1), 0.5), t, YES_OR_NO)
add("yes/no certain", np.round(p), t, YES_OR_NO)
add("yes/no always no", 0.4 * p, t, YES_OR_NO)
add("yes/no only no", p, np.zeros((40, 1)), YES_OR_NO)
add("yes/no only yes", p, np.ones((40, 1)), YES_OR_NO)
add("yes/no one row", [[0.7]], [[1.0]], YES_OR_NO)

p = np.round(rng.random((30, 4)), 1)
t = (rng.random((30, 4)) < p).astype(float)
t[:, 2] = 0
add("multi-label", p, t, MULTI_LABEL)
add("multi-label missing weighted", p, t, MULTI_LABEL, weights=weights(30), missing=0.3)

p = softmax(2 * rng.normal(size=(40, 4)))
t = np.array([[rng.choice(4, p=row)] for row in p], float)
add("classes", p, t, CLASSES | TOP_K)
add("classes missing weighted", p, t, CLASSES | TOP_K, weights=weights(40), missing=0.2)
add("classes absent", p, np.where(t == 1, 0, t), CLASSES | TOP_K)
coarse = np.round(4 * p) / 4
add("classes ties", coarse, t, {k: v for k, v in CLASSES.items() if k not in ["log_loss", "brier"]})
add("two classes", softmax(p[:, :2]), t % 2, CLASSES | {k: of_classes(decided(f)) for k, f in
    [("precision", sk.precision_score), ("recall", sk.recall_score), ("f1", sk.f1_score)]})
add("classes one row", p[:1], t[:1], {k: v for k, v in CLASSES.items() if k not in ["roc_auc", "average_precision"]})

groups = [7] * 5 + [3] * 6 + [11] * 2 + [9] * 4
n = len(groups)
relevance = rng.integers(0, 4, (n, 1)).astype(float)
relevance[-4:] = 0
shuffle = rng.permutation(n)
groups, relevance = np.array(groups)[shuffle], relevance[shuffle]
list_weights = np.array([{7: 1.0, 3: 0.5, 11: 2.0, 9: 1.5}[g] for g in groups])
scores = rng.normal(size=(n, 1))
add("lists", scores, relevance, RANKING, groups=groups)
add("lists ties weighted", np.round(scores), relevance, RANKING, groups=groups, weights=list_weights)
add("lists all tied", np.zeros((n, 1)), relevance, RANKING, groups=groups)
add("one list", np.round(scores[:7]), relevance[:7], RANKING, missing=0.2)

corner = rng.random((12, 2))
t = np.hstack([corner, corner + rng.random((12, 2))])
y = t + 0.2 * rng.normal(size=t.shape)
y[0] = t[0]
y[1] = t[1] + 5
y[2], t[2] = [0.5] * 4, [0.5] * 4
y[3] = [0.9, 0.9, 0.1, 0.1]
add("boxes", y, t, {"mean_iou": mean_iou})
add("boxes missing weighted", y, t, {"mean_iou": mean_iou}, weights=weights(12), missing=0.05)

p = softmax(2 * rng.normal(size=(12, 4)))
add("classes one class", p, np.full((12, 1), 2.0), CLASSES)
add("classes one row of four", p[:1], [[2.0]], CLASSES)
t = np.array([[c % 4] for c in range(12)], float)
add("classes all occur", p, t, {"roc_auc": lambda d: sk.roc_auc_score(t[:, 0], p, multi_class="ovr")})
add("list of one row", [[0.3]], [[2.0]], RANKING)
add("lists of one row and more", rng.normal(size=(7, 1)), [[1.0], [2.0], [0.0], [1.0], [3.0], [0.0], [2.0]], RANKING,
    groups=[5, 8, 8, 4, 5, 6, 8], weights=[2.0, 1.0, 1.0, 0.5, 2.0, 1.5, 1.0])

confusion = []
for name, given in data.items():
    if not name.startswith(("yes/no", "classes", "two classes")):
        continue
    column = lambda key: np.array([NAN if x is None else x for x in given[key]])
    t, p = column("targets"), column("predictions").reshape(-1, given["output_width"])
    w = column("weights") if "weights" in given else np.ones(len(t))
    keep = ~np.isnan(t)
    guess = decisions(p if p.shape[1] > 1 else p[:, 0])
    n = max(2, p.shape[1])
    matrix = sk.confusion_matrix(t[keep].astype(int), guess[keep], labels=range(n), sample_weight=w[keep])
    confusion.append([name, matrix.ravel().tolist()])

out = pathlib.Path(__file__).with_name("metrics.json")
out.write_text(json.dumps({"training_mean": TRAINING_MEAN, "data": data, "values": values, "confusion": confusion}).replace("}, ", "},\n") + "\n")
print(f"{len(values)} values, {out.stat().st_size} bytes")
