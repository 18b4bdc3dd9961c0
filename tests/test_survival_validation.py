"""What decides when training stops: whose ECGs they are, and by which score."""

import numpy as np
import pytest
from skorch.callbacks import Callback
from sksurv.util import Surv

from ecgdan_sk import DualAttentionSurvival
from ecgdan_sk._hazards import ProportionalHazards
from ecgdan_sk._outcomes import Outcome
from ecgdan_sk.metrics import concordance_index
from ecgdan_sk.records import ECGRecords

QUICK = {"max_epochs": 1, "batch_size": 64, "n_members": 2, "random_state": 0}
N_PATIENTS, N_ECGS = 80, 3


def _patients(seed=0):
    """Three like ECGs of each patient, which tell nothing of the outcome."""
    rng = np.random.default_rng(seed)
    owner = np.repeat(np.arange(N_PATIENTS), N_ECGS)
    wave = np.sin(np.arange(1, 13)[:, None] * np.arange(48) / 10)
    own = np.exp(0.5 * rng.normal(size=(N_PATIENTS, 12, 1)))[owner]
    X = 0.5 * own * wave + 0.02 * rng.normal(size=(len(owner), 12, 48))
    y = Surv.from_arrays(np.ones(len(owner), bool), rng.exponential(size=80)[owner])
    return X.astype(np.float32), y, owner


class Parts(Callback):
    """Remembers the rows of each training and of its validation."""

    seen = None

    def on_epoch_begin(self, net, dataset_train=None, dataset_valid=None, **kwargs):
        type(self).seen.append((dataset_train.rows, dataset_valid.rows))


def _parts(X, y, warm=None, **given):
    """The parts of each network of a fit, and the model."""
    Parts.seen = []
    model = warm or DualAttentionSurvival(**QUICK, callbacks=[Parts()])
    model.fit(X, y, **given)
    return Parts.seen, model


@pytest.mark.parametrize("told", ["groups", "patient_ids", None])
def test_no_patient_is_on_both_sides(told):
    X, y, owner = _patients()
    if told == "patient_ids":
        X = ECGRecords(X, patient_ids=owner)
    parts, _ = _parts(X, y, **({"groups": owner} if told == "groups" else {}))
    assert len(parts) == 2
    for train, valid in parts:
        assert sorted([*train, *valid]) == list(range(len(y)))
        shared = set(owner[train]) & set(owner[valid])
        assert bool(shared) == (told is None)
        assert len(valid) == pytest.approx(0.2 * len(y), abs=3)


def test_groups_of_another_length_are_refused():
    X, y, owner = _patients()
    with pytest.raises(ValueError, match=r"groups of shape \(240,\), .* \(5,\)"):
        DualAttentionSurvival(**QUICK).fit(X, y, groups=owner[:5])


def test_patients_on_both_sides_hide_that_nothing_was_learned():
    X, y, owner = _patients()
    settings = QUICK | {"max_epochs": 10, "lr": 0.01, "n_members": 1}
    settings |= {"dropout": 0.0, "crop": 1.0, "lead_masking": 0.0}
    grouped, leaking = (
        DualAttentionSurvival(**settings).fit(X, y, groups=groups)
        for groups in (owner, None)
    )
    assert leaking.predict(X).std() > 10 * grouped.predict(X).std()


def test_every_part_has_its_share_of_each_cause():
    X, _, _ = _patients()
    y = np.empty(len(X), dtype=[("cause", int), ("time", float)])
    y["time"] = np.arange(1.0, len(X) + 1)
    y["cause"] = np.select([np.arange(240) % 60 == 0, np.arange(240) % 4 == 1], [1, 2])
    for seed in range(3):
        Parts.seen = []
        DualAttentionSurvival(
            **QUICK | {"random_state": seed},
            loss="cause-specific",
            callbacks=[Parts()],
        ).fit(X, y)
        for train, valid in Parts.seen:
            assert (y["cause"][train] == 1).sum() == 3
            assert (y["cause"][valid] == 1).sum() == 1


def test_a_warm_start_keeps_who_validates():
    X, y, owner = _patients()
    Parts.seen = []
    model = DualAttentionSurvival(
        **QUICK | {"random_state": None}, warm_start=True, callbacks=[Parts()]
    )
    first, _ = _parts(X, y, model, groups=owner)
    again, _ = _parts(X, y, model, groups=owner)
    for one, other in zip(first, again):
        np.testing.assert_array_equal(one[1], other[1])
    other, _ = _parts(X, y, model.set_params(warm_start=False), groups=owner)
    assert set(other[0][1]) != set(first[0][1])


def test_networks_share_the_validation_part_of_the_baseline():
    X, y, owner = _patients()
    Parts.seen = []
    model = DualAttentionSurvival(**QUICK, baseline="validation", callbacks=[Parts()])
    (one, other), model = _parts(X, y, model, groups=owner)
    np.testing.assert_array_equal(one[1], other[1])
    assert set(model.unique_times_) == set(y["time"][one[1]])


def test_an_undefined_concordance_leaves_the_choice_to_the_loss():
    X, y, _ = _patients()
    # The only event left in a validation part is the last of all to happen.
    y["event"] = np.arange(240) >= 238
    y["time"] = np.arange(1.0, 241)
    model = DualAttentionSurvival(
        recipe="paper", **QUICK | {"batch_size": 240, "n_members": 1}
    )
    with pytest.warns(UserWarning, match="loss chooses the best epoch"):
        model.fit(X, y)
    assert np.isfinite(model.predict(X)).all()


@pytest.mark.parametrize("columns", [{}, {"strata": 0}, {"entry": 0}])
def test_the_concordance_of_an_epoch_compares_those_at_risk_together(columns):
    X, y, _ = _patients()
    values = {"strata": np.arange(240) % 2, "entry": 0.7 * y["time"]}
    given = {name: values[name] for name in columns}
    settings = QUICK | {"n_members": 1, "max_epochs": 1}
    model = DualAttentionSurvival(recipe="paper", **settings, callbacks=[Parts()])
    ((_, valid),), model = _parts(X, y, model, **given)
    part = {name: value[valid] for name, value in given.items()}
    expected = model.score(X[valid], y[valid], **part)
    assert model.history_[0, "valid_concordance"] == pytest.approx(expected, abs=0.02)


def _averaged(*spreads):
    """Log risks of 200 samples by members of one signal, spread by so much."""
    rng = np.random.default_rng(0)
    signal = rng.normal(size=200)
    outcome = Outcome(np.ones(200, int), rng.exponential(np.exp(-signal)))
    outputs = np.stack([spread * signal for spread in spreads])[:, :, None]
    return signal, outputs, ProportionalHazards(outcome, "efron").fit(outputs, outcome)


def test_a_member_that_learned_nothing_says_nothing():
    _, outputs, likelihood = _averaged(1.0, 0.0)
    once = likelihood.log_risk(outputs)
    outputs[1] += 1e-6 * np.arange(200)[:, None]
    np.testing.assert_allclose(likelihood.log_risk(outputs), once, atol=2e-4)
    np.testing.assert_allclose(2 * once, outputs[0, :, 0] - outputs[0].mean())


def test_a_noisy_member_counts_by_what_it_claims():
    signal, outputs, likelihood = _averaged(0.5, 0.5, 0.0)
    rng = np.random.default_rng(1)
    outputs[:2] += 0.5 * rng.normal(size=(2, 200, 1))
    outputs[2] += 0.05 * rng.normal(size=(200, 1))
    y = Surv.from_arrays(np.ones(200, bool), np.exp(-signal))
    scaled = (outputs / outputs.std(1, keepdims=True)).mean(0)[:, 0]
    raw = concordance_index(y, likelihood.log_risk(outputs))
    assert raw > concordance_index(y, scaled) + 0.01
