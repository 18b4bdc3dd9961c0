"""Does alignment with reports teach more than classification or reconstruction?

`OMP_NUM_THREADS=1 OMP_WAIT_POLICY=PASSIVE python benchmarks/bench_objectives.py
--data FOLDER --text MODEL --out RESULTS`

One network, the same real ECGs and epochs, and each objective alone or summed. The
control of the language model is the same with its statements shuffled: each still has
a vector of its own, which means another statement. FOLDER is that of
`make_encoders.py`: the z-scored ECGs of PTB-XL of folds 1 to 8 train; fold 9 and the
343 raw ones, with all ECGs of their patients, test. Follow-up is simulated, from the
labels of the raw ones. RESULTS keeps the scores of each training, so that a run that
was killed goes on, and `--only KIND --seeds N` can do a part.

Intervals are of the mean over seeds, for probes from bootstrap samples of the test
patients, for follow-up of the t-test over draws; SD is that of seeds. Neither has what
other training ECGs would change.
"""

import argparse
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
import torch
from bench_encoders import HAZARDS, random_features, subset
from make_encoders import OBJECTIVES, pretrained, shared_data
from probes import nearest, out_of_fold, scores_with_labels
from scipy.stats import ttest_1samp
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from ecgdan_sk.baselines import PenalisedCox
from ecgdan_sk.datasets import simulate_follow_up
from ecgdan_sk.metrics import concordance_index
from ecgdan_sk.model_selection import EventKFold
from ecgdan_sk.reports import SentenceEncoder, TfidfEncoder, load_statements
from ecgdan_sk.reports._statements import statement_texts
from ecgdan_sk.study._store import Store

ALIGNED = {"alignment_weight": 1.0}
CLASSIFIED = {"classification_weight": 1.0}
RECONSTRUCTED = {"reconstruction_weight": 1.0}
OBJECTIVES_OF = {
    "alignment": ALIGNED,
    "alignment, counted words": ALIGNED,
    "alignment, shuffled": ALIGNED,
    "classification": CLASSIFIED,
    "reconstruction": RECONSTRUCTED,
    "alignment + classification": ALIGNED | CLASSIFIED,
    "alignment + reconstruction": ALIGNED | RECONSTRUCTED,
    "classification + reconstruction": CLASSIFIED | RECONSTRUCTED,
    "all three": ALIGNED | CLASSIFIED | RECONSTRUCTED,
}
COMPARED = [
    ("alignment", "classification"),
    ("alignment", "reconstruction"),
    ("alignment", "alignment, counted words"),
    ("alignment", "alignment, shuffled"),
    ("alignment + classification", "classification"),
    ("alignment + classification", "alignment"),
    ("alignment + reconstruction", "classification + reconstruction"),
    ("alignment + reconstruction", "reconstruction"),
    ("all three", "alignment + classification"),
    ("reconstruction", "random"),
]
N_RESAMPLES = 2000


@dataclass
class Shuffled:
    """Text encoder in which each statement has the embedding of another one."""

    encoder: object
    seed: int

    def encode(self, texts):
        """Embeddings of texts; those that are no statement keep their own."""
        known = statement_texts(load_statements())
        others = np.random.default_rng(self.seed).permutation(known)
        other_of = dict(zip(known, map(str, others)))
        return self.encoder.encode([other_of.get(text, text) for text in texts])


def main(options):
    """Train and test what is missing, and print what is above what."""
    settings = {name: getattr(options, name) for name in ("text", "epochs", "draws")}
    store, found = Store.open(options.out, settings, restart=None), {}
    real, tests = shared_data(options)
    training = subset(real, ~real["held_out"])
    print(f"{len(training['X'])} ECGs to train on", flush=True)
    for seed in range(options.seeds):
        for kind in options.only or ("random", *OBJECTIVES_OF):
            name = f"{kind}, seed {seed}"
            if name not in store:
                features_of, model = encoder_of(kind, seed, training, options)
                store.save(name, **tested(features_of, model, tests, options))
            found.setdefault(kind, []).append(store.load(name))
            show(name, found[kind][-1], tests)
    report(found, tests, patients_of_fold(options))


def encoder_of(kind, seed, training, options):
    """A function from ECGs to features, and the pretrainer that can name classes."""
    if kind == "random":
        return lambda X: random_features(X, seed), None
    weights = dict.fromkeys([*OBJECTIVES, "reconstruction_weight"], 0.0)
    weights |= OBJECTIVES_OF[kind]
    text = SentenceEncoder(options.text)
    if kind.endswith("counted words"):
        text = TfidfEncoder()
    if kind.endswith("shuffled"):
        text = Shuffled(text, seed)
    settings = {"text_encoder": text, "random_state": seed, **weights}
    model = pretrained([training], options, **settings)
    return model.transform, model if weights["alignment_weight"] else None


def tested(features_of, model, tests, options):
    """Scores of the test ECGs by what gave them, and C-indices by draw."""
    sides = [tests[name] for name in ("classes", "train", "test")]
    raw, classes, patients = tests["own"]
    features, own = features_of(tests["X"]), features_of(raw)
    scores = {
        f"{'all' if n is None else n} labels": scores_with_labels(features, *sides, n)
        for n in (None, 343, 50)
    }
    scores["raw"] = [out_of_fold(own, classes, patients)]
    if model is not None:
        scores["zero-shot"] = [nearest(model, tests["X"][tests["test"]])]
        scores["raw, zero-shot"] = [nearest(model, raw)]
    draws = range(options.draws)
    return scores | {"C": [c_index(own, classes, patients, draw) for draw in draws]}


def truth_of(what, tests):
    """Labels of the ECGs that a figure is of."""
    is_raw = what.startswith("raw")
    return tests["own"][1] if is_raw else tests["classes"][tests["test"]]


def wins(classes, scores):
    """For each class, how often, in scores (S, n, 5), its ECGs lead others, (P, N)."""
    parts = []
    for j, truth in enumerate(classes.T.astype(bool)):
        own = scores[..., j]
        gaps = (one[truth][:, None] - one[~truth] for one in own)
        parts.append(np.mean([(np.sign(gap) + 1) / 2 for gap in gaps], axis=0))
    return parts


def c_index(features, classes, patients, draw):
    """C-index of the ridge Cox model of features, mean of 3 folds of one draw."""
    y = simulate_follow_up(classes @ HAZARDS, event_rate=0.15, random_state=draw)
    folds = EventKFold(3, random_state=draw).split(features, y, patients)
    # A third of the default penalties, for time.
    cox = make_pipeline(StandardScaler(), PenalisedCox(n_alphas=10))
    scores = []
    for train, test in folds:
        fitted = cox.fit(features[train], y[train])
        scores.append(concordance_index(y[test], fitted.predict(features[test])))
    return np.mean(scores)


def aurocs(classes, scores, times):
    """Macro AUROC (R,) of R samples, in which each ECG is so many `times`, (R, n)."""
    found = []
    for truth, part in zip(classes.T.astype(bool), wins(classes, scores)):
        above, below = times[:, truth], times[:, ~truth]
        won = ((above @ part) * below).sum(axis=1)
        found.append(won / (above.sum(axis=1) * below.sum(axis=1)))
    return np.mean(found, axis=0)


def resampled(patients):
    """How often each ECG is in the samples; the first sample has each once."""
    _, owner = np.unique(patients, return_inverse=True)
    n_patients = owner.max() + 1
    rng = np.random.default_rng(0)
    times = rng.multinomial(n_patients, [1 / n_patients] * n_patients, N_RESAMPLES)
    return np.vstack([np.ones(len(owner), int), times[:, owner]])


def patients_of_fold(options):
    """Patient of each z-scored ECG of fold 9; who is not told is one of their own."""
    table = pd.read_csv(options.data / "ptbxl_zscored" / "labels.csv")
    patients = table["patient_id"].fillna(-table["ecg_id"])
    return patients[table["strat_fold"] == 9].to_numpy()


def figures(own, tests):
    """Macro AUROC, or mean C-index, of one training."""
    found = {}
    for what, scores in own.items():
        classes = truth_of(what, tests)
        if what != "C":
            found[what] = aurocs(classes, scores, np.ones((1, len(classes))))[0]
    return found | {"C-index": np.mean(own["C"])}


def show(name, own, tests):
    """Print the figures of one training."""
    told = ", ".join(f"{what} {v:.3f}" for what, v in figures(own, tests).items())
    print(f"{name}: {told}", flush=True)


def report(found, tests, patients):
    """Print the means over seeds with their SD, and the differences."""
    each = {
        kind: pd.DataFrame([figures(own, tests) for own in seeds])
        for kind, seeds in found.items()
    }
    print("\nmeans over seeds (SD)")
    for kind, table in each.items():
        told = ", ".join(
            f"{what} {v.mean():.3f} ({v.std():.3f})" for what, v in table.items()
        )
        print(f"  {kind}: {told}")
    fold, raw = resampled(patients), resampled(tests["own"][2])
    print("\ndifferences, 95 % interval (SD over seeds)")
    for a, b in COMPARED:
        if a not in found or b not in found:
            continue
        print(f"  {a} - {b}")
        for what in each[a].columns.intersection(each[b].columns):
            if what == "C-index":
                value, low, high = over_draws(found[a], found[b])
            else:
                times = raw if what.startswith("raw") else fold
                value, low, high = over_patients(what, found[a], found[b], tests, times)
            spread = (each[a][what] - each[b][what]).std()
            print(
                f"    {what:16} {value:+.3f} ({low:+.3f} to {high:+.3f}), "
                f"SD {spread:.3f}"
            )


def over_draws(a, b):
    """Difference of C, and its t-interval over draws of the outcome."""
    gains = np.mean([own["C"] for own in a], 0) - np.mean([own["C"] for own in b], 0)
    interval = ttest_1samp(gains, 0.0).confidence_interval()
    return gains.mean(), interval.low, interval.high


def over_patients(what, a, b, tests, times):
    """Difference of macro AUROC, and its interval over samples of test patients."""
    classes = truth_of(what, tests)
    gains = np.subtract(
        *(
            np.mean([aurocs(classes, own[what], times) for own in seeds], 0)
            for seeds in (a, b)
        )
    )
    return gains[0], *np.quantile(gains[1:], [0.025, 0.975])


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--text", default="sentence-transformers/all-MiniLM-L6-v2")
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--only", nargs="+", choices=["random", *OBJECTIVES_OF])
    parser.add_argument("--checkpoints", type=Path)
    parser.add_argument("--epochs", type=int, default=20)
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--draws", type=int, default=10)
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    main(arguments)
