"""Pretraining on what each cohort has: some reports, measurements, age and sex."""

import numpy as np
import pandas as pd
import pytest
import torch

from ecgdan_sk import ECGReportPretrainer
from ecgdan_sk.datasets import make_ecg_cohort
from ecgdan_sk.measurements import ECGMeasurements
from ecgdan_sk.pretraining._cohorts import balanced, joined
from ecgdan_sk.pretraining._network import ReportLoss
from ecgdan_sk.pretraining._numbers import measured, standardised
from ecgdan_sk.records import ECGRecords
from ecgdan_sk.records._lazy import LazySignals

QUICK = {"max_epochs": 1, "batch_size": 16, "random_state": 0}


def cohort_of(n_samples, seed, **kwargs):
    cohort = make_ecg_cohort(
        n_samples, sampling_rate=100, duration=5, random_state=seed
    )
    records = ECGRecords(cohort.X, 100, covariates=cohort.covariates, **kwargs)
    return records, cohort.scp_codes


@pytest.fixture(scope="module")
def first():
    return cohort_of(40, 0)


@pytest.fixture(scope="module")
def second():
    return cohort_of(24, 1)


def test_an_ecg_without_a_report_teaches_nothing_of_reports():
    """The loss, and its gradient, are those of the others alone."""
    torch.manual_seed(0)
    texts = torch.randn(3, 8)
    loss = ReportLoss(texts, None, "infonce", 1.0, 0.0, False)
    output = torch.nn.functional.normalize(torch.randn(5, 128), dim=1)
    target = torch.tensor([[0, 0, 0], [0, -1, 1], [0, 1, 2], [0, 2, 3], [0, -1, 4.0]])
    said = target[:, 1] >= 0
    torch.testing.assert_close(loss(output, target), loss(output[said], target[said]))
    assert loss(output[~said], target[~said]) == 0


def test_numbers_that_are_unknown_have_no_part():
    loss = ReportLoss(
        torch.zeros(1, 1),
        None,
        "sigmoid",
        0.0,
        0.0,
        False,
        number_weights=((2, 0.5), (1, 2.0)),
    )
    numbers = torch.tensor([[1.0, np.nan, 0.0], [np.nan, np.nan, 3.0]])
    target = torch.cat([torch.tensor([[0, -1, 0], [0, -1, 1.0]]), numbers], dim=1)
    output = torch.zeros(2, 128 + 3)
    # Huber: a half of the square up to 1, then the distance less a half.
    expected = 0.5 * 0.5 + 2.0 * (0 + 2.5) / 2
    torch.testing.assert_close(loss(output, target), torch.tensor(expected))
    assert torch.isfinite(loss(output, torch.full_like(target, torch.nan)))


def test_measurements_are_learned_without_a_report(first):
    records, _ = first
    settings = QUICK | {"max_epochs": 60, "lr": 0.01, "validation_fraction": None}
    model = ECGReportPretrainer(measurement_weight=1.0, crop=1.0, **settings)
    features = model.fit(records).transform(records)
    assert model.reports_ is None
    rate = ECGMeasurements(100).fit_transform(records)[:, 0]
    design = np.column_stack([features, np.ones(len(features))])
    penalty = 0.1 * np.eye(design.shape[1])
    weights = np.linalg.solve(design.T @ design + penalty, design.T @ rate)
    assert np.corrcoef(design @ weights, rate)[0, 1] > 0.8


def test_reports_may_be_missing(first):
    records, codes = first
    some = [own if i % 2 else None for i, own in enumerate(codes)]
    model = ECGReportPretrainer(classification_weight=1.0, **QUICK).fit(records, some)
    assert len(model.reports_) <= 20
    assert model.predict(records).shape == (40,)
    texts = ["sinus rhythm" if i % 3 else np.nan for i in range(40)]
    texts[1] = "fibrillation"
    assert len(ECGReportPretrainer(**QUICK).fit(records, texts).reports_) == 2


def test_several_cohorts_each_with_what_it_has(first, second):
    model = ECGReportPretrainer(
        measurement_weight=1.0, covariate_weight=1.0, **QUICK
    ).fit([first[0], second[0]], [first[1], None])
    assert model.transform(second[0]).shape == (24, 64)
    outputs = model.network_(torch.from_numpy(np.asarray(second[0].signals)))
    assert outputs.shape[1] > 128 + 50


@pytest.mark.parametrize("with_reports", [True, False])
def test_what_learned_numbers_is_saved_and_read(first, tmp_path, with_reports):
    records, codes = first
    model = ECGReportPretrainer(
        measurement_weight=1.0, covariate_weight=1.0, **QUICK
    ).fit(records, codes if with_reports else None)
    model.save(tmp_path / "model")
    back = ECGReportPretrainer.load(tmp_path / "model")
    np.testing.assert_array_equal(back.transform(records), model.transform(records))


def test_an_epoch_sees_as_many_ecgs_of_each_cohort():
    cohort = np.repeat([0, 1, 2], [10, 3, 5])
    rows = balanced(np.arange(18), cohort)
    assert np.bincount(cohort[rows]).tolist() == [10, 10, 10]
    assert set(rows) == set(range(18))
    np.testing.assert_array_equal(balanced(np.arange(18), cohort * 0), np.arange(18))


def test_cohorts_share_no_patient_and_keep_their_leads(first, second):
    a = ECGRecords(first[0].signals, 100, patient_ids=[1] * 20 + list(range(20)))
    b = second[0].select_leads(["V1", "II"])
    b = ECGRecords(b.signals, 100, leads=["V1", "II"], patient_ids=[1] * 24)
    records, reports, patients, cohort = joined([a, b], [first[1], None], None)
    assert len(set(patients[:40]) & set(patients[40:])) == 0
    assert len(set(patients)) == 20 + 1
    assert records.leads == a.leads
    absent = np.isnan(records.signals[40:]).all(axis=2).all(axis=0)
    assert [lead for lead, no in zip(a.leads, absent) if not no] == ["II", "V1"]
    assert reports[40:] == [None] * 24
    assert cohort.tolist() == [0] * 40 + [1] * 24


def test_cohorts_that_are_not_in_memory_stay_there(first, second):
    signals = np.asarray(second[0].signals)
    lazy = ECGRecords(
        LazySignals(signals.__getitem__, range(24), signals.shape[1:]), 100
    )
    records, *_ = joined([first[0], lazy], [None, None], None)
    assert not isinstance(records.signals, np.ndarray)
    rows = [41, 3, 63, 0]
    together = np.concatenate([first[0].signals, signals])
    np.testing.assert_array_equal(np.asarray(records.signals[rows]), together[rows])


def test_normalised_ecgs_teach_no_voltage(first):
    records, _ = first
    X = np.asarray(records.signals)
    z = (X - X.mean(2, keepdims=True)) / X.std(2, keepdims=True)
    both = ECGRecords(np.concatenate([X, z]), 100)
    known = np.isnan(measured(both, 1.0)).mean(axis=0)
    names = ECGMeasurements().get_feature_names_out()
    share = dict(zip(names, np.isnan(measured(records, 1.0)).mean(axis=0)))
    assert len(known) == len(share)
    told = dict(zip(names, known))
    assert told["sokolow_lyon_mv"] >= 0.5
    assert told["heart_rate_bpm"] == share["heart_rate_bpm"]


def test_numbers_are_standardised_by_what_is_usual():
    rng = np.random.default_rng(0)
    table = np.column_stack(
        [rng.normal(50, 10, 1000), np.zeros(1000), rng.random(1000)]
    )
    table[0, 0] = 1e9
    table[:900, 2] = np.nan
    numbers = standardised(table, "numbers")
    assert numbers.shape == (1000, 2)
    assert numbers[0, 0] == 5
    np.testing.assert_allclose(np.std(numbers[1:, 0]), 1, atol=0.1)
    assert np.isnan(numbers[:900, 1]).all()


# --- what it says to bad input ------------------------------------------------------


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({}, "Cohort 0 has no reports"),
        ({"measurement_weight": 1.0, "flat": True}, "all NaN or constant"),
        ({"covariate_weight": 1.0, "bare": True}, "covariate_weight needs numbers"),
        ({"measurement_weight": 1.0, "rate": None}, "needs the sampling rate"),
    ],
)
def test_nothing_to_learn_from_is_refused(first, settings, message):
    records, _ = first
    settings = dict(settings)
    signals = np.asarray(records.signals)
    if settings.pop("flat", False):
        time = np.arange(signals.shape[2]) / 100
        signals = np.broadcast_to(0.2 * np.sin(2 * np.pi * 0.1 * time), signals.shape)
    rate = settings.pop("rate", 100)
    covariates = None if settings.pop("bare", False) else records.covariates
    X = ECGRecords(np.ascontiguousarray(signals), rate, covariates=covariates)
    with pytest.raises(ValueError, match=message):
        ECGReportPretrainer(**QUICK, **settings).fit(X)


def test_a_cohort_with_nothing_to_learn_is_named(first, second):
    with pytest.raises(ValueError, match="Cohort 1 has no reports"):
        ECGReportPretrainer(**QUICK).fit([first[0], second[0]], [first[1], None])


def test_cohorts_of_several_rates_or_lengths_are_refused(first, second):
    X = second[0].signals
    with pytest.raises(ValueError, match=r"100, 250 Hz.*Resample"):
        joined([first[0], ECGRecords(X, 250)], None, None)
    with pytest.raises(ValueError, match=r"400, 500 samples.*Window"):
        joined([first[0], ECGRecords(X[..., :400], 100)], None, None)


def test_reports_of_cohorts_are_one_list_each(first, second):
    X = [first[0], second[0]]
    with pytest.raises(ValueError, match="reports must be a list of 2"):
        joined(X, list(first[1]), None)
    with pytest.raises(ValueError, match=r"Cohort 1 holds 24 ECGs, but reports\[1\]"):
        joined(X, [first[1], first[1]], None)


def test_text_is_not_covariates(first):
    records, codes = first
    table = pd.DataFrame({"sex": ["m"] * 40})
    X = ECGRecords(records.signals, 100, covariates=table)
    with pytest.raises(ValueError, match="covariate_weight needs numbers"):
        ECGReportPretrainer(covariate_weight=1.0, **QUICK).fit(X, codes)
