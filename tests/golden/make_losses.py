"""Records value, delta and predictions of every loss, in float64, from PyTorch.

Losses that PyTorch has are called by name; the others are written as their formula, without regard for speed or
overflow, and differentiated by PyTorch. None of it shares code or algebra with the crate.

usage: python make_losses.py > losses.json        (needs torch)

Answer: {"torch": version, "cases": [{"loss", "case", "outputs", "targets" (null: missing), "weights", "groups",
"value", "delta", "predictions"}]}
"""
import json
import math

import torch
import torch.nn.functional as F

torch.set_default_dtype(torch.float64)
generator = torch.Generator().manual_seed(20)
LARGEST = 30.0


def normal(*shape):
    return torch.randn(*shape, generator=generator)


def whole(below):
    return lambda n: torch.randint(0, below, (n,), generator=generator).double()


def bounded_exp(x):
    tangent = math.exp(LARGEST) * (1 + x - LARGEST)
    return torch.where(x > LARGEST, tangent, torch.exp(torch.clamp(x, max=LARGEST)))


def unweighted(loss):
    """From ℓ of the single output z[:, 0] and the label to a member of BY_LABEL: every example counts 1."""
    return lambda z, t: (loss(z[:, 0], t), torch.ones_like(t))


def quantile(z, t):
    tau = torch.tensor([0.1, 0.5, 0.9])
    r = t[:, None] - z
    return torch.maximum(tau * r, (tau - 1) * r).mean(1), torch.ones_like(t)


def poisson(z, t):
    # Half the deviance: what PyTorch leaves out of the likelihood is put back without ln t!, so that the least value is 0.
    constant = torch.xlogy(t, t) - t
    if z.max() <= LARGEST:
        return F.poisson_nll_loss(z, t, reduction="none") + constant
    return bounded_exp(z) - t * z + constant


def gaussian(z, t):
    mean, s = z[:, 0], z[:, 1]
    if s.min() >= -LARGEST:
        loss = F.gaussian_nll_loss(mean, t, torch.exp(s), reduction="none", eps=1e-300)
    else:
        loss = (s + (mean - t) ** 2 * bounded_exp(-s)) / 2
    return loss, torch.ones_like(t)


def bce(weight):
    return unweighted(lambda z, t: F.binary_cross_entropy_with_logits(
        z, t, pos_weight=torch.tensor(weight), reduction="none"))


def binary_focal(gamma, alpha):
    def loss(z, t):
        v = torch.where(t == 1, z, -z)
        alpha_t = torch.where(t == 1, alpha, 1 - alpha)
        return -alpha_t * torch.exp(gamma * F.logsigmoid(-v)) * F.logsigmoid(v)
    return unweighted(loss)


def smoothed(loss, classes, smoothing):
    """The mean of ℓ over the labels, weighted by their shares of the smoothed label. What an example counts is its own
    label's: ℓ of another label brings that label's weight along in the sum alone."""
    def mean(z, t):
        own, count = loss(z, t)
        others = [loss(z, torch.full_like(t, c))[0] for c in range(classes)]
        return (1 - smoothing) * own + smoothing / classes * sum(others), count
    return mean


def smoothed_bce(weight, smoothing):
    # As TensorFlow's label_smoothing moves the labels.
    return unweighted(lambda z, t: F.binary_cross_entropy_with_logits(
        z, (1 - smoothing) * t + smoothing / 2, pos_weight=torch.tensor(weight), reduction="none"))


def cross_entropy(weights, smoothing):
    def loss(z, t):
        weight = torch.tensor(weights or [1.0] * z.shape[1])
        value = F.cross_entropy(z, t.long(), weight=weight, label_smoothing=smoothing, reduction="none")
        return value, weight[t.long()]
    return loss


def focal(weights, gamma):
    def loss(z, t):
        weight = torch.tensor(weights or [1.0] * z.shape[1])[t.long()]
        is_t = F.one_hot(t.long(), z.shape[1]).bool()
        everything = torch.logsumexp(z, 1)
        ln_wrong = torch.logsumexp(z.masked_fill(is_t, -math.inf), 1) - everything
        return -weight * torch.exp(gamma * ln_wrong) * F.log_softmax(z, 1)[is_t], weight
    return loss


def ordinal_probabilities(z):
    cumulative = torch.cumsum(torch.cat([z[:, :1], F.softplus(z[:, 1:])], 1), 1)
    below = torch.sigmoid(cumulative)
    zero = torch.zeros_like(below[:, :1])
    return torch.diff(torch.cat([zero, below, zero + 1], 1), dim=1)


def ordinal(z, t):
    return -torch.log(ordinal_probabilities(z).gather(1, t.long()[:, None])[:, 0]), torch.ones_like(t)


def pair_losses(s):
    return -F.logsigmoid(s[:, None] - s[None, :])


def rank_net(s, t):
    return pair_losses(s)[t[:, None] > t[None, :]].mean()


def ndcg_parts(t):
    gain = 2 ** t - 1
    ideal = (torch.sort(gain, descending=True).values / torch.log2(torch.arange(len(t)) + 2.0)).sum()
    return gain, ideal


def lambda_rank(s, t):
    gain, ideal = ndcg_parts(t)
    rank = 1.0 + (s[None, :] > s[:, None]).sum(1)
    discount = 1 / torch.log2(1 + rank)
    change = (gain[:, None] - gain[None, :]).abs() * (discount[:, None] - discount[None, :]).abs() / ideal
    return (change.detach() * pair_losses(s))[t[:, None] > t[None, :]].sum()


def list_net(s, t):
    return -(torch.softmax(t, 0) * F.log_softmax(s, 0)).sum()


def list_proportion(s, t):
    return -(t / t.sum() * F.log_softmax(s, 0)).sum()


def list_mle(s, t):
    ordered = s[torch.sort(t, descending=True, stable=True).indices]
    return sum(torch.logsumexp(ordered[i:], 0) - ordered[i] for i in range(len(s)))


def approx_ndcg(temperature):
    def loss(s, t):
        gain, ideal = ndcg_parts(t)
        rank = 0.5 + torch.sigmoid((s[None, :] - s[:, None]) / temperature).sum(1)
        return 1 - (gain / torch.log2(1 + rank)).sum() / ideal
    return loss


def same(z):
    return z


def softmax(z):
    return torch.softmax(z, 1)


def mean_and_variance(z):
    return torch.stack([z[:, 0], torch.exp(z[:, 1])], 1)


# name: (outputs per target, labels, (ℓ, what an example adds to what the mean divides by), prediction)
BY_LABEL = {
    "mean_squared_error": (1, normal, unweighted(lambda z, t: F.mse_loss(z, t, reduction="none")), same),
    "mean_absolute_error": (1, normal, unweighted(lambda z, t: F.l1_loss(z, t, reduction="none")), same),
    "huber 1": (1, normal, unweighted(lambda z, t: F.huber_loss(z, t, reduction="none")), same),
    "huber 0.3": (1, normal, unweighted(lambda z, t: F.huber_loss(z, t, delta=0.3, reduction="none")), same),
    "smooth_l1 1": (1, normal, unweighted(lambda z, t: F.smooth_l1_loss(z, t, reduction="none")), same),
    "smooth_l1 0.3": (1, normal, unweighted(lambda z, t: F.smooth_l1_loss(z, t, beta=0.3, reduction="none")), same),
    "log_cosh": (1, normal, unweighted(lambda z, t: torch.logaddexp(z - t, t - z) - math.log(2)), same),
    "quantile": (3, normal, quantile, same),
    "poisson": (1, whole(6), unweighted(poisson), torch.exp),
    "gaussian": (2, normal, gaussian, mean_and_variance),
    "binary_cross_entropy": (1, whole(2), bce(1.0), torch.sigmoid),
    "binary_cross_entropy 3": (1, whole(2), bce(3.0), torch.sigmoid),
    "binary_focal": (1, whole(2), binary_focal(2.0, 0.25), torch.sigmoid),
    "binary_focal 0.5": (1, whole(2), binary_focal(0.5, 0.6), torch.sigmoid),
    "cross_entropy": (4, whole(4), cross_entropy(None, 0.0), softmax),
    "cross_entropy weighted": (4, whole(4), cross_entropy([1.0, 0.5, 2.0, 0.0], 0.0), softmax),
    "cross_entropy smoothed": (4, whole(4), cross_entropy([1.0, 0.5, 2.0, 0.3], 0.1), softmax),
    "focal": (4, whole(4), focal(None, 2.0), softmax),
    "focal 0.5": (4, whole(4), focal([1.0, 0.5, 2.0, 0.3], 0.5), softmax),
    "ordinal": (4, whole(5), ordinal, ordinal_probabilities),
    "ordinal 2": (1, whole(2), ordinal, ordinal_probabilities),
}
SMOOTHED_BY_LABEL = {
    "binary_cross_entropy smoothed": (1, whole(2), smoothed_bce(3.0, 0.1), torch.sigmoid),
    "binary_focal smoothed": (1, whole(2), smoothed(binary_focal(2.0, 0.25), 2, 0.1), torch.sigmoid),
    "focal smoothed": (4, whole(4), smoothed(focal([1.0, 0.5, 2.0, 0.3], 2.0), 4, 0.1), softmax),
    "ordinal smoothed": (4, whole(5), smoothed(ordinal, 5, 0.1), ordinal_probabilities),
    "ordinal 2 smoothed": (1, whole(2), smoothed(ordinal, 2, 0.3), ordinal_probabilities),
}
# name: (labels, ℓ of a list)
BY_LIST = {
    "rank_net": (whole(3), rank_net),
    "lambda_rank": (whole(4), lambda_rank),
    "list_net": (normal, list_net),
    "list_net proportion": (whole(3), list_proportion),
    "list_mle": (whole(4), list_mle),
    "approx_ndcg": (whole(4), approx_ndcg(0.1)),
    "approx_ndcg 1": (whole(4), approx_ndcg(1.0)),
}


def mean_by_label(loss, parts, z, t, w):
    n, columns = t.shape
    present = ~torch.isnan(t)
    values, counts = loss(z.reshape(n, columns, parts)[present], t[present])
    w = w[:, None].expand_as(t)[present]
    return (w * values).sum() / (w * counts).sum()


def mean_by_list(loss, s, t, w, groups):
    total, sum_ = 0.0, torch.zeros(())
    for column in range(t.shape[1]):
        for group in sorted(set(groups)):
            items = [i for i, g in enumerate(groups) if g == group and not math.isnan(t[i, column])]
            if len(set(t[items, column].tolist())) > 1:
                total = total + w[items].mean()
                sum_ = sum_ + w[items].mean() * loss(s[items, column], t[items, column])
    return sum_ / total


def mean_by_column(positive_weights):
    def mean(z, t, w):
        w = torch.where(torch.isnan(t), 0.0, w[:, None])
        loss = F.binary_cross_entropy_with_logits(z, torch.nan_to_num(t), weight=w, reduction="sum",
                                                  pos_weight=torch.tensor(positive_weights))
        return loss / w.sum()
    return mean


def numbers(x):
    if x.dim() == 0:
        return None if math.isnan(x) else x.item()
    return [numbers(row) for row in x]


def record(name, case, mean, z, t, w, groups, predict):
    z = z.clone().requires_grad_()
    value = mean(z, t, torch.ones(len(t)) if w is None else w)
    value.backward()
    return {
        "loss": name, "case": case, "outputs": numbers(z.detach()), "targets": numbers(t),
        "weights": None if w is None else numbers(w), "groups": groups,
        "value": value.item(), "delta": numbers(z.grad), "predictions": predict and numbers(predict(z.detach())),
    }


def with_gaps(t):
    t = t.clone()
    t[1, 0] = t[3] = t[4, -1] = math.nan
    return t


def cases_by_label(table):
    for name, (parts, labels, loss, predict) in table.items():
        mean = lambda z, t, w: mean_by_label(loss, parts, z, t, w)
        columns = lambda n, m: torch.stack([labels(n) for _ in range(m)], 1)
        by_target = lambda z: torch.cat([predict(block) for block in z.split(parts, 1)], 1)
        one = columns(1, 1).clamp(max=2)
        yield record(name, "one row", mean, normal(1, parts), one, None, None, by_target)
        weights = torch.rand(7, generator=generator) * torch.tensor([1, 1, 0, 1, 1, 1, 1])
        yield record(name, "gaps and weights", mean, 2 * normal(7, 3 * parts), with_gaps(columns(7, 3)), weights, None, by_target)
        if not name.startswith("ordinal"):  # its plain formula is log 0 there
            z = 1000.0 * torch.randint(-1, 2, (8, parts), generator=generator) + normal(8, parts)
            yield record(name, "far out", mean, z, columns(8, 1), None, None, None)


def cases():
    yield from cases_by_label(BY_LABEL)
    for name, (labels, loss) in BY_LIST.items():
        columns = lambda n, m: torch.stack([labels(n) for _ in range(m)], 1)
        groups = [7, 3, 7, 3, 3, 11, 7, 11, 7, 3, 11]
        mean = lambda s, t, w: mean_by_list(loss, s, t, w, groups)
        t = with_gaps(columns(11, 2))
        t[[5, 7, 10], 0] = 1.0  # a list that says nothing
        yield record(name, "gaps and weights", mean, normal(11, 2), t, torch.rand(11, generator=generator), groups, None)
        t = columns(11, 1)
        yield record(name, "plain", mean, normal(11, 1), t, None, groups, None)
        s = 1000.0 * torch.randint(-1, 2, (11, 1), generator=generator) + normal(11, 1)
        yield record(name, "far out", mean, s, t, None, groups, None)
    t = with_gaps(torch.stack([whole(2)(7) for _ in range(3)], 1))
    yield record("binary_cross_entropy 2 5 0.5", "a weight for each column", mean_by_column([2.0, 5.0, 0.5]),
                 2 * normal(7, 3), t, torch.rand(7, generator=generator), None, torch.sigmoid)
    yield from cases_by_label(SMOOTHED_BY_LABEL)


print(json.dumps({"torch": torch.__version__.split("+")[0], "cases": list(cases())}, allow_nan=False).replace("}, {", "},\n{"))
