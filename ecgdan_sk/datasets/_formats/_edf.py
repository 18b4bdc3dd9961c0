"""EDF, EDF+ and BDF, read by pyedflib."""

from ...records import LEADS
from ._recording import (
    ECGFileError,
    Recording,
    age_in_years,
    lead_name,
    moment,
    mv_per,
    sex_code,
    waveform,
)

_LARGEST = 2_000_000_000  # bytes


def edf(path, size):
    """Recording of an EDF file of `size` bytes."""
    try:
        import pyedflib
    except ImportError as error:
        raise ImportError(
            "EDF files need pyedflib: pip install ecgdan_sk[vendor]"
        ) from error
    _check_size(path, size)
    with pyedflib.EdfReader(str(path)) as file:
        chosen = _ecg_channels(file.getSignalLabels())
        rates = {file.getSampleFrequency(i) for i in chosen}
        if len(rates) != 1:
            raise ECGFileError(
                f"its ECG channels are sampled at {sorted(rates)} Hz; expected one "
                "sampling rate."
            )
        signals = [
            file.readSignal(i) * mv_per(file.getPhysicalDimension(i)) for i in chosen
        ]
        recorded_at = file.getStartdatetime()
        return Recording(
            rhythm=waveform(signals, rates.pop(), [file.getLabel(i) for i in chosen]),
            patient_id=file.getPatientCode().strip(" X") or None,
            age=age_in_years(_birth(file), recorded_at),
            sex=sex_code(file.getSex()),
            recorded_at=recorded_at,
            device=file.getEquipment().strip() or None,
        )


def _ecg_channels(labels):
    """Channels that are standard leads, or else those that call themselves ECG."""
    chosen = [i for i, label in enumerate(labels) if lead_name(label) in LEADS]
    if not chosen:
        ecg = ("ecg", "ekg")
        chosen = [i for i, label in enumerate(labels) if label.lower().startswith(ecg)]
    if not chosen:
        raise ECGFileError(
            f"its channels are {', '.join(labels[:20])}; expected leads of an ECG, "
            "such as 'ECG II' or 'V1'."
        )
    return chosen


def _birth(file):
    """Date of birth, or None."""
    birth = file.getBirthdate(string=False)
    return moment(birth.strftime("%Y%m%d")) if birth else None


def _check_size(path, size):
    """Refuse a header that claims other than the file holds, before it is believed."""
    with open(path, "rb") as file:
        fixed = file.read(256)
        width = 3 if fixed[:1] == b"\xff" else 2
        try:
            n_header, n_records, n_signals = (
                int(fixed[at])
                for at in (slice(184, 192), slice(236, 244), slice(252, 256))
            )
            file.seek(256 + n_signals * 216)
            per_record = sum(int(file.read(8)) for _ in range(min(n_signals, 10_000)))
        except ValueError as error:
            raise ECGFileError(
                f"its EDF header is damaged ({error}); expected numbers."
            ) from error
    claimed = n_header + n_records * per_record * width
    if n_records < 1 or not 0 < claimed <= size <= _LARGEST:
        raise ECGFileError(
            f"its EDF header claims {claimed} bytes and the file holds {size}, of at "
            f"most {_LARGEST}; it is cut short or damaged."
        )
