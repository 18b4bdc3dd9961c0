"""Explanations: recovery of a planted effect, faithfulness, speed.

Run `OMP_WAIT_POLICY=PASSIVE python benchmarks/bench_explanation.py planted`, and the
same with `leads`, `faithfulness` and `timing`.

Planted truth: simulated ECGs in sinus rhythm, whose log risk is 1.5 times a dose. The
dose, with a standard deviation of 1, scales one more wave at the true times of all
beats: in the ST segment of V5 alone (0.2 mV), in P in all leads (0.1 mV), or in the
late QRS of V1 and V2 alone (0.5 mV). A hit is a planted lead, or segment, with the
highest value, among the tenth of test ECGs with the highest predicted risk. Follow-up
and signals are simulated; the ECGs explained were not trained on.
"""

import argparse
import time

import numpy as np
import torch

from ecgdan_sk import DualAttentionSurvival
from ecgdan_sk.datasets import make_ecg_cohort, simulate_follow_up
from ecgdan_sk.datasets._simulation._beats import draw_beats
from ecgdan_sk.datasets._simulation._noise import draw_noise
from ecgdan_sk.datasets._simulation._patients import draw_patients
from ecgdan_sk.datasets._simulation._signals import (
    DOWER,
    _courses,
    draw_signals,
    twelve_leads,
)
from ecgdan_sk.datasets._simulation._waves import WAVES, Waves, draw_waves
from ecgdan_sk.explain import (
    SEGMENTS,
    attention_maps,
    faithfulness,
    integrated_gradients,
    lead_group_shapley,
    lead_occlusion,
    segment_occlusion,
    sum_over_segments,
)
from ecgdan_sk.metrics import concordance_index
from ecgdan_sk.network import Encoder
from ecgdan_sk.paper_network import PaperEncoder
from ecgdan_sk.records import LEADS, ECGRecords

RATE = 100
HIGH_RISK = 0.1  # share of the ECGs, by predicted risk
PLANTS = {
    "ST of V2": (("V2",), "ST", 0.20),
    "ST of V5": (("V5",), "ST", 0.20),
    "P wave": (LEADS, "P", 0.10),
    "QRS of V1-V2": (("V1", "V2"), "QRS", 0.50),
}
PLANTED = ["ST of V5", "P wave", "QRS of V1-V2"]
GROUP_OF = {"ST of V5": "V5-V6", "QRS of V1-V2": "V1-V2"}


def planted_cohort(n_samples, plants, duration, seed):
    """ECGs, follow-up and true log risk of patients who differ in some places by dose.

    Each place has a dose of its own, and their product is the log risk.
    """
    rng = np.random.default_rng(seed)
    patients = draw_patients(2 * n_samples, rng)
    sinus = ~(patients["paced"] | patients["atrial_fibrillation"])
    patients = patients[sinus].iloc[:n_samples].reset_index(drop=True)
    n_times = round(duration * RATE)
    waves, beats = draw_waves(patients, rng), draw_beats(patients, duration, rng)
    signals = draw_signals(patients, waves, beats, n_times, RATE, rng)
    signals += draw_noise(patients, n_times, RATE, rng)
    X = twelve_leads(signals).astype(np.float32)
    log_risk = np.full(n_samples, 1.5)
    for plant in plants:
        dose = rng.normal(0, 1, n_samples).clip(-2.2, 2.2)
        heights, course = _plant(plant, patients, waves, beats, n_times)
        X += (dose[:, None] * course)[:, None] * heights[:, None].astype(np.float32)
        log_risk *= dose
    y = simulate_follow_up(log_risk, event_rate=0.2, random_state=seed)
    return ECGRecords(X.astype(np.float32), RATE), y, log_risk


def _plant(plant, patients, waves, beats, n_times):
    """Height of the added wave in each lead, in mV, and its course (n, T)."""
    leads, segment, height = PLANTS[plant]
    j_point = patients["qrs_duration"].to_numpy()[:, None] / 1000
    p = waves.times[:, WAVES.index("P right atrium"), :1]
    p_end = waves.times[:, WAVES.index("P left atrium"), 2:]
    times = {
        "ST": j_point + [0.02, 0.06, 0.1],
        "P": p + (p_end - p) * [0, 0.5, 1],
        "QRS": j_point * [0.55, 0.78, 1],
    }[segment]
    slot = WAVES.index("spike")  # of pacing, and there is none
    added = Waves(waves.times.copy(), waves.warps, np.zeros_like(waves.vectors))
    added.times[:, slot], added.vectors[:, slot] = times, 1.0
    course = _courses(added, beats, n_times, RATE)[:, slot]
    heights = np.isin(LEADS, leads) * height
    if segment == "P":
        direction = twelve_leads((DOWER @ [0.8, 0.6, 0.0])[None, :, None])[0, :, 0]
        heights = height * direction
    return heights, course


def planted(plant, options):
    """Print how often each method ranks the planted lead, group and segment first."""
    train = planted_cohort(options.n_samples, [plant], options.duration, 0)
    test = planted_cohort(options.n_test, [plant], options.duration, 1)
    start = time.perf_counter()
    model = _model(options).fit(*train[:2])
    seconds = time.perf_counter() - start
    X, y, log_risk = test
    risk = model.predict(X)
    scores = [concordance_index(y, r) for r in (risk, log_risk)]
    print(
        f"\n{plant}: {options.n_samples} ECGs trained on in {seconds:.0f} s; C-index "
        f"{scores[0]:.3f}, of the true log risk {scores[1]:.3f}"
    )
    X = X[risk >= np.quantile(risk, 1 - HIGH_RISK)]
    for method, leads, segments in _rankings(model, X, train[0][:10]):
        print(f"  {method:22}", end="")
        print(_hits("lead", leads, LEADS, _planted_leads(plant)), end="")
        print(_hits("segment", segments, SEGMENTS, [PLANTS[plant][1]]))
    if plant in GROUP_OF:
        shares = lead_group_shapley(model, X)
        print(f"  {'Shapley':22}", end="")
        print(_hits("lead group", shares.values, shares.groups, [GROUP_OF[plant]]))


def _planted_leads(plant):
    leads = PLANTS[plant][0]
    return leads if len(leads) < len(LEADS) else None


def _rankings(model, X, others):
    """Method, value of each lead, value of each segment."""
    leads, segments = lead_occlusion(model, X), segment_occlusion(model, X)
    yield "occlusion", leads.change, segments.change
    for name, settings in [
        ("IG from flat lines", {}),
        ("IG from 10 ECGs", {"baseline": others, "n_steps": 8}),
    ]:
        gradients = integrated_gradients(model, X, **settings)
        by_segment = sum_over_segments(gradients.attributions, X).sum(axis=1)
        yield name, gradients.lead_importance, by_segment
    maps = attention_maps(model, X)
    temporal = maps.temporal * maps.lead_importance[:, :, None]
    by_segment = sum_over_segments(temporal, X).sum(axis=1)
    yield "attention", maps.lead_importance, by_segment


def _hits(what, values, names, planted):
    """Share of the ECGs whose highest value is of a planted name."""
    if planted is None:
        return f"{what}: in all      "
    best = np.nan_to_num(values, nan=-np.inf).argmax(axis=1)
    hit = np.isin(np.array(names)[best], planted)
    low, high = _wilson(hit.sum(), len(hit))
    return f"{what}: {hit.mean():4.0%} ({low:.0%} to {high:.0%})  "


def _wilson(k, n, z=1.96):
    """95 % interval of a share (Wilson 1927)."""
    centre = (k + z * z / 2) / (n + z * z)
    margin = z * np.sqrt(k * (n - k) / n + z * z / 4) / (n + z * z)
    return centre - margin, centre + margin


def leads_stay_leads():
    """Print whose temporal attention changes when one lead is perturbed."""
    torch.manual_seed(0)
    x = torch.randn(4, 12, 608)
    compact, paper = Encoder(12).eval(), PaperEncoder(608).eval()
    for name, encoder in [("compact", compact), ("paper", paper)]:
        with torch.no_grad():
            before, same = encoder.attention_maps(x)[1], 0
            for lead in range(12):
                moved = x.clone()
                moved[:, lead] += torch.randn(4, 608)
                after = encoder.attention_maps(moved)[1]
                others = [i for i in range(12) if i != lead]
                same += sum(torch.equal(before[:, i], after[:, i]) for i in others)
        print(
            f"{name:8} maps of other leads that stay the same bit for bit: "
            f"{same} of {12 * 11}"
        )


def print_faithfulness(options):
    """Print the table of each explanation, on a planted cohort."""
    X, y, _ = planted_cohort(options.n_samples, ["ST of V5"], options.duration, 0)
    model = _model(options).fit(X, y)
    X = planted_cohort(options.n_explained, ["ST of V5"], options.duration, 1)[0]
    for explain in (
        attention_maps,
        lead_occlusion,
        lead_group_shapley,
        segment_occlusion,
        integrated_gradients,
    ):
        start = time.perf_counter()
        table = faithfulness(
            model, X, explain(model, X), n_repeats=options.n_repeats, random_state=0
        )
        print(f"\n{explain.__name__}: {time.perf_counter() - start:.0f} s")
        print(table.round(3).to_string(), flush=True)


def timing(options):
    """Print seconds for 1,000 ECGs of 12 x 1000, by an estimator of three networks."""
    cohort = make_ecg_cohort(1000, sampling_rate=RATE, random_state=0)
    model = DualAttentionSurvival(max_epochs=1, random_state=0)
    model = model.fit(cohort.X, cohort.y)
    X = ECGRecords(cohort.X, RATE)
    print(f"{torch.get_num_threads()} threads, {len(model.nets_)} networks")
    for explain, aim in [
        (attention_maps, "10 s"),
        (lead_occlusion, "60 s"),
        (lead_group_shapley, "-"),
        (segment_occlusion, "-"),
        (integrated_gradients, "-"),
    ]:
        seconds = []
        for _ in range(1 if explain is integrated_gradients else options.n_repeats):
            start = time.perf_counter()
            explain(model, X)
            seconds.append(time.perf_counter() - start)
        print(
            f"{explain.__name__:22} {np.median(seconds):6.1f} s "
            f"({min(seconds):.1f} to {max(seconds):.1f}), aim {aim}",
            flush=True,
        )


def _model(options):
    return DualAttentionSurvival(
        n_members=options.n_members, max_epochs=options.max_epochs, random_state=0
    )


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("part", choices=["planted", "leads", "faithfulness", "timing"])
    parser.add_argument("--plants", nargs="+", default=PLANTED)
    parser.add_argument("--n-samples", type=int, default=2000)
    parser.add_argument("--n-test", type=int, default=1000)
    parser.add_argument("--n-explained", type=int, default=100)
    parser.add_argument("--n-repeats", type=int, default=5)
    parser.add_argument("--n-members", type=int, default=3)
    parser.add_argument("--max-epochs", type=int, default=40)
    parser.add_argument("--duration", type=float, default=10.0)
    options = parser.parse_args()
    if options.part == "planted":
        for plant in options.plants:
            planted(plant, options)
    elif options.part == "leads":
        leads_stay_leads()
    elif options.part == "faithfulness":
        print_faithfulness(options)
    else:
        timing(options)
