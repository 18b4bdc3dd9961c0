"""Retrieval of reports by ECGs and of ECGs by reports; zero-shot classification.

Ranks count from 1. If two ECGs have equal reports, each is a right answer for the
other. A wrong answer that is as similar as the best right one comes first, so a model
that gives all answers the same similarity gains nothing.
"""

import numpy as np
from sklearn.exceptions import UndefinedMetricWarning
from sklearn.metrics import roc_auc_score
from sklearn.utils.validation import check_array

from .._warnings import warn

# Similarities held in memory at a time, in numbers.
_CHUNK = 1 << 22


def retrieval_recall(y_true, y_pred, *, k=10, direction="ecg_to_report"):
    """Recall@k: how often a right answer is among the first k.

    Parameters
    ----------
    y_true : array-like of shape (n_samples,)
        The report of each ECG: the reports themselves, or `EncodedReports.keys`. Equal
        values are equal reports, and each of them is a right answer.
    y_pred : array-like of shape (n_samples, n_samples) or pair of array-likes
        Similarity of each ECG (row) to each report (column), higher means more alike.
        A tuple (ECG embeddings, report embeddings), each of shape (n_samples, n_dims),
        stands for their cosines.
    k : int, default=10
        Number of first answers that count.
    direction : {"ecg_to_report", "report_to_ecg"}, default="ecg_to_report"
        Whether an ECG is the query and reports are the answers, or the reverse.

    Returns
    -------
    float
        Between 0 and 1.

    Raises
    ------
    ValueError
        If shapes do not agree, a similarity is not finite, or `k` exceeds the samples.

    See Also
    --------
    mean_reciprocal_rank : Depends on no `k`.

    Notes
    -----
    By chance, a query with h right answers among n finds one among the
    first k with probability 1 - C(n - h, k) / C(n, k). This is far from 0 if many
    reports are equal. Ties count against the model.

    Examples
    --------
    >>> from ecgdan_sk.metrics import retrieval_recall
    >>> reports = ["normal", "infarction", "normal"]
    >>> similarity = [[0.1, 0.2, 0.9], [0.5, 0.4, 0.3], [0.8, 0.1, 0.7]]
    >>> retrieval_recall(reports, similarity, k=1)
    0.6666666666666666
    """
    ranks = _ranks(y_true, y_pred, direction)
    if not 1 <= k <= len(ranks):
        raise ValueError(
            f"k must be from 1 to the number of samples, {len(ranks)}, got {k!r}."
        )
    return float((ranks <= k).mean())


def mean_reciprocal_rank(y_true, y_pred, *, direction="ecg_to_report"):
    """Mean over the queries of 1 / rank of the first right answer.

    Parameters
    ----------
    y_true : array-like of shape (n_samples,)
        The report of each ECG, as in `retrieval_recall`.
    y_pred : array-like of shape (n_samples, n_samples) or pair of array-likes
        Similarities, or a tuple of embeddings, as in `retrieval_recall`.
    direction : {"ecg_to_report", "report_to_ecg"}, default="ecg_to_report"
        Whether an ECG is the query and reports are the answers, or the reverse.

    Returns
    -------
    float
        Between 0 and 1; 1 if the first answer to each query is right.

    Raises
    ------
    ValueError
        If shapes do not agree, or a similarity is not finite.

    Examples
    --------
    >>> from ecgdan_sk.metrics import mean_reciprocal_rank
    >>> reports = ["normal", "infarction", "normal"]
    >>> similarity = [[0.1, 0.2, 0.9], [0.5, 0.4, 0.3], [0.8, 0.1, 0.7]]
    >>> mean_reciprocal_rank(reports, similarity)
    0.8333333333333334
    """
    return float((1 / _ranks(y_true, y_pred, direction)).mean())


def median_rank(y_true, y_pred, *, direction="ecg_to_report"):
    """Median over the queries of the rank of the first right answer.

    Parameters
    ----------
    y_true : array-like of shape (n_samples,)
        The report of each ECG, as in `retrieval_recall`.
    y_pred : array-like of shape (n_samples, n_samples) or pair of array-likes
        Similarities, or a tuple of embeddings, as in `retrieval_recall`.
    direction : {"ecg_to_report", "report_to_ecg"}, default="ecg_to_report"
        Whether an ECG is the query and reports are the answers, or the reverse.

    Returns
    -------
    float
        1 or more; lower is better.

    Raises
    ------
    ValueError
        If shapes do not agree, or a similarity is not finite.

    Examples
    --------
    >>> from ecgdan_sk.metrics import median_rank
    >>> reports = ["normal", "infarction", "normal"]
    >>> similarity = [[0.1, 0.2, 0.9], [0.5, 0.4, 0.3], [0.8, 0.1, 0.7]]
    >>> median_rank(reports, similarity)
    1.0
    """
    return float(np.median(_ranks(y_true, y_pred, direction)))


def zero_shot_auroc(y_true, y_pred, *, class_names=None):
    """Macro AUROC: the mean over classes of the area under the ROC curve.

    Parameters
    ----------
    y_true : array-like of shape (n_samples, n_classes)
        1 where a sample has the class, otherwise 0; a sample may have several.
    y_pred : array-like of shape (n_samples, n_classes)
        Score of each class, on any scale that orders the samples.
    class_names : sequence of str or None, default=None
        Names for messages. None takes the columns of a DataFrame, or else numbers.

    Returns
    -------
    float
        Between 0 and 1; 0.5 is chance.

    Raises
    ------
    ValueError
        If shapes do not agree, `y_true` holds anything but 0 and 1, or no class has
        both values.

    Warns
    -----
    UndefinedMetricWarning
        If classes are left out because all samples have them, or none; it names them.

    Examples
    --------
    >>> from ecgdan_sk.metrics import zero_shot_auroc
    >>> zero_shot_auroc([[1, 0], [0, 0], [0, 1]], [[0.9, 0.1], [0.4, 0.3], [0.2, 0.2]])
    0.75
    """
    if class_names is None:
        class_names = getattr(y_true, "columns", None)
    y_true = check_array(y_true, dtype=np.float64, input_name="y_true")
    y_pred = check_array(y_pred, dtype=np.float64, input_name="y_pred")
    _check_labels(y_true, y_pred)
    names = range(y_true.shape[1]) if class_names is None else [*class_names]
    if len(names) != y_true.shape[1]:
        raise ValueError(
            f"Expected {y_true.shape[1]} class_names, one for each class, got "
            f"{len(names)}."
        )
    scorable = y_true.min(axis=0) < y_true.max(axis=0)
    left_out = [str(name) for name, kept in zip(names, scorable) if not kept]
    if left_out:
        _report_left_out(left_out, scorable.any())
    y_true, y_pred = y_true[:, scorable], y_pred[:, scorable]
    return float(roc_auc_score(y_true, y_pred, average="macro"))


def _report_left_out(names, others):
    """Warn of classes that cannot be scored; raise if there are no others."""
    reason = (
        f"the AUROC of the classes {', '.join(names)} is undefined, as all samples "
        "have the same value"
    )
    if not others:
        raise ValueError(
            f"No class has both values: {reason}. Score more samples, so that each "
            "class is present in some and absent in others."
        )
    message = f"Left out of the mean: {reason}."
    warn(message, UndefinedMetricWarning)


def _ranks(y_true, y_pred, direction):
    """Rank of the first right answer of each query (n_samples,)."""
    y_true = np.asarray(y_true)
    if y_true.ndim != 1 or not len(y_true):
        raise ValueError(
            "Expected y_true of shape (n_samples,), which report each ECG has, got "
            f"{y_true.shape}."
        )
    _, keys = np.unique(y_true, return_inverse=True)
    similarities = _checked_similarities(y_pred, len(keys), direction)
    step = max(1, _CHUNK // len(keys))
    return np.concatenate(
        [
            _first_hit(similarities(rows), keys[rows, None] == keys)
            for rows in (slice(i, i + step) for i in range(0, len(keys), step))
        ]
    )


def _first_hit(similarity, is_hit):
    """1 + the wrong answers that are at least as similar as the best right one."""
    best = np.where(is_hit, similarity, -np.inf).max(axis=1, keepdims=True)
    return 1 + ((similarity >= best) & ~is_hit).sum(axis=1)


def _checked_similarities(y_pred, n_samples, direction):
    """Function from a slice of queries to their similarities to all answers."""
    if direction not in ("ecg_to_report", "report_to_ecg"):
        raise ValueError(
            f"direction must be 'ecg_to_report' or 'report_to_ecg', got {direction!r}."
        )
    if isinstance(y_pred, tuple):
        ecgs, reports = _checked_pair(y_pred, n_samples)
        if direction == "report_to_ecg":
            ecgs, reports = reports, ecgs
        return lambda rows: ecgs[rows] @ reports.T
    similarity = check_array(
        y_pred, dtype=[np.float64, np.float32], input_name="y_pred"
    )
    if similarity.shape != (n_samples, n_samples):
        raise ValueError(
            "Expected y_pred as similarities of each ECG to each report, of shape "
            f"({n_samples}, {n_samples}), got {similarity.shape}. Pass embeddings as a "
            "tuple (ECG embeddings, report embeddings)."
        )
    similarity = similarity.T if direction == "report_to_ecg" else similarity
    return lambda rows: similarity[rows]


def _checked_pair(y_pred, n_samples):
    """ECG and report embeddings (n_samples, n_dims) of length one."""
    if len(y_pred) != 2:
        raise ValueError(
            "Expected y_pred as a pair (ECG embeddings, report embeddings), got "
            f"{len(y_pred)} arrays."
        )
    ecgs, reports = (_unit_rows(part, n_samples) for part in y_pred)
    if ecgs.shape != reports.shape:
        raise ValueError(
            "ECG and report embeddings must have the same dimensions, got "
            f"{ecgs.shape[1]} and {reports.shape[1]}. Project them into one space."
        )
    return ecgs, reports


def _unit_rows(embeddings, n_samples):
    """Embeddings (n_samples, n_dims) of length one."""
    embeddings = check_array(embeddings, dtype=np.float64, input_name="y_pred")
    length = np.linalg.norm(embeddings, axis=1, keepdims=True)
    if len(embeddings) != n_samples or not length.all():
        raise ValueError(
            f"Expected {n_samples} embeddings, none of them zero, got "
            f"{len(embeddings)} with {(length == 0).sum()} zero."
        )
    return embeddings / length


def _check_labels(y_true, y_pred):
    """Raise unless these are labels of 0 and 1 and a score for each."""
    if y_true.shape != y_pred.shape:
        raise ValueError(
            f"Expected one score for each label, got y_true of shape {y_true.shape} "
            f"and y_pred of shape {y_pred.shape}."
        )
    if not np.isin(y_true, (0, 1)).all():
        raise ValueError(
            "y_true must hold 1 where a sample has the class, otherwise 0, got values "
            f"from {y_true.min():g} to {y_true.max():g}. Threshold likelihoods first, "
            "as with likelihoods > 0."
        )
