"""Make the encoders that come with the package, and the figures on their cards.

`python benchmarks/make_encoders.py --data FOLDER --text MODEL`

FOLDER holds `ptbxl/` in PhysioNet's layout and `ptbxl_zscored/`; with `--ptbxl FOLDER`
the whole of PTB-XL takes the place of both, with fold 10 to test. MODEL is a
sentence-transformers model, a folder or its name. Three networks are trained: on
simulated ECGs alone; from there on real and simulated ones; and, for the figures of the
latter, without the ECGs that it is tested on. One thread computes, so that the same
files come out bit for bit; a run that was killed goes on from CHECKPOINTS.
"""

import argparse
import ast
from pathlib import Path

import numpy as np
import pandas as pd
import torch
from probes import probe_figures

from ecgdan_sk import ECGReportPretrainer, encoders
from ecgdan_sk.architectures import Compact
from ecgdan_sk.datasets import load_ptbxl, make_ecg_cohort
from ecgdan_sk.preprocessing import BandPass
from ecgdan_sk.records import ECGRecords
from ecgdan_sk.reports import SentenceEncoder

CLASSES = ["NORM", "MI", "STTC", "CD", "HYP"]
BAND = [0.5, 40.0]
COMMAND = "python benchmarks/make_encoders.py --data FOLDER --text MODEL"
ATTRIBUTION = (
    "Wagner et al. (2020), PTB-XL, a large publicly available electrocardiography "
    "dataset, Scientific Data 7:154, https://physionet.org/content/ptb-xl/, CC BY 4.0"
)
SIMULATED = {
    "name": "ecgdan_sk.datasets.make_ecg_cohort",
    "licence": "BSD-3-Clause",
    "url": "simulated: no patient's data",
}
OBJECTIVES = {
    "alignment_weight": 1.0,
    "classification_weight": 1.0,
    "measurement_weight": 0.5,
    "covariate_weight": 0.2,
}
LIMITS = [
    "It knows what statements of a resting ECG and measurements say, and no outcome.",
    "It was tested on PTB-XL (Germany, 1989 to 1996) alone, on few ECGs.",
    "Rare statements were in few of its ECGs, or in none; paediatric ECGs in none.",
    "ECGs that another filter has passed, or of less than 5 s, were not tested.",
    "It is no medical device, and no diagnosis may rest on it.",
]


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", type=Path, help="folder of ptbxl/ and ptbxl_zscored/")
    parser.add_argument("--ptbxl", type=Path, help="folder of the whole of PTB-XL")
    parser.add_argument("--text", default="sentence-transformers/all-MiniLM-L6-v2")
    parser.add_argument("--n-simulated", type=int, default=12_000)
    parser.add_argument("--epochs", type=int, default=20)
    parser.add_argument("--simulated-epochs", type=int, default=12)
    parser.add_argument(
        "--checkpoints", type=Path, default=Path("encoders-checkpoints")
    )
    files = Path(encoders.__file__).parent / "files"
    parser.add_argument("--out", type=Path, default=files)
    options = parser.parse_args()
    if (options.data is None) == (options.ptbxl is None):
        parser.error("give --data FOLDER or --ptbxl FOLDER")
    torch.set_num_threads(1)
    torch.use_deterministic_algorithms(True)
    real, tests = whole_ptbxl(options) if options.ptbxl else shared_data(options)
    start = make_simulated(tests, options)
    make_real(start, real, tests, options)


def make_simulated(tests, options):
    """Weights after training on simulated ECGs that are not in the tests."""
    cohort = simulate(options.n_simulated, 2)
    model = pretrained([cohort], options, max_epochs=options.simulated_epochs)
    summary = "Statements, measurements, age and sex of simulated 12-lead ECGs alone."
    data = [SIMULATED | {"n_ecgs": options.n_simulated}]
    card = card_of(data, "BSD-3-Clause", "ecgdan_sk", summary, options)
    card["recipe"]["epochs"] = options.simulated_epochs
    write("simulated-100hz", model, model, card, tests, options)
    return model.encoder_weights_


def make_real(start, real, tests, options):
    """Train on, on all for the file, and without the tests for the figures."""
    simulated = simulate(options.n_simulated // 6, 1)
    shipped = pretrained([real, simulated], options, start)
    rows = ~real["held_out"]
    training = {name: value[rows] for name, value in real.items()}
    probed = pretrained([training, simulated], options, start)
    data = [
        {
            "name": "PTB-XL",
            "n_ecgs": len(real["X"]),
            "licence": "CC BY 4.0",
            "url": "https://physionet.org/content/ptb-xl/",
        },
        SIMULATED | {"n_ecgs": options.n_simulated + options.n_simulated // 6},
    ]
    summary = (
        "Statements, measurements, age and sex of real and simulated 12-lead ECGs."
    )
    card = card_of(data, "CC BY 4.0", ATTRIBUTION, summary, options)
    write("ptbxl-100hz", shipped, probed, card, tests, options)


def card_of(data, licence, attribution, summary, options):
    """Facts on an encoder before its tests."""
    return {
        "summary": summary,
        "data": data,
        "licence": licence,
        "attribution": attribution,
        "recipe": {
            "command": COMMAND,
            "text_encoder": "sentence-transformers/all-MiniLM-L6-v2 (Apache-2.0)",
            "starts_from": "simulated-100hz" if len(data) > 1 else None,
            "epochs": options.epochs,
            **OBJECTIVES,
        },
        "limits": LIMITS,
        "band": BAND,
    }


def write(name, shipped, probed, card, tests, options):
    """Figures of one network onto the card of another, which was trained alike."""
    results = probe_figures(probed, **tests)
    what = "macro AUROC of five superclasses of PTB-XL, by a linear probe or zero-shot"
    if probed is not shipped:
        what += ", of a network trained alike but without the ECGs that are tested"
    card = {"name": name, **card, "results": {"what": what, **results}}
    encoders.save(options.out / name, shipped.encoder_weights_, card)
    if probed is not shipped:
        tested = options.checkpoints / f"{name}-tested"
        encoders.save(tested, probed.encoder_weights_, card)
    print(name)
    for what, figure in results.items():
        print(f"  {figure:.3f}  {what}")


def pretrained(cohorts, options, start=None, **changes):
    """A pretrainer that has learned all that the cohorts teach."""
    settings = {
        "architecture": Compact(voltage_token=True),
        "text_encoder": SentenceEncoder(options.text),
        "max_epochs": options.epochs,
        "random_state": 0,
        **OBJECTIVES,
    }
    model = ECGReportPretrainer(
        pretrained=start,
        validation_fraction=None,
        batch_size=64,
        checkpoint_dir=options.checkpoints,
        device="cpu",
        verbose=1,
        **{**settings, **changes},
    )
    records = [cohort["X"] for cohort in cohorts]
    return model.fit(records, [list(cohort["codes"]) for cohort in cohorts])


def simulate(n_samples, seed):
    """A simulated cohort, filtered."""
    cohort = make_ecg_cohort(n_samples, sampling_rate=100, random_state=seed)
    X = ECGRecords(cohort.X, 100, covariates=cohort.covariates)
    return {"X": filtered(X), "codes": np.array(cohort.scp_codes, dtype=object)}


def filtered(records):
    return BandPass(*BAND).fit_transform(records)


def shared_data(options):
    """The 343 raw ECGs and the 1,598 z-scored ones: to train on, and to test on."""
    raw = load_ptbxl(options.data / "ptbxl", sampling_rate=100)
    folder = options.data / "ptbxl_zscored"
    table = pd.read_csv(folder / "labels.csv")
    with np.load(folder / "x_100hz_int16.npz") as stored:
        X = (stored["x"] * np.float32(stored["scale"])).astype(np.float32)
        if not (stored["ecg_id"] == table["ecg_id"]).all():
            raise ValueError(f"{folder}: labels.csv is not in the order of the ECGs")
    # PTB-XL writes 300 for all who are over 89.
    age = table["age"].mask(table["age"] > 89, 90)
    covariates = pd.DataFrame({"age": age, "sex": table["sex"].astype(float)})
    zscored = filtered(ECGRecords(X, 100, covariates=covariates))
    raw_X = filtered(
        ECGRecords(
            np.asarray(raw.X), 100, covariates=raw.covariates.reset_index(drop=True)
        )
    )
    known = set(raw.patient_id)
    real = {
        "X": joined(zscored, raw_X),
        "codes": np.array([*codes_of(table), *raw.scp_codes], dtype=object),
        "held_out": np.r_[
            (table["strat_fold"] == 9) | table["patient_id"].isin(known),
            np.ones(len(raw_X), bool),
        ],
    }
    fold = table["strat_fold"].to_numpy()
    tests = {
        "X": zscored,
        "classes": table[CLASSES].to_numpy(),
        "train": fold < 9,
        "test": fold == 9,
        "own": (raw_X, raw.superclasses.to_numpy(), raw.patient_id),
    }
    return real, tests


def whole_ptbxl(options):
    """PTB-XL: folds 1 to 9 to train on, fold 10 to test on."""
    ptbxl = load_ptbxl(options.ptbxl, sampling_rate=100)
    X = ECGRecords(np.asarray(ptbxl.X), 100, covariates=ptbxl.covariates)
    X = filtered(X)
    codes = np.array(ptbxl.scp_codes, dtype=object)
    said = np.array([bool(own) for own in codes])
    real = {"X": X[said], "codes": codes[said], "held_out": (ptbxl.fold == 10)[said]}
    tests = {
        "X": X,
        "classes": ptbxl.superclasses.to_numpy(),
        "train": ptbxl.fold < 10,
        "test": ptbxl.fold == 10,
    }
    return real, tests


def joined(*cohorts):
    """ECGs of one kind, whose voltage is known of some and lost of others."""
    return ECGRecords(
        np.concatenate([cohort.signals for cohort in cohorts]),
        100,
        covariates=pd.concat([c.covariates for c in cohorts], ignore_index=True),
    )


def codes_of(table):
    """Statements with likelihoods where they are known, else as certain."""
    return [
        ast.literal_eval(rated)
        if isinstance(rated, str)
        else dict.fromkeys(said.split(";"), 100.0)
        for rated, said in zip(table["scp_codes"], table["scp"])
    ]


if __name__ == "__main__":
    main()
