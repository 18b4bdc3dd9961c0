"""Pipelines over the same ECGs as the network."""

from sklearn import get_config
from sklearn.decomposition import PCA
from sklearn.impute import SimpleImputer
from sklearn.pipeline import Pipeline, make_pipeline
from sklearn.preprocessing import StandardScaler

from ..measurements import ECGMeasurements
from ..records._leads_and_ids import aligned_to
from ._covariates import Covariates
from ._penalised_cox import PenalisedCox
from ._random_convolutions import RandomConvolutions
from ._trees import GradientBoostingSurvivalAnalysis, RandomSurvivalForest


class PatientPipeline(Pipeline):
    """A pipeline that passes the patients of its ECGs to its last step.

    The steps turn ECGs into a table, which holds no patient identifiers.
    """

    def fit(self, X, y=None, *, groups=None, **params):
        """Fit all steps.

        Parameters
        ----------
        X : array-like or ECGRecords of shape (n_samples, n_leads, n_times)
            ECGs in mV.
        y : structured array of shape (n_samples,)
            Fields (event, time), as made by `sksurv.util.Surv`.
        groups : array-like of shape (n_samples,) or None, default=None
            Patient of each sample. None takes the `patient_ids` of `X`; if there are
            none, samples count as independent.
        **params : dict
            Passed on by the pipeline.

        Returns
        -------
        PatientPipeline
            This pipeline.
        """
        y, groups = aligned_to(X, y=y, groups=groups)
        groups = getattr(X, "patient_ids", None) if groups is None else groups
        if groups is not None:
            routed = get_config()["enable_metadata_routing"]
            params["groups" if routed else f"{self.steps[-1][0]}__groups"] = groups
        return super().fit(X, y, **params)


def _by_patient(*steps):
    """A pipeline with the names that `make_pipeline` gives."""
    return PatientPipeline(make_pipeline(*steps).steps)


def cox_paper15(sampling_rate=None, *, random_state=0):
    """Ridge Cox model of the fifteen measurements of Chen et al. (2025).

    Parameters
    ----------
    sampling_rate : float or None, default=None
        Samples per second of the ECGs, in Hz. None takes that of `ECGRecords`.
    random_state : int, RandomState instance or None, default=0
        Determines the folds in which the penalty is chosen.

    Returns
    -------
    Pipeline
        Takes ECGs of shape (n_samples, n_leads, n_times) in mV.

    Examples
    --------
    >>> from ecgdan_sk.baselines import cox_paper15
    >>> from ecgdan_sk.datasets import make_ecg_cohort
    >>> cohort = make_ecg_cohort(60, duration=3, event_rate=0.5, random_state=0)
    >>> cox_paper15(sampling_rate=100).fit(cohort.X, cohort.y).predict(cohort.X).shape
    (60,)
    """
    return _by_patient(
        ECGMeasurements(sampling_rate, preset="paper15"),
        *_completed(),
        PenalisedCox(random_state=random_state),
    )


def cox_measurements(sampling_rate=None, *, l1_ratio=0.0, random_state=0):
    """Penalised Cox model of all measurements of an ECG: the traditional method.

    Missing measurements are replaced by their median and flagged. All are scaled. The
    penalty is chosen by inner cross-validation.

    Parameters
    ----------
    sampling_rate : float or None, default=None
        Samples per second of the ECGs, in Hz. None takes that of `ECGRecords`.
    l1_ratio : float, default=0.0
        Share of the absolute penalty: 0 is ridge, 0.5 elastic net, 1 lasso.
    random_state : int, RandomState instance or None, default=0
        Determines the folds in which the penalty is chosen.

    Returns
    -------
    Pipeline
        Takes ECGs of shape (n_samples, n_leads, n_times) in mV.

    Examples
    --------
    >>> from ecgdan_sk.baselines import cox_measurements
    >>> from ecgdan_sk.datasets import make_ecg_cohort
    >>> cohort = make_ecg_cohort(60, duration=3, event_rate=0.5, random_state=0)
    >>> cox = cox_measurements(sampling_rate=100).fit(cohort.X, cohort.y)
    >>> cox.predict_survival_function(cohort.X, return_array=True).shape[0]
    60
    """
    return _by_patient(
        ECGMeasurements(sampling_rate),
        *_completed(),
        PenalisedCox(l1_ratio=l1_ratio, random_state=random_state),
    )


def cox_embedding(encoder, *, random_state=0):
    """Ridge Cox model of the features of an encoder that is not trained further.

    Features are scaled. The penalty is chosen by inner cross-validation.

    Parameters
    ----------
    encoder : transformer
        It turns ECGs into features, such as `encoders.Encoder` or
        `encoders.FoundationEncoder`. Give the latter a `cache`, so that all folds
        together compute each ECG once.
    random_state : int, RandomState instance or None, default=0
        Determines the folds in which the penalty is chosen.

    Returns
    -------
    Pipeline
        Takes ECGs of shape (n_samples, n_leads, n_times) in mV.

    Examples
    --------
    >>> from ecgdan_sk import encoders
    >>> from ecgdan_sk.baselines import cox_embedding
    >>> from ecgdan_sk.datasets import make_ecg_cohort
    >>> cohort = make_ecg_cohort(60, sampling_rate=100, event_rate=0.5, random_state=0)
    >>> cox = cox_embedding(encoders.Encoder("ptbxl-100hz", sampling_rate=100))
    >>> cox.fit(cohort.X, cohort.y).predict(cohort.X).shape
    (60,)
    """
    return _by_patient(
        encoder, StandardScaler(), PenalisedCox(random_state=random_state)
    )


def cox_covariates(columns=("age", "sex"), *, random_state=0):
    """Ridge Cox model of covariates such as age and sex, without the ECG.

    Parameters
    ----------
    columns : sequence of str, default=("age", "sex")
        Numeric columns of `ECGRecords.covariates`.
    random_state : int, RandomState instance or None, default=0
        Determines the folds in which the penalty is chosen.

    Returns
    -------
    Pipeline
        Takes `ECGRecords` with covariates.

    Examples
    --------
    >>> from ecgdan_sk.baselines import cox_covariates
    >>> from ecgdan_sk.datasets import make_ecg_cohort
    >>> from ecgdan_sk.records import ECGRecords
    >>> cohort = make_ecg_cohort(60, duration=3, event_rate=0.5, random_state=0)
    >>> X = ECGRecords(cohort.X, 100, covariates=cohort.covariates)
    >>> cox_covariates().fit(X, cohort.y).predict(X).shape
    (60,)
    """
    return _by_patient(
        Covariates(columns), *_completed(), PenalisedCox(random_state=random_state)
    )


def gradient_boosting(sampling_rate=None, *, random_state=0):
    """Gradient-boosted trees on the measurements, with the Cox loss (Ridgeway 1999).

    Parameters
    ----------
    sampling_rate : float or None, default=None
        Samples per second of the ECGs, in Hz. None takes that of `ECGRecords`.
    random_state : int, RandomState instance or None, default=0
        Determines the subsamples and the candidate features.

    Returns
    -------
    Pipeline
        Takes ECGs of shape (n_samples, n_leads, n_times) in mV.

    Examples
    --------
    >>> from ecgdan_sk.baselines import gradient_boosting
    >>> gradient_boosting(sampling_rate=100)[-1].max_depth
    2
    """
    boosting = GradientBoostingSurvivalAnalysis(
        learning_rate=0.05,
        n_estimators=200,
        max_depth=2,
        subsample=0.5,
        max_features="sqrt",
        random_state=random_state,
    )
    return make_pipeline(ECGMeasurements(sampling_rate), *_completed()[:1], boosting)


def survival_forest(sampling_rate=None, *, n_jobs=None, random_state=0):
    """Random survival forest on the measurements (Ishwaran et al. 2008).

    Parameters
    ----------
    sampling_rate : float or None, default=None
        Samples per second of the ECGs, in Hz. None takes that of `ECGRecords`.
    n_jobs : int or None, default=None
        Processes that share the trees.
    random_state : int, RandomState instance or None, default=0
        Determines the trees.

    Returns
    -------
    Pipeline
        Takes ECGs of shape (n_samples, n_leads, n_times) in mV.

    Examples
    --------
    >>> from ecgdan_sk.baselines import survival_forest
    >>> survival_forest(sampling_rate=100)[-1].n_estimators
    300
    """
    forest = RandomSurvivalForest(
        n_estimators=300, min_samples_leaf=10, n_jobs=n_jobs, random_state=random_state
    )
    return make_pipeline(ECGMeasurements(sampling_rate), *_completed()[:1], forest)


def cox_random_convolutions(n_kernels=10_000, *, n_jobs=1, random_state=0):
    """Ridge Cox model of random convolutions: MiniRocket (Dempster et al. 2021).

    The features are those of aeon's MiniRocket, reduced to the principal components
    that explain 95 % of their variance.

    Parameters
    ----------
    n_kernels : int, default=10000
        Number of convolutions.
    n_jobs : int, default=1
        Threads that share the convolutions.
    random_state : int or None, default=0
        Determines the convolutions, and the folds in which the penalty is chosen.

    Returns
    -------
    Pipeline
        Takes ECGs of shape (n_samples, n_leads, n_times) in mV, of at least 9 samples.

    Raises
    ------
    ImportError
        On `fit`, if aeon is not installed.

    Examples
    --------
    >>> from ecgdan_sk.baselines import cox_random_convolutions
    >>> cox_random_convolutions()[0].n_kernels
    10000
    """
    return _by_patient(
        RandomConvolutions(n_kernels, n_jobs=n_jobs, random_state=random_state),
        StandardScaler(),
        PCA(0.95, svd_solver="full"),
        PenalisedCox(random_state=random_state),
    )


def _completed():
    """Replace missing values by the median and flag them, then scale."""
    imputer = SimpleImputer(
        strategy="median", add_indicator=True, keep_empty_features=True
    )
    return imputer, StandardScaler()
