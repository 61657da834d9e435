"""PyTorch and TorchJD: steps that look at each task's gradient of the trunk. `plain`: of the summed loss, for
comparison. `loop`: one backward per task, the trunk's gradients as rows of a matrix, their mean. `representation`:
each task's gradient of the representation alone, their mean sent through the trunk. `mean`, `upgrad`, `mgda`,
`pcgrad`: TorchJD's `mtl_backward` and an aggregator. `autogram`: TorchJD's Gramian engine and UPGrad's weights."""
from torch_net import *

adam = torch.optim.Adam(net.parameters(), **SETTINGS, foreach=True)
shared = list(net.trunk.parameters())
mse = nn.functional.mse_loss


def plain():
    total_loss(net(x), ys).backward()


def loop():
    z = net.trunk(x)
    rows = torch.empty(len(ys), sum(parameter.numel() for parameter in shared))
    for k, (head, y) in enumerate(zip(net.heads, ys)):
        own = list(head.parameters())
        gradients = torch.autograd.grad(mse(head(z), y), shared + own, retain_graph=k + 1 < len(ys))
        torch.cat([g.flatten() for g in gradients[:len(shared)]], out=rows[k])
        for parameter, g in zip(own, gradients[len(shared):]):
            parameter.grad = g
    mean, used = rows.mean(0), 0
    for parameter in shared:
        parameter.grad = mean[used:used + parameter.numel()].view_as(parameter)
        used += parameter.numel()


def representation():
    z = net.trunk(x)
    leaf, rows = z.detach().requires_grad_(), []
    for head, y in zip(net.heads, ys):
        leaf.grad = None
        mse(head(leaf), y).backward()
        rows.append(leaf.grad)
    z.backward(torch.stack(rows).mean(0))


def aggregated(aggregator):
    from torchjd.autojac import jac_to_grad, mtl_backward

    def backward():
        z = net.trunk(x)
        losses = [mse(head(z), y) for head, y in zip(net.heads, ys)]
        own = [head.parameters() for head in net.heads]
        mtl_backward(losses, features=z, tasks_params=own, shared_params=shared)
        jac_to_grad(shared, aggregator)
    return backward


def autogram():
    from torchjd.aggregation import UPGradWeighting
    from torchjd.autogram import Engine
    engine, weighting = Engine(net.trunk, batch_dim=None), UPGradWeighting()

    def backward():
        losses = torch.stack([mse(output, y) for output, y in zip(net(x), ys)])
        losses.backward(weighting(engine.compute_gramian(losses)))
    return backward


def choose(mode):
    if mode in ("plain", "loop", "representation"):
        return globals()[mode]
    if mode == "autogram":
        return autogram()
    from torchjd.aggregation import MGDA, Mean, PCGrad, UPGrad
    return aggregated({"mean": Mean, "upgrad": UPGrad, "mgda": MGDA, "pcgrad": PCGrad}[mode]())


backward = choose(workload.mode)


def run(n):
    for _ in range(n):
        adam.zero_grad()
        backward()
        adam.step()


serve(run, loss)
