"""Transformers from ECGs to ECGs: the same kind out, leads apart, absent ones too."""

import pickle

import numpy as np
import pandas as pd
import pytest
from scipy import signal
from sklearn import config_context
from sklearn.base import clone
from sklearn.exceptions import NotFittedError
from sklearn.metrics import roc_auc_score
from sklearn.pipeline import make_pipeline

from ecgdan_sk.datasets import make_ecg_cohort
from ecgdan_sk.preprocessing import (
    BandPass,
    LeadScaler,
    MedianBeat,
    Notch,
    Resample,
    SignalQuality,
    Window,
)
from ecgdan_sk.records import ECGRecords

RATE = 250
TRANSFORMERS = [
    Resample(100, sampling_rate=RATE),
    Resample(500, sampling_rate=RATE),
    BandPass(sampling_rate=RATE),
    Notch(sampling_rate=RATE),
    Notch(50, sampling_rate=RATE),
    Window(600),
    Window(4000, position="random", random_state=0),
    LeadScaler("robust"),
    LeadScaler("zscore"),
    LeadScaler("fixed", scale=0.5),
    LeadScaler("none"),
    MedianBeat(608, sampling_rate=RATE),
    SignalQuality(sampling_rate=RATE),
]


def name_of(transformer):
    return repr(transformer)


@pytest.fixture(scope="module")
def X():
    return make_ecg_cohort(6, sampling_rate=RATE, random_state=1).X


@pytest.fixture
def sine():
    """Function: sine of a frequency (2, 12, 10 s) at 250 Hz."""
    time = np.arange(10 * RATE) / RATE
    return lambda hertz: np.tile(np.sin(2 * np.pi * hertz * time), (2, 12, 1))


@pytest.mark.parametrize("transformer", TRANSFORMERS, ids=name_of)
class TestEveryTransformer:
    def test_array_in_array_out(self, transformer, X):
        out = clone(transformer).fit_transform(X)
        assert isinstance(out, np.ndarray)
        assert out.dtype == np.float32
        assert out.shape[:2] == X.shape[:2]
        assert np.isfinite(out).all()

    def test_records_in_records_out(self, transformer, X):
        age = pd.DataFrame({"age": np.arange(6)})
        records = ECGRecords(X, RATE, covariates=age, patient_ids=np.arange(6))
        out = clone(transformer).fit_transform(records)
        assert isinstance(out, ECGRecords)
        np.testing.assert_array_equal(out.covariates["age"], np.arange(6))
        seconds = X.shape[2] / RATE
        if isinstance(transformer, Resample):
            assert out.shape[2] / out.sampling_rate == seconds
        elif isinstance(transformer, MedianBeat):
            assert out.sampling_rate == 500
        else:
            assert out.sampling_rate == RATE

    def test_input_is_left_alone(self, transformer, X):
        before = X.copy()
        clone(transformer).fit_transform(X)
        np.testing.assert_array_equal(X, before)

    def test_absent_lead_stays_absent_and_harms_no_other(self, transformer, X):
        absent = X.copy()
        absent[1, 4] = np.nan
        out = clone(transformer).fit_transform(absent)
        whole = clone(transformer).fit_transform(X)
        assert np.isnan(out[1, 4]).all()
        others = np.ones((6, 12), bool)
        # The median beat is found on all leads at once, scales are learned of all ECGs.
        others[1, 4] = False
        if isinstance(transformer, MedianBeat):
            others[1] = False
        if isinstance(transformer, LeadScaler):
            others[:, 4] = False
        np.testing.assert_array_equal(out[others], whole[others])
        assert np.isfinite(out[np.arange(6) != 1]).all()

    def test_scikit_learn_contract(self, transformer, X):
        fitted = clone(transformer).fit(X)
        assert fitted.get_params() == transformer.get_params()
        again = pickle.loads(pickle.dumps(fitted)).transform(X)
        np.testing.assert_array_equal(again, fitted.transform(X))
        assert fitted.n_leads_in_ == 12
        with config_context(transform_output="pandas"):
            assert isinstance(fitted.transform(X), np.ndarray)


# Random parts are drawn for the recordings in their order.
ALONE = [t for t in TRANSFORMERS if getattr(t, "position", None) != "random"]


@pytest.mark.parametrize("transformer", ALONE, ids=name_of)
def test_recordings_do_not_mix(transformer, X):
    fitted = clone(transformer).fit(X)
    np.testing.assert_allclose(fitted.transform(X)[2:3], fitted.transform(X[2:3]))


def test_transformers_chain(X):
    chain = make_pipeline(BandPass(), Resample(100), Window(800), LeadScaler())
    out = chain.fit_transform(ECGRecords(X, RATE))
    assert (out.shape, out.sampling_rate) == ((6, 12, 800), 100)


@pytest.mark.parametrize("target", [100, 128, 360, 500, 1000])
def test_resampling_keeps_a_sine(sine, target):
    out = Resample(target, sampling_rate=RATE).fit_transform(sine(3.0))
    time = np.arange(out.shape[2]) / target
    inside = (time > 1) & (time < 9)
    expected = np.sin(2 * np.pi * 3 * time)
    np.testing.assert_allclose(out[0, 0, inside], expected[inside], atol=0.02)


def test_resampling_does_not_step_at_the_ends():
    out = Resample(100, sampling_rate=RATE).fit_transform(np.full((1, 12, 500), 3.0))
    np.testing.assert_allclose(out, 3.0, atol=1e-5)


@pytest.mark.parametrize(("hertz", "gain"), [(0.05, 0), (5.0, 1), (20.0, 1), (90.0, 0)])
def test_band_pass(sine, hertz, gain):
    X = sine(hertz)
    out = BandPass(sampling_rate=RATE).fit_transform(X)
    inside = slice(2 * RATE, 8 * RATE)
    np.testing.assert_allclose(out[..., inside], gain * X[..., inside], atol=0.05)


def test_band_pass_for_st_keeps_a_slow_segment_that_the_narrow_one_tilts():
    time = np.arange(10 * 500) / 500
    step = np.tile(((time % 2) < 0.9) * 0.2, (1, 12, 1))
    inside = (time > 4.05) & (time < 4.85)
    wide = BandPass(0.05, 150, sampling_rate=500).fit_transform(step)[0, 0, inside]
    narrow = BandPass(0.5, 40, sampling_rate=500).fit_transform(step)[0, 0, inside]
    assert np.ptp(wide) < 0.02 < 0.04 < np.ptp(narrow)


@pytest.mark.parametrize(
    ("options", "message"),
    [({"high": 150.0}, "half the sampling rate of 250"), ({"low": 50.0}, "low below")],
)
def test_band_pass_says_what_is_wrong_with_a_band(X, options, message):
    with pytest.raises(ValueError, match=message):
        BandPass(sampling_rate=RATE, **options).fit_transform(X)


@pytest.mark.parametrize("mains", [50, 60])
def test_notch_finds_the_mains_and_leaves_clean_recordings_alone(X, sine, mains):
    hum = X.copy()
    hum[:2] += 0.2 * sine(mains).astype(np.float32)
    out = Notch(sampling_rate=RATE).fit_transform(hum)
    inside = slice(RATE, -RATE)
    assert np.abs((out - X)[:2, :, inside]).max() < 0.05
    clean = BandPass(None, 40, sampling_rate=RATE).fit_transform(X)
    np.testing.assert_array_equal(Notch(sampling_rate=RATE).fit_transform(clean), clean)


@pytest.mark.parametrize(
    ("position", "crop", "pad"),
    [("start", [0, 1, 2], 0), ("centre", [1, 2, 3], 1), ("end", [2, 3, 4], 2)],
)
def test_window_positions(position, crop, pad):
    X = np.tile(np.arange(5, dtype=np.float32), (1, 12, 1))
    assert Window(3, position=position).fit_transform(X)[0, 0].tolist() == crop
    padded = Window(7, position=position).fit_transform(X)[0, 0]
    assert padded[pad : pad + 5].tolist() == [0, 1, 2, 3, 4]
    assert padded.sum() == 10


def test_random_windows_differ_between_recordings_and_repeat_with_a_seed():
    X = np.tile(np.arange(1000, dtype=np.float32), (20, 12, 1))
    window = Window(100, position="random", random_state=0)
    first = window.fit_transform(X)[:, 0, 0]
    assert len(set(first)) > 10
    np.testing.assert_array_equal(window.fit_transform(X)[:, 0, 0], first)


def test_zscore_is_that_of_the_paper(X):
    X = X.copy()
    X[0, 0] = 0.7
    out = LeadScaler("zscore").fit_transform(X)
    np.testing.assert_allclose(out.mean(axis=2), 0, atol=1e-4)
    expected = np.ones((6, 12))
    expected[0, 0] = 0
    np.testing.assert_allclose(out.std(axis=2), expected, atol=1e-3)


def test_robust_scale_is_learned_and_keeps_voltages_comparable(X):
    scaler = LeadScaler().fit(X[:4])
    assert scaler.scale_.shape == scaler.center_.shape == (12,)
    out = scaler.transform(np.concatenate([X[4:5], 2 * X[4:5]]))
    np.testing.assert_allclose(
        np.ptp(out[1], axis=1), 2 * np.ptp(out[0], axis=1), rtol=1e-4
    )
    with pytest.raises(NotFittedError):
        LeadScaler().transform(X)


def test_median_beat_is_the_beat():
    """A beat repeated on the grid of samples comes back as it was."""
    time = np.arange(-225, 375) / 500
    beat = sum(
        height * np.exp(-(((time - centre) / width) ** 2))
        for height, centre, width in [
            (0.1, -0.16, 0.03),
            (1, 0, 0.012),
            (0.3, 0.26, 0.05),
        ]
    )
    gain = np.linspace(0.5, 1.5, 12)[:, None]
    ecg = np.tile(gain * beat[:400], 12)[None]
    out = MedianBeat(sampling_rate=500).fit_transform(ecg)[0]
    shift = np.argmax(out[0, 150:300]) + 150 - 225
    found = out[:, 75 + shift : 375 + shift]
    expected = gain * beat[75:375]
    away = found - expected
    # The filter moves the level of a lead; the form stays.
    assert np.abs(away - away.mean(axis=1, keepdims=True)).max() < 0.03


def test_median_beat_is_padded_with_zeros_on_both_sides(X):
    plain = MedianBeat(sampling_rate=RATE).fit_transform(X)
    padded = MedianBeat(608, sampling_rate=RATE).fit_transform(X)
    np.testing.assert_array_equal(padded[:, :, 4:-4], plain)
    assert not padded[:, :, [0, 1, 2, 3, -4, -3, -2, -1]].any()


def test_median_beat_of_what_has_no_beats(X):
    X = X.copy()
    X[2] = 0
    out = MedianBeat(sampling_rate=RATE).fit_transform(X)
    assert np.isnan(out[2]).all()
    assert np.isfinite(out[[0, 1, 3, 4, 5]]).all()
    with pytest.raises(ValueError, match="No heart beat was found in ECG 2"):
        MedianBeat(on_error="raise", sampling_rate=RATE).fit_transform(X)
    with pytest.warns(UserWarning, match="ECG 2"):
        MedianBeat(on_error="warn", sampling_rate=RATE).fit_transform(X)


def faulty(kind, lead, rng):
    """One lead with a fault, from a good one."""
    n_times = len(lead)
    return {
        "flat": np.zeros(n_times),
        "clipped": np.clip(lead, *np.quantile(lead, [0.1, 0.9])),
        "noisy": rng.normal(0, 0.3, n_times),
        "electrode off": signal.lfilter([0.1], [1, -0.999], rng.normal(0, 1, n_times))
        * 5,
        "absent": np.full(n_times, np.nan),
    }[kind]


@pytest.mark.parametrize(
    "kind", ["flat", "clipped", "noisy", "electrode off", "absent"]
)
def test_quality_names_the_fault_and_masks_the_lead(X, kind):
    X = X.copy()
    X[3, 7] = faulty(kind, X[3, 7], np.random.default_rng(0))
    quality = SignalQuality(sampling_rate=RATE)
    issues = quality.issues(X)
    assert issues[3, 7] == kind
    assert (issues != "").sum() == 1
    masked = np.isnan(quality.fit_transform(X)).all(axis=2)
    assert np.argwhere(masked).tolist() == [[3, 7]]
    assert quality.score_leads(X)[3, 7] < 0.3
    assert quality.score_records(X).argmin() == 3


def test_quality_selects_recordings(X):
    X = X.copy()
    X[[0, 5]] = np.random.default_rng(0).normal(0, 1, (2, *X.shape[1:]))
    chosen = SignalQuality(sampling_rate=RATE).select(ECGRecords(X))
    assert chosen.tolist() == [False, True, True, True, True, False]
    assert len(ECGRecords(X)[chosen]) == 4


@pytest.mark.parametrize("transformer", [Resample(100), BandPass(), MedianBeat()])
def test_unknown_or_conflicting_sampling_rate(transformer, X):
    with pytest.raises(ValueError, match="sampling rate is unknown"):
        clone(transformer).fit_transform(X)
    conflict = clone(transformer).set_params(sampling_rate=400)
    with pytest.raises(ValueError, match="400 Hz.*250 Hz"):
        conflict.fit_transform(ECGRecords(X, RATE))


@pytest.mark.parametrize(
    "transformer",
    [
        Resample(0),
        BandPass(low=-1),
        Notch("hum"),
        Window(0),
        Window(5, position="left"),
        LeadScaler("log"),
        MedianBeat(599),
        SignalQuality(2),
    ],
    ids=name_of,
)
def test_wrong_parameters_are_refused(transformer, X):
    with pytest.raises(ValueError, match="parameter of"):
        transformer.fit(X)


@pytest.mark.realdata
def test_the_score_tells_what_readers_accept(ecgdan_data):
    """CinC 2011: every third recording, which nothing was chosen on."""
    stored = np.load(ecgdan_data / "quality2011" / "x_250hz_int16.npz")
    labels = pd.read_csv(ecgdan_data / "quality2011" / "labels.csv")["quality"][::3]
    known = (labels != "unlabelled").to_numpy()
    X = stored["x"][::3][known] * np.float32(stored["scale_mv"])
    score = SignalQuality(sampling_rate=250).score_records(X)
    assert roc_auc_score(labels[known] == "acceptable", score) >= 0.93
