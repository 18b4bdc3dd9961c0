"""Trees of scikit-survival that take the same targets as the other estimators.

They keep their class names, which become the names of steps in pipelines.
"""

from sksurv import ensemble

from .._outcomes import as_target


class AnyTarget:
    """Fit on the target in days, whatever its dtype; goes left of an estimator."""

    def fit(self, X, y, **options):
        """Check the target, then fit."""
        return super().fit(X, as_target(y), **options)


class GradientBoostingSurvivalAnalysis(
    AnyTarget, ensemble.GradientBoostingSurvivalAnalysis
):
    """Gradient-boosted trees."""


class RandomSurvivalForest(AnyTarget, ensemble.RandomSurvivalForest):
    """Random survival forest."""
