"""scikit-learn's MLPRegressor: one `partial_fit` of the batch is one step of Adam. It has no heads, but with one linear
layer each, two heads of one output are one layer of two. Its gradient is half that of the sum of the tasks' losses, a
factor that Adam divides out when epsilon is halved too."""
import warnings

from worker import *
from sklearn.neural_network import MLPRegressor

warnings.filterwarnings("ignore")
x, ys, trunk, heads = numbers()
assert not workload.head and workload.outputs == 1, "MLPRegressor has no heads of several layers"
y = np.hstack(ys)
model = MLPRegressor(
    hidden_layer_sizes=workload.trunk, alpha=0.0, batch_size=workload.batch, learning_rate_init=RATE, shuffle=False,
    epsilon=EPSILON / 2)
model.partial_fit(x, y)
last = tuple(np.concatenate(parts, axis=-1) for parts in zip(*(head[0] for head in heads)))
model.coefs_, model.intercepts_ = (list(parts) for parts in zip(*trunk, last))
del model._optimizer  # so that the next step begins Adam anew, on these arrays


def run(n):
    for _ in range(n):
        model.partial_fit(x, y)


serve(run, lambda: workload.tasks * ((model.predict(x) - y) ** 2).mean())
