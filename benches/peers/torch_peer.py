"""PyTorch. `foreach`, `fused`: eager, with one of Adam's two fast forms. `compile`: loss and Adam compiled, each by
itself. `whole`: forward, backward and Adam in one compiled graph."""
from torch_net import *


def eager(form):
    adam = torch.optim.Adam(net.parameters(), **SETTINGS, **{form: True})

    def step():
        adam.zero_grad()
        total_loss(net(x), ys).backward()
        adam.step()
    return step


def compiled():
    adam = torch.optim.Adam(net.parameters(), **SETTINGS, foreach=True)
    compiled_loss = torch.compile(lambda x, ys: total_loss(net(x), ys))
    compiled_adam = torch.compile(lambda: adam.step())

    def step():
        adam.zero_grad()
        compiled_loss(x, ys).backward()
        compiled_adam()
    return step


def whole():
    theta = {name: parameter.detach() for name, parameter in net.named_parameters()}
    ms, vs = ({name: torch.zeros_like(p) for name, p in theta.items()} for _ in range(2))
    count = torch.zeros(())

    def loss_at(theta, x, ys):
        return total_loss(torch.func.functional_call(net, theta, (x,)), ys)

    @torch.compile(fullgraph=True)
    def update(theta, ms, vs, count, x, ys):
        gradient = torch.func.grad(loss_at)(theta, x, ys)
        count.add_(1)
        for name, g in gradient.items():
            m = ms[name].mul_(BETA1).add_(g, alpha=1 - BETA1)
            v = vs[name].mul_(BETA2).addcmul_(g, g, value=1 - BETA2)
            theta[name].sub_(RATE / (1 - BETA1**count) * m / ((v / (1 - BETA2**count)).sqrt() + EPSILON))

    def step():
        with torch.no_grad():
            update(theta, ms, vs, count, x, ys)
    return step


step = {"compile": compiled, "whole": whole}.get(workload.mode, lambda: eager(workload.mode))()


def run(n):
    for _ in range(n):
        step()


serve(run, loss)
