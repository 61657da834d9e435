"""PyTorch's network, for `torch_peer.py` and `torch_tasks.py`."""
from worker import *
import torch
from torch import nn

torch.set_num_threads(workload.threads)
x, ys, trunk, heads = numbers()
x, ys = torch.from_numpy(x), [torch.from_numpy(y) for y in ys]


def stack(layers, relu_at_end):
    modules = []
    for i, (weight, bias) in enumerate(layers):
        linear = nn.Linear(*weight.shape)
        linear.weight.data, linear.bias.data = torch.from_numpy(weight.T.copy()), torch.from_numpy(bias)
        modules += [linear, nn.ReLU()] if relu_at_end or i + 1 < len(layers) else [linear]
    return nn.Sequential(*modules)


class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.trunk = stack(trunk, True)
        self.heads = nn.ModuleList(stack(head, False) for head in heads)

    def forward(self, x):
        z = self.trunk(x)
        return [head(z) for head in self.heads]


def total_loss(outputs, ys):
    return sum(nn.functional.mse_loss(output, y) for output, y in zip(outputs, ys))


net = Net()
SETTINGS = dict(lr=RATE, betas=(BETA1, BETA2), eps=EPSILON)


def loss():
    with torch.no_grad():
        return total_loss(net(x), ys)
