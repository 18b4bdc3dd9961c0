"""The study: same folds for all, nothing lost by a kill, tables of what was stored."""

import dataclasses
import runpy
import sys
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest
from safetensors.torch import save_file
from scipy.stats import ttest_1samp
from sksurv.functions import StepFunction
from sksurv.util import Surv

BENCHMARKS = Path(__file__).parents[1] / "benchmarks"
sys.path.insert(0, str(BENCHMARKS))

from study import folds, leads, networks, report, run, stacks, tables, tuning  # noqa: E402
from study.cohorts import Draw, SimulatedCohort  # noqa: E402
from study.methods import METHODS, Job  # noqa: E402
from study.readers import kind_of, stored_cohort  # noqa: E402
from study.scales import SCALES  # noqa: E402
from study.scores import Prediction, scored  # noqa: E402

from ecgdan_sk import DualAttentionSurvival, encoders  # noqa: E402
from ecgdan_sk._training._checkpoint import Checkpoint  # noqa: E402
from ecgdan_sk.encoders._foundation import _cards  # noqa: E402
from ecgdan_sk.encoders._foundation._networks import new_network  # noqa: E402
from ecgdan_sk.metrics import (  # noqa: E402
    compare_models,
    concordance_index,
    cumulative_dynamic_auc,
)
from ecgdan_sk.records import ECGRecords  # noqa: E402
from ecgdan_sk.study._compare import holm  # noqa: E402
from ecgdan_sk.study._store import Store  # noqa: E402

SCALE = dataclasses.replace(
    SCALES["small"],
    network={"n_members": 1, "max_epochs": 1, "batch_size": 16},
    pretraining={"max_epochs": 1},
    shares=(),
    n_trials=3,
)
CHEAP = ("age-sex", "paper15")


def tiny_cohort(n_draws=2, n_samples=60):
    return SimulatedCohort("tiny", n_samples, 0.3, True, n_draws, 2.5, 40)


def tasks_of(cohort, methods=CHEAP):
    return folds.all_tasks(cohort, SCALE, methods, ["2-fold"])


@pytest.fixture(scope="module")
def finished(tmp_path_factory):
    """A tiny study that ran through, and its cohort."""
    out, cohort = tmp_path_factory.mktemp("study"), tiny_cohort()
    assert run.Study(cohort, SCALE, Store(out)).run(tasks_of(cohort), n_jobs=1) == []
    report.write_report(out, cohort, "small")
    return out, cohort


def test_all_methods_meet_the_same_folds(finished):
    out, _ = finished
    stored = [
        folds.read_fold(out / "folds" / f"draw01-2-fold-42-fold1~{method}.npz")[1]
        for method in CHEAP
    ]
    for name in ("test", "event", "time"):
        assert (stored[0][name] == stored[1][name]).all()


def test_the_table_is_of_the_stored_risks(finished):
    out, _ = finished
    table = pd.read_csv(out / "tables" / "2-fold" / "accuracy.csv").set_index("method")
    for method in CHEAP:
        by_draw = []
        for draw in ("draw00", "draw01"):
            scores = []
            for path in (out / "folds").glob(f"{draw}*~{method}.npz"):
                fold = folds.read_fold(path)[1]
                y = np.rec.fromarrays([fold["event"], fold["time"]]).view(np.ndarray)
                scores.append(concordance_index(y, fold["risk"]))
            by_draw.append(np.mean(scores))
        assert table.loc[method, "C-index"] == pytest.approx(np.mean(by_draw))
        low, high = ttest_1samp(by_draw, 0.0).confidence_interval()
        assert table.loc[method, "low"] == pytest.approx(max(low, 0))
        assert table.loc[method, "high"] == pytest.approx(min(high, 1))


def test_what_is_simulated_is_called_so_in_every_caption(finished):
    out, _ = finished
    captions = [path.read_text("utf-8") for path in (out / "tables").rglob("*.md")]
    assert len(captions) == 3
    assert all("SIMULATED" in caption.split("|")[0] for caption in captions)
    assert "SIMULATED" in (out / "report.md").read_text("utf-8").split("|")[0]
    assert len(list((out / "tables").rglob("*.png"))) == 4


def test_a_killed_study_goes_on_where_it_was(finished, tmp_path, monkeypatch):
    cohort = finished[1]
    study, left = run.Study(cohort, SCALE, Store(tmp_path)), tasks_of(cohort)
    whole = run.keep
    calls = []

    def killed_at_the_third(*arguments):
        calls.append(arguments)
        if len(calls) == 3:
            raise KeyboardInterrupt
        whole(*arguments)

    monkeypatch.setattr(run, "keep", killed_at_the_third)
    with pytest.raises(KeyboardInterrupt):
        study.run(left, n_jobs=1)
    files = sorted((tmp_path / "folds").iterdir())
    before = {file: file.stat().st_mtime_ns for file in files}
    assert len(before) == 2
    monkeypatch.setattr(run, "keep", whole)
    assert study.run(left, n_jobs=1) == []
    assert all(file.stat().st_mtime_ns == at for file, at in before.items())
    broken, unbroken = (folds.read_all(out) for out in (tmp_path, finished[0]))
    assert [row["c_index"] for row in broken] == [row["c_index"] for row in unbroken]
    assert len(broken) == 8


def test_a_killed_training_goes_on_inside_its_fold(tmp_path, monkeypatch):
    scale = dataclasses.replace(SCALE, network={**SCALE.network, "max_epochs": 3})
    cohort, task = tiny_cohort(1), folds.Task(0, "2-fold", 2, 42, 0, "compact")
    epochs, written = [], Checkpoint.on_epoch_end

    def killed_in_the_third(self, net, **kwargs):
        epochs.append(len(net.history))
        if len(epochs) == 3:
            raise SystemExit
        written(self, net, **kwargs)

    monkeypatch.setattr(Checkpoint, "on_epoch_end", killed_in_the_third)
    study = run.Study(cohort, scale, Store(tmp_path / "killed"))
    with pytest.raises(SystemExit):
        study.fit(task)
    assert study.fit(task) is None
    assert epochs == [1, 2, 3, 3]
    assert not any((tmp_path / "killed" / "checkpoints").iterdir())
    run.Study(cohort, scale, Store(tmp_path / "whole")).fit(task)
    killed, whole = (
        folds.read_fold(Store(tmp_path / name).path(task.step))[1]["risk"]
        for name in ("killed", "whole")
    )
    np.testing.assert_array_equal(killed, whole)


def test_folds_are_scored_at_the_same_times_or_not_at_all():
    rng = np.random.default_rng(0)
    time, event = rng.uniform(500, 1500, 200), rng.random(200) < 0.5
    y = Surv.from_arrays(event, time)
    curves = [StepFunction(np.array([0.0, 800.0]), np.array([1.0, 0.5]))] * 100
    risk = rng.normal(size=100)
    found = scored(Prediction(risk, np.array(curves), 1.0, 2), y[:100], y[100:])
    expected = cumulative_dynamic_auc(
        y[100:], risk, times=3 * 365.25, censoring=y[:100]
    )
    assert found["auc_3y"] == pytest.approx(expected)
    # Nobody had an event in the first year, and nobody was followed for five.
    assert np.isnan(found["auc_1y"])
    assert np.isnan(found["auc_5y"])
    assert 0 < found["integrated_brier"] < 0.3
    longer = np.concatenate([y[:100], Surv.from_arrays([True], [2500.0])])
    found = scored(Prediction(risk, np.array(curves), 1.0, 2), longer, y[100:])
    assert np.isnan(found["integrated_brier"])


def test_a_half_written_file_is_no_result(tmp_path, monkeypatch):
    def broken(file, **arrays):
        file.write(b"half")
        raise OSError(28, "disk full")

    monkeypatch.setattr(np, "savez", broken)
    with pytest.raises(OSError, match="disk full"):
        Store(tmp_path).save("folds/draw00-2-fold-42-fold0~age-sex", risk=np.ones(2))
    assert folds.read_all(tmp_path) == []
    assert not any((tmp_path / "folds").iterdir())


def test_a_fold_that_fails_does_not_stop_the_others(tmp_path, monkeypatch):
    cohort = tiny_cohort(n_draws=1)

    def broken(job):
        raise RuntimeError("no such model")

    entry = dataclasses.replace(METHODS["age-sex"], build=broken)
    monkeypatch.setitem(METHODS, "age-sex", entry)
    errors = run.Study(cohort, SCALE, Store(tmp_path)).run(tasks_of(cohort), n_jobs=1)
    assert len(errors) == 2
    assert all("no such model" in error for error in errors)
    assert {row["method"] for row in folds.read_all(tmp_path)} == {"paper15"}


def test_no_patient_is_in_training_and_test():
    draw = tiny_cohort().draw(0)
    task = folds.Task(0, "2-fold", 2, 42, 0, "age-sex")
    train, test = folds.rows_of(task, draw)
    assert sorted([*train, *test]) == list(range(60))
    part, same_test = folds.rows_of(dataclasses.replace(task, share=0.5), draw)
    assert set(part) < set(train)
    assert (same_test == test).all()
    n_events = draw.y["event"][train].sum()
    assert draw.y["event"][part].sum() == round(n_events / 2)


def test_follow_up_of_the_simulated_cohort():
    cohort = SimulatedCohort("mi-like", 800, 0.04, True, 1, 1.5, 40)
    y = cohort.draw(0).y
    months = y["time"] / (365.25 / 12)
    assert y["event"].sum() == 32
    assert np.median(months) == pytest.approx(53, abs=2)
    assert months == pytest.approx(np.round(months))


def frame_of(scores, n_draws):
    rows = [
        {"draw": k % n_draws, "seed": 42, "fold": k // n_draws, "n_splits": 2}
        | {"method": method, "c_index": score}
        for method, values in scores.items()
        for k, score in enumerate(values)
    ]
    return pd.DataFrame(rows)


def test_one_outcome_is_compared_by_the_corrected_test():
    scores = {"a": [0.75, 0.72, 0.78, 0.74], "b": [0.70, 0.71, 0.70, 0.69]}
    lead = tables.paired(frame_of(scores, n_draws=1), "a", "b")
    assert lead == pytest.approx(compare_models(scores["a"], scores["b"], n_splits=2))


def test_a_single_finished_fold_has_no_interval():
    frame = frame_of({"age-sex": [0.75, 0.72], "paper15": [0.70]}, n_draws=1)
    assert tables.paired(frame, "age-sex", "paper15")[0] == pytest.approx(0.05)
    assert np.isnan(tables.paired(frame, "age-sex", "paper15")[1:]).all()
    table = tables.accuracy(frame).set_index("method")
    assert table.loc["age-sex", ["low", "high"]].notna().all()
    assert table.loc["paper15", "C-index"] == 0.70
    assert table.loc["paper15", ["low", "high"]].isna().all()


def test_holm_adjusts_for_all_claims_of_a_table():
    np.testing.assert_allclose(holm([0.01, 0.04, 0.03]), [0.03, 0.06, 0.06])
    np.testing.assert_allclose(holm([0.5, 0.9]), [1.0, 1.0])
    # The first row of a table is compared with itself, which is no test.
    np.testing.assert_allclose(holm([np.nan, 0.03, 0.02]), [np.nan, 0.04, 0.04])


def test_a_table_says_what_hangs_on_one_encoder():
    names = ["compact", "compact-alignment", "age-sex + compact-alignment"]
    names += ["frozen-ptbxl-100hz", "foundation-clef-small"]
    scores = {name: [0.7, 0.6, 0.8, 0.7] for name in names}
    for per_fold, free in ((False, names[:1]), (True, names[:3])):
        table = tables.accuracy(frame_of(scores, 2), per_fold).set_index("method")
        told = table["conditional on"]
        assert {*told[told.isna()].index} == {*free}
        assert {*told.dropna()} == {"one encoder"}
    table = tables.claims(frame_of(scores, 2)).set_index("compared")
    assert table.loc["compact-alignment - compact", "conditional on"] == "one encoder"


def test_several_outcomes_are_compared_by_draw():
    scores = {"a": [0.75, 0.72, 0.78, 0.74], "b": [0.70, 0.71, 0.70, 0.69]}
    lead = tables.paired(frame_of(scores, n_draws=2), "a", "b")
    test = ttest_1samp([(0.05 + 0.08) / 2, (0.01 + 0.05) / 2], 0.0)
    expected = (0.0475, *test.confidence_interval(), test.pvalue)
    assert lead == pytest.approx(expected)


def stored_folds(out, n_copies=1, seeds=(42,)):
    """Two stored folds of methods a, which knows something, and b; their rows."""
    rng, rows = np.random.default_rng(0), []
    for fold in range(2):
        log_risk = rng.normal(size=150)
        time, end = rng.exponential(np.exp(-log_risk)), rng.uniform(0.1, 0.4, 150)
        outcome = {"time": np.minimum(time, end), "event": time < end}
        risks = {"a": log_risk + rng.normal(size=150), "b": rng.normal(size=150)}
        for seed in seeds:
            for method, risk in risks.items():
                step = f"folds/draw00-2-fold-{seed}-fold{fold}~{method}"
                arrays = {**outcome, "test": np.arange(150), "risk": risk}
                arrays = {k: np.repeat(v, n_copies) for k, v in arrays.items()}
                if n_copies > 1:
                    arrays["patient"] = arrays["test"]
                Store(out).save(step, scores=np.array("{}"), **arrays)
                row = {"seed": seed, "fold": fold, "method": method}
                rows.append(row | {"file": Store(out).path(step)})
    return pd.DataFrame(rows)


def test_leads_of_a_single_draw_are_those_of_a_bootstrap_of_its_patients(tmp_path):
    frame = stored_folds(tmp_path)
    found = leads.leads(frame, "b").iloc[0]
    rng, whole, drawn = np.random.default_rng(1), [], []
    for _, files in frame.groupby("fold")["file"]:
        a, b = (folds.read_fold(file)[1] for file in files)
        y = Surv.from_arrays(a["event"], a["time"])

        def gain(rows, y=y, risks=(a["risk"], b["risk"])):
            return -np.diff([concordance_index(y[rows], r[rows]) for r in risks])[0]

        whole.append(gain(np.arange(150)))
        drawn.append([gain(rng.integers(150, size=150)) for _ in range(300)])
    assert found["method"] == "a"
    assert found["difference of C"] == pytest.approx(np.mean(whole))
    ends = np.quantile(np.mean(drawn, axis=0), [0.025, 0.975])
    assert found[["low", "high"]].tolist() == pytest.approx(ends, abs=0.015)


def test_neither_repeats_nor_further_ecgs_of_a_patient_make_a_lead_surer(tmp_path):
    once = leads.leads(stored_folds(tmp_path / "once"), "b")
    seeds = leads.leads(stored_folds(tmp_path / "seeds", seeds=(42, 43)), "b")
    copies = leads.leads(stored_folds(tmp_path / "copies", n_copies=2), "b")
    for table in (seeds, copies):
        for name in ("difference of C", "low", "high"):
            np.testing.assert_allclose(table[name], once[name])


def test_folds_of_other_patients_are_not_compared(tmp_path):
    frame = stored_folds(tmp_path)
    file = frame["file"][0]
    _, arrays = folds.read_fold(file)
    arrays["test"] = arrays["test"][::-1]
    Store(file.parent).save(file.stem, scores=np.array("{}"), **arrays)
    with pytest.raises(ValueError, match="have other test patients"):
        leads.leads(frame, "b")


def test_a_fold_keeps_whose_ecgs_it_tested(tmp_path):
    ids = np.array([f"p{k // 2}" for k in range(60)])
    drawn = tiny_cohort(1).draw(0)
    draw = Draw(ECGRecords(drawn.X.signals, 100, patient_ids=ids), drawn.y)
    task, test = folds.Task(0, "2-fold", 2, 42, 0, "age-sex"), np.arange(20, 50)
    curves = np.array([StepFunction(np.array([0.0, 900.0]), np.ones(2))] * 30)
    prediction = Prediction(np.arange(30.0), curves, 1.0, 2)
    folds.keep(task, Store(tmp_path), prediction, draw, np.arange(20), test)
    _, kept = folds.read_fold(Store(tmp_path).path(task.step))
    assert kept["patient"].tolist() == [k // 2 for k in range(30)]


def test_markdown_keeps_every_row():
    table = pd.DataFrame({"method": ["a", "b"], "C": [0.51234, np.nan], "n": [3, 4]})
    lines = tables.markdown(table).splitlines()
    assert lines[2:] == ["| a | 0.512 | 3 |", "| b | - | 4 |"]


class Seen:
    """Says of a sample whether it was in the training set."""

    def get_params(self, deep=True):
        return {}

    def fit(self, X, y):
        self.rows_ = X
        return self

    def predict(self, X):
        return np.isin(X, self.rows_).astype(float)


def test_the_stack_learns_from_risks_of_unseen_patients():
    y = np.array([(k % 3 == 0, 1.0 + k) for k in range(60)], "?,f8")
    y.dtype.names = ("event", "time")
    train, test = np.arange(40), np.arange(40, 60)
    draw = Draw(SimpleNamespace(patient_ids=None), y)
    inside, tested = stacks._risks(Seen(), np.arange(60), draw, train, test)
    # Nobody had been seen, and the mean of those seen, 1, is taken away.
    assert (inside == -1).all()
    assert (tested == -1).all()


def test_the_residual_network_is_as_large_and_has_the_same_recipe():
    draw = tiny_cohort().draw(0)
    job = Job(SCALE, 60, 0)
    compact, model = (
        METHODS[name].build(job).fit(draw.X, draw.y) for name in ("compact", "residual")
    )
    assert 0.8 < run.n_parameters(model) / run.n_parameters(compact) < 1.25
    assert isinstance(model.network_.encoder, networks.ResidualEncoder)
    assert np.isfinite(model.predict(draw.X)).all()


def test_a_frozen_encoder_stays_as_it_was_pretrained(tmp_path):
    cohort = tiny_cohort()
    X, reports = cohort.pretraining_set()
    path = tmp_path / "encoder.safetensors"
    networks.pretrain(X, reports, "alignment", "compact", SCALE, path)
    draw, job = cohort.draw(0), Job(SCALE, 60, 0, encoder=str(path))
    model = METHODS["frozen-alignment"].build(job).fit(draw.X, draw.y)
    other = METHODS["frozen-alignment"].build(job).fit(draw.X[:50], draw.y[:50])
    features = (model[0].transform(draw.X), other[0].transform(draw.X))
    np.testing.assert_array_equal(*features)


def test_own_reports_pretrain_on_training_patients_alone(tmp_path, monkeypatch):
    class OwnReports(SimulatedCohort):
        has_reports = True

        def pretraining_set(self):
            return np.arange(self.n_samples), list(range(self.n_samples))

    cohort = OwnReports(**dataclasses.asdict(tiny_cohort()))
    task = folds.Task(0, "2-fold", 2, 42, 1, "compact-alignment")
    used = []
    monkeypatch.setattr(run, "pretrain", lambda X, reports, *_: used.append(X))
    study = run.Study(cohort, SCALE, Store(tmp_path))
    study.pretrain(task, "compact-alignment")
    train, _ = folds.rows_of(task, cohort.draw(0))
    assert (used[0] == train).all()
    assert "fold1" in study._encoder(task, "compact-alignment")


def test_a_resumed_search_does_not_begin_anew(tmp_path):
    optuna = pytest.importorskip("optuna")
    draw, storage = tiny_cohort().draw(0), str(tmp_path / "journal")
    X = draw.X.covariates.to_numpy(float)
    job = Job(SCALE, 60, 0, storage=storage, study_name="search")
    for _ in range(2):
        search = METHODS["measurements-tuned"].build(job).fit(X, draw.y)
        assert len(search.study_.trials) == SCALE.n_trials
    assert np.isfinite(search.predict(X)).all()
    study = optuna.load_study(study_name="search", storage=tuning.storage_of(storage))
    assert study.best_value == search.study_.best_value


def test_a_pruned_trial_ends_the_training():
    optuna = pytest.importorskip("optuna")

    class Hopeless:
        steps = ()

        def report(self, value, step):
            self.steps += (step,)

        def should_prune(self):
            return len(self.steps) == 2

    draw, trial = tiny_cohort().draw(0), Hopeless()
    model = DualAttentionSurvival(
        n_members=1,
        max_epochs=9,
        batch_size=16,
        callbacks=[tuning.ReportEpochs(trial, first_step=7)],
        random_state=0,
    )
    with pytest.raises(optuna.TrialPruned):
        model.fit(draw.X, draw.y)
    assert trial.steps == (7, 8)


def test_an_unknown_folder_is_named(tmp_path):
    with pytest.raises(SystemExit, match="neither mi-like nor hyp-like"):
        kind_of(tmp_path)


def command(*arguments):
    main = runpy.run_module("study.__main__", run_name="command")["main"]
    return main([str(argument) for argument in arguments])


def test_the_command_runs_and_refuses_another_study_in_its_folder(tmp_path, capsys):
    shared = ["--data", "mi-like", "--out", tmp_path, "--methods", "age-sex"]
    assert command(*shared, "--draws", 1, "--n-samples", 120) == 0
    assert capsys.readouterr().out.strip().endswith("report.md")
    where = tmp_path / "tables" / "2-fold"
    assert not (where / "leads.csv").exists()
    more = ["paper15", "--against", "age-sex", "--draws", 1, "--n-samples", 120]
    assert command(*shared, *more) == 0
    table = pd.read_csv(where / "leads.csv").set_index("method")
    both = pd.read_csv(where / "accuracy.csv").set_index("method")["C-index"]
    assert [*table.index] == ["paper15"]
    expected = both["paper15"] - both["age-sex"]
    assert table["difference of C"].item() == pytest.approx(expected)
    assert "SIMULATED" in (where / "leads.md").read_text("utf-8").split("|")[0]
    with pytest.raises(SystemExit, match="n_samples was 120 and is 121"):
        command(*shared, "--draws", 1, "--n-samples", 121)


def test_a_foundation_model_runs_beside_its_random_twin(tmp_path, monkeypatch, capsys):
    card = {**encoders.foundation_card("clef-small"), "n_times": 1500}
    models = _cards._known()["models"]
    monkeypatch.setitem(models, "clef-small", card)
    path = tmp_path / "clef.safetensors"
    state = new_network(card, seed=7).state_dict()
    save_file(state, path)
    option = f"foundation:clef-small={path}"
    shared = ["--data", "mi-like", "--out", tmp_path / "out", "--draws", 1]
    shared += ["--n-samples", 120, "--methods", option]
    with pytest.warns(UserWarning, match="Cite Shu"):
        assert command(*shared, "age-sex") == 0
    table = pd.read_csv(tmp_path / "out" / "tables" / "2-fold" / "accuracy.csv")
    names = {"age-sex", "foundation-clef-small", "foundation-clef-small-random"}
    assert set(table["method"]) == names
    values = table.set_index("method")["C-index"]
    assert values["foundation-clef-small"] != values["foundation-clef-small-random"]
    scores = pd.read_csv(tmp_path / "out" / "tables" / "2-fold" / "scores.csv")
    assert scores[["Uno's C", "calibration slope at 3 y (median)"]].notna().all(None)
    state["first_conv.bias"] += 1
    save_file(state, path)
    with pytest.raises(SystemExit, match="features of another file of clef-small"):
        command(*shared)
    with pytest.raises(SystemExit):
        command(*shared[:-1], "foundation:unheard-of=x")
    assert "there is no method 'foundation:unheard-of=x'" in capsys.readouterr().err


def test_a_part_of_the_repeats_can_be_run(tmp_path):
    part = ["--scale", "full", "--protocols", "2-fold", "--draws", 1]
    shared = ["--data", "mi-like", "--out", tmp_path, "--n-samples", 400]
    assert command(*shared, *part, "--methods", "age-sex", "--repeats", 1) == 0
    assert len(list((tmp_path / "folds").iterdir())) == 2


@pytest.mark.realdata
def test_real_signals_get_a_simulated_follow_up(ecgdan_data, tmp_path):
    class Options:
        n_samples = 100
        outcomes = pretrain_on = None

    cohort = stored_cohort(ecgdan_data / "ptbxl", tmp_path, Options, SCALE)
    assert "SIMULATED follow-up" in cohort.kind
    first, second = cohort.draw(0), cohort.draw(1)
    assert first.X.shape == (100, 12, 1000)
    assert first.y["event"].sum() == second.y["event"].sum() == 10
    assert (first.y["time"] != second.y["time"]).any()
    assert cohort.has_reports
    assert len(cohort.pretraining_set()[1]) == 100
