"""Losses of a click and of the product of click and purchase, and their gradients at both logits, by PyTorch in f64.

    python3 make_products.py > products.json
"""

import json

import torch
from torch.nn.functional import logsigmoid

NAN = float("nan")
generator = torch.Generator().manual_seed(7)
logits = 2 * torch.randn(14, 2, dtype=torch.float64, generator=generator)
far = torch.tensor([[40, 40], [-40, 3], [700, -2], [-700, -700]], dtype=torch.float64)
logits = torch.cat([logits, far]).requires_grad_()
clicked = [1, 0, 1, NAN, 1, 0, 0, 1, 1, NAN, 0, 1, 0, 1, 1, 0, 1, 0]
bought = [1, 0, 0, NAN, 1, 0, NAN, 1, 0, 0, 0, 1, 0, NAN, 1, 1, 1, 0]


def mean_loss(log_p, log_not_p, labels):
    labels = torch.tensor(labels, dtype=torch.float64)
    there = ~labels.isnan()
    yes = (labels == 1)
    return -(torch.where(yes, log_p, log_not_p)[there]).mean()


a, b = logits[:, 0], logits[:, 1]
click_loss = mean_loss(logsigmoid(a), logsigmoid(-a), clicked)
# 1 - p = 1 - sigmoid(a) sigmoid(b) = (e^-a + e^-b + e^(-a-b)) p
log_p = logsigmoid(a) + logsigmoid(b)
log_not_p = log_p + torch.logsumexp(torch.stack([-a, -b, -a - b]), 0)
product_loss = mean_loss(log_p, log_not_p, bought)
gradient = lambda loss: torch.autograd.grad(loss, logits, retain_graph=True)[0].tolist()
none = lambda labels: [None if label != label else label for label in labels]
print(
    json.dumps(
        {
            "logits": logits.tolist(),
            "clicked": none(clicked),
            "bought": none(bought),
            "click_loss": click_loss.item(),
            "product_loss": product_loss.item(),
            "product": log_p.exp().tolist(),
            "gradient_of_click": gradient(click_loss),
            "gradient_of_product": gradient(product_loss),
        }
    )
)
