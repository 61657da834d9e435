"""Keras's `fit`, on the backend named by the mode."""
from worker import *

os.environ.update(TF_CPP_MIN_LOG_LEVEL="3", KERAS_BACKEND=workload.mode, JAX_PLATFORMS="cpu")
if workload.mode == "tensorflow":
    import tensorflow as tf
    tf.config.threading.set_intra_op_parallelism_threads(workload.threads)
    tf.config.threading.set_inter_op_parallelism_threads(workload.threads)
elif workload.threads == 1:
    os.environ["XLA_FLAGS"] = "--xla_cpu_multi_thread_eigen=false"
import keras

x, ys, trunk, heads = numbers()


def stack(layers, a, relu_at_end):
    for i, (_, bias) in enumerate(layers):
        a = keras.layers.Dense(len(bias), "relu" if relu_at_end or i + 1 < len(layers) else None)(a)
    return a


inputs = keras.Input((workload.inputs,))
z = stack(trunk, inputs, True)
model = keras.Model(inputs, [stack(head, z, False) for head in heads])
# Keras lists the layers breadth first: the heads' first layers, then their second.
ordered = trunk + [layer for depth in zip(*heads) for layer in depth]
model.set_weights([part for layer in ordered for part in layer])

# An epoch has enough steps for its fixed cost not to count, and 10 steps are one call of the backend.
epoch = 500 if workload.inputs < 50 else 50 if workload.inputs < 500 else 10
adam = keras.optimizers.Adam(RATE, BETA1, BETA2, EPSILON)
model.compile(adam, loss=["mse"] * workload.tasks, steps_per_execution=10)
many_x, many_ys = np.tile(x, (epoch, 1)), [np.tile(y, (epoch, 1)) for y in ys]


def run(n):
    model.fit(many_x, many_ys, batch_size=workload.batch, epochs=n // epoch, verbose=0, shuffle=False)


def loss():
    return sum(((np.asarray(p) - y) ** 2).mean() for p, y in zip(model.predict_on_batch(x), ys))


serve(run, loss, epoch)
