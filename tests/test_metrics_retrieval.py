"""Retrieval in both directions, and zero-shot classification."""

from math import comb

import numpy as np
import pandas as pd
import pytest
from sklearn.exceptions import UndefinedMetricWarning

from ecgdan_sk.metrics import (
    mean_reciprocal_rank,
    median_rank,
    retrieval_recall,
    zero_shot_auroc,
)

N = 40
METRICS = [retrieval_recall, mean_reciprocal_rank, median_rank]


@pytest.fixture
def rng():
    return np.random.default_rng(0)


def ranks_by_sorting(keys, similarity):
    """Rank of the first right answer, as one would find it by going down a list."""
    ranks = []
    for row, key in zip(similarity, keys):
        answers = sorted(range(len(keys)), key=lambda j: (-row[j], keys[j] == key))
        ranks.append(1 + [keys[j] == key for j in answers].index(True))
    return np.array(ranks)


@pytest.mark.parametrize("values", [1000, 4])  # without ties, and with many
def test_ranks_are_those_of_sorted_lists(rng, values):
    keys = rng.integers(0, 12, N)
    similarity = rng.integers(0, values, (N, N)).astype(float)
    for direction, rows in (
        ("ecg_to_report", similarity),
        ("report_to_ecg", similarity.T),
    ):
        ranks = ranks_by_sorting(keys, rows)
        kept = {"direction": direction}
        assert median_rank(keys, similarity, **kept) == np.median(ranks)
        assert mean_reciprocal_rank(keys, similarity, **kept) == pytest.approx(
            (1 / ranks).mean()
        )
        for k in (1, 5, N):
            assert retrieval_recall(keys, similarity, k=k, **kept) == pytest.approx(
                (ranks <= k).mean()
            )


def test_perfect_and_worst():
    keys = np.arange(N)
    assert retrieval_recall(keys, np.eye(N), k=1) == 1
    assert mean_reciprocal_rank(keys, np.eye(N)) == median_rank(keys, np.eye(N)) == 1
    assert retrieval_recall(keys, -np.eye(N), k=N - 1) == 0
    assert median_rank(keys, -np.eye(N)) == N


def test_equal_reports_are_right_answers():
    similarity = np.eye(4)[[1, 0, 3, 2]]
    assert retrieval_recall([0, 1, 2, 3], similarity, k=1) == 0
    assert retrieval_recall(["sr", "sr", "afib", "afib"], similarity, k=1) == 1


def test_what_looks_all_the_same_gains_nothing():
    keys = np.arange(N)
    assert median_rank(keys, np.ones((N, N))) == N
    assert retrieval_recall(keys, (np.ones((N, 3)), np.ones((N, 3))), k=N - 1) == 0


def test_embeddings_are_compared_by_cosine(rng, monkeypatch):
    keys = rng.integers(0, 30, N)
    ecgs, reports = rng.normal(size=(2, N, 6))
    unit = [a / np.linalg.norm(a, axis=1, keepdims=True) for a in (ecgs, reports)]
    for direction in ("ecg_to_report", "report_to_ecg"):
        expected = mean_reciprocal_rank(keys, unit[0] @ unit[1].T, direction=direction)
        pair = (ecgs * rng.uniform(1, 9, (N, 1)), reports.tolist())
        for chunk in (1 << 20, 7 * N, 1):
            monkeypatch.setattr("ecgdan_sk.metrics._retrieval._CHUNK", chunk)
            score = mean_reciprocal_rank(keys, pair, direction=direction)
            assert score == pytest.approx(expected)


def test_recall_by_chance_is_what_the_notes_say(rng):
    keys, k = rng.integers(0, 10, N), 3
    hits = (keys[:, None] == keys).sum(axis=1)
    chance = np.mean([1 - comb(N - h, k) / comb(N, k) for h in hits])
    drawn = [retrieval_recall(keys, rng.random((N, N)), k=k) for _ in range(400)]
    assert np.mean(drawn) == pytest.approx(chance, abs=0.02)


@pytest.mark.parametrize("metric", METRICS)
def test_bad_similarities_are_refused(metric):
    keys = np.arange(4)
    with pytest.raises(ValueError, match=r"shape \(4, 4\), got \(4, 2\)"):
        metric(keys, np.ones((4, 2)))
    with pytest.raises(ValueError, match="NaN"):
        metric(keys, np.full((4, 4), np.nan))
    with pytest.raises(ValueError, match="Expected 4 embeddings.*got 3 with 0 zero"):
        metric(keys, (np.ones((3, 2)), np.ones((4, 2))))
    with pytest.raises(ValueError, match="got 4 with 4 zero"):
        metric(keys, (np.ones((4, 2)), np.zeros((4, 2))))
    with pytest.raises(ValueError, match=r"pair.*got 3 arrays"):
        metric(keys, (np.ones((4, 2)),) * 3)
    with pytest.raises(ValueError, match="dimensions, got 2 and 3"):
        metric(keys, (np.ones((4, 2)), np.ones((4, 3))))
    with pytest.raises(ValueError, match="got 'both'"):
        metric(keys, np.eye(4), direction="both")
    with pytest.raises(ValueError, match=r"y_true of shape \(n_samples,\)"):
        metric(np.eye(4), np.eye(4))


@pytest.mark.parametrize("k", [0, 5])
def test_k_must_be_possible(k):
    with pytest.raises(ValueError, match=f"from 1 to .* 4, got {k}"):
        retrieval_recall(np.arange(4), np.eye(4), k=k)


# --- zero-shot


def test_auroc_counts_pairs(rng):
    y, scores = rng.random((N, 3)) < 0.4, rng.integers(0, 5, (N, 3))
    by_pairs = [
        np.mean((a[:, None] > b) + 0.5 * (a[:, None] == b))
        for a, b in ((s[c], s[~c]) for s, c in zip(scores.T, y.T))
    ]
    assert zero_shot_auroc(y, scores) == pytest.approx(np.mean(by_pairs))
    assert zero_shot_auroc(y[:, :1], scores[:, :1]) == pytest.approx(by_pairs[0])


def test_classes_without_both_values_are_left_out_by_name(rng):
    y = pd.DataFrame({"NORM": [1, 0, 1, 0], "MI": [0] * 4, "SR": [1] * 4})
    scores = rng.random((4, 3))
    with pytest.warns(UndefinedMetricWarning, match="of the classes MI, SR"):
        score = zero_shot_auroc(y, scores)
    assert score == zero_shot_auroc(y[["NORM"]], scores[:, :1])
    with pytest.warns(UndefinedMetricWarning, match="of the classes b, c"):
        zero_shot_auroc(y, scores, class_names=["a", "b", "c"])
    with pytest.warns(UndefinedMetricWarning, match="of the classes 1, 2"):
        zero_shot_auroc(y.to_numpy(), scores)
    with pytest.raises(ValueError, match="No class has both values.*classes MI, SR"):
        zero_shot_auroc(y[["MI", "SR"]], scores[:, 1:])


def test_bad_labels_are_refused():
    with pytest.raises(
        ValueError, match=r"shape \(4, 4\) and y_pred of shape \(4, 3\)"
    ):
        zero_shot_auroc(np.eye(4), np.ones((4, 3)))
    with pytest.raises(ValueError, match="from 0 to 0.5. Threshold"):
        zero_shot_auroc(np.eye(4) / 2, np.ones((4, 4)))
    with pytest.raises(ValueError, match="Expected 3 class_names.* got 4"):
        zero_shot_auroc(np.eye(3), np.ones((3, 3)), class_names=list("abcd"))
