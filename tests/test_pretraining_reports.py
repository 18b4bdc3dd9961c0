"""The pretrainer on reports in free text: their statements, their words, or both."""

import warnings

import numpy as np
import pytest
import torch

from ecgdan_sk import ECGReportPretrainer
from ecgdan_sk.datasets import load_ptbxl, make_ecg_cohort
from ecgdan_sk.pretraining._network import SHARED_DIM, ReportLoss
from ecgdan_sk.reports import StatementFinder

QUICK = {"max_epochs": 1, "batch_size": 32, "random_state": 0}


@pytest.fixture(scope="module")
def cohort():
    return make_ecg_cohort(60, sampling_rate=100, duration=2.5, random_state=0)


def letters(texts):
    """A language model of sorts: what a text is made of."""
    return np.array([[text.count(c) + 1 for c in "aeinrst"] for text in texts], float)


def test_free_text_learns_as_the_statements_found_in_it(cohort):
    found = StatementFinder().transform(cohort.reports)
    by_text = ECGReportPretrainer(**QUICK).fit(cohort.X, cohort.reports)
    by_codes = ECGReportPretrainer(**QUICK).fit(cohort.X, found)
    assert by_text.embedder_.reads_ == "statements"
    np.testing.assert_allclose(
        by_text.transform(cohort.X), by_codes.transform(cohort.X), atol=1e-5
    )
    # What is told is what was written.
    assert set(by_text.predict(cohort.X)) <= set(cohort.reports)
    assert 0 < by_text.score(cohort.X, cohort.reports) <= 1
    german, english = (
        by_text.zero_shot(cohort.X[:5], prompts)
        for prompts in (
            ["Vorhofflimmern", "normales EKG"],
            ["atrial fibrillation", "normal ECG"],
        )
    )
    np.testing.assert_array_equal(german, english)


def test_the_whole_report_can_stand_beside_its_statements(cohort):
    models = {
        name: ECGReportPretrainer(text_encoder=letters, reports_as=name, **QUICK)
        for name in ("auto", "both", "statements", "text")
    }
    latent = {
        name: model.fit(cohort.X, cohort.reports).transform(cohort.X)
        for name, model in models.items()
    }
    np.testing.assert_array_equal(latent["auto"], latent["statements"])
    assert np.abs(latent["both"] - latent["statements"]).max() > 1e-4
    assert np.abs(latent["both"] - latent["text"]).max() > 1e-4
    assert models["text"].embedder_.codes_ is None


def test_what_reads_whole_reports_is_saved(cohort, tmp_path):
    model = ECGReportPretrainer(reports_as="both", **QUICK)
    model.fit(cohort.X, cohort.reports)
    path = tmp_path / "both.safetensors"
    model.save(path)
    loaded = ECGReportPretrainer.load(path)
    prompts = ["CLBBB", "Sinusrhythmus", "rhythm of this patient"]
    np.testing.assert_array_equal(
        loaded.zero_shot(cohort.X[:5], prompts), model.zero_shot(cohort.X[:5], prompts)
    )
    assert loaded.score(cohort.X, cohort.reports) == model.score(
        cohort.X, cohort.reports
    )


def test_statements_found_in_text_can_be_classified(cohort):
    model = ECGReportPretrainer(classification_weight=1.0, **QUICK)
    model.fit(cohort.X, cohort.reports)
    assert np.isfinite(model.history_[0]["train_loss"])
    model.set_params(reports_as="text")
    with pytest.raises(ValueError, match="needs statements, but the reports are text"):
        model.fit(cohort.X, cohort.reports)


@pytest.mark.parametrize("by_report", [False, True])
def test_a_report_in_which_nothing_was_found_teaches_nothing(by_report):
    loss = ReportLoss(
        torch.randn(4, 6), torch.randn(3, 6), "sigmoid", 1.0, 1.0, False, by_report
    )
    output = torch.randn(4, SHARED_DIM + 3, requires_grad=True)
    target = torch.tensor(
        [[0, k, k, *said] for k, said in enumerate(np.eye(4, 3, dtype=np.float32))]
    )
    loss(output, target).backward()
    told = output.grad.abs().amax(1) > 0
    # Beside its statements, the words of the last one still count.
    assert told.tolist() == [True, True, True, by_report]
    assert torch.isfinite(loss(output[3:], target[3:]))


def test_lines_of_machines_go_straight_in(cohort):
    lines = [
        "Sinus rhythm. Possible inferior infarct - age undetermined. Abnormal ECG."
    ]
    lines += ["Atrial fibrillation. Left bundle branch block."]
    lines += ["Poor data quality, interpretation may be affected."]
    reports = lines * 20
    model = ECGReportPretrainer(**QUICK).fit(cohort.X, reports)
    assert set(model.embedder_.codes_) == {"SR", "IMI", "AFIB", "CLBBB"}


def test_text_without_any_statement_is_said(cohort):
    reports = ["abc", "def"] * 30
    with pytest.warns(UserWarning, match="No statement was found in any of 60"):
        ECGReportPretrainer(**QUICK).fit(cohort.X, reports)


@pytest.mark.realdata
def test_reports_of_ptbxl_go_straight_in(ecgdan_data):
    data = load_ptbxl(ecgdan_data / "ptbxl", sampling_rate=100)
    rows = np.flatnonzero([bool(report.strip()) for report in data.reports])[:60]
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        model = ECGReportPretrainer(**QUICK)
        model.fit(np.asarray(data.X)[rows], [data.reports[i] for i in rows])
    assert {"SR", "NORM"} <= set(model.embedder_.codes_)
