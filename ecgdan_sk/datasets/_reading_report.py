"""Report on the files of a folder: a table, its summary, and its warnings."""

from collections import Counter
from dataclasses import dataclass, field

import pandas as pd

from .._html import fragment, tag
from .._warnings import warn

# Share of the files that may be left out without a warning.
_LEAST_WORTH_A_WARNING = 0.05
# Score of SignalQuality below which a recording is called poor.
POOR = 0.5
_LISTED = 5  # formats, rates, lengths and units in the summary, each
_SHOWN = 50  # rows of files in the page


@dataclass
class ReadingReport:
    """Report of `read_ecg_folder` on each file.

    Attributes
    ----------
    files : DataFrame of shape (n_files, 14)
        One row for each file, by its path below the folder. Columns of files that could
        be read: `format`; `sampling_rate` in Hz, `rate_told` (whether the file contains
        it), `duration` in seconds and `leads` of the file; `unknown_leads`, leads with
        unknown names; `unit` of the amplitudes in the file, before conversion to mV;
        `patient_missing` and `age_missing`; `quality` from 0 to 1, the mean over the
        leads of the scores of `SignalQuality` in the first minute; `duplicate_of`, the
        first file with the same samples; `changed`, the changes to the common layout.
        `left_out` is the reason why a file was left out, and empty if it was kept; `id`
        is the identifier of a kept recording.
    layout : str
        Leads, samples and sampling rate of the recordings.
    changes : dict
        Kind of change, such as "resampled" -> number of recordings.
    """

    files: pd.DataFrame
    layout: str
    changes: dict = field(default_factory=dict)

    @property
    def summary(self):
        """Summary of the report, as a Series of numbers of files."""
        files, kept = self.files, self.kept
        found = {"files": len(files), "recordings": len(kept)}
        found["left out"] = len(files) - len(kept)
        for column in ("format", "sampling_rate", "duration", "unit"):
            counts = kept[column].value_counts()
            for value, n in counts.iloc[:_LISTED].items():
                found[_described(column, value)] = n
            if len(counts) > _LISTED:
                found[f"of another {column}".replace("_", " ")] = counts.iloc[
                    _LISTED:
                ].sum()
        found |= self.changes
        found["with leads of unknown names"] = (kept["unknown_leads"] != "").sum()
        found["without a patient's identifier"] = kept["patient_missing"].sum()
        found["without an age"] = kept["age_missing"].sum()
        found[f"of poor quality (below {POOR:g})"] = (kept["quality"] < POOR).sum()
        found["copies of another file"] = (kept["duplicate_of"] != "").sum()
        counts = {name: int(n) for name, n in found.items()}
        return pd.Series(counts, name="n_files")

    @property
    def kept(self):
        """Rows of the files that were kept."""
        return self.files[self.files["left_out"] == ""]

    def __str__(self):
        lines = [f"{name}: {n}" for name, n in self.summary.items() if n]
        lines.insert(2, f"layout: {self.layout}")
        reasons = Counter(self.files["left_out"])
        reasons.pop("", None)
        for reason, n in reasons.most_common(5):
            lines.append(f"left out, {n}: {reason}")
        return "\n".join(lines)

    def _repr_html_(self):
        counts = [(name, str(n)) for name, n in self.summary.items() if n]
        parts = [
            tag("p", tag("strong", "Reading report. "), f"Layout: {self.layout}."),
            _table(("", "files"), counts),
        ]
        for title, rows in (
            ("Left out", self.files[self.files["left_out"] != ""][["left_out"]]),
            ("Changed", self.kept[self.kept["changed"] != ""][["changed"]]),
            (
                "Copies",
                self.kept[self.kept["duplicate_of"] != ""][["duplicate_of"]],
            ),
        ):
            parts += _folded(title, rows)
        return fragment(tag("div", *parts, class_="ecgdan-report"))


def warn_of(report, asked):
    """Warn of files that were lost or copied, or changed without request."""
    for text in filter(None, (_lost(report), _changed(report, asked), _copied(report))):
        warn(text)


def _lost(report):
    """A sentence on files left out, where they are more than a few."""
    lost = report.files[report.files["left_out"] != ""]
    if len(lost) <= _LEAST_WORTH_A_WARNING * len(report.files):
        return ""
    unread = int(lost["format"].isna().sum())
    return (
        f"Left out are {len(lost)} of {len(report.files)} files, {unread} that could "
        f"not be read and {len(lost) - unread} that do not fit the others. "
        "`report` says why of each; a `pattern` such as '*.xml' leaves out what is "
        "no ECG."
    )


def _changed(report, asked):
    """A sentence on recordings brought to the layout of most."""
    found = {kind: n for kind, n in report.changes.items() if kind not in asked}
    if not found:
        return ""
    kinds = ", ".join(f"{n} {kind}" for kind, n in found.items())
    return (
        f"Of {len(report.kept)} recordings some were brought to the layout of most, "
        f"{report.layout}: {kinds}. `report` says which. Choose a layout by "
        "sampling_rate=, duration= and leads=."
    )


def _copied(report):
    """A sentence on files with the same samples."""
    copies = report.kept.index[report.kept["duplicate_of"] != ""]
    if not len(copies):
        return ""
    first = report.kept.loc[copies[0], "duplicate_of"]
    return (
        f"{len(copies)} of {len(report.kept)} recordings hold the same samples as "
        f"another file; the first, {copies[0]}, those of {first}. They are kept; "
        "leave them out by `duplicate_of` in `report.files`."
    )


def _described(column, value):
    """A value of a column of the report, in words."""
    if column == "sampling_rate":
        return f"sampled at {value:g} Hz"
    if column == "duration":
        return f"of {value:g} s"
    return f"amplitudes in {value}" if column == "unit" else f"format {value}"


def _folded(title, rows):
    """A table of files under a title that opens it."""
    if rows.empty:
        return []
    shown = [(str(name), str(text)) for name, text in rows.iloc[:_SHOWN, 0].items()]
    more = len(rows) - len(shown)
    return [
        tag(
            "details",
            tag("summary", f"{title}: {len(rows)}"),
            _table(("file", ""), shown),
            tag("p", f"and {more} more, in `report.files`") if more else None,
        )
    ]


def _table(names, rows):
    """A table of texts."""
    head = tag("tr", *[tag("th", name) for name in names])
    left = "text-align: left"
    body = [tag("tr", *[tag("td", text, style=left) for text in row]) for row in rows]
    return tag("table", tag("thead", head), tag("tbody", *body))
