"""How objectives of pretraining are compared: wins, samples of patients, control."""

import sys
from pathlib import Path

import numpy as np
import pytest
from sklearn.metrics import roc_auc_score

sys.path.insert(0, str(Path(__file__).parents[1] / "benchmarks"))

import bench_objectives as bench  # noqa: E402

from ecgdan_sk.reports import TfidfEncoder, load_statements  # noqa: E402
from ecgdan_sk.reports._statements import statement_texts  # noqa: E402


@pytest.fixture
def scored():
    """Labels of five classes, and three sets of scores, some of them tied."""
    rng = np.random.default_rng(0)
    classes = (rng.random((60, 5)) < 0.4).astype(int)
    return classes, np.round(classes + rng.normal(size=(3, 60, 5)), 1)


def test_the_mean_over_scores_is_that_of_scikit_learn(scored):
    classes, scores = scored
    found = bench.aurocs(classes, scores, np.ones((1, 60)))
    expected = np.mean([roc_auc_score(classes, own, average="macro") for own in scores])
    assert found == pytest.approx([expected])


def test_a_sample_of_patients_has_all_ecgs_of_each(scored):
    classes, scores = scored
    patients = np.arange(60) // 2
    times = bench.resampled(patients)[:3]
    assert (times[0] == 1).all()
    assert (times[:, ::2] == times[:, 1::2]).all()
    assert times.sum(axis=1).tolist() == [60] * 3
    rows = np.repeat(np.arange(60), times[1])
    expected = roc_auc_score(classes[rows], scores[0][rows], average="macro")
    found = bench.aurocs(classes, scores[:1], times)[1]
    assert found == pytest.approx(expected)


def test_shuffled_statements_keep_their_vectors_but_not_their_own():
    texts = statement_texts(load_statements())
    encoder = TfidfEncoder().fit(texts)
    own, other = encoder.encode(texts), bench.Shuffled(encoder, 0).encode(texts)
    assert (own != other).any(axis=1).mean() > 0.9
    np.testing.assert_array_equal(
        *(table[np.lexsort(table.T)] for table in (own, other))
    )
    words = ["sinus rhythm of somebody"]
    np.testing.assert_array_equal(
        bench.Shuffled(encoder, 0).encode(words), encoder.encode(words)
    )
