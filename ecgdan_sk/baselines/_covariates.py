"""Covariates of the patients as a table, for the models that need no ECG."""

import numpy as np
from sklearn.base import BaseEstimator, TransformerMixin

from ..records._covariate_table import covariate_table


class Covariates(TransformerMixin, BaseEstimator):
    """Covariates of the patients, such as age and sex, as a table.

    Parameters
    ----------
    columns : sequence of str, default=("age", "sex")
        Numeric columns of `ECGRecords.covariates`.

    Attributes
    ----------
    n_leads_in_ : int
        Number of leads seen in `fit`.

    Examples
    --------
    >>> import numpy as np
    >>> import pandas as pd
    >>> from ecgdan_sk.baselines import Covariates
    >>> from ecgdan_sk.records import ECGRecords
    >>> covariates = pd.DataFrame({"age": [61, 74], "sex": [0, 1]})
    >>> X = ECGRecords(np.zeros((2, 12, 10)), covariates=covariates)
    >>> Covariates().fit_transform(X)
    array([[61.,  0.],
           [74.,  1.]])
    """

    def __init__(self, columns=("age", "sex")):
        self.columns = columns

    def fit(self, X, y=None):
        """Check that the columns exist and hold numbers.

        Parameters
        ----------
        X : ECGRecords of shape (n_samples, n_leads, n_times)
            Recordings with covariates.
        y : None
            Ignored.

        Returns
        -------
        Covariates
            This transformer.
        """
        covariate_table(X, self.columns)
        self.n_leads_in_ = X.shape[1]
        return self

    def transform(self, X):
        """The columns, missing values as NaN.

        Parameters
        ----------
        X : ECGRecords of shape (n_samples, n_leads, n_times)
            Recordings with covariates.

        Returns
        -------
        ndarray of shape (n_samples, n_columns)
            In the order of `columns`.
        """
        return covariate_table(X, self.columns)

    def get_feature_names_out(self, input_features=None):
        """The columns.

        Parameters
        ----------
        input_features : None
            Ignored; leads do not name covariates.

        Returns
        -------
        ndarray of shape (n_columns,)
            Names as str objects.
        """
        return np.array(self.columns, dtype=object)

    def __sklearn_tags__(self):
        tags = super().__sklearn_tags__()
        tags.input_tags.three_d_array = True
        tags.requires_fit = False
        return tags
