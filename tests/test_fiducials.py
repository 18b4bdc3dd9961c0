"""Waves of every beat in each lead: ours, and those that readers have marked."""

import numpy as np
import pandas as pd
import pytest

from ecgdan_sk.datasets import ECGFileError, make_ecg_cohort, read_ecg, read_wave_marks
from ecgdan_sk.measurements import delineate
from ecgdan_sk.records import LEADS, ECGRecords

MARKS = ["onset_ms", "peak_ms", "offset_ms"]


@pytest.fixture(scope="module")
def cohort():
    return make_ecg_cohort(40, sampling_rate=500, random_state=3)


@pytest.fixture(scope="module")
def waves(cohort):
    return delineate(cohort.X, 500)


def durations(waves, wave, lead="global"):
    own = waves[(waves["wave"] == wave) & (waves["lead"] == lead) & waves["dominant"]]
    return (own["offset_ms"] - own["onset_ms"]).groupby(own["ecg"]).median()


def test_a_table_has_a_row_for_each_wave_of_each_beat_in_each_lead(cohort, waves):
    named = ["ecg", "beat", "dominant", "lead", "wave"]
    assert list(waves) == [*named, *MARKS]
    assert not waves.duplicated(["ecg", "beat", "lead", "wave"]).any()
    assert set(waves["lead"]) == {*LEADS, "global"}
    assert waves["ecg"].nunique() == len(cohort.X)
    in_leads = waves[(waves["lead"] != "global") & (waves["wave"] != "T")]
    assert (np.diff(in_leads[MARKS], axis=1) >= 0).all()
    assert waves["offset_ms"].between(0, 10_000).all()


@pytest.mark.parametrize(
    ("wave", "name", "limit"),
    [("QRS", "qrs_duration_ms", 14), ("P", "p_duration_ms", 20)],
)
def test_global_waves_last_as_long_as_simulated(cohort, waves, wave, name, limit):
    found = durations(waves, wave)
    truth = cohort.parameters[name].to_numpy()[found.index]
    known = np.isfinite(truth)
    assert known.mean() > 0.8
    assert np.abs(found[known] - truth[known]).mean() <= limit


@pytest.mark.parametrize("wave", ["P", "QRS"])
@pytest.mark.parametrize("limit", ["onset_ms", "offset_ms"])
def test_a_global_limit_is_the_median_of_the_leads(waves, wave, limit):
    own = waves[waves["wave"] == wave]
    key = ["ecg", "beat"]
    of_leads = own[own["lead"] != "global"].groupby(key)[limit]
    expected = of_leads.median()[of_leads.size() >= 4]
    found = own[own["lead"] == "global"].set_index(key)[limit]
    # The ends of the recording cut some waves in a few leads only.
    found = found[found.between(500, 9500)]
    both = found.index.intersection(expected.index)
    assert len(both) > 250
    np.testing.assert_allclose(found[both], expected[both])


def test_a_wave_that_most_leads_show_is_found_in_nearly_every_lead(waves):
    own = waves[(waves["wave"] != "QRS") & waves["dominant"]]
    inside = own["peak_ms"].isna() | own["peak_ms"].between(1000, 9000)
    n_leads = own[inside & (own["lead"] != "global")].groupby(["ecg", "beat", "wave"])
    assert n_leads.size().mean() > 11.5


def test_no_p_in_fibrillation_nor_in_ectopic_beats(cohort, waves):
    fibrillating = np.flatnonzero(cohort.conditions["atrial_fibrillation"])
    assert len(fibrillating)
    with_p = waves[waves["wave"] == "P"]
    assert not with_p["ecg"].isin(fibrillating).any()
    assert with_p["dominant"].all()
    assert (~waves["dominant"]).any()


def test_an_absent_lead_has_no_rows_and_nothing_gives_an_empty_table(cohort, waves):
    X = cohort.X[:1].copy()
    X[:, LEADS.index("V2")] = np.nan
    found = delineate(ECGRecords(X, 500))
    assert set(found["lead"]) == {*LEADS, "global"} - {"V2"}
    silent = delineate(np.zeros_like(X), 500)
    assert len(silent) == 0
    assert list(silent) == list(waves)


def test_every_ecg_is_delineated_alone(cohort, waves):
    alone = delineate(cohort.X[5:6], 500).assign(ecg=5)
    expected = waves[waves["ecg"] == 5].reset_index(drop=True)
    pd.testing.assert_frame_equal(alone, expected)


@pytest.fixture
def annotated(tmp_path):
    """A record of two leads at 250 Hz, lead I of which has two beats marked."""
    wfdb = pytest.importorskip("wfdb")
    signals = np.random.default_rng(0).normal(size=(1000, 2))
    wfdb.wrsamp(
        "7",
        fs=250,
        units=["mV"] * 2,
        sig_name=["i", "ii"],
        p_signal=signals,
        fmt=["16"] * 2,
        write_dir=str(tmp_path),
    )
    beat = np.array([-50, -40, -30, -10, 0, 10, 60, 80, 100])
    wfdb.wrann(
        "7",
        "i",
        np.concatenate([beat + 200, beat + 500]),
        symbol=["(", "p", ")", "(", "N", ")", "(", "t", ")"] * 2,
        write_dir=str(tmp_path),
    )
    return tmp_path / "7.hea"


def test_marks_of_readers_come_in_the_same_terms(annotated):
    marks = read_wave_marks(annotated)
    assert list(marks) == ["beat", "lead", "wave", *MARKS]
    assert marks["beat"].tolist() == [0, 0, 0, 1, 1, 1]
    assert marks["wave"].tolist() == ["P", "QRS", "T"] * 2
    assert marks.loc[1, MARKS].tolist() == [760, 800, 840]
    assert set(marks["lead"]) == {"I"}
    pd.testing.assert_frame_equal(read_wave_marks(annotated.with_suffix("")), marks)


def test_missing_and_damaged_annotations_are_named(annotated):
    with pytest.raises(FileNotFoundError, match="no .*8.hea"):
        read_wave_marks(annotated.with_name("8.hea"))
    marks = annotated.with_suffix(".i")
    marks.write_bytes(b"\x01")
    with pytest.raises(ECGFileError, match="7.i cannot be read"):
        read_wave_marks(annotated)
    marks.unlink()
    with pytest.raises(FileNotFoundError, match=r"No lead .* 7\.i or 7\.v6"):
        read_wave_marks(annotated)


@pytest.mark.realdata
@pytest.mark.filterwarnings("ignore:Limb leads:UserWarning")
def test_limits_agree_with_cardiologists(ecgdan_data):
    """LUDB 51 to 60, which nothing was chosen on: errors of the medians over leads."""
    away = []
    for number in range(51, 61):
        path = ecgdan_data / "ludb" / "data" / f"{number}.hea"
        true, found = read_wave_marks(path), delineate(read_ecg(path))
        at = [
            own[own["wave"] == "QRS"].groupby("beat")["peak_ms"].median()
            for own in (true, found)
        ]
        nearest = np.abs(at[0].to_numpy()[:, None] - at[1].to_numpy()).argmin(axis=1)
        to_found = dict(zip(at[0].index, at[1].index[nearest]))
        true = true[true["beat"] >= 0].replace({"beat": to_found})
        median = [
            own[own["lead"] != "global"].groupby(["beat", "wave"])[MARKS].median()
            for own in (true, found)
        ]
        away.append((median[1] - median[0]).groupby("wave").median())
    away = pd.concat(away)
    for wave, mark, limit in [
        ("P", "onset_ms", 12),
        ("P", "offset_ms", 25),
        ("QRS", "onset_ms", 12),
        ("QRS", "offset_ms", 12),
        ("T", "offset_ms", 30),
    ]:
        assert away.loc[wave, mark].abs().median() <= limit, (wave, mark)


def test_waves_are_drawn_behind_the_traces(cohort, waves):
    pyplot = pytest.importorskip("matplotlib.pyplot")
    from ecgdan_sk.plotting import ECGDisplay

    bands = []
    for own in (None, waves):
        display = ECGDisplay.from_signals(
            cohort.X[:2], sampling_rate=500, layout="12x1", waves=own
        )
        bands.append([len(ax.collections) for ax in display.axes_])
    pyplot.close("all")
    for i in range(2):
        in_leads = waves[(waves["ecg"] == i) & (waves["lead"] != "global")]
        assert bands[1][i] - bands[0][i] == len(in_leads)
    with pytest.raises(ValueError, match="lacks the columns onset_ms"):
        ECGDisplay.from_signals(
            cohort.X[:1], sampling_rate=500, waves=waves.drop(columns="onset_ms")
        )
