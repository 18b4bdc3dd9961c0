"""SCP codes with likelihoods: checked, then one row of likelihoods per ECG."""

import difflib
from numbers import Real

import numpy as np


def likelihood_table(reports, table, zero_likelihood, may_be_silent=False):
    """Likelihoods (n_samples, n_statements) from 0 to 1; no row may be all zero."""
    _check_known(reports, table)
    column = {code: i for i, code in enumerate(table.index)}
    likelihoods = np.zeros((len(reports), len(table)), np.float32)
    stated_without = np.zeros(len(table), bool)
    if zero_likelihood == "present":
        stated_without[:] = table["form"] | table["rhythm"]
    for i, codes in enumerate(reports):
        for code, likelihood in codes.items():
            _check_likelihood(i, code, likelihood)
            j = column[code]
            unrated = likelihood == 0 and stated_without[j]
            likelihoods[i, j] = 1.0 if unrated else likelihood / 100
    if not may_be_silent:
        _check_stated(reports, likelihoods, zero_likelihood)
    return likelihoods


def statement_lists(likelihoods, table):
    """Statements of each ECG as a tuple of str, by falling likelihood."""
    descriptions = table["description"].to_numpy()
    return tuple("; ".join(_said(row, descriptions)) for row in likelihoods)


def _said(likelihoods, descriptions):
    """The statements of one ECG, with their likelihood where it is in doubt."""
    for i in np.argsort(-likelihoods, kind="stable")[: (likelihoods > 0).sum()]:
        doubt = "" if likelihoods[i] == 1 else f" ({100 * likelihoods[i]:.0f} %)"
        yield descriptions[i] + doubt


def _check_known(reports, table):
    """Raise one error that names all unknown codes, each with its nearest."""
    known, unknown = set(table.index), {}
    for i, codes in enumerate(reports):
        for code in codes:
            if code not in known:
                unknown.setdefault(code, i)
    if not unknown:
        return
    named = ", ".join(_with_nearest(code, table.index) for code in [*unknown][:10])
    raise ValueError(
        f"{len(unknown)} SCP codes are not in the table of {len(table)} statements: "
        f"{named}; the first stands in reports[{min(unknown.values())}]. Correct them, "
        "or pass a table that holds them as `statements`."
    )


def _with_nearest(code, known):
    """The code, with the most similar known code."""
    nearest = difflib.get_close_matches(str(code), known, n=1, cutoff=0.0)
    return f"{code!r} (nearest: {nearest[0]!r})" if nearest else repr(code)


def _check_likelihood(i, code, likelihood):
    """Raise unless a likelihood is a number of percent."""
    if isinstance(likelihood, Real) and 0 <= likelihood <= 100:
        return
    raise ValueError(
        f"Likelihoods are in percent, from 0 to 100, but reports[{i}] has "
        f"{code!r}: {likelihood!r}."
    )


def _check_stated(reports, likelihoods, zero_likelihood):
    """Raise if an ECG has no usable statement."""
    silent = ~(likelihoods > 0).any(axis=1)
    if not silent.any():
        return
    first = int(np.argmax(silent))
    remedy = "Leave these ECGs out"
    if zero_likelihood == "drop" and any(reports[i] for i in np.flatnonzero(silent)):
        remedy += ", or let zero_likelihood='present' count rhythm and form statements"
    raise ValueError(
        f"{silent.sum()} of {len(reports)} ECGs have no statement with a likelihood; "
        f"the first is reports[{first}] = {reports[first]!r}. {remedy}."
    )
