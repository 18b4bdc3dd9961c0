"""What the pretrainer learns of reports, and what it says to bad input."""

import numpy as np
import pytest
import torch
from sklearn.base import clone
from sklearn.frozen import FrozenEstimator
from sklearn.pipeline import make_pipeline
from skorch.callbacks import Callback
from sksurv.linear_model import CoxPHSurvivalAnalysis

from ecgdan_sk import DualAttentionSurvival, ECGReportPretrainer
from ecgdan_sk._training import seeded
from ecgdan_sk.datasets import make_ecg_cohort
from ecgdan_sk.losses import (
    cosine_loss,
    infonce_loss,
    reconstruction_loss,
    sigmoid_loss,
)
from ecgdan_sk.metrics import retrieval_recall
from ecgdan_sk.plotting import TrainingCurveDisplay
from ecgdan_sk.pretraining import _fitting
from ecgdan_sk.pretraining._network import ReportLoss
from ecgdan_sk.records import LEADS, ECGRecords

QUICK = {"max_epochs": 2, "batch_size": 32, "random_state": 0}
LEARN = {
    "max_epochs": 30,
    "batch_size": 32,
    "lr": 0.01,
    "crop": 1.0,
    "lead_masking": 0.0,
    "random_state": 0,
    # Words that are no statements.
    "reports_as": "text",
}
KINDS = ["quiet", "strong", "slow", "fast"]
TEXTS = ["small waves", "large waves", "rare beats at rest", "many beats in a rush"]


def _waves(n_samples, seed):
    """ECGs of four kinds that differ in amplitude or frequency, and their kinds."""
    rng = np.random.default_rng(seed)
    kind = rng.integers(0, 4, n_samples)
    amplitude = np.choose(kind, [0.1, 0.9, 0.4, 0.4])
    frequency = np.choose(kind, [0.5, 0.5, 0.15, 1.2])
    phase = rng.uniform(0, 2 * np.pi, n_samples)
    time = np.arange(128)
    wave = np.sin(frequency[:, None] * time + phase[:, None])
    lead = np.linspace(0.5, 1.0, 12)
    X = (amplitude[:, None] * wave)[:, None] * lead[None, :, None]
    return (X + 0.05 * rng.standard_normal(X.shape)).astype(np.float32), kind


def _texts(kind):
    return [TEXTS[k] for k in kind]


@pytest.fixture(scope="module")
def cohort():
    return make_ecg_cohort(
        80, sampling_rate=100, duration=2.5, event_rate=0.4, random_state=0
    )


@pytest.fixture(scope="module")
def fitted(cohort):
    return ECGReportPretrainer(**QUICK).fit(cohort.X, cohort.scp_codes)


@pytest.mark.parametrize("alignment", ["sigmoid", "infonce", "cosine"])
def test_every_alignment_tells_kinds_apart(alignment):
    X, kind = _waves(160, 0)
    X_new, new = _waves(80, 1)
    model = ECGReportPretrainer(alignment=alignment, **LEARN).fit(X, _texts(kind))
    told = model.predict(X_new)
    assert (told == np.array(_texts(new), dtype=object)).mean() > 0.8
    assert model.score(X_new, _texts(new)) > 0.85
    probabilities = model.zero_shot(X_new, TEXTS)
    assert (probabilities.argmax(1) == new).mean() > 0.8
    one_is_true = model.zero_shot(X_new, TEXTS, exclusive=True)
    np.testing.assert_allclose(one_is_true.sum(1), 1, rtol=1e-5)
    assert (one_is_true.argmax(1) == new).mean() > 0.8
    if alignment == "sigmoid":
        # How likely a prompt is does not depend on what else is asked.
        alone = model.zero_shot(X_new, TEXTS[:1])
        np.testing.assert_allclose(alone[:, 0], probabilities[:, 0], rtol=1e-5)
    else:
        np.testing.assert_array_equal(probabilities, one_is_true)


class Spread(Callback):
    """Mean pairwise cosine of the validation ECGs after each epoch."""

    def on_epoch_end(self, net, dataset_valid=None, **kwargs):
        with torch.no_grad():
            batches = net.get_iterator(dataset_valid)
            places = torch.cat([net.module_.eval()(x) for x, _ in batches])
        others = ~torch.eye(len(places), dtype=torch.bool)
        net.history.record("cosine", float((places @ places.T)[others].mean()))


def test_shuffled_pairs_leave_contrast_at_chance_and_collapse_cosine():
    X, _ = _waves(160, 0)
    X_new, _ = _waves(80, 1)
    # Each ECG has words of its own, so that a report tells one ECG from all others.
    rng = np.random.default_rng(0)
    reports = rng.standard_normal((160, 32)).astype(np.float32)
    unseen = rng.standard_normal((80, 32)).astype(np.float32)
    last, recalls = {}, {}
    for alignment in ("sigmoid", "infonce", "cosine"):
        model = ECGReportPretrainer(
            alignment=alignment,
            patience=99,
            callbacks=[Spread()],
            **{**LEARN, "batch_size": 16, "max_epochs": 40},
        ).fit(X, reports)
        pair = model._places(X_new), model._text_places(unseen)
        recalls[alignment] = retrieval_recall(np.arange(80), pair, k=8)
        last[alignment] = model.history_[-1, ("train_loss", "cosine")]
    loss, cosine = last["cosine"]
    assert loss < 0.01
    assert cosine > 0.95
    for alignment in ("sigmoid", "infonce"):
        assert last[alignment][1] < 0.5
        # A tenth by chance; 80 draws have a standard deviation of 0.034.
        assert abs(recalls[alignment] - 0.1) < 0.11


def test_statements_and_their_likelihoods_teach(cohort):
    X, kind = _waves(160, 0)
    codes = np.array([{"NORM": 100}, {"IMI": 80}, {"SBRAD": 0}, {"STACH": 0}])
    model = ECGReportPretrainer(classification_weight=1.0, **LEARN)
    model.fit(X, list(codes[kind]))
    X_new, new = _waves(80, 1)
    shown = model.zero_shot(X_new, ["NORM", "IMI", "SBRAD", "STACH"])
    assert (shown.argmax(1) == new).mean() > 0.9
    # Each is true of a quarter, and is said to be as common.
    prevalence = np.eye(4)[new].mean(0) * [1.0, 0.8, 1.0, 1.0]
    np.testing.assert_allclose(shown.mean(0), prevalence, atol=0.1)
    assert model.network_.head.to_statements.out_features == 4
    # A superclass, free text and codes with likelihoods are prompts as well.
    mixed = model.zero_shot(X_new, ["MI", "normal ECG", {"SBRAD": 0}])
    assert mixed.shape == (80, 3)


def test_reconstruction_alone_is_validated_by_itself(cohort):
    model = ECGReportPretrainer(
        alignment_weight=0.0, reconstruction_weight=1.0, **{**QUICK, "max_epochs": 12}
    ).fit(cohort.X, cohort.scp_codes)
    losses = model.history_[:, "valid_loss"]
    assert losses[-1] < 0.9 * losses[0]
    assert losses[0] > 0


def test_reconstruction_restores_a_masked_lead_from_the_others(cohort):
    model = ECGReportPretrainer(
        alignment_weight=0.0,
        reconstruction_weight=1.0,
        validation_fraction=None,
        **{**LEARN, "max_epochs": 60, "lead_masking": 0.3},
    ).fit(cohort.X, cohort.scp_codes)
    x = torch.as_tensor(np.asarray(cohort.X))
    is_two = torch.zeros(len(x), 12, dtype=torch.bool)
    is_two[:, 1] = True  # lead II is the sum of I and III
    with torch.no_grad():
        _, restored = model.network_.with_reconstruction(x, ~is_two)
        clean = model.network_.encoder.scaled(x)
    error = reconstruction_loss(restored, clean, is_two)
    nothing = reconstruction_loss(torch.zeros_like(clean), clean, is_two)
    assert error < 0.5 * nothing


def test_without_validation_all_ecgs_train_to_the_last_epoch(cohort, monkeypatch):
    seen = []

    def train_net(module, criterion, training, validation, **settings):
        seen.append((len(training), validation))
        return real(module, criterion, training, validation, **settings)

    real = _fitting.train_net
    monkeypatch.setattr(_fitting, "train_net", train_net)
    model = ECGReportPretrainer(validation_fraction=None, patience=1, **QUICK)
    model.fit(cohort.X, cohort.scp_codes)
    assert seen == [(80, None)]
    assert len(model.history_) == 2
    assert "valid_loss" not in model.history_[-1]
    with pytest.raises(ValueError, match="without validation ECGs"):
        TrainingCurveDisplay.from_estimator(model)


def test_few_ecgs_make_small_batches(cohort):
    """60 training ECGs make four batches of 15, as less than 16 are not asked for."""
    model = ECGReportPretrainer(
        max_epochs=1, validation_fraction=0.25, random_state=0
    ).fit(cohort.X, cohort.scp_codes)
    assert [len(epoch["batches"]) for epoch in model.net_.history] == [4]


@pytest.mark.parametrize(("validation_fraction", "needed"), [(0.2, 4), (None, 2)])
def test_too_few_patients_are_told(cohort, validation_fraction, needed):
    model = ECGReportPretrainer(validation_fraction=validation_fraction, **QUICK)
    ids = np.arange(80) % (needed - 1)
    with pytest.raises(ValueError, match=f"Expected {needed} patients or more"):
        model.fit(cohort.X, cohort.scp_codes, groups=ids)


def test_latent_features_are_those_of_the_encoder(cohort, fitted):
    latent = fitted.transform(cohort.X)
    assert latent.shape == (80, 64)
    assert len(fitted.get_feature_names_out()) == 64
    with torch.no_grad():
        direct = fitted.network_.encoder(torch.as_tensor(np.asarray(cohort.X)))
    np.testing.assert_allclose(latent, direct.numpy(), atol=1e-5)


@pytest.mark.parametrize("architecture", ["compact", "paper"])
def test_weights_go_on_to_the_risk_model(cohort, tmp_path, architecture):
    pretrainer = ECGReportPretrainer(
        architecture=architecture, reconstruction_weight=0.5, **QUICK
    ).fit(cohort.X, cohort.scp_codes)
    path = tmp_path / "encoder.safetensors"
    assert pretrainer.save_encoder(path) is pretrainer
    for weights in (pretrainer.encoder_weights_, path):
        model = DualAttentionSurvival(
            architecture=architecture,
            pretrained=weights,
            freeze_encoder=True,
            n_members=1,
            **QUICK,
        ).fit(cohort.X, cohort.y)
        np.testing.assert_allclose(
            model.transform(cohort.X), pretrainer.transform(cohort.X), atol=1e-5
        )


def test_another_length_fits_the_compact_network_alone(cohort, fitted):
    longer = np.tile(cohort.X, (1, 1, 2))
    tuned = DualAttentionSurvival(
        pretrained=fitted.encoder_weights_, n_members=1, **QUICK
    )
    assert np.isfinite(tuned.fit(longer, cohort.y).predict(longer)).all()
    paper = ECGReportPretrainer(architecture="paper", **QUICK)
    weights = paper.fit(cohort.X, cohort.scp_codes).encoder_weights_
    tuned.set_params(architecture="paper", pretrained=weights)
    with pytest.raises(ValueError, match="fits no other length"):
        tuned.fit(longer, cohort.y)


def test_a_frozen_pretrainer_is_a_linear_probe(cohort, fitted):
    probe = make_pipeline(FrozenEstimator(fitted), CoxPHSurvivalAnalysis(alpha=10))
    assert 0.3 < probe.fit(cohort.X, cohort.y).score(cohort.X, cohort.y) <= 1


def test_a_seed_decides_and_the_callers_generator_stays(cohort, fitted):
    before = torch.random.get_rng_state()
    again = clone(fitted).fit(cohort.X, cohort.scp_codes)
    assert torch.equal(before, torch.random.get_rng_state())
    np.testing.assert_array_equal(again.transform(cohort.X), fitted.transform(cohort.X))
    other = clone(fitted).set_params(random_state=1).fit(cohort.X, cohort.scp_codes)
    assert not np.allclose(other.transform(cohort.X), fitted.transform(cohort.X))


def test_a_killed_pretraining_goes_on(cohort, tmp_path):
    class Killed(Exception):
        pass

    class Kill(Callback):
        def on_epoch_end(self, net, **kwargs):
            if len(net.history) == 3:
                raise Killed

    params = {**QUICK, "max_epochs": 5}
    unbroken = ECGReportPretrainer(**params).fit(cohort.X, cohort.scp_codes)
    broken = ECGReportPretrainer(checkpoint_dir=tmp_path, **params)
    with pytest.raises(Killed):
        clone(broken).set_params(callbacks=[Kill()]).fit(cohort.X, cohort.scp_codes)
    resumed = broken.fit(cohort.X, cohort.scp_codes)
    np.testing.assert_array_equal(
        resumed.transform(cohort.X), unbroken.transform(cohort.X)
    )
    assert resumed.score(cohort.X, cohort.scp_codes) == unbroken.score(
        cohort.X, cohort.scp_codes
    )


def test_other_reports_settings_or_seeds_never_get_the_first_network(cohort, tmp_path):
    first = ECGReportPretrainer(checkpoint_dir=tmp_path, **{**QUICK, "max_epochs": 1})
    first.fit(cohort.X, cohort.scp_codes)
    again = clone(first).set_params(verbose=0, device="cpu")
    again.fit(cohort.X, cohort.scp_codes)
    assert len(list(tmp_path.iterdir())) == 1
    others = [
        ({"lr": 1e-4}, cohort.X, cohort.scp_codes),
        ({"random_state": 7}, cohort.X, cohort.scp_codes),
        ({}, cohort.X * 1.01, cohort.scp_codes),
        ({}, cohort.X, cohort.scp_codes[::-1]),
        ({}, cohort.X[20:], cohort.scp_codes[20:]),  # a later fold
    ]
    for n_before, (params, X, codes) in enumerate(others, start=1):
        fold = clone(first).set_params(**params).fit(X, codes)
        assert len(list(tmp_path.iterdir())) == n_before + 1
        plain = clone(fold).set_params(checkpoint_dir=None).fit(X, codes)
        np.testing.assert_array_equal(fold.transform(X), plain.transform(X))
    with pytest.raises(ValueError, match="random_state as an int"):
        clone(first).set_params(random_state=None).fit(cohort.X, cohort.scp_codes)


def test_patients_stay_on_one_side_of_the_split(cohort, monkeypatch):
    from ecgdan_sk.pretraining import _fitting

    patients = np.repeat(np.arange(20), 4)
    with seeded(0):
        training, validation = _fitting._split(patients, 0.25)
    assert not set(patients[training]) & set(patients[validation])
    assert len(validation) == 20


def test_ecgs_of_one_patient_are_no_negatives():
    logits = torch.tensor([[5.0, 5.0, -5.0], [5.0, 5.0, -5.0], [-5.0, -5.0, 5.0]])
    own = torch.eye(3)
    everyone, others = torch.ones(3, 3).bool(), torch.eye(3).bool()
    others[:2, 2] = others[2, :2] = True
    for loss in (infonce_loss, sigmoid_loss):
        assert loss(logits, own, everyone) > 0.3
        assert loss(logits, own, others) < 0.02


def test_patient_ids_of_the_records_are_taken(cohort):
    ids = np.repeat(np.arange(20), 4)
    records = ECGRecords(cohort.X, sampling_rate=100, patient_ids=ids)
    by_records = ECGReportPretrainer(**QUICK).fit(records, cohort.scp_codes)
    by_name = ECGReportPretrainer(**QUICK).fit(
        ECGRecords(cohort.X, sampling_rate=100), cohort.scp_codes, groups=ids
    )
    np.testing.assert_array_equal(
        by_records.transform(records), by_name.transform(records)
    )


def test_equal_reports_attract_each_other():
    agreement = torch.tensor([[1.0, 1.0, 0.0], [1.0, 1.0, 0.0], [0.0, 0.0, 1.0]])
    everyone = torch.ones(3, 3).bool()
    together = 20 * agreement - 10
    apart = 20 * torch.eye(3) - 10
    for loss in (infonce_loss, sigmoid_loss):
        assert loss(together, agreement, everyone) < 0.01
        assert loss(apart, agreement, everyone) > 1


def test_losses_against_their_definitions():
    generator = torch.Generator().manual_seed(0)
    logits = torch.randn(5, 5, generator=generator)
    everyone = torch.ones(5, 5).bool()
    rows, columns = logits.log_softmax(1), logits.log_softmax(0)
    expected = -(rows.diag().mean() + columns.diag().mean()) / 2
    torch.testing.assert_close(infonce_loss(logits, torch.eye(5), everyone), expected)
    p = logits.sigmoid()
    expected = -(torch.eye(5) * p.log() + (1 - torch.eye(5)) * (1 - p).log()).mean()
    torch.testing.assert_close(sigmoid_loss(logits, torch.eye(5), everyone), expected)
    x, y = torch.randn(2, 5, 3, generator=generator)
    expected = (
        1 - torch.stack([a @ b / a.norm() / b.norm() for a, b in zip(x, y)]).mean()
    )
    torch.testing.assert_close(cosine_loss(x, y), expected)


def test_text_places_do_not_depend_on_the_batch():
    with seeded(0):
        texts = torch.randn(6, 8)
        loss = ReportLoss(texts, None, "sigmoid", 1.0, 0.0, False)
    whole = loss.place(texts)
    torch.testing.assert_close(whole[2:4], loss.place(texts[2:4]))
    torch.testing.assert_close(whole.norm(dim=1), torch.ones(6))


def test_a_matrix_of_embeddings_is_enough(cohort):
    rng = np.random.default_rng(0)
    reports = rng.standard_normal((80, 16)).astype(np.float32)
    model = ECGReportPretrainer(**QUICK).fit(cohort.X, reports)
    assert model.reports_ is None
    assert model.predict(cohort.X).max() < 80
    assert model.zero_shot(cohort.X, reports[:3]).shape == (80, 3)
    with pytest.raises(ValueError, match="no encoder for prompts"):
        model.zero_shot(cohort.X, ["sinus rhythm"])


def test_the_text_encoder_is_asked_once(cohort):
    calls = []

    def count_letters(texts):
        calls.append(len(texts))
        return np.array([[t.count(c) + 1 for c in "aeinrst"] for t in texts], float)

    ECGReportPretrainer(text_encoder=count_letters, reports_as="text", **QUICK).fit(
        cohort.X, cohort.reports
    )
    assert len(calls) == 1


@pytest.mark.parametrize(
    ("reports", "params", "error", "message"),
    [
        (lambda c: c.scp_codes[:-1], {}, ValueError, "79"),
        (lambda c: [None] * 80, {}, ValueError, "Cohort 0 has no reports"),
        (lambda c: [{"NROM": 100}] + list(c.scp_codes[1:]), {}, ValueError, "NORM"),
        (lambda c: [{"NORM": 100}] * 80, {}, ValueError, "at least two distinct"),
        (
            lambda c: c.reports,
            {"classification_weight": 1.0, "reports_as": "text"},
            ValueError,
            "SCP codes",
        ),
        (lambda c: c.scp_codes, {"alignment_weight": 0.0}, ValueError, "nothing to"),
        (lambda c: c.scp_codes, {"batch_size": 1}, ValueError, "batch_size"),
    ],
)
def test_bad_reports_are_explained(cohort, reports, params, error, message):
    model = ECGReportPretrainer(**QUICK).set_params(**params)
    with pytest.raises(error, match=message):
        model.fit(cohort.X, reports(cohort))


def test_bad_ecgs_are_explained(cohort, fitted):
    with pytest.raises(ValueError, match="250"):
        fitted.transform(cohort.X[:, :, :100])
    with pytest.raises(ValueError, match="groups"):
        clone(fitted).fit(cohort.X, cohort.scp_codes, groups=[1, 2])
    few = ECGRecords(cohort.X[:, :6], leads=LEADS[:6])
    with pytest.raises(ValueError, match="select_leads"):
        ECGReportPretrainer(architecture="paper", **QUICK).fit(few, cohort.scp_codes)


def test_the_paper_recipe(cohort):
    recipe = ECGReportPretrainer.paper(random_state=0)
    assert (recipe.alignment, recipe.reconstruction_weight) == ("cosine", 1.0)
    assert recipe.zero_likelihood == "drop"
    codes = [c if any(c.values()) else {"NORM": 100} for c in cohort.scp_codes]
    recipe.set_params(max_epochs=1, text_encoder=None).fit(cohort.X, codes)
    n_parameters = sum(p.numel() for p in recipe.network_.encoder.parameters())
    assert n_parameters == 359_864  # of 12 x 256 samples
    assert recipe.transform(cohort.X).shape == (80, 512)


def test_many_validation_ecgs_are_compared_in_fixed_parts(cohort, monkeypatch):
    losses, sizes = {}, []
    real = ReportLoss.forward

    def forward(self, output, target):
        if not torch.is_grad_enabled():
            sizes.append(len(output))
        return real(self, output, target)

    monkeypatch.setattr(ReportLoss, "forward", forward)
    for at_once in (10**6, 4):
        monkeypatch.setattr(_fitting, "_VALIDATED_AT_ONCE", at_once)
        sizes.clear()
        model = ECGReportPretrainer(max_epochs=1, random_state=0)
        model.fit(cohort.X, cohort.scp_codes)
        losses[at_once] = model.history_[0]["valid_loss"]
        assert max(sizes) <= at_once
    # Statements are each compared alone, so that the parts add up to the whole.
    assert losses[4] == pytest.approx(losses[10**6], rel=1e-5)
