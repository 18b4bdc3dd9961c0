"""Splitters that give every fold its share of events, and out-of-fold risks."""

import warnings
from numbers import Integral
from typing import ClassVar

import numpy as np
from scipy.stats import rankdata
from sklearn.base import clone
from sklearn.model_selection import (
    BaseCrossValidator,
    StratifiedGroupKFold,
    StratifiedKFold,
)
from sklearn.utils import _safe_indexing, check_consistent_length, check_random_state
from sklearn.utils.validation import has_fit_parameter
from tqdm.auto import tqdm

from ._jobs import lasting_jobs
from ._outcomes import as_target, check_causes
from .records._leads_and_ids import aligned_to, patient_groups

__all__ = ["EventKFold", "RepeatedEventKFold", "out_of_fold", "split_by_event"]


class EventKFold(BaseCrossValidator):
    """K folds with the same share of events, and no patient in two of them.

    Other folds may have no event, and then no score can be computed. The splitters of
    scikit-learn do not stratify a structured `y`. A network can recognise a patient it
    was trained on, so all ECGs of a patient are in one fold.

    Parameters
    ----------
    n_splits : int, default=5
        Number of folds, at least 2. There must be at least as many events (with
        `groups`, patients with an event).
    shuffle : bool, default=True
        Whether samples are divided into folds in random order.
    random_state : int, RandomState instance or None, default=None
        An int gives the same folds at every call of `split`, so that models are
        compared on the same folds; None gives new ones each time.

    See Also
    --------
    RepeatedEventKFold : The same, several times with different folds.

    Examples
    --------
    >>> import numpy as np
    >>> from sksurv.util import Surv
    >>> from ecgdan_sk.model_selection import EventKFold
    >>> y = Surv.from_arrays(np.arange(20) < 4, np.arange(1.0, 21.0))
    >>> cv = EventKFold(2, random_state=0)
    >>> [int(y["event"][test].sum()) for _, test in cv.split(np.zeros((20, 1)), y)]
    [2, 2]
    """

    # Tells metadata routing to pass `groups` on wherever they are given.
    __metadata_request__split: ClassVar = {"groups": True}

    def __init__(self, n_splits=5, *, shuffle=True, random_state=None):
        self.n_splits = n_splits
        self.shuffle = shuffle
        self.random_state = random_state

    def get_n_splits(self, X=None, y=None, groups=None):
        """Number of folds.

        Parameters
        ----------
        X, y, groups : object
            Ignored.

        Returns
        -------
        int
        """
        return self.n_splits

    def split(self, X, y, groups=None):
        """Positions of the training and test samples of each fold.

        Parameters
        ----------
        X : array-like of shape (n_samples, ...)
            Only its length is used and, for ECGRecords, its `patient_ids`.
        y : structured array of shape (n_samples,)
            Fields (event, time), as made by `sksurv.util.Surv`; with competing risks,
            the first holds 0 for censored and 1, 2, ... for the causes.
        groups : array-like of shape (n_samples,) or None, default=None
            Patient of each sample; samples of one patient stay together. None takes the
            `patient_ids` of `X`; if there are none, samples count as independent.

        Yields
        ------
        train, test : ndarray of int
            Positions of the samples.

        Raises
        ------
        ValueError
            If `y` is not structured, or if there are fewer events, or patients with
            events, than folds.
        """
        y, groups = aligned_to(X, y=y, groups=groups)
        causes, _ = check_causes(y)
        event = causes > 0
        groups = getattr(X, "patient_ids", None) if groups is None else groups
        check_consistent_length(X, event, groups)
        groups = None if groups is None else patient_groups(groups)
        if groups is not None and len(np.unique(groups)) == len(event):
            groups = None
        self._check_events(event, groups)
        for train, test in self._folds(causes, groups):
            if not (event[train].any() and event[test].any()):
                raise ValueError(
                    f"A fold would hold no event: the {event.sum()} events belong to "
                    f"too few patients for {self.n_splits} folds. Lower n_splits."
                )
            yield train, test

    def _folds(self, causes, groups):
        """Folds by scikit-learn's own stratified splitters."""
        stratified = StratifiedKFold if groups is None else StratifiedGroupKFold
        folds = stratified(
            self.n_splits, shuffle=self.shuffle, random_state=self.random_state
        )
        with warnings.catch_warnings():
            # Fewer censored samples than folds are allowed.
            warnings.filterwarnings("ignore", "The least populated class")
            return list(folds.split(np.zeros(len(causes)), causes, groups))

    def _check_events(self, event, groups):
        """Raise unless every fold can have an event of its own."""
        what = "events" if groups is None else "patients with an event"
        owners = event.sum() if groups is None else len(np.unique(groups[event]))
        if owners < self.n_splits:
            raise ValueError(
                f"{self.n_splits} folds need at least {self.n_splits} {what}, but y "
                f"has {owners}. Lower n_splits to at most {owners}."
            )


class RepeatedEventKFold(BaseCrossValidator):
    """`EventKFold` several times, each time with other folds.

    With few events, one division into folds gives unstable results. Repeats, such as 5
    repeats of 2 folds (Dietterich, 1998), make the comparison of models more stable;
    see `ecgdan_sk.metrics.compare_models`.

    Parameters
    ----------
    n_splits : int, default=5
        Number of folds, at least 2.
    n_repeats : int, default=10
        Number of times the samples are divided into folds.
    random_state : int, RandomState instance or None, default=None
        An int gives the same folds at every call of `split`, so that models are
        compared on the same folds; None gives new ones each time.

    Examples
    --------
    >>> from ecgdan_sk.model_selection import RepeatedEventKFold
    >>> RepeatedEventKFold(2, n_repeats=5).get_n_splits()
    10
    """

    __metadata_request__split: ClassVar = {"groups": True}

    def __init__(self, n_splits=5, *, n_repeats=10, random_state=None):
        self.n_splits = n_splits
        self.n_repeats = n_repeats
        self.random_state = random_state

    def get_n_splits(self, X=None, y=None, groups=None):
        """Number of folds times number of repeats.

        Parameters
        ----------
        X, y, groups : object
            Ignored.

        Returns
        -------
        int
        """
        return self.n_splits * self.n_repeats

    def split(self, X, y, groups=None):
        """Positions of the training and test samples of each fold of each repeat.

        Parameters
        ----------
        X : array-like of shape (n_samples, ...)
            Only its length is used and, for ECGRecords, its `patient_ids`.
        y : structured array of shape (n_samples,)
            Fields (event, time), as made by `sksurv.util.Surv`; with competing risks,
            the first holds 0 for censored and 1, 2, ... for the causes.
        groups : array-like of shape (n_samples,) or None, default=None
            Patient of each sample, see `EventKFold.split`.

        Yields
        ------
        train, test : ndarray of int
            Positions of the samples.
        """
        rng = check_random_state(self.random_state)
        for _ in range(self.n_repeats):
            yield from EventKFold(self.n_splits, random_state=rng).split(X, y, groups)


def split_by_event(causes, fraction, *, groups=None, random_state=None):
    """Split the samples into two parts, each with its share of each cause of the event.

    No patient is in both parts. A patient with samples of several causes counts for the
    rarest of them. If at least two patients have a cause, it is in both parts; if only
    one patient has it, it is in the first part.

    Parameters
    ----------
    causes : array-like of shape (n_samples,)
        Whether the event happened, or its cause; False or 0 means censored.
    fraction : float
        Share of the second part, inside (0, 1).
    groups : array-like of shape (n_samples,) or None, default=None
        Patient of each sample. None means that samples are independent.
    random_state : int, RandomState instance or None, default=None
        Determines the division.

    Returns
    -------
    first, second : ndarray of int
        Increasing positions of the samples, for instance of training and validation.

    Raises
    ------
    ValueError
        If fewer than two patients share a cause, or `fraction` is not inside (0, 1).

    Examples
    --------
    >>> from ecgdan_sk.model_selection import split_by_event
    >>> split_by_event(
    ...     [1, 1, 0, 0, 1, 0], 0.4, groups=[3, 3, 5, 5, 7, 8], random_state=0
    ... )
    (array([2, 3, 4]), array([0, 1, 5]))
    """
    causes = np.asarray(causes).astype(int)
    check_consistent_length(causes, groups)
    if not 0 < fraction < 1:
        raise ValueError(f"Expected a fraction inside (0, 1), got {fraction}.")
    owner = np.arange(len(causes)) if groups is None else patient_groups(groups)
    cause_of, n_samples = _cause_of_each(causes, owner), np.bincount(owner)
    rng, second = check_random_state(random_state), []
    for cause in np.unique(cause_of):
        patients = rng.permutation(np.flatnonzero(cause_of == cause))
        # As many patients as come closest to the share of the samples.
        share = np.cumsum(n_samples[patients]) / n_samples[patients].sum()
        n_second = np.abs(np.append(0, share) - fraction).argmin()
        if cause:
            n_second = np.clip(n_second, min(1, len(patients) - 1), len(patients) - 1)
        second.append(patients[:n_second])
    is_second = np.isin(owner, np.concatenate(second))
    parts = np.flatnonzero(~is_second), np.flatnonzero(is_second)
    if not all((causes[rows] > 0).any() for rows in parts):
        n_owners = np.count_nonzero(cause_of)
        raise ValueError(
            f"{np.count_nonzero(causes)} events of {n_owners} patients among "
            f"n_samples={len(causes)} cannot be shared between two parts: each needs "
            "a patient with one. Collect more."
        )
    return parts


def fit_by_patient(estimator, X, y, groups=None, **given):
    """Fit an estimator, with patients if it takes them."""
    if groups is not None and has_fit_parameter(estimator, "groups"):
        given["groups"] = groups
    return estimator.fit(X, y, **given)


def _cause_of_each(causes, owner):
    """The rarest cause among the samples of each patient, 0 where there is none."""
    cause_of = np.zeros(owner.max() + 1, int)
    found, counts = np.unique(causes[causes > 0], return_counts=True)
    for cause in found[np.argsort(-counts, kind="stable")]:
        cause_of[owner[causes == cause]] = cause
    return cause_of


def out_of_fold(estimator, X, y, cv=5, *, groups=None, n_jobs=None, verbose=0):
    """Out-of-fold risk of each sample, as its rank within the fold.

    Risks of different folds must not be pooled directly, because each model has its own
    scale and origin: a pair of samples from two folds would compare the models, not the
    samples. Ranks within a fold, on a common scale from 0 to 1, can be pooled if all
    folds have a similar share of events, as in `EventKFold`. Repeats are averaged, so
    that each sample has one value.

    Parameters
    ----------
    estimator : object
        Survival estimator; a clone is fitted to each training set.
    X : array-like of shape (n_samples, ...) or ECGRecords
        What the estimator takes.
    y : structured array of shape (n_samples,)
        Fields (event, time), as made by `sksurv.util.Surv`.
    cv : int or splitter, default=5
        An int means `EventKFold` with so many folds, `random_state=0`.
    groups : array-like of shape (n_samples,) or None, default=None
        Patient of each sample, passed to the splitter and to estimators that take them
        in `fit`.
    n_jobs : int or None, default=None
        Number of processes; None means 1, or the setting of `joblib.parallel_config`.
        If a process or machine is lost, its fold is fitted again.
    verbose : int, default=0
        1 shows a progress bar.

    Returns
    -------
    ndarray of shape (n_samples,)
        Mean rank, inside (0, 1); higher means an earlier event. Use it with `y` for
        instance in `concordance_index`, but not in tests or intervals, which assume
        that the ranks come from one model. To compare two models, use the scores of
        repeated folds, see `ecgdan_sk.metrics.compare_models`.

    Raises
    ------
    ValueError
        If a sample is in no test set.

    Examples
    --------
    >>> from sksurv.datasets import load_whas500
    >>> from sksurv.linear_model import CoxPHSurvivalAnalysis
    >>> from ecgdan_sk.metrics import concordance_index
    >>> from ecgdan_sk.model_selection import out_of_fold
    >>> X, y = load_whas500()
    >>> risk = out_of_fold(CoxPHSurvivalAnalysis(), X.astype(float), y)
    >>> 0.7 < concordance_index(y, risk) < 0.8
    True
    """
    cv = EventKFold(cv, random_state=0) if isinstance(cv, Integral) else cv
    y, groups = aligned_to(X, y=y, groups=groups)
    y = as_target(y)
    splits = list(cv.split(X, y, groups))
    arguments = [(clone(estimator), X, y, groups, *split) for split in splits]
    shown = {"disable": not verbose, "unit": "fold", "total": len(splits)}
    with tqdm(desc="Cross-validation", **shown) as bar:
        ranks = lasting_jobs(_fold_ranks, arguments, n_jobs, on_result=bar.update)
    total, n_tests = np.zeros(len(y)), np.zeros(len(y))
    for (_, test), rank in zip(splits, ranks):
        total[test] += rank
        n_tests[test] += 1
    if not n_tests.all():
        raise ValueError(
            f"{(n_tests == 0).sum()} of {len(y)} samples are in no test set of {cv}; "
            "use a splitter that tests each sample, such as EventKFold."
        )
    return total / n_tests


def _fold_ranks(estimator, X, y, groups, train, test):
    """Ranks of the predictions for the test samples, inside (0, 1); ties share one."""
    columns = (X, y, groups)
    columns = [None if c is None else _safe_indexing(c, train) for c in columns]
    fit_by_patient(estimator, *columns)
    risk = estimator.predict(_safe_indexing(X, test))
    return (rankdata(risk) - 0.5) / len(test)
