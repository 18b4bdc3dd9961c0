"""Which diagnosis codes stand for a disease, from the list that the package ships."""

from pathlib import Path

import pandas as pd

_LIST = Path(__file__).parent / "phenotype_codes.csv"


def phenotype_codes():
    """The list: phenotype, coding (ICD10, ICD9, ...), code, description, source."""
    return pd.read_csv(_LIST, dtype="string")


def is_code_of(codes, phenotype, coding):
    """Which codes, a Series with or without dots, stand for the phenotype.

    A listed code stands for all codes below it: I50 for I50.0, I50.1, ...
    """
    listed = phenotype_codes().query("phenotype == @phenotype and coding == @coding")
    prefixes = tuple(listed["code"].str.replace(".", ""))
    # There are far fewer codes than rows.
    distinct = pd.Series(codes.dropna().unique(), dtype="string")
    plain = distinct.str.replace(".", "").str.strip().str.upper()
    return codes.isin(distinct[plain.str.startswith(prefixes).astype(bool)])
