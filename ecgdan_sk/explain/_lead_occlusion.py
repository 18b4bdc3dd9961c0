"""Effect of each lead on the log risk: one lead at a time, and by groups of leads."""

from dataclasses import dataclass
from itertools import combinations
from math import factorial

import numpy as np
import pandas as pd

from .._warnings import warn
from ._model import checked_ecgs, log_risk

LEAD_GROUPS = {
    "limb": ("I", "II", "III", "aVR", "aVL", "aVF"),
    "V1-V2": ("V1", "V2"),
    "V3-V4": ("V3", "V4"),
    "V5-V6": ("V5", "V6"),
}


@dataclass(frozen=True)
class LeadOcclusion:
    """Effect of each lead on the log risk, as returned by `lead_occlusion`.

    Attributes
    ----------
    leads : tuple of str
        Leads, in the order of `change`.
    change : ndarray of shape (n_samples, n_leads)
        Log risk with the lead minus log risk without it. Positive means that the lead
        raises the risk. NaN if the lead is absent.
    log_risk : ndarray of shape (n_samples,)
        Log risk of the whole ECG, without the part of the covariates.

    Examples
    --------
    >>> import numpy as np
    >>> from ecgdan_sk.explain import LeadOcclusion
    >>> occlusion = LeadOcclusion(("I", "II"), np.array([[0.1, -0.2]]), np.ones(1))
    >>> occlusion.to_frame()
         I   II
    0  0.1 -0.2
    """

    leads: tuple
    change: np.ndarray
    log_risk: np.ndarray

    @property
    def lead_importance(self):
        """Same as `change`; all explanations have this name."""
        return self.change

    def to_frame(self):
        """Table of the changes.

        Returns
        -------
        DataFrame of shape (n_samples, n_leads)
            One row for each ECG.
        """
        return pd.DataFrame(self.change, columns=self.leads)


@dataclass(frozen=True)
class LeadGroupShapley:
    """Shares of lead groups in the log risk, as returned by `lead_group_shapley`.

    Attributes
    ----------
    groups : tuple of str
        Names of the groups, in the order of `values`.
    values : ndarray of shape (n_samples, n_groups)
        Shapley values. Over the groups they sum to `log_risk`. NaN if all leads of a
        group are absent.
    log_risk : ndarray of shape (n_samples,)
        Log risk of the whole ECG, without the part of the covariates.

    Examples
    --------
    >>> import numpy as np
    >>> from ecgdan_sk.explain import LeadGroupShapley
    >>> shares = LeadGroupShapley(("limb", "V1-V2"), np.array([[0.2, 0.1]]), 0.3)
    >>> shares.to_frame()
       limb  V1-V2
    0   0.2    0.1
    """

    groups: tuple
    values: np.ndarray
    log_risk: np.ndarray

    def to_frame(self):
        """Table of the shares.

        Returns
        -------
        DataFrame of shape (n_samples, n_groups)
            One row for each ECG.
        """
        return pd.DataFrame(self.values, columns=self.groups)


def lead_occlusion(estimator, X):
    """Change of the log risk when a lead is hidden, one lead at a time.

    A hidden lead counts as absent. Training with `lead_masking` above 0 hides leads
    too, so such ECGs are not unusual for the network. The value of an absent lead is
    NaN. If the only lead of an ECG is hidden, the mean log risk of the training ECGs
    remains, 0.

    Parameters
    ----------
    estimator : DualAttentionSurvival
        Fitted.
    X : array-like or ECGRecords of shape (n_samples, n_leads, n_times)
        ECGs in mV, as for `predict`.

    Returns
    -------
    LeadOcclusion
        Effect of each lead on the log risk of each ECG.

    Raises
    ------
    NotFittedError
        If the estimator is not fitted.
    ValueError
        If `X` is not as in `fit`.

    Warns
    -----
    UserWarning
        If training never hid a lead.

    References
    ----------
    Zeiler and Fergus (2014), "Visualizing and understanding convolutional networks",
    ECCV; Covert, Lundberg and Lee (2021), "Explaining by removing", JMLR 22.

    Examples
    --------
    >>> from ecgdan_sk import DualAttentionSurvival
    >>> from ecgdan_sk.datasets import make_ecg_cohort
    >>> from ecgdan_sk.explain import lead_occlusion
    >>> cohort = make_ecg_cohort(60, duration=2.5, event_rate=0.5, random_state=0)
    >>> model = DualAttentionSurvival(n_members=1, max_epochs=1, random_state=0)
    >>> occlusion = lead_occlusion(model.fit(cohort.X, cohort.y), cohort.X[:5])
    >>> occlusion.to_frame().shape
    (5, 12)
    """
    X = checked_ecgs(estimator, X)
    warn_of_unseen_masks(estimator)
    whole = log_risk(estimator, X)
    change = np.empty(X.shape[:2])
    for lead in range(X.shape[1]):
        change[:, lead] = whole - log_risk(estimator, without_leads(X, [lead]))
    change[np.isnan(X[:, :, 0])] = np.nan
    return LeadOcclusion(estimator.leads_in_, change, whole)


def lead_group_shapley(estimator, X):
    """Shares of the limb leads, V1-V2, V3-V4 and V5-V6 in the log risk.

    Neighbouring leads hold similar information, so hiding only one of them changes
    little, and each looks unimportant. Shapley values divide the log risk by the
    contribution of a group to every set of the other groups: all 16 subsets, without
    sampling. The empty set has the value 0, the mean log risk of the training ECGs.

    Parameters
    ----------
    estimator : DualAttentionSurvival
        Fitted. A group without any of its leads is left out. Further leads, such as
        Frank leads, form the group "other".
    X : array-like or ECGRecords of shape (n_samples, n_leads, n_times)
        ECGs in mV, as for `predict`.

    Returns
    -------
    LeadGroupShapley
        Shares that sum to the log risk of each ECG.

    Raises
    ------
    NotFittedError
        If the estimator is not fitted.
    ValueError
        If `X` is not as in `fit`.

    Warns
    -----
    UserWarning
        If training never hid a lead.

    Notes
    -----
    Some subsets hide all leads except one group. Training hides only few leads at a
    time (`lead_masking`; six or more in 1 % of the ECGs by default). Risks with many
    hidden leads are therefore extrapolated: read large shares as a ranking.

    References
    ----------
    Shapley (1953), "A value for n-person games"; Covert, Lundberg and Lee (2021),
    "Explaining by removing", JMLR 22.

    Examples
    --------
    >>> import numpy as np
    >>> from ecgdan_sk import DualAttentionSurvival
    >>> from ecgdan_sk.datasets import make_ecg_cohort
    >>> from ecgdan_sk.explain import lead_group_shapley
    >>> cohort = make_ecg_cohort(60, duration=2.5, event_rate=0.5, random_state=0)
    >>> model = DualAttentionSurvival(n_members=1, max_epochs=1, random_state=0)
    >>> shares = lead_group_shapley(model.fit(cohort.X, cohort.y), cohort.X[:5])
    >>> np.allclose(shares.values.sum(axis=1), shares.log_risk)
    True
    """
    X = checked_ecgs(estimator, X)
    warn_of_unseen_masks(estimator)
    players = grouped(estimator.leads_in_)
    worth = _worth_of_coalitions(estimator, X, list(players.values()))
    shares = _shapley_values(worth, len(players))
    absent = np.isnan(X[:, :, 0])
    for column, rows in enumerate(players.values()):
        shares[absent[:, rows].all(axis=1), column] = np.nan
    whole = worth[tuple(range(len(players)))]
    return LeadGroupShapley(tuple(players), shares, whole)


def warn_of_unseen_masks(estimator):
    """Warn if leads are hidden from networks whose training never hid a lead."""
    if estimator.lead_masking == 0:
        warn(
            "This estimator was trained with lead_masking=0, that is, never without a "
            "lead. Its risks of ECGs with hidden leads are therefore extrapolated. Fit "
            "with lead_masking, by default 0.2, to explain by leads.",
        )


def without_leads(X, rows):
    """A copy of the ECGs in which these leads are absent."""
    X = X.copy()
    X[:, rows] = np.nan
    return X


def grouped(leads):
    """Positions of the leads of each group that has any."""
    players = {}
    for row, lead in enumerate(leads):
        groups = (name for name, members in LEAD_GROUPS.items() if lead in members)
        players.setdefault(next(groups, "other"), []).append(row)
    return players


def _worth_of_coalitions(estimator, X, players):
    """Log risks by the set of groups whose leads are kept."""
    worth = {}
    for size in range(len(players) + 1):
        for kept in combinations(range(len(players)), size):
            gone = [r for i, rows in enumerate(players) if i not in kept for r in rows]
            worth[kept] = log_risk(estimator, without_leads(X, gone))
    return worth


def _shapley_values(worth, n_players):
    """Shapley values (n_samples, n_players), from the value of each coalition."""
    values = np.zeros((len(worth[()]), n_players))
    for kept, value in worth.items():
        for player in set(range(n_players)) - set(kept):
            chance = (
                factorial(len(kept))
                * factorial(n_players - len(kept) - 1)
                / factorial(n_players)
            )
            joined = worth[tuple(sorted((*kept, player)))]
            values[:, player] += chance * (joined - value)
    return values
