"""The paper network's twelve temporal modules: one batched product against a loop.

Both sides compute the same numbers (checked first) with the same weights on the same
input (batch, 16, 12, 19), that is, ECGs of 608 samples after the trunk. The loop calls
one `torch.nn.MultiheadAttention` after the other, as the published code does; "fused"
leaves out the attention weights, so that torch takes its fused kernel.

The sides take turns; each round gives one ratio, loop / batched, and the median of the
rounds is printed with its quartiles, in wall time and in CPU time of the process.

Run: python benchmarks/bench_paper_temporal.py [--rounds 30]
"""

import argparse
import platform
import time
from functools import partial

import numpy as np
import torch
import torch.nn.functional as F

from ecgdan_sk.paper_network import PaperAutoencoder


def loop_over_twelve(attention, h, need_weights=True):
    outs = []
    for i in range(12):
        s = attention.time_code.dropout(
            h[:, :, i].permute(2, 0, 1) + attention.time_code.code[:, None]
        )
        normed = attention.time_norm_1[i](s)
        mha, mlp = attention.time_mha[i], attention.time_mlp[i]
        a, _ = mha(normed, normed, normed, need_weights=need_weights)
        u = s + a
        hidden = F.gelu(mlp.fc1(attention.mlp_norm_1[i](u)))
        drop = attention.time_dropout
        outs.append(u + drop(mlp.fc2(drop(hidden))))
    return torch.stack(outs).permute(2, 3, 0, 1)


def inference(side, h):
    with torch.no_grad():
        side(h)


def training(side, h):
    side(h.clone().requires_grad_()).sum().backward()


def seconds(step, side, h):
    wall, cpu = time.perf_counter(), time.process_time()
    step(side, h)
    return time.perf_counter() - wall, time.process_time() - cpu


def measure(step, sides, h, n_rounds):
    """Seconds of shape (n_rounds, n_sides, 2), wall and CPU, the sides taking turns."""
    for side in sides:
        step(side, h)
    rounds = [[seconds(step, side, h) for side in sides] for _ in range(n_rounds)]
    return np.array(rounds)


def spread(values):
    low, median, high = np.percentile(values, [25, 50, 75])
    return f"{median:5.2f} [{low:5.2f}, {high:5.2f}]"


def main(n_rounds):
    print(f"torch {torch.__version__}, {platform.processor() or platform.machine()}")
    attention = PaperAutoencoder(n_times=608).encoder.attention
    loop = partial(loop_over_twelve, attention)
    sides = [attention._over_time, loop, partial(loop, need_weights=False)]
    columns = ("loop, wall", "loop, CPU", "fused loop, wall")
    heading = "  ".join(f"{column:20}" for column in columns)
    print(f"threads batch step       batched ms  {heading}")
    for n_threads in (1, 2):
        torch.set_num_threads(n_threads)
        for n_samples in (1, 32, 128):
            h = torch.randn(n_samples, 16, 12, 19)
            for step in (inference, training):
                attention.train(step is training)
                if step is inference:
                    with torch.no_grad():
                        torch.testing.assert_close(sides[0](h), sides[1](h))
                times = measure(step, sides, h, n_rounds)
                ratios = times[:, 1:] / times[:, :1]
                print(
                    f"{n_threads:7} {n_samples:5} {step.__name__:10} "
                    f"{1e3 * np.median(times[:, 0, 0]):10.2f}  "
                    f"{spread(ratios[:, 0, 0])}  {spread(ratios[:, 0, 1])}  "
                    f"{spread(ratios[:, 1, 0])}"
                )


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=30)
    main(parser.parse_args().rounds)
