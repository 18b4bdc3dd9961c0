"""Clinical measurements of an ECG: from signals to a table a Cox model can read."""

from numbers import Integral

import numpy as np
import pandas as pd
from joblib import Parallel, delayed
from sklearn.base import BaseEstimator, TransformerMixin
from sklearn.utils._param_validation import StrOptions
from tqdm.auto import tqdm

from .._warnings import warn
from ..records import LEADS
from ..records._records import as_records
from ..records._signal_checks import RATE_LIMITS, known_rate
from ._delineated import delineated
from ._paper15 import PAPER15, paper15
from ._parameters import NAMES, parameters, quality_score
from ._remembered import key_of, recall, remember


class ECGMeasurements(TransformerMixin, BaseEstimator):
    """Measure ECGs: rate, intervals, axes, voltages, repolarisation, conduction.

    QRS complexes are detected on all leads together and grouped by morphology. The
    aligned median of the dominant beats is delineated globally, on the velocity of all
    leads together, which agrees with the median of the marks that readers set lead by
    lead. Leads that are flat, clipped, noisy or without an electrode, as
    `SignalQuality` finds them, are left out; if fewer than half of the recorded leads
    are good, nothing is measured. A value that cannot be measured is NaN; `quality`
    gives the reason. An ECG is measured only once in a process.

    Parameters
    ----------
    sampling_rate : float or None, default=None
        Samples per second, in Hz; 100 to 1000 is sensible. None takes that of
        `ECGRecords`.
    preset : {"full", "paper15"}, default="full"
        "full" gives the continuous measurements below; "paper15" the fifteen of the Cox
        model of Chen et al. (2025), all but the heart rate as flags 0 and 1.
    on_error : {"nan", "warn", "raise"}, default="nan"
        Reaction if a recording cannot be measured at all.
    n_jobs : int or None, default=None
        Number of parallel processes, as in joblib.
    verbose : int, default=0
        1 shows a progress bar.

    Attributes
    ----------
    n_leads_in_ : int
        Number of leads seen in `fit`.

    See Also
    --------
    ecgdan_sk.preprocessing.MedianBeat : The median beat itself.
    ecgdan_sk.preprocessing.SignalQuality : Score and issue of each lead.

    Notes
    -----
    Amplitudes are above the onset of the QRS. Names end in their unit; `*` stands for
    several leads. Leads I and II suffice to derive the other limb leads.

    * ``heart_rate_bpm``: beats per minute, 60 s over the mean RR interval.
    * ``rr_sd_ms``, ``rr_rmssd_ms``: standard deviation of the intervals between beats
      of the dominant morphology, root mean square change of all (Task Force 1996).
    * ``rr_irregularity_ratio``: mean change of RR from beat to beat over mean RR.
    * ``ectopic_beats_percent``: beats of another morphology.
    * ``p_reliability_ratio``: agreement of the P waves of single beats, raised to that
      of medians (Spearman 1910, Brown 1910); about 0 in fibrillation, about 1 in sinus
      rhythm.
    * ``p_duration_ms``, ``pr_interval_ms``, ``qrs_duration_ms``, ``qt_interval_ms``:
      global intervals. P and PR are NaN in atrial fibrillation and in paced rhythm.
    * ``qtc_bazett_ms``, ``qtc_fridericia_ms``, ``qtc_framingham_ms``,
      ``qtc_hodges_ms``: QT corrected for the rate (Bazett 1920, Fridericia 1920, Sagie
      et al. 1992, Hodges et al. 1983).
    * ``jt_interval_ms``: QT less QRS. ``tpeak_tend_ms``: from the peak of T to its
      end.
    * ``p_axis_sin``, ``p_axis_cos``, ``qrs_axis_sin``, ``qrs_axis_cos``,
      ``t_axis_sin``, ``t_axis_cos``: direction of the net area in the frontal plane,
      from I and aVF.
    * ``qrs_t_angle_frontal_deg``, ``qrs_t_angle_spatial_deg``: between the mean vectors
      of QRS and T, the spatial one in leads X, Y, Z (Kors et al. 1990).
    * ``sokolow_lyon_mv``: S in V1 and the larger R of V5, V6 (Sokolow and Lyon 1949).
    * ``cornell_voltage_mv``, ``cornell_product_mv_ms``: R in aVL and S in V3 (Casale et
      al. 1985), times the duration of the QRS (Molloy et al. 1992).
    * ``peguero_lo_presti_mv``: deepest S of any lead and S in V4 (Peguero et al. 2017).
    * ``limb_voltage_mv``, ``chest_voltage_mv``: mean peak-to-peak QRS of six leads.
    * ``r_transition_lead``: number of the chest lead at which R outgrows S,
      interpolated.
    * ``q_amplitude_*_mv``, ``r_amplitude_*_mv``, ``s_amplitude_*_mv``: depth of what
      precedes R, height of R, depth of the deepest point (S or QS); none is negative.
    * ``q_duration_*_ms``: time that Q, or QS, is deeper than 0.03 mV (after Thygesen et
      al. 2018).
    * ``st_level_*_mv``: 60 ms after the J point. ``t_amplitude_*_mv``: signed peak.
    * ``p_amplitude_ii_mv``, ``p_terminal_force_v1_mv_ms``: P above the line through its
      ends; its negative area in the last two thirds (after Morris et al. 1964).
    * ``r_peak_time_v5_ms``, ``r_peak_time_v6_ms``: from the onset of the QRS to the
      peak of R (intrinsicoid deflection).
    * ``qrs_fragmentation_ratio``: way of the QRS up and down over that of one without
      notches (after Das et al. 2006).
    * ``lbbb_score``, ``rbbb_score``: (I + V5 + V6) / 3 - V1 over its own peak, mean of
      the last two thirds of the QRS, and its negative, mean of the last third, both
      times QRS / 100 ms (after Surawicz et al. 2009).
    * ``nondipolar_voltage_mv``: QRS-T beyond its first three singular values.
    * ``qrs_singular_ratio_2``, ``qrs_singular_ratio_3``, ``t_complexity_ratio``: second
      and third singular value over the first, of QRS and of T (Priori et al. 1997).
    * ``noise_mv``: typical deviation of a beat from the median beat.
      ``signal_quality_ratio``: QRS over QRS and noise, mean of the leads, 0 to 1.

    The flags of "paper15" are P above 120 ms, PR above 200 ms, QRS above 100 ms, QTc
    (Framingham) above 460 ms; a P axis outside 0 to 75 degrees, a QRS axis below -30 or
    above 90 degrees, a frontal QRS-T angle above 90 degrees; QRS of 120 ms or more with
    a score above 0.2 (RBBB) or 0.5 (LBBB); Sokolow-Lyon above 3.5 mV or Cornell above
    2.8 mV (LVH); no limb lead of 0.5 mV or no chest lead of 1 mV (low voltage); ST or T
    below -0.1 mV in I, II, aVL or V3 to V6; R-peak time in V5 or V6 above 50 ms. The
    paper names the first three limits; the others are those of the textbooks.

    Examples
    --------
    >>> import numpy as np
    >>> from ecgdan_sk.measurements import ECGMeasurements
    >>> time = np.arange(1000) / 100
    >>> beat = np.exp(-(((time % 0.8 - 0.4) / 0.02) ** 2))
    >>> X = np.tile(beat, (1, 12, 1))
    >>> table = ECGMeasurements(100).set_output(transform="pandas").fit_transform(X)
    >>> round(float(table["heart_rate_bpm"].iloc[0]))
    75
    """

    _parameter_constraints = {
        "sampling_rate": RATE_LIMITS,
        "preset": [StrOptions({"full", "paper15"})],
        "on_error": [StrOptions({"nan", "warn", "raise"})],
        "n_jobs": [Integral, None],
        "verbose": ["verbose"],
    }

    def __init__(
        self,
        sampling_rate=None,
        *,
        preset="full",
        on_error="nan",
        n_jobs=None,
        verbose=0,
    ):
        self.sampling_rate = sampling_rate
        self.preset = preset
        self.on_error = on_error
        self.n_jobs = n_jobs
        self.verbose = verbose

    def fit(self, X, y=None):
        """Check the parameters and `X`; nothing is learned.

        Parameters
        ----------
        X : array-like or ECGRecords of shape (n_samples, n_leads, n_times)
            ECGs in mV, leads in the order of `LEADS`.
        y : None
            Ignored.

        Returns
        -------
        ECGMeasurements
            This transformer.
        """
        self._validate_params()
        records = as_records(X)
        self._rate(records)
        self.n_leads_in_ = records.shape[1]
        return self

    def transform(self, X):
        """Table of measurements.

        Parameters
        ----------
        X : array-like or ECGRecords of shape (n_samples, n_leads, n_times)
            ECGs in mV. Short gaps (NaN) are interpolated. A lead that is mostly NaN
            counts as absent.

        Returns
        -------
        ndarray of shape (n_samples, n_features_out)
            In the order of `get_feature_names_out`; a DataFrame after
            ``set_output(transform="pandas")``.
        """
        measured = self._measure(X)
        for i, (found, reasons, _) in enumerate(measured):
            if found is None and self.on_error != "nan":
                message = f"ECG {i} cannot be measured: {'; '.join(reasons)}."
                if self.on_error == "raise":
                    raise ValueError(message + ' Leave it out, or use on_error="nan".')
                warn(message)
        table = np.full((len(measured), len(self.get_feature_names_out())), np.nan)
        for row, (found, _, _) in zip(table, measured):
            row[:] = np.nan if found is None else found
        return table

    def quality(self, X):
        """Quality of the measurement of each ECG, and reasons for missing values.

        Parameters
        ----------
        X : array-like or ECGRecords of shape (n_samples, n_leads, n_times)
            ECGs in mV.

        Returns
        -------
        DataFrame of shape (n_samples, 3)
            ``score`` from 0 to 1, ``n_beats`` found, and ``reasons``: missing or
            doubtful values as text, such as "noisy: V1, V2", empty if there are none.
        """
        rows = [(score, n, "; ".join(why)) for _, why, (score, n) in self._measure(X)]
        return pd.DataFrame(rows, columns=["score", "n_beats", "reasons"])

    def get_feature_names_out(self, input_features=None):
        """Names of the measurements, each ending in its unit.

        Parameters
        ----------
        input_features : None
            Ignored; leads do not name measurements.

        Returns
        -------
        ndarray of shape (n_features_out,)
            Names as str objects.
        """
        return np.array(PAPER15 if self.preset == "paper15" else NAMES, dtype=object)

    def __sklearn_tags__(self):
        tags = super().__sklearn_tags__()
        tags.input_tags.three_d_array = True
        tags.input_tags.allow_nan = True
        tags.requires_fit = False
        return tags

    def _measure(self, X):
        """Found, reasons and (score, number of beats) for each recording."""
        records = as_records(X)
        rate, preset = self._rate(records), self.preset
        twelve = records.select_leads(LEADS).signals
        bar = {"disable": not self.verbose, "unit": "ECG", "total": len(records)}
        known, new = [], []

        def to_measure():
            for ecg in tqdm(twelve, "Measuring", **bar):
                key = key_of(ecg, rate, preset)
                known.append(recall(key))
                if known[-1] is None:
                    new.append(key)
                    yield delayed(_measure_one)(ecg, rate, preset)

        found = Parallel(n_jobs=self.n_jobs)(to_measure())
        remember(zip(new, found))
        measured = iter(found)
        return [next(measured) if one is None else one for one in known]

    def _rate(self, records):
        """The sampling rate in Hz."""
        return known_rate(self.sampling_rate, records.sampling_rate, "ECGMeasurements")


def _measure_one(ecg, rate, preset):
    """Measurements of one ECG (12, T), the reasons for gaps, and its quality."""
    reasons = []
    ecg = delineated(np.asarray(ecg, np.float32), rate, reasons)
    if ecg is None:
        return None, reasons, (0.0, 0)
    measure, names = (paper15, PAPER15) if preset == "paper15" else (parameters, NAMES)
    with np.errstate(all="ignore"):
        found = measure(ecg)
        quality = quality_score(ecg), len(ecg.normal)
    return np.array([found.get(name, np.nan) for name in names]), reasons, quality
