"""MFER (ISO 22077), decoded by the ecgdatakit package."""

import warnings

from ._recording import ECGFileError, Recording, age_told, number, sex_code, waveform

_LARGEST = 100_000_000  # bytes; in memory they are eight times that
_ENDINGS = (".mwf", ".mfr", ".mfer")


def is_mfer(path, start):
    """Whether bytes begin as MFER does; its preamble may be absent."""
    if start[:1] == b"\x40" and start[2:6] == b"MFR ":
        return True
    # Byte order, version, block, channels, sequence: what files without it begin with.
    return path.suffix.lower() in _ENDINGS and 0 < start[0] <= 0x0C


def mfer(path, size):
    """Recording of an MFER file."""
    try:
        from ecgdatakit.parsing.parsers.mfer import MFERParser
    except ImportError as error:
        raise ImportError(
            "MFER needs ecgdatakit: pip install ecgdan_sk[vendor]"
        ) from error
    if size > _LARGEST:
        raise ECGFileError(f"it has {size} bytes; expected at most {_LARGEST}.")
    with warnings.catch_warnings(record=True) as found:
        warnings.simplefilter("always")
        record = MFERParser().parse(path)
    # Samples that are missing or scales that are guessed are warned of there.
    if found:
        raise ECGFileError(f"{found[0].message}; expected a file that is whole.")
    patient, leads = record.patient, record.leads
    rates = set(record.raw_metadata.get("sampling_rates", ()))
    if len(rates) != 1:
        raise ECGFileError(
            f"its leads are sampled at {sorted(rates)} Hz; expected one sampling rate."
        )
    return Recording(
        rhythm=waveform(
            [_in_mv(lead) for lead in leads],
            rates.pop(),
            [lead.label for lead in leads],
            [lead.resolution_unit for lead in leads],
        ),
        patient_id=patient.patient_id or None,
        sex=sex_code(patient.sex),
        recorded_at=record.recording.date,
        device=_device(record.recording.device),
        **age_told(patient.age, patient.birth_date, record.recording.date),
    )


def _in_mv(lead):
    """Samples of a lead in mV."""
    if lead.resolution_unit != "uV" or not number(lead.resolution) > 0:
        raise ECGFileError(
            f"lead {lead.label} does not say how many volts a count is; expected its "
            "MWF_SEN in V."
        )
    return (lead.samples * lead.resolution + lead.offset) / 1000


def _device(device):
    """Maker and model."""
    named = (device.manufacturer, device.model)
    return " ".join(part for part in named if part) or None
