"""DICOM waveforms: 12-lead and general ECG storage."""

import io
from collections import defaultdict

import numpy as np

from ._lead_codes import lead_of_code
from ._recording import (
    ECGFileError,
    Recording,
    age_told,
    fullest,
    is_whole,
    measured,
    moment,
    mv_per,
    number,
    sex_code,
    waveform,
)

_DEFLATED = b"1.2.840.10008.1.2.1.99"
# The codes of SCP-ECG for measurements; by name where vendors have codes of their own.
_CODED = {
    "5.10.2.1-3": "rr_interval_ms",
    "5.13.5-7": "pr_interval_ms",
    "5.13.5-9": "qrs_duration_ms",
    "5.13.5-11": "qt_interval_ms",
    "5.10.2.5-5": "qtc_interval_ms",
    "5.10.3-11": "p_axis_deg",
    "5.10.3-13": "qrs_axis_deg",
    "5.10.3-15": "t_axis_deg",
}
_MEASURED = {
    **dict.fromkeys(("ventricular rate", "heart rate"), "heart_rate_bpm"),
    "rr interval": "rr_interval_ms",
    **dict.fromkeys(("p duration", "p wave duration"), "p_duration_ms"),
    **dict.fromkeys(("pr interval", "pq interval"), "pr_interval_ms"),
    "qrs duration": "qrs_duration_ms",
    "qt interval": "qt_interval_ms",
    "qtc interval": "qtc_interval_ms",
    **dict.fromkeys(("p axis", "p wave axis"), "p_axis_deg"),
    "qrs axis": "qrs_axis_deg",
    **dict.fromkeys(("t axis", "t wave axis"), "t_axis_deg"),
}


def dicom(data):
    """Recording of a DICOM file given as bytes."""
    try:
        import pydicom
    except ImportError as error:
        raise ImportError(
            "DICOM files need pydicom: pip install ecgdan_sk[vendor]"
        ) from error
    if _DEFLATED in data[:4096]:
        raise ECGFileError(
            "it is DICOM compressed as a whole (deflated), which is not read. Save it "
            "uncompressed, as Explicit VR Little Endian."
        )
    dataset = pydicom.dcmread(io.BytesIO(data))
    groups = [
        _Group(dataset, i) for i in range(len(dataset.get("WaveformSequence") or ()))
    ]
    rhythm = [group for group in groups if not group.is_derived]
    if not rhythm:
        raise ECGFileError(
            f"it is DICOM ({_told(dataset, 'Modality', 'no modality')}) with "
            f"{len(groups)} waveforms, none of them original; expected an ECG."
        )
    derived = [group for group in groups if group.is_derived]
    recorded_at = _recorded_at(dataset)
    birth = _told(dataset, "PatientBirthDate")
    return Recording(
        rhythm=_joined(rhythm),
        median=_joined(derived) if derived else None,
        patient_id=_told(dataset, "PatientID"),
        sex=sex_code(_told(dataset, "PatientSex")),
        recorded_at=recorded_at,
        device=_device(dataset),
        statements=_statements(dataset),
        measurements=_measurements(dataset),
        **age_told(_told(dataset, "PatientAge"), moment(birth) or birth, recorded_at),
    )


def _told(item, name, default=None):
    """Text of an attribute that may be absent, empty or no valid one."""
    try:
        value = item.get(name)
    except (ValueError, TypeError, LookupError, AttributeError):
        return default
    return default if value is None else str(value).strip() or default


def _number(item, name, default):
    """Number of an attribute, the default where it is absent or empty."""
    text = _told(item, name)
    value = number(default if text is None else text)
    if np.isnan(value):
        raise ECGFileError(f"its {name} is {text!r}; expected a number.")
    return value


class _Group:
    """One multiplex group: channels sampled together."""

    def __init__(self, dataset, index):
        item = dataset.WaveformSequence[index]
        self._dataset, self._index, self.item = dataset, index, item
        self.is_derived = _told(item, "WaveformOriginality") == "DERIVED"
        self.rate = number(_told(item, "SamplingFrequency"))
        self.offset = _number(item, "MultiplexGroupTimeOffset", 0)
        self.n_times = int(_number(item, "NumberOfWaveformSamples", 0))
        self.channels = item.ChannelDefinitionSequence
        self.leads = [_lead(channel) for channel in self.channels]

    def signals(self):
        """Channel by channel in mV, NaN where the device wrote padding."""
        from pydicom.waveforms import multiplex_array

        if self.item.get("WaveformSampleInterpretation") in ("MB", "AB"):
            raise ECGFileError(
                "its samples are companded by mu-law or A-law; expected integers."
            )
        raw = multiplex_array(self._dataset, self._index).T
        if len(raw) != len(self.channels):
            raise ECGFileError(
                f"it describes {len(self.channels)} channels of {len(raw)}; expected "
                "each of them."
            )
        padding = self.item.get("WaveformPaddingValue")
        pad = np.frombuffer(padding, raw.dtype) if padding else None
        return [
            np.where(row == pad, np.nan, _in_mv(row, channel, self.rate))
            for row, channel in zip(raw, self.channels)
        ]


def _in_mv(raw, channel, rate):
    """Counts of a channel in mV."""
    skew = max(
        abs(_number(channel, "ChannelTimeSkew", 0)) * rate,
        abs(_number(channel, "ChannelSampleSkew", 0)),
    )
    if skew >= 1:
        raise ECGFileError(
            f"one of its channels is {skew:g} samples behind the others; expected all "
            "leads recorded together."
        )
    step = _number(channel, "ChannelSensitivity", "none")
    step *= _number(channel, "ChannelSensitivityCorrectionFactor", 1)
    values = raw.astype(np.float64) * step + _number(channel, "ChannelBaseline", 0)
    return values * mv_per(_unit(channel))


def _joined(groups):
    """The groups that were recorded at the same time, as one Waveform.

    If groups form the twelve leads, other groups are left out, such as a rhythm strip.
    """
    together = defaultdict(list)
    for group in groups:
        together[group.rate, group.offset, group.n_times].append(group)
    whole = [
        kept
        for kept in map(_without_repeats, together.values())
        if is_whole([lead for group in kept for lead in group.leads])
    ]
    if not whole and len(together) > 1:
        told = ", ".join(
            f"{g.n_times} samples at {g.rate:g} Hz from {g.offset:g} ms" for g in groups
        )
        raise ECGFileError(
            f"its {len(groups)} original waveforms differ in time ({told}); expected "
            "all leads recorded together."
        )
    chosen = whole or [_without_repeats(groups)]
    return fullest([_waveform(kept) for kept in chosen])


def _without_repeats(groups):
    """Groups without those whose leads are part of others at the same time."""
    kept, held = [], set()
    for group in sorted(groups, key=lambda group: -len(group.leads)):
        if not set(group.leads) <= held:
            kept.append(group)
            held |= set(group.leads)
    return kept


def _waveform(groups):
    """Groups of one time as one Waveform."""
    signals = [signal for group in groups for signal in group.signals()]
    leads = [lead for group in groups for lead in group.leads]
    units = [_unit(channel) for group in groups for channel in group.channels]
    return waveform(signals, groups[0].rate, leads, units)


def _unit(channel):
    """Unit of a channel's sensitivity, by its code."""
    units = channel.get("ChannelSensitivityUnitsSequence")
    return _told(units[0], "CodeValue", "unknown") if units else "unknown"


def _lead(channel):
    """Lead of a channel: by the code of its source, its meaning, or its label."""
    for source in channel.get("ChannelSourceSequence") or ():
        scheme, value, meaning = (
            _told(source, name, "")
            for name in ("CodingSchemeDesignator", "CodeValue", "CodeMeaning")
        )
        # Schemes that begin with 99 are of a vendor's own making.
        name = lead_of_code("" if scheme.startswith("99") else value, meaning)
        if name:
            return name
    return lead_of_code("", _told(channel, "ChannelLabel")) or "unnamed"


def _recorded_at(dataset):
    """When the waveforms were acquired."""
    for date, time in (
        ("AcquisitionDateTime", ""),
        ("ContentDate", "ContentTime"),
        ("StudyDate", "StudyTime"),
    ):
        clock = _told(dataset, time, "") if time else ""
        found = moment(f"{_told(dataset, date, '')}{clock}")
        if found:
            return found
    return None


def _device(dataset):
    """Maker and model."""
    named = (_told(dataset, "Manufacturer"), _told(dataset, "ManufacturerModelName"))
    return " ".join(part for part in named if part) or None


def _statements(dataset):
    """Annotations in words."""
    texts = (
        _told(annotation, "UnformattedTextValue")
        for annotation in dataset.get("WaveformAnnotationSequence") or ()
    )
    return tuple(dict.fromkeys(text for text in texts if text))


def _measurements(dataset):
    """Annotations in numbers, the first of each name."""
    found = {}
    for annotation in dataset.get("WaveformAnnotationSequence") or ():
        concept = annotation.get("ConceptNameCodeSequence")
        value = _told(annotation, "NumericValue")
        if concept and value is not None:
            meaning = _told(concept[0], "CodeMeaning", "").lower()
            meaning = meaning.replace("r-r", "rr").replace("global", "")
            by_name = _MEASURED.get(" ".join(meaning.split()))
            name = _CODED.get(_told(concept[0], "CodeValue"), by_name)
            found.setdefault(name, value)
    return measured(found)
