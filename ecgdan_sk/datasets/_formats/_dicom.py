"""DICOM waveforms: 12-lead and general ECG storage."""

import io
import re

import numpy as np

from ._recording import (
    ECGFileError,
    Recording,
    age_in_years,
    measured,
    moment,
    mv_per,
    number,
    sex_code,
    waveform,
)

_DEFLATED = b"1.2.840.10008.1.2.1.99"
# Vendors code the same measurement in several schemes, but name it alike.
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
_YEARS = {"Y": 1, "M": 12, "W": 52, "D": 365}


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
        _Group(dataset, i) for i in range(len(dataset.get("WaveformSequence", ())))
    ]
    rhythm = [group for group in groups if not group.is_derived]
    if not rhythm:
        raise ECGFileError(
            f"it is DICOM ({dataset.get('Modality', 'no modality')}) with "
            f"{len(groups)} waveforms, none of them original; expected an ECG."
        )
    derived = [group for group in groups if group.is_derived]
    recorded_at = _recorded_at(dataset)
    return Recording(
        rhythm=_joined(rhythm),
        median=_joined(derived[:1]) if derived else None,
        patient_id=str(dataset.get("PatientID", "")) or None,
        age=_age(dataset, recorded_at),
        sex=sex_code(dataset.get("PatientSex")),
        recorded_at=recorded_at,
        device=_device(dataset),
        statements=_statements(dataset),
        measurements=_measurements(dataset),
    )


class _Group:
    """One multiplex group: channels sampled together."""

    def __init__(self, dataset, index):
        item = dataset.WaveformSequence[index]
        self._dataset, self._index, self.item = dataset, index, item
        self.is_derived = item.get("WaveformOriginality", "ORIGINAL") == "DERIVED"
        self.rate = number(item.get("SamplingFrequency"))
        self.offset = number(item.get("MultiplexGroupTimeOffset", 0) or 0)
        self.n_times = int(item.get("NumberOfWaveformSamples", 0))

    def signals(self):
        """Channel by channel in mV, NaN where the device wrote padding."""
        from pydicom.waveforms import multiplex_array

        if self.item.get("WaveformSampleInterpretation") in ("MB", "AB"):
            raise ECGFileError(
                "its samples are companded by mu-law or A-law; expected integers."
            )
        values = multiplex_array(self._dataset, self._index, as_raw=False).T
        padding = self.item.get("WaveformPaddingValue")
        if padding is not None:
            raw = multiplex_array(self._dataset, self._index).T
            pad = (
                np.frombuffer(padding, raw.dtype)
                if isinstance(padding, bytes)
                else padding
            )
            values = np.where(raw == pad, np.nan, values)
        return [row * mv_per(_unit(c)) for row, c in zip(values, self._channels())]

    def leads(self):
        """Name of each channel."""
        return [_lead(channel) for channel in self._channels()]

    def _channels(self):
        """What the file says of each channel."""
        return self.item.ChannelDefinitionSequence


def _joined(groups):
    """All groups as one Waveform, if they were recorded at the same time."""
    first = groups[0]
    if {(g.rate, g.offset, g.n_times) for g in groups} != {
        (first.rate, first.offset, first.n_times)
    }:
        told = ", ".join(
            f"{g.n_times} samples at {g.rate:g} Hz from {g.offset:g} ms" for g in groups
        )
        raise ECGFileError(
            f"its {len(groups)} original waveforms differ in time ({told}); expected "
            "all leads recorded together."
        )
    signals = [signal for group in groups for signal in group.signals()]
    return waveform(signals, first.rate, [lead for g in groups for lead in g.leads()])


def _unit(channel):
    """Unit of a channel's sensitivity."""
    units = channel.get("ChannelSensitivityUnitsSequence")
    return units[0].CodeValue if units else "unknown"


def _lead(channel):
    """Lead of a channel, by what its source means: 'Lead I (Einthoven)' is I."""
    source = channel.get("ChannelSourceSequence")
    name = source[0].get("CodeMeaning") if source else channel.get("ChannelLabel")
    return re.sub(r"\s*\(.*\)$", "", str(name or "unnamed"))


def _recorded_at(dataset):
    """When the waveforms were acquired."""
    for date, time in (
        ("AcquisitionDateTime", ""),
        ("ContentDate", "ContentTime"),
        ("StudyDate", "StudyTime"),
    ):
        found = moment(
            f"{dataset.get(date, '')}{dataset.get(time, '') if time else ''}"
        )
        if found:
            return found
    return None


def _age(dataset, recorded_at):
    """Age in years, written as in 042Y, else from the date of birth."""
    told = re.fullmatch(r"(\d{3})([YMWD])", str(dataset.get("PatientAge", "")))
    if told:
        return int(told[1]) / _YEARS[told[2]]
    return age_in_years(moment(dataset.get("PatientBirthDate")), recorded_at)


def _device(dataset):
    """Maker and model."""
    named = (dataset.get("Manufacturer"), dataset.get("ManufacturerModelName"))
    return " ".join(str(part) for part in named if part) or None


def _statements(dataset):
    """Annotations in words."""
    texts = (
        str(a.get("UnformattedTextValue", "")).strip()
        for a in dataset.get("WaveformAnnotationSequence", ())
    )
    return tuple(dict.fromkeys(text for text in texts if text))


def _measurements(dataset):
    """Annotations in numbers, the first of each name."""
    found = {}
    for annotation in dataset.get("WaveformAnnotationSequence", ()):
        concept = annotation.get("ConceptNameCodeSequence")
        if concept and annotation.get("NumericValue") is not None:
            meaning = str(concept[0].get("CodeMeaning", "")).lower()
            meaning = meaning.replace("r-r", "rr").replace("global", "")
            name = _MEASURED.get(" ".join(meaning.split()))
            found.setdefault(name, annotation.NumericValue)
    return measured(found)
