"""JAX. `step`: one jitted step per call. `scan`: many steps in one jitted call."""
from functools import partial

from worker import *

if workload.threads == 1:
    os.environ["XLA_FLAGS"] = "--xla_cpu_multi_thread_eigen=false"
os.environ["JAX_PLATFORMS"] = "cpu"
import jax
import jax.numpy as jnp

x, ys, trunk, heads = jax.tree.map(jnp.asarray, numbers())


def forward(stack, a, relu_at_end):
    for i, (weight, bias) in enumerate(stack):
        a = a @ weight + bias
        a = jax.nn.relu(a) if relu_at_end or i + 1 < len(stack) else a
    return a


def total_loss(theta, x, ys):
    trunk, heads = theta
    z = forward(trunk, x, True)
    return sum(jnp.mean((forward(head, z, False) - y) ** 2) for head, y in zip(heads, ys))


def step(state, x, ys):
    theta, m, v, count = state
    gradient, count = jax.grad(total_loss)(theta, x, ys), count + 1
    m = jax.tree.map(lambda m, g: BETA1 * m + (1 - BETA1) * g, m, gradient)
    v = jax.tree.map(lambda v, g: BETA2 * v + (1 - BETA2) * g * g, v, gradient)
    c1, c2 = 1 - BETA1**count, 1 - BETA2**count
    update = lambda p, m, v: p - RATE * (m / c1) / (jnp.sqrt(v / c2) + EPSILON)
    return jax.tree.map(update, theta, m, v), m, v, count


one = jax.jit(step, donate_argnums=0)


@partial(jax.jit, donate_argnums=0, static_argnums=3)
def many(state, x, ys, n):
    return jax.lax.scan(lambda state, _: (step(state, x, ys), None), state, length=n)[0]


theta = (trunk, heads)
state = (theta, jax.tree.map(jnp.zeros_like, theta), jax.tree.map(jnp.zeros_like, theta), jnp.float32(0))
at_once = 1 if workload.mode == "step" else 5 if workload.inputs > 500 else 100


def run(n):
    global state
    for _ in range(n // at_once):
        state = one(state, x, ys) if at_once == 1 else many(state, x, ys, at_once)
    jax.block_until_ready(state)


serve(run, lambda: total_loss(state[0], x, ys), at_once)
