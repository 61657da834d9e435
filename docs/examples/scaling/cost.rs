//! What a step over n ranks costs, from a few constants: those of this machine were measured by the program beside this
//! file, those of networks between machines are assumed.
//!
//! ```text
//! step        T(n, B) = fixed + per_row · B / n + exchange(n)
//! exchange    3 ⌈log₂ n⌉ α                                    three all-gathers of few numbers
//!             + 2 (n − 1) α ⌈4 |θ| / 16 MiB⌉                  the gradient: all-to-all, then all-gather, by 16 MiB
//!             + 2 (n − 1)/n · 4 |θ| / β
//!             or + ⌈log₂ n⌉ α                                 if all ranks' gradients are at most 16 KiB
//! ```
//! α is the time of a message without content, β bytes per second.

/// A network, and what a step of one process takes on one core, in seconds: so much for any batch, and so much for a row.
#[derive(Clone, Copy)]
pub struct Network {
    pub name: &'static str,
    pub parameters: f64,
    pub batch: f64,
    pub fixed: f64,
    pub per_row: f64,
}

/// What connects the ranks.
#[derive(Clone, Copy)]
pub struct Wire {
    pub name: &'static str,
    /// Seconds for a message without content.
    pub latency: f64,
    /// Bytes per second.
    pub bandwidth: f64,
}

/// S, M and L of `benches/step.rs` in `f32`, as measured by `scaling measure`.
pub const NETWORKS: [Network; 3] = [
    Network { name: "S", parameters: 132.0, batch: 32.0, fixed: 0.81e-6, per_row: 0.0088e-6 },
    Network { name: "M", parameters: 148_484.0, batch: 256.0, fixed: 39e-6, per_row: 3.76e-6 },
    Network { name: "L", parameters: 2_913_360.0, batch: 1024.0, fixed: 1350e-6, per_row: 74.1e-6 },
];

/// Round numbers for TCP over Ethernet, not measured here: nine tenths of the nominal rate.
pub const WIRES: [Wire; 2] = [
    Wire { name: "1 Gbit/s", latency: 50e-6, bandwidth: 0.9 * 125e6 },
    Wire { name: "10 Gbit/s", latency: 25e-6, bandwidth: 0.9 * 1.25e9 },
];

/// Seconds for the exchanges of a step.
pub fn exchange(parameters: f64, wire: Wire, ranks: f64) -> f64 {
    if ranks < 2.0 {
        return 0.0;
    }
    let rounds = ranks.log2().ceil();
    let bytes = 4.0 * parameters;
    let gradient = match bytes * ranks <= 16_384.0 {
        true => rounds * wire.latency + (ranks - 1.0) * bytes / wire.bandwidth,
        false => {
            let messages = 2.0 * (ranks - 1.0) * (bytes / f64::from(1 << 24)).ceil();
            messages * wire.latency + 2.0 * (ranks - 1.0) / ranks * bytes / wire.bandwidth
        }
    };
    3.0 * rounds * wire.latency + gradient
}

/// Seconds for a step of `batch` rows over several ranks.
pub fn step(network: Network, wire: Wire, ranks: f64, batch: f64) -> f64 {
    network.fixed + network.per_row * batch / ranks + exchange(network.parameters, wire, ranks)
}

/// How much of the ranks' time is worth as much as that of one process.
pub fn efficiency(network: Network, wire: Wire, ranks: f64, batch: f64) -> f64 {
    step(network, wire, 1.0, batch) / (ranks * step(network, wire, ranks, batch))
}

/// How many rows of a step each rank must have for half of its time to be what one process would need.
pub fn rows_for_half(network: Network, wire: Wire, ranks: f64) -> f64 {
    let mut rows = 1.0;
    while efficiency(network, wire, ranks, rows * ranks) < 0.5 {
        rows *= 1.01;
    }
    rows
}

/// A dense network with that many parameters, which computes as fast as M does.
pub fn dense(parameters: f64) -> Network {
    let m = NETWORKS[1];
    let scale = parameters / m.parameters;
    Network { parameters, fixed: m.fixed * scale, per_row: m.per_row * scale, ..m }
}

/// The fewest parameters from which on `ranks` ranks are faster than one process, on batches of that many rows: nothing where no
/// network is large enough.
pub fn least_parameters(wire: Wire, ranks: f64, batch: f64) -> Option<f64> {
    let pays = |&parameters: &f64| {
        let network = dense(parameters);
        step(network, wire, ranks, batch) < step(network, wire, 1.0, batch)
    };
    (0..2000).map(|i| 10.0 * 1.01_f64.powi(i)).take_while(|&parameters| parameters < 1e9).find(pays)
}
