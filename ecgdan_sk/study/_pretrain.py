"""An encoder of your own, from ECGs and a table of their reports."""

from .._tensor_files import replacing
from ..pretraining import ECGReportPretrainer
from ._assemble import rows_of


def pretrain_encoder(
    records, table, out, *, id, text, max_epochs, random_state, verbose
):
    """Pretrain on the ECGs that have a report; return a summary."""
    for column in (id, text):
        if column not in table:
            raise ValueError(
                f"There is no column {column!r} in the table, which has "
                f"{', '.join(map(repr, table.columns[:12]))}. Name it by --id or "
                "--text."
            )
    told = table[table[text].notna()].reset_index(drop=True)
    records, rows = rows_of(records, told[id], id, [])
    reports = told[text].astype(str).to_numpy()[rows].tolist()
    given = {} if max_epochs is None else {"max_epochs": max_epochs}
    pretrainer = ECGReportPretrainer(
        random_state=random_state, verbose=verbose, **given
    )
    pretrainer.fit(records, reports)
    with replacing(out) as unfinished:
        pretrainer.save_encoder(unfinished)
    return f"An encoder of {len(records)} ECGs with reports: {out}"
