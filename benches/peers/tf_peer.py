"""TensorFlow. `session`: the 1.x graph API, fed at each step, which fetches the loss, as in the tutorial of old.
`function`: one `tf.function` per step. `loop`: many steps in one `tf.function`. `xla`: one step per call, compiled by
XLA."""
from worker import *

os.environ["TF_CPP_MIN_LOG_LEVEL"] = "3"
import tensorflow as tf

tf.config.threading.set_intra_op_parallelism_threads(workload.threads)
tf.config.threading.set_inter_op_parallelism_threads(workload.threads)
x, ys, trunk, heads = numbers()


def forward(stack, a, relu_at_end):
    for i, (weight, bias) in enumerate(stack):
        a = tf.matmul(a, weight) + bias
        a = tf.nn.relu(a) if relu_at_end or i + 1 < len(stack) else a
    return a


def total_loss(trunk, heads, x, ys):
    z = forward(trunk, x, True)
    return tf.add_n([tf.reduce_mean(tf.square(forward(head, z, False) - y)) for head, y in zip(heads, ys)])


def session():
    v1 = tf.compat.v1
    with tf.Graph().as_default():
        feeds = [v1.placeholder(tf.float32, array.shape) for array in [x, *ys]]
        variable = lambda numbers: v1.Variable(numbers, use_resource=True)
        variables = lambda stack: [(variable(w), variable(b)) for w, b in stack]
        loss = total_loss(variables(trunk), [variables(head) for head in heads], feeds[0], feeds[1:])
        train = v1.train.AdamOptimizer(RATE, BETA1, BETA2, EPSILON).minimize(loss)
        threads = dict(intra_op_parallelism_threads=workload.threads, inter_op_parallelism_threads=workload.threads)
        session = v1.Session(config=v1.ConfigProto(**threads))
        session.run(v1.global_variables_initializer())
    fed = dict(zip(feeds, [x, *ys]))

    def run(n):
        for _ in range(n):
            session.run([train, loss], fed)
    serve(run, lambda: session.run(loss, fed))


def functions(mode):
    variables = lambda stack: [(tf.Variable(w), tf.Variable(b)) for w, b in stack]
    batch = tf.constant(x), [tf.constant(y) for y in ys]
    layers = variables(trunk), [variables(head) for head in heads]
    theta = tf.nest.flatten(layers)
    ms, vs = ([tf.Variable(tf.zeros_like(p)) for p in theta] for _ in range(2))
    count = tf.Variable(0.0)

    def step():
        with tf.GradientTape() as tape:
            loss = total_loss(*layers, *batch)
        count.assign_add(1.0)
        powers = BETA1**count, BETA2**count
        for p, m, v, g in zip(theta, ms, vs, tape.gradient(loss, theta)):
            if mode == "xla":  # which fuses these lines into one loop
                m.assign(BETA1 * m + (1 - BETA1) * g)
                v.assign(BETA2 * v + (1 - BETA2) * g * g)
                p.assign_sub(RATE * (m / (1 - powers[0])) / (tf.sqrt(v / (1 - powers[1])) + EPSILON))
            else:  # the one operation that TensorFlow's own Adam is
                tf.raw_ops.ResourceApplyAdam(
                    var=p.handle, m=m.handle, v=v.handle, beta1_power=powers[0], beta2_power=powers[1],
                    lr=RATE, beta1=BETA1, beta2=BETA2, epsilon=EPSILON, grad=g)

    one = tf.function(step, jit_compile=mode == "xla")

    @tf.function
    def many(n):
        for _ in tf.range(n):
            step()

    def run(n):
        if mode == "loop":
            many(tf.constant(n))
        else:
            for _ in range(n):
                one()
        theta[0].numpy()
    serve(run, lambda: total_loss(*layers, *batch))


session() if workload.mode == "session" else functions(workload.mode)
