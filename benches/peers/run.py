#!/usr/bin/env python3
"""Trains the same networks with polytask and with what else a user might take, side by side, on this machine.

    python3 benches/peers/run.py                   measures all, and writes docs/peers.md
    python3 benches/peers/run.py --only S32 M      some of the tables: S32 S1024 M L tasks-S32 tasks-M32 tasks-M tasks-L
                                                   start
    python3 benches/peers/run.py --peers jax torch --dry     some of the peers, printed only
    python3 benches/peers/run.py --build           builds the peers in Rust first, which takes minutes

Every peer is a process of its own (`*_peer.py`, or a small Cargo package) that is given the same batch and the same
first weights, and then takes as many steps as it is told. The driver tells one peer after the other to take a short
block of steps, round after round, so that whatever else the machine does meanwhile hits all alike. What is not
installed or not built is skipped, and said so.
"""
import argparse
import datetime
import importlib.metadata
import importlib.util
import json
import os
import random
import re
import signal
import statistics
import subprocess
import sys
import tempfile
import time
from array import array
from dataclasses import dataclass, field
from pathlib import Path

HERE = Path(__file__).resolve().parent
ROOT = HERE.parent.parent
PAGE = ROOT / "docs" / "peers.md"
BUILT = ROOT / "target" / "peers"
CPUS = sorted(os.sched_getaffinity(0))


@dataclass
class Workload:
    """A network and a batch. The trunk's layers and the heads' hidden layers have ReLUs."""
    batch: int
    inputs: int
    trunk: list
    tasks: int
    head: list
    outputs: int
    rate: float  # small enough that the larger networks learn and do not die


WORKLOADS = {
    "S32": Workload(32, 10, [10], 2, [], 1, 1e-2),
    "S1024": Workload(1024, 10, [10], 2, [], 1, 1e-2),
    "M": Workload(256, 64, [256, 256], 4, [64], 1, 1e-3),
    "M32": Workload(32, 64, [256, 256], 4, [64], 1, 1e-3),
    "L": Workload(1024, 784, [1024, 1024], 8, [128], 10, 1e-4),
}


@dataclass
class Peer:
    name: str
    program: str  # a script here, or the directory of a Cargo package here
    mode: str = ""
    needs: list = field(default_factory=list)  # Python modules
    workloads: str = "S32 S1024 M L"

    def command(self):
        """How to start it, or None and the reason why not."""
        if self.program.endswith(".py"):
            missing = [module for module in self.needs if not importlib.util.find_spec(module)]
            return ([sys.executable, str(HERE / self.program)], "") if not missing else (None, f"no {missing[0]}")
        binary = BUILT / self.program / "release" / f"peer-{self.program}"
        return ([str(binary)], "") if binary.exists() else (None, "not built")


OURS = Peer("polytask", "polytask", "plain")
STEP_PEERS = [
    OURS,
    Peer("NumPy by hand", "numpy_peer.py", "-", ["numpy"]),
    Peer("PyTorch eager, foreach Adam", "torch_peer.py", "foreach", ["torch"]),
    Peer("PyTorch eager, fused Adam", "torch_peer.py", "fused", ["torch"]),
    Peer("PyTorch, loss and Adam compiled", "torch_peer.py", "compile", ["torch"]),
    Peer("PyTorch, whole step compiled", "torch_peer.py", "whole", ["torch"]),
    Peer("JAX, one jitted step per call", "jax_peer.py", "step", ["jax"]),
    Peer("JAX, scan over steps", "jax_peer.py", "scan", ["jax"]),
    Peer("TensorFlow 1.x Session.run", "tf_peer.py", "session", ["tensorflow"]),
    Peer("TensorFlow tf.function", "tf_peer.py", "function", ["tensorflow"]),
    Peer("TensorFlow tf.function, loop inside", "tf_peer.py", "loop", ["tensorflow"]),
    Peer("TensorFlow tf.function, XLA", "tf_peer.py", "xla", ["tensorflow"]),
    Peer("Keras fit on TensorFlow", "keras_peer.py", "tensorflow", ["keras", "tensorflow"]),
    Peer("Keras fit on JAX", "keras_peer.py", "jax", ["keras", "jax"]),
    Peer("scikit-learn partial_fit", "sklearn_peer.py", "-", ["sklearn"], "S32 S1024"),
    Peer("candle", "candle"),
    Peer("burn, flex", "burn"),
]
TASK_PEERS = [
    Peer("polytask, summed loss", "polytask", "plain"),
    Peer("polytask, Gramian, mean of the gradients", "polytask", "gramian"),
    Peer("polytask, Gramian of the representation's gradients", "polytask", "representation"),
    Peer("PyTorch, summed loss", "torch_tasks.py", "plain", ["torch"]),
    Peer("PyTorch, mean of the representation's gradients", "torch_tasks.py", "representation", ["torch"]),
    Peer("PyTorch, one backward per task", "torch_tasks.py", "loop", ["torch"]),
    *(Peer(f"TorchJD {name}", "torch_tasks.py", name.lower(), ["torch", "torchjd"])
      for name in ("Mean", "UPGrad", "MGDA", "PCGrad", "autogram")),
]
VERSIONS = ["numpy", "torch", "torchjd", "jax", "jaxlib", "tensorflow-cpu", "tensorflow", "keras", "scikit-learn"]
CRATES = [("candle", "candle-core"), ("burn", "burn")]


def numbers_file(workload):
    """x and the ys, standard normal; for each layer the weight, normal with variance 2 / inputs, and the bias, 0."""
    generator = random.Random(1)
    normal = lambda n, deviation=1.0: [generator.gauss(0.0, deviation) for _ in range(n)]
    layer = lambda i, o: normal(i * o, (2 / i) ** 0.5) + [0.0] * o
    stack = lambda widths: [number for i, o in zip(widths, widths[1:]) for number in layer(i, o)]
    numbers = normal(workload.batch * (workload.inputs + workload.tasks * workload.outputs))
    numbers += stack([workload.inputs, *workload.trunk])
    for _ in range(workload.tasks):
        numbers += stack([workload.trunk[-1], *workload.head, workload.outputs])
    floats = array("f", numbers)
    if sys.byteorder == "big":
        floats.byteswap()
    file = tempfile.NamedTemporaryFile(suffix=".f32")
    file.write(floats.tobytes())
    file.flush()
    return file


class Worker:
    """A peer at work on one workload."""

    def __init__(self, peer, workload, threads, numbers):
        command, self.fault = peer.command()
        self.peer, self.block, self.us, self.process = peer, 1, [], None
        if self.fault:
            return
        for name in ("batch", "inputs", "trunk", "tasks", "head", "outputs", "rate"):
            value = getattr(workload, name)
            command += [f"--{name}", ",".join(map(str, value)) if isinstance(value, list) else str(value)]
        command += ["--threads", str(threads), "--numbers", numbers.name, "--mode", peer.mode or "-"]
        settings = ("OMP", "OPENBLAS", "MKL", "RAYON")
        self.errors = tempfile.TemporaryFile()
        self.process = subprocess.Popen(
            command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=self.errors, text=True, cwd=HERE,
            env=os.environ | {f"{name}_NUM_THREADS": str(threads) for name in settings},
            preexec_fn=lambda: os.sched_setaffinity(0, CPUS[-threads:]))

    def tell(self, command):
        """Sends a command and returns the answer; a peer that dies is out, with the last line it said. Between
        answer and next command the process is stopped: some libraries' threads spin for a while after their work."""
        if self.fault:
            return {}
        try:
            self.process.send_signal(signal.SIGCONT)
            if command:
                self.process.stdin.write(command + "\n")
                self.process.stdin.flush()
            for line in self.process.stdout:
                if line.startswith("{"):
                    self.process.send_signal(signal.SIGSTOP)
                    return json.loads(line)
        except BrokenPipeError:
            pass
        self.errors.seek(0)
        self.fault = (self.errors.read().decode(errors="replace").strip().splitlines() or ["ended"])[-1]
        return {}

    def run(self, steps):
        answer = self.tell(f"run {steps}")
        return answer.get("seconds", 1.0) / answer.get("steps", 1)

    def settle(self, seconds):
        """Finds how many steps take so long: first from one step, then from as many as that suggests."""
        before = None
        while self.block != before and not self.fault:
            before, took = self.block, self.run(self.block)
            self.block = max(1, round(seconds / took))
            if took * before > seconds / 2:
                return

    def end(self):
        """Ends the process; returns its peak memory in MiB and its processor time in seconds, 0 if it died before."""
        if not self.process or self.process.poll() is not None:
            return 0, 0
        # The usage that wait4 tells begins with the memory of this driver, which the process was forked from.
        status = Path(f"/proc/{self.process.pid}/status").read_text()
        memory = int(re.search(r"^VmHWM:\s*(\d+) kB", status, re.M)[1]) / 1024
        self.process.send_signal(signal.SIGCONT)
        self.process.stdin.close()
        _, _, usage = os.wait4(self.process.pid, 0)
        self.process.returncode = 0
        return memory, usage.ru_utime + usage.ru_stime


def say(line):
    print(line, file=sys.stderr, flush=True)


def busy():
    """Seconds that all processors have worked since the machine started."""
    ticks = [int(n) for n in open("/proc/stat").readline().split()[1:9]]
    return (sum(ticks) - ticks[3] - ticks[4]) / os.sysconf("SC_CLK_TCK")


class Others:
    """The share of the processors' time that went to programs other than these."""

    def __init__(self):
        own = os.times()
        self.start, self.busy, self.own = time.time(), busy(), own.user + own.system

    def share(self, of_workers):
        own = os.times()
        foreign = busy() - self.busy - (own.user + own.system - self.own) - of_workers
        return max(0.0, foreign) / (time.time() - self.start) / os.cpu_count()


def measure(peers, workload, threads, settings):
    """Trains with every peer in turn, block after block. Returns the workers, and how busy other programs were."""
    with numbers_file(workload) as numbers:
        others = Others()
        workers = [Worker(peer, workload, threads, numbers) for peer in peers]
        for worker in workers:
            worker.tell("")  # all have started before the first is timed
        for worker in workers:
            worker.run(1)  # which compiles
            worker.settle(settings.block)
            say(f"{worker.peer.name}: {worker.fault or f'{worker.block} steps a block'}")
        for turn in range(settings.rounds):
            for worker in workers[turn % len(workers):] + workers[:turn % len(workers)]:
                worker.us.append(1e6 * worker.run(worker.block))
        used = sum(worker.end()[1] for worker in workers)
    return workers, others.share(used)


def cell(us):
    """Median and, in brackets, the middle half of the blocks."""
    low, _, high = statistics.quantiles(us, n=4)
    digits = lambda n: f"{n:,.1f}" if n < 100 else f"{n:,.0f}"
    return f"{digits(statistics.median(us))} ({digits(low)}–{digits(high)})"


def table(peers, name, settings, ratio_header, base_of):
    """A Markdown table of microseconds per step. `base_of(peer, medians)` is what a peer's ratio is to."""
    columns, rows, shares, skipped = [], {peer.name: [] for peer in peers}, [], {}
    for threads in settings.threads:
        workers, share = measure(peers, WORKLOADS[name], threads, settings)
        shares.append(share)
        skipped |= {worker.peer.name: worker.fault for worker in workers if worker.fault}
        medians = {worker.peer.name: statistics.median(worker.us) for worker in workers if not worker.fault}
        for worker in workers:
            if worker.fault:
                rows[worker.peer.name] += ["—", "—"]
            else:
                base = base_of(worker.peer, medians)
                ratio = f"{medians[worker.peer.name] / base:.2f}" if base else "—"
                rows[worker.peer.name] += [cell(worker.us), ratio]
        columns += [f"{threads} thread{'s' * (threads > 1)}, µs per step", ratio_header]
    done = [row for row in rows.items() if row[0] not in skipped or any(value != "—" for value in row[1])]
    lines = ["| | " + " | ".join(columns) + " |", "|---|" + "---:|" * len(columns)]
    lines += [f"| {peer} | " + " | ".join(row) + " |" for peer, row in done]
    lines += ["", f"{today()}; {settings.rounds} blocks of about {settings.block:g} s; other programs used "
              + " and ".join(f"{share:.0%}" for share in shares) + " of the processors meanwhile."]
    return lines + said_skipped(skipped)


def said_skipped(skipped):
    names = "; ".join(f"{name} ({fault[:120]})" for name, fault in skipped.items())
    return ["", f"Skipped: {names}."] if skipped else []


def step_table(name, settings):
    best = lambda _, medians: min((us for peer, us in medians.items() if peer != OURS.name), default=None)
    peers = [peer for peer in chosen(STEP_PEERS, settings) if name in peer.workloads.split()]
    return table(peers, name, settings, "to the best peer", best)


def task_table(name, settings):
    library = lambda peer: "polytask" if peer.program == "polytask" else "PyTorch"
    plain = lambda peer, medians: medians.get(f"{library(peer)}, summed loss")
    return table(chosen(TASK_PEERS, settings), name, settings, "to summed loss", plain)


def start_table(settings):
    """Whole processes that take 1000 steps of S32: how long, how much memory, and do they do the same work?"""
    peers, results, skipped, others, used = chosen(STEP_PEERS, settings), {}, {}, Others(), 0
    with numbers_file(WORKLOADS["S32"]) as numbers:
        for _ in range(settings.starts):
            for peer in peers:
                start = time.perf_counter()
                worker = Worker(peer, WORKLOADS["S32"], min(2, len(CPUS)), numbers)
                worker.tell("")
                first = worker.tell("loss").get("loss")
                worker.run(1000)
                last = worker.tell("loss").get("loss")
                memory, cpu = worker.end()
                used += cpu
                say(f"{peer.name}: {worker.fault or f'{first:.6f} → {last:.6e}'}")
                if worker.fault:
                    skipped[peer.name] = worker.fault
                else:
                    results.setdefault(peer.name, []).append((time.perf_counter() - start, memory, first, last))
    lines = ["| | wall time, ms | peak memory, MiB | loss before | loss after |", "|---|---:|---:|---:|---:|"]
    for name, runs in results.items():
        seconds, memory, first, last = (statistics.median(values) for values in zip(*runs))
        lines.append(f"| {name} | {1e3 * seconds:,.0f} | {memory:,.0f} | {first:.4f} | {last:.3e} |")
    lines += ["", f"{today()}; median of {settings.starts} processes; other programs used "
              f"{others.share(used):.0%} of the processors meanwhile."]
    return lines + said_skipped(skipped)


def chosen(peers, settings):
    wanted = lambda peer: not settings.peers or any(word.lower() in peer.name.lower() for word in settings.peers)
    return [peer for peer in peers if peer.program == "polytask" or wanted(peer)]


def machine(settings):
    """The processor, and the versions of all that is measured."""
    cpuinfo = Path("/proc/cpuinfo").read_text()
    field_of = lambda name: (re.findall(rf"^{name}\s*: (.*)$", cpuinfo, re.M) or ["?"])[0]
    versions = [f"Python {sys.version.split()[0]}"]
    for package in VERSIONS:
        try:
            versions.append(f"{package} {importlib.metadata.version(package)}")
        except importlib.metadata.PackageNotFoundError:
            pass
    for package, crate in CRATES:
        lock = HERE / package / "Cargo.lock"
        if lock.exists():
            found = re.search(rf'name = "{crate}"\nversion = "(.*)"', lock.read_text())
            versions.append(f"{crate} {found[1]}")
    said = lambda *command: subprocess.run(command, capture_output=True, text=True, cwd=ROOT).stdout.strip()
    commit = said("git", "rev-parse", "--short", "HEAD")
    return [f"- {today()}, {field_of('model name')} (family {field_of('cpu family')}, model {field_of('model')}), "
            f"{len(CPUS)} processors, Linux {os.uname().release.split('-')[0]}",
            f"- polytask at commit {commit}, {said('rustc', '--version').split(' (')[0]}",
            "- " + ", ".join(versions)]


def today():
    return datetime.date.today().isoformat()


def write(file, section, lines):
    """Replaces what stands between the section's two markers on a page."""
    between = re.compile(rf"(<!-- measured: {section} -->\n).*?(<!-- end -->)", re.S)
    page, count = between.subn(lambda m: m[1] + "\n".join(lines) + "\n" + m[2], file.read_text())
    assert count == 1, f"{file.name} has {count} sections named {section}"
    file.write_text(page)


def build(package, flags, *features):
    command = ["cargo", "build", "--release", "--quiet", *features]
    environment = os.environ | {"RUSTFLAGS": flags, "CARGO_TARGET_DIR": str(BUILT / package)}
    subprocess.run(command, cwd=HERE / package, env=environment, check=True)


SECTIONS = {name: (step_table, name) for name in ("S32", "S1024", "M", "L")} \
    | {f"tasks-{name}": (task_table, name) for name in ("S32", "M32", "M", "L")} | {"start": (start_table,)}


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--only", nargs="+", choices=SECTIONS, default=list(SECTIONS), metavar="TABLE")
    parser.add_argument("--peers", nargs="+", metavar="WORD", help="peers whose name contains one of the words")
    parser.add_argument("--threads", nargs="+", type=int, default=[n for n in (1, 2) if n <= len(CPUS)])
    parser.add_argument("--rounds", type=int, default=11)
    parser.add_argument("--block", type=float, default=0.2, help="seconds")
    parser.add_argument("--starts", type=int, default=3, help="processes of each peer for the table of starts")
    parser.add_argument("--build", action="store_true", help="build candle and burn first")
    parser.add_argument("--page", type=Path, default=PAGE, help="the page to write, with the same markers")
    parser.add_argument("--dry", action="store_true", help="print, and leave the page as it is")
    settings = parser.parse_args()

    build("polytask", "")  # no flags and the default profile, as a user's release build
    if settings.build:
        build("candle", "-C target-cpu=native")
        avx512 = "avx512f" in Path("/proc/cpuinfo").read_text()
        build("burn", "-C target-cpu=native", *(["--features", "x86-v4"] if avx512 else []))
    for section, make in [("machine", lambda: machine(settings))] + [
            (name, lambda name=name: SECTIONS[name][0](*SECTIONS[name][1:], settings)) for name in settings.only]:
        lines = make()
        print(f"\n{section}\n\n" + "\n".join(lines), flush=True)
        if not settings.dry:
            write(settings.page, section, lines)


if __name__ == "__main__":
    main()
