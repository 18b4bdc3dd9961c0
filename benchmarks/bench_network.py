"""Cost and accuracy of the compact and of the published network.

`OMP_WAIT_POLICY=PASSIVE python benchmarks/bench_network.py cost` (some 30 minutes):
batches of 128 at T = 608, 1000 and 4992, the networks taking turns, medians with
quartiles; the ratios are per round. Inference goes as in `predict`, for both. Peak
memory is that of a process of its own, as Linux tells it.

`... bench_network.py profile [--lengths 608 1000]` (a minute): of the compact network,
the share of each torch operation in the processor time of inference and of a training
step, on one thread.

`... bench_network.py fit` (some 3 minutes): a whole `fit` of one network on 2,000
simulated ECGs of 12 x 1000 by its defaults, from scratch and from a ready encoder.

`... bench_network.py accuracy [--n-jobs 2]` (some hours): C-index on the simulated
cohorts of the main job, both trained from scratch by the same engine, same folds.

`... bench_network.py leads` (some 10 minutes): C-index with fewer leads than in `fit`.
"""

import argparse
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import torch
from joblib import Parallel, delayed
from torch.utils.flop_counter import FlopCounterMode

from ecgdan_sk import DualAttentionSurvival
from ecgdan_sk._training import in_pieces, keep_freed_memory
from ecgdan_sk.architectures import Compact, Paper
from ecgdan_sk.datasets import make_ecg_cohort
from ecgdan_sk.losses import cox_loss, reconstruction_loss
from ecgdan_sk.metrics import compare_models
from ecgdan_sk.model_selection import EventKFold, RepeatedEventKFold
from ecgdan_sk.network import present_leads
from ecgdan_sk.records import ECGRecords
from ecgdan_sk.survival._network import risk_net

LENGTHS = (608, 1000, 4992)
N_SAMPLES = 128


def build(name, n_times):
    torch.manual_seed(0)
    net = risk_net(
        {"compact": Compact, "paper": Paper}[name](),
        n_leads=12,
        n_times=n_times,
        n_outputs=1,
        dropout=0.25,
        decoder=True,
        zero_start=False,
        scale=0.2,
    )
    return net.to(memory_format=torch.channels_last)


def make_batch(n_samples, n_times):
    generator = torch.Generator().manual_seed(0)
    x = 0.2 * torch.randn(n_samples, 12, n_times, generator=generator)
    event = torch.rand(n_samples, generator=generator) < 0.1
    return x, event, torch.arange(float(n_samples))


def infer(net, batch, optimizer):
    net.eval()
    with torch.no_grad():
        in_pieces(net, batch[0])


def train(net, batch, optimizer, decodes=False):
    x, event, time_ = batch
    net.train()
    optimizer.zero_grad()
    present = present_leads(x)
    if decodes:
        log_risk, restored = net.with_reconstruction(x, present)
        loss = reconstruction_loss(restored, net.encoder.scaled(x), present)
    else:
        log_risk, loss = net(x, present), 0.0
    (loss + cox_loss(log_risk, event, time_)).backward()
    optimizer.step()


def train_with_decoder(net, batch, optimizer):
    train(net, batch, optimizer, decodes=True)


def seconds(step, *arguments):
    step(*arguments)
    wall, cpu = time.perf_counter(), time.process_time()
    step(*arguments)
    return time.perf_counter() - wall, time.process_time() - cpu


def rounds_of(step, nets, batch, n_rounds):
    """Seconds (n_rounds, n_nets, 2), wall and CPU, the networks taking turns.

    In each turn the second of two passes counts: whoever predicts keeps to one network.
    """
    sides = [
        (net, batch, torch.optim.AdamW(net.parameters(), fused=True)) for net in nets
    ]
    for side in sides:
        step(*side)
    return np.array([[seconds(step, *s) for s in sides] for _ in range(n_rounds)])


def spread(values, digits=1):
    low, median, high = np.percentile(values, [25, 50, 75])
    return f"{median:.{digits}f} [{low:.{digits}f}, {high:.{digits}f}]"


def matmul_rate():
    """Multiply-adds per second of a matrix product of 1024 x 1024."""
    a = torch.randn(1024, 1024)
    times = [seconds(torch.matmul, a, a)[0] for _ in range(20)]
    return 1024**3 / np.median(times)


def multiply_adds(net, x):
    with FlopCounterMode(display=False) as counter, torch.no_grad():
        net.eval()(x)
    return counter.get_total_flops() / 2 / len(x)


def profile(lengths):
    """Print the operations of the compact network by their processor time."""
    torch.set_num_threads(1)
    for n_times in lengths:
        net, batch = build("compact", n_times), make_batch(N_SAMPLES, n_times)
        optimizer = torch.optim.AdamW(net.parameters(), fused=True)
        for step in (infer, train):
            for _ in range(4):
                step(net, batch, optimizer)
            start = time.process_time()
            for _ in range(10):
                step(net, batch, optimizer)
            processor = (time.process_time() - start) * 100
            with torch.profiler.profile() as record:
                for _ in range(10):
                    step(net, batch, optimizer)
            operations = record.key_averages()
            # By the clock, so that of a loaded machine the shares count.
            own = {o.key: o.self_cpu_time_total for o in operations}
            total = sum(own.values())
            print(
                f"\nT = {n_times}, {step.__name__}: {processor:.1f} ms of the processor"
            )
            for key in sorted(own, key=own.get, reverse=True)[:14]:
                share = own[key] / total
                print(f"  {share * processor:7.2f} ms {share:5.0%}  {key}", flush=True)


def fit(n_samples):
    """Print the seconds of a whole training by its defaults, of one network."""
    made = make_ecg_cohort(n_samples, sampling_rate=100, event_rate=0.3, random_state=0)
    X = ECGRecords(made.X[:], sampling_rate=100)
    for pretrained in ("simulated-100hz", None):
        model = DualAttentionSurvival(
            n_members=1, pretrained=pretrained, device="cpu", random_state=0
        )
        wall, cpu = time.perf_counter(), time.process_time()
        model.fit(X, made.y)
        wall, cpu = time.perf_counter() - wall, time.process_time() - cpu
        print(
            f"{n_samples} ECGs, from {pretrained or 'scratch'}, "
            f"{torch.get_num_threads()} threads: {len(model.history_)} epochs, "
            f"{wall:.1f} s, {cpu:.1f} s of the processor",
            flush=True,
        )


def cost(n_rounds, lengths):
    """Print the cost of each network."""
    print(f"torch {torch.__version__}; medians [quartiles]; ratio = paper / compact")
    keep_freed_memory()
    for n_times in lengths:
        nets = [build(name, n_times) for name in ("compact", "paper")]
        sizes = [
            sum(
                p.numel() for part in (net.encoder, net.head) for p in part.parameters()
            )
            for net in nets
        ]
        one, batch = make_batch(1, n_times), make_batch(N_SAMPLES, n_times)
        macs = [multiply_adds(net, batch[0]) for net in nets]
        print(f"\nT = {n_times}: parameters {sizes}")
        print(f"  multiply-adds per ECG, million: {[round(m / 1e6, 2) for m in macs]}")
        for n_threads in (1, 2):
            torch.set_num_threads(n_threads)
            rate = matmul_rate()
            for label, step, data in (
                ("inference", infer, batch),
                ("training step", train, batch),
                ("with decoder", train_with_decoder, batch),
                ("one ECG", infer, one),
            ):
                n = n_rounds if n_times < 4992 else max(3, n_rounds // 4)
                times = rounds_of(step, nets, data, n)
                wall, cpu = times[..., 0], times[..., 1]
                ratios = [t[:, 1] / t[:, 0] for t in (wall, cpu)]
                print(
                    f"  {n_threads} threads, {label:14}"
                    f" compact {spread(1e3 * wall[:, 0])} ms,"
                    f" paper {spread(1e3 * wall[:, 1])} ms,"
                    f" ratio {spread(ratios[0])}, of CPU {spread(ratios[1])}",
                    flush=True,
                )
                if label == "inference":
                    reached = [
                        N_SAMPLES * m / np.median(wall[:, i]) / rate
                        for i, m in enumerate(macs)
                    ]
                    shares = ", ".join(f"{share:.0%}" for share in reached)
                    print(f"    of the rate of a matrix product: {shares}")
        for name in ("compact", "paper"):
            command = [sys.executable, __file__, "peak", name, str(n_times)]
            done = subprocess.run(command, capture_output=True, text=True, check=True)
            print(f"  peak memory of training, {name}: {done.stdout.strip()} GB")


def peak(name, n_times):
    """Print the peak resident memory of a process that trains one network."""
    keep_freed_memory()
    net, batch = build(name, n_times), make_batch(N_SAMPLES, n_times)
    optimizer = torch.optim.AdamW(net.parameters(), fused=True)
    for _ in range(3):
        train(net, batch, optimizer)
    # What getrusage tells counts the process that started this one.
    status = Path("/proc/self/status").read_text("utf-8").splitlines()
    kilobytes = next(line.split()[1] for line in status if line.startswith("VmHWM"))
    print(f"{int(kilobytes) * 1024 / 1e9:.2f}")


def fold_scores(risk, n_samples, max_epochs, train_rows, test_rows):
    """C-index of both networks on one fold."""
    torch.set_num_threads(1)
    cohort = make_ecg_cohort(n_samples, sampling_rate=100, risk=risk, random_state=0)
    scores = []
    for name in ("compact", "paper"):
        model = DualAttentionSurvival(
            architecture=name, n_members=1, max_epochs=max_epochs, random_state=0
        ).fit(cohort.X[train_rows], cohort.y[train_rows])
        scores.append(model.score(cohort.X[test_rows], cohort.y[test_rows]))
    print(risk, *(f"{score:.4f}" for score in scores), file=sys.stderr, flush=True)
    return scores


def accuracy(n_samples, n_repeats, max_epochs, n_jobs):
    """Print the C-index of each network on each kind of risk."""
    for risk in ("morphology", "both", "parameters"):
        cohort = make_ecg_cohort(
            n_samples, sampling_rate=100, risk=risk, random_state=0
        )
        cv = RepeatedEventKFold(2, n_repeats=n_repeats, random_state=0)
        scores = Parallel(n_jobs=n_jobs)(
            delayed(fold_scores)(risk, n_samples, max_epochs, *rows)
            for rows in cv.split(cohort.X, cohort.y)
        )
        compact, paper = np.transpose(scores)
        gain = compare_models(compact, paper, n_splits=2)
        means = [f"{c.mean():.3f} (SD {c.std(ddof=1):.3f})" for c in (compact, paper)]
        print(
            f"{risk}, n = {n_samples}, {len(scores)} folds: compact {means[0]}, paper "
            f"{means[1]}, difference {gain.value:+.3f} [{gain.low:+.3f}, "
            f"{gain.high:+.3f}]",
            flush=True,
        )


def leads(n_samples):
    """Print the C-index with fewer leads than in `fit`, which had twelve."""
    subsets = {
        "12 leads": None,
        "I, II, V1-V6": ("I", "II", "V1", "V2", "V3", "V4", "V5", "V6"),
        "limb leads": ("I", "II", "III", "aVR", "aVL", "aVF"),
        "I, II, V2": ("I", "II", "V2"),
        "lead II": ("II",),
        "lead I": ("I",),
    }
    cohort = make_ecg_cohort(n_samples, sampling_rate=100, risk="both", random_state=0)
    records = ECGRecords(cohort.X, sampling_rate=100)
    scores = {name: [] for name in subsets}
    for rows, test in EventKFold(2, random_state=0).split(cohort.X, cohort.y):
        model = DualAttentionSurvival(n_members=1, random_state=0)
        model.fit(records[rows], cohort.y[rows])
        for name, kept in subsets.items():
            unseen = records[test]
            unseen = unseen if kept is None else unseen.select_leads(kept)
            scores[name].append(model.score(unseen, cohort.y[test]))
    for name, values in scores.items():
        lost = np.mean(scores["12 leads"]) - np.mean(values)
        print(f"{name:14} C-index {np.mean(values):.3f}, lost {lost:.3f}")


if __name__ == "__main__":
    if sys.argv[1:2] == ["peak"]:
        peak(sys.argv[2], int(sys.argv[3]))
        sys.exit()
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("part", choices=["cost", "profile", "fit", "accuracy", "leads"])
    parser.add_argument("--lengths", type=int, nargs="+", default=LENGTHS)
    parser.add_argument("--rounds", type=int, default=12)
    parser.add_argument("--n-samples", type=int, default=2000)
    parser.add_argument("--n-repeats", type=int, default=1)
    parser.add_argument("--max-epochs", type=int, default=40)
    parser.add_argument("--n-jobs", type=int, default=1)
    options = parser.parse_args()
    if options.part == "cost":
        cost(options.rounds, options.lengths)
    elif options.part == "profile":
        keep_freed_memory()
        profile(options.lengths)
    elif options.part == "fit":
        fit(options.n_samples)
    elif options.part == "leads":
        leads(options.n_samples)
    else:
        accuracy(
            options.n_samples, options.n_repeats, options.max_epochs, options.n_jobs
        )
