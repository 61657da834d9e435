"""NumPy: backpropagation by hand, as somebody writes it who wants it fast. Parameters, gradient and Adam's moments
are flat vectors, so that Adam is a few passes over all of them; the layers are views."""
from worker import *

x, ys, trunk, heads = numbers()
layers = trunk + [layer for head in heads for layer in head]
theta = np.concatenate([part.ravel() for layer in layers for part in layer])
gradient, m, v, a, b = (np.zeros_like(theta) for _ in range(5))


def views(vector):
    """The layers' weights and biases in a vector laid out like theta: of the trunk, and of each head."""
    pieces, used = [], 0
    for weight, bias in layers:
        middle, end = used + weight.size, used + weight.size + bias.size
        pieces.append((vector[used:middle].reshape(weight.shape), vector[middle:end]))
        used = end
    first, rest, depth = pieces[:len(trunk)], pieces[len(trunk):], len(heads[0])
    return first, [rest[k:k + depth] for k in range(0, len(rest), depth)]


trunk, heads = views(theta)
trunk_gradient, head_gradients = views(gradient)
count = 0


def forward(stack, values, relu_at_end):
    """The values before the first layer and after each."""
    values = [values]
    for i, (weight, bias) in enumerate(stack):
        z = values[-1] @ weight
        z += bias
        if relu_at_end or i + 1 < len(stack):
            np.maximum(z, 0, out=z)
        values.append(z)
    return values


def backward(stack, gradients, values, delta, relu_at_end, to_input):
    """Writes the gradients; returns the delta of the input, if it is wanted."""
    for i in reversed(range(len(stack))):
        if relu_at_end or i + 1 < len(stack):
            delta *= values[i + 1] > 0
        np.matmul(values[i].T, delta, out=gradients[i][0])
        delta.sum(axis=0, out=gradients[i][1])
        if i > 0 or to_input:
            delta = delta @ stack[i][0].T
    return delta


def adam():
    global count
    count += 1
    np.multiply(m, np.float32(BETA1), out=m)
    np.multiply(gradient, np.float32(1 - BETA1), out=a)
    np.add(m, a, out=m)
    np.multiply(v, np.float32(BETA2), out=v)
    np.multiply(gradient, gradient, out=a)
    np.multiply(a, np.float32(1 - BETA2), out=a)
    np.add(v, a, out=v)
    np.sqrt(v, out=a)
    np.multiply(a, np.float32((1 - BETA2**count) ** -0.5), out=a)
    np.add(a, np.float32(EPSILON), out=a)
    np.divide(m, a, out=b)
    np.multiply(b, np.float32(RATE / (1 - BETA1**count)), out=b)
    np.subtract(theta, b, out=theta)


def step():
    values = forward(trunk, x, True)
    total = np.zeros_like(values[-1])
    for head, head_gradient, y in zip(heads, head_gradients, ys):
        head_values = forward(head, values[-1], False)
        delta = head_values[-1] - y
        delta *= np.float32(2 / y.size)
        total += backward(head, head_gradient, head_values, delta, False, True)
    backward(trunk, trunk_gradient, values, total, True, False)
    adam()


def run(n):
    for _ in range(n):
        step()


def loss():
    z = forward(trunk, x, True)[-1]
    return sum(((forward(head, z, False)[-1] - y) ** 2).mean() for head, y in zip(heads, ys))


serve(run, loss)
