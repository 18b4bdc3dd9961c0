"""Fields of a UK Biobank table, however its columns are named."""

import re
from pathlib import Path

import pandas as pd

from ..._outcomes._dates import is_placeholder
from ...records._leads_and_ids import first_ten
from ._phenotypes import is_code_of
from ._published_tables import as_dates, check_distinct

# 41270-0.12 (Showcase), f.41270.0.12 (its R export), p41280_a12 and p53_i2 (RAP).
_NAMES = (
    re.compile(r"(?:f\.)?(\d+)[-.](\d+)\.(\d+)"),
    re.compile(r"(?:participant\.)?p(\d+)(?:_i(\d+))?(?:_a(\d+))?"),
)
_EID = re.compile(r"(?:participant\.|f\.)?eid")
_CODE = re.compile(r"[A-Za-z0-9.]+")

VISIT, CENTRE, DEATH, LOST = 53, 54, 40000, 191
_DEATH_CODES = (40001, 40002)
# Codes and their dates.
_DIAGNOSES = (("ICD10", 41270, 41280), ("ICD9", 41271, 41281))
_MEANING = {
    VISIT: "date of attending the assessment centre",
    DEATH: "date of death",
    LOST: "date lost to follow-up",
    40001: "primary cause of death",
    40002: "secondary causes of death",
    41270: "diagnoses in ICD-10",
    41280: "their dates",
    41271: "diagnoses in ICD-9",
    41281: "their dates",
}
# Centres of the first visit, data-coding 10; all others are in England. Those with
# scanners all are, wherever people live.
_CENTRES = {
    "Scotland": ("11004", "11005", "glasgow", "edinburgh"),
    "Wales": ("11003", "11022", "11023", "cardiff", "swansea", "wrexham"),
}


class UKBTable:
    """Participants by `eid`, and their dates and diagnoses.

    Parameters
    ----------
    table : DataFrame, str or path-like
        Table of UK Biobank, or a CSV or tab-separated file of it.
    """

    def __init__(self, table):
        if not isinstance(table, pd.DataFrame):
            table = _read(Path(table))
        eid = [column for column in table if _EID.fullmatch(str(column))]
        if not eid:
            raise ValueError(
                f"The table has no column eid; its first ten are "
                f"{first_ten(table.columns)}."
            )
        check_distinct(table[eid[0]], "values of eid")
        index = pd.Index(pd.to_numeric(table[eid[0]]).astype("int64"), name="eid")
        self._table = table.set_axis(index, axis=0)
        self._columns = {}
        self._unknown = []
        for column in table:
            field, *place = _field(column) or (None,)
            self._columns.setdefault(field, {})[tuple(place)] = column
        missing = [field for field in _MEANING if field not in self._columns]
        if missing:
            named = ", ".join(f"{field} ({_MEANING[field]})" for field in missing)
            raise ValueError(
                f"The table lacks the fields {named}. Extract them too, or add an "
                f"empty column such as '{missing[0]}-0.0' where nobody has one."
            )

    @property
    def eid(self):
        """Identifier of each participant."""
        return self._table.index

    def of(self, eid):
        """The table of these participants only."""
        chosen = object.__new__(UKBTable)
        chosen._table, chosen._columns = self._table.loc[eid], self._columns
        chosen._unknown = self._unknown
        return chosen

    @property
    def n_unknown_dates(self):
        """Number of dates so far that were placeholders or in the future."""
        return sum(self._unknown)

    def country(self):
        """Country of the assessment centre of the first visit."""
        column = self._columns.get(CENTRE, {}).get((0, None)) or self._columns.get(
            CENTRE, {}
        ).get((0, 0))
        if column is None:
            raise ValueError(
                "end_of_data by country needs field 54 (assessment centre) of the "
                "first visit; extract '54-0.0' too, or give one date for all."
            )
        centre = _text(self._table[column]).str.lower().str.split(r"[ (.]").str[0]
        country = pd.Series("England", index=self.eid).mask(centre.isna())
        for name, centres in _CENTRES.items():
            country = country.mask(centre.isin(centres).fillna(False), name)
        return country

    def date(self, field, instance=None):
        """First date in a field, NaT if there is none."""
        columns = [
            column
            for (at, _), column in self._columns[field].items()
            if instance is None or at == instance
        ]
        if not columns:
            raise ValueError(
                f"The table holds no instance {instance} of field {field} "
                f"({_MEANING[field]}); that of the first imaging visit is 2."
            )
        return pd.concat([self._dates(column) for column in columns], axis=1).min(
            axis=1
        )

    def first_diagnosis(self, phenotype):
        """Date of the first hospital code, and who has one without a date."""
        dates, undated = [], pd.Series(False, index=self.eid)
        for coding, code_field, date_field in _DIAGNOSES:
            wanted = self._codes(code_field)
            listed = _listed(wanted, phenotype, coding)
            for array, codes in wanted.items():
                rows = codes.isin(listed)
                column = self._columns[date_field].get((0, array))
                found = self._dates(column, rows) if rows.any() and column else None
                if found is None:
                    undated |= rows
                    continue
                dates.append(found.reindex(self.eid))
                undated |= rows & dates[-1].isna()
        nothing = pd.Series(pd.NaT, index=self.eid, dtype="datetime64[ns]")
        first = pd.concat([nothing, *dates], axis=1).min(axis=1)
        return first, undated

    def died_of(self, phenotype):
        """Who has a code of the phenotype among the causes of death."""
        found = pd.Series(False, index=self.eid)
        for field in _DEATH_CODES:
            for column in self._columns[field].values():
                found |= is_code_of(_text(self._table[column]), phenotype, "ICD10")
        return found

    def _codes(self, field):
        """Codes of a field: array index -> Series of str."""
        columns = {array: name for (_, array), name in self._columns[field].items()}
        if list(columns) != [None]:
            return {array: _text(self._table[name]) for array, name in columns.items()}
        # RAP puts all codes into one cell, such as "['I10', 'I50']" or "I10|I50".
        cells = self._table[columns[None]]
        lists = [_CODE.findall(str(cell)) if _given(cell) else [] for cell in cells]
        wide = pd.DataFrame(lists, index=self.eid, dtype="string")
        return {array: wide[array] for array in wide}

    def _dates(self, column, rows=None):
        """Dates of a column, of all or of some rows."""
        written = self._table[column] if rows is None else self._table.loc[rows, column]
        dates = as_dates(written, f"The column {column}").dt.normalize()
        unknown = is_placeholder(dates)
        self._unknown.append(int(unknown.sum()))
        return dates.mask(unknown)


def _read(path):
    """The columns of a file that matter, as text."""
    if not path.is_file():
        raise FileNotFoundError(
            f"There is no file {path}; expected a table of UK Biobank, as CSV or "
            "separated by tabs."
        )
    with path.open(encoding="utf-8-sig") as file:
        separator = "\t" if "\t" in file.readline() else ","

    def matters(column):
        field = (_field(column) or [0])[0]
        return bool(_EID.fullmatch(column)) or field in (*_MEANING, CENTRE)

    return pd.read_csv(
        path, sep=separator, usecols=matters, dtype="string", encoding="utf-8-sig"
    )


def _field(column):
    """(field, instance, array) of a column, or None if it is not a field."""
    for name in _NAMES:
        match = name.fullmatch(str(column))
        if match:
            field, instance, array = match.groups()
            array = None if array is None else int(array)
            return int(field), int(instance or 0), array
    return None


def _listed(codes, phenotype, coding):
    """Codes that belong to the phenotype."""
    distinct = [series.dropna().unique() for series in codes.values()]
    distinct = pd.Series([code for some in distinct for code in some], dtype="string")
    return set(distinct[is_code_of(distinct, phenotype, coding)])


def _text(codes):
    """Codes as text; ICD-9 may have been read as numbers."""
    if pd.api.types.is_numeric_dtype(codes):
        codes = codes.astype("Int64")
    return codes.astype("string")


def _given(cell):
    """Whether a cell holds something."""
    return isinstance(cell, (list, tuple)) or pd.notna(cell)
