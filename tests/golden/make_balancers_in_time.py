"""Record what TorchJD's loss scalarisers and its stateful aggregators answer over several steps, in float64.

Needs: torch, torchjd.
usage: make_balancers_in_time.py OUT.json

OUT.json: {"torchjd": version,
           "losses": T x 3, "losses_after": T x 3, "epoch_ends_after": steps after which an epoch ends,
           "weights": {METHOD: T x 3}          derivative of the scalarised value by each loss
           "jacobians": T x 2 x 5, "directions": {METHOD: T x 5}}
"Learned" numbers are stepped by torch.optim.Adam with learning rate 0.025, without weight decay.
"""
import json, sys
from importlib.metadata import version

import torch
from torchjd.aggregation import ExcessMTL, GradVac
from torchjd.scalarization import DWA, FAMO, IMTLL, STCH, UW, GeometricMean

torch.set_default_dtype(torch.float64)
T, EPOCH_ENDS = 24, [5, 11, 17]


def trajectory(scalarizer, losses, after_step=lambda t: None, learned=False):
    adam = torch.optim.Adam(scalarizer.parameters(), lr=0.025) if learned else None
    rows = []
    for t, values in enumerate(losses):
        values = values.clone().requires_grad_()
        if adam:
            adam.zero_grad()
        scalarizer(values).backward()
        rows.append(values.grad.tolist())
        if adam:
            adam.step()
        after_step(t)
    return rows


def main(out):
    g = torch.Generator().manual_seed(3)
    losses = torch.exp(torch.randn(T, 3, generator=g) + torch.tensor([2.0, 0.0, -3.0]))
    after = losses * torch.exp(0.2 * torch.randn(T, 3, generator=g))
    bounds = torch.tensor([0.01, 0.02, 0.0])
    losses, after = losses + bounds, after + bounds
    jacobians = torch.randn(T, 2, 5, generator=g)
    jacobians[:, 1] += torch.linspace(1.5, -1.5, T)[:, None] * jacobians[:, 0]

    dwa, famo, bounded = DWA(), FAMO(3), FAMO(3, min_losses=bounds, weight_decay=0.0)
    weights = {
        "uncertainty": trajectory(UW(3), losses, learned=True),
        "imtl_l": trajectory(IMTLL(3), losses, learned=True),
        "gls": trajectory(GeometricMean(), losses),
        "stch mu=0.5": trajectory(STCH(0.5), losses),
        "dwa": trajectory(dwa, losses, lambda t: dwa.step() if t in EPOCH_ENDS else None),
        "famo": trajectory(famo, losses, lambda t: famo.update(after[t])),
        "famo bounded, no decay": trajectory(bounded, losses, lambda t: bounded.update(after[t])),
    }
    directions = {}
    for name, method in {
        "gradvac": GradVac(beta=0.5, eps=0.0),          # of two rows, so that the order does not matter
        "excess_mtl rate=1 warm-up=2": ExcessMTL(robust_step_size=1.0, n_warmup_steps=2),
    }.items():
        directions[name] = [method(j.clone()).tolist() for j in jacobians]
    json.dump({"torchjd": version("torchjd"), "losses": losses.tolist(), "losses_after": after.tolist(),
               "bounds": bounds.tolist(), "epoch_ends_after": EPOCH_ENDS, "weights": weights,
               "jacobians": jacobians.tolist(), "directions": directions}, open(out, "w"))


main(sys.argv[1])
