"""Philips Sierra XML, decoded by the sierraecg package after its sizes are checked."""

import base64
import io
from dataclasses import replace
from xml.etree import ElementTree

import numpy as np

from ._recording import (
    ECGFileError,
    Recording,
    age_told,
    measured,
    moment,
    number,
    sex_code,
    waveform,
)
from ._xml import attribute_of, text_of

# Versions 1.04 and 1.03 name the same measurements differently.
_MEASURED = {
    "heart_rate_bpm": ("heartrate",),
    "rr_interval_ms": ("rrint",),
    "p_duration_ms": ("pdur",),
    "pr_interval_ms": ("print", "meanprint"),
    "qrs_duration_ms": ("qrsdur", "meanqrsdur"),
    "qt_interval_ms": ("qtint", "meanqtint"),
    "qtc_interval_ms": ("qtcb", "meanqtc"),
    "p_axis_deg": ("pfrontaxis",),
    "qrs_axis_deg": ("qrsfrontaxis",),
    "t_axis_deg": ("tfrontaxis",),
}
_AGE_UNITS = ("years", "months", "weeks", "days")
_CODE_BITS = 10
_LEAST_PULSE = 0.2  # seconds
_PADDING = 32767  # fills the representative beats up


def sierra(root):
    """Recording of a parsed Philips document."""
    try:
        import sierraecg
    except ImportError as error:
        raise ImportError(
            "Philips files need sierraecg: pip install ecgdan_sk[vendor]"
        ) from error
    _check_sizes(root)
    try:
        # Written anew, in one encoding and without prefixes of namespaces.
        data = io.BytesIO(ElementTree.tostring(root))
        found = sierraecg.read_file(data, include_repbeats=True)
    except RuntimeError as error:
        raise ECGFileError(
            f"{error or 'it lacks an element'}; expected Philips Sierra XML 1.03 or "
            "1.04 with its waveforms."
        ) from error
    acquisition, patient = root.find("dataacquisition"), root.find("patient")
    recorded_at = moment(
        f"{attribute_of(root, 'dataacquisition', 'date')}"
        f"{attribute_of(root, 'dataacquisition', 'time')}"
    )
    return Recording(
        rhythm=_rhythm(found, _resolution(root)),
        median=_median(found),
        patient_id=text_of(patient, ".//patientid"),
        sex=sex_code(text_of(patient, ".//sex")),
        recorded_at=recorded_at,
        device=text_of(acquisition, "machine"),
        statements=_statements(root),
        measurements=_measurements(root),
        **_age(patient, recorded_at),
    )


def _check_sizes(root):
    """Raise, before unpacking, if a file would not unpack to its stated size."""
    waves = root.find(".//parsedwaveforms")
    if waves is None:
        return
    claimed = number(waves.get("durationperchannel")) / 1000
    claimed *= number(text_of(root, ".//samplingrate"))
    data = base64.b64decode(waves.text or "")
    if "XLI" not in (waves.get("compressmethod"), waves.get("compression")):
        # The package decodes this layout in place, in memory that cannot be written.
        raise ECGFileError(
            "its waveforms are not compressed by XLI, the one layout that is read. "
            "Export it again with compression."
        )
    offset = 0
    while offset < len(data):
        size = int.from_bytes(data[offset : offset + 4], "little", signed=True)
        chunk = data[offset + 8 : offset + 8 + size]
        if size <= 0 or len(chunk) < size or _unpacked(chunk) // 2 != claimed:
            raise ECGFileError(
                f"a lead of {size} packed bytes does not unpack to the {claimed:g} "
                "samples that the file claims; it is cut short or damaged."
            )
        offset += 8 + size


def _unpacked(chunk):
    """Bytes that a chunk packed by LZW unpacks to, counted without unpacking it."""
    bits = np.unpackbits(np.frombuffer(chunk, np.uint8))
    n_codes = len(bits) // _CODE_BITS
    bits = bits[: n_codes * _CODE_BITS].reshape(n_codes, _CODE_BITS)
    codes = bits @ (1 << np.arange(_CODE_BITS)[::-1])
    last = (1 << _CODE_BITS) - 2
    lengths, total, previous = [1] * 256, 0, 0
    for code in codes.tolist():
        if code > last:
            break
        if code > len(lengths) or (code == len(lengths) and not previous):
            raise ECGFileError("its packed waveform is damaged; expected LZW codes.")
        length = lengths[code] if code < len(lengths) else previous + 1
        if previous and len(lengths) <= last:
            lengths.append(previous + 1)
        total, previous = total + length, length
    return total


def _resolution(root):
    """Size of a count of the rhythm in mV."""
    places = ("signalresolution", "resolution")
    given = [text_of(root, f".//signalcharacteristics/{place}") for place in places]
    given.append(attribute_of(root, ".//parsedwaveforms", "resolution"))
    resolution = next((number(text) for text in given if text), np.nan)
    if not resolution > 0:
        raise ECGFileError(
            "it gives no signal resolution; expected a number of uV per count."
        )
    return resolution / 1000


def _rhythm(found, resolution):
    """Whole seconds of ECG, without the calibration pulse that follows them."""
    rate = found.leads[0].sampling_freq
    signals = [lead.samples * resolution for lead in found.leads]
    ecg = waveform(signals, rate, [lead.label for lead in found.leads], ("uV",))
    # The pulse, and the line that it stands on, are the same in every lead.
    differs = np.flatnonzero((ecg.signals != ecg.signals[0]).any(axis=0))
    end = differs[-1] + 1 if len(differs) else 0
    if ecg.signals.shape[1] - end < _LEAST_PULSE * rate:
        return ecg
    end = int(end / rate) * int(rate)
    if not end:
        raise ECGFileError(
            "it holds less than a second in which its leads differ; expected an ECG."
        )
    return replace(ecg, signals=ecg.signals[:, :end])


def _median(found):
    """Representative beats, if the file holds them and states their scale."""
    beats = list(found.repbeats.values())
    if not beats or not (beats[0].resolution > 0 and beats[0].sampling_freq > 0):
        return None
    try:
        counts = np.array([beat.samples for beat in beats], np.float64)
    except ValueError as error:
        raise ECGFileError(
            "its representative beats differ in length; expected the same of all leads."
        ) from error
    there = counts != _PADDING
    counts = np.where(there, counts, np.nan)[:, there.any(axis=0)]
    return waveform(
        counts * beats[0].resolution / 1000,
        beats[0].sampling_freq,
        [beat.label for beat in beats],
        ("uV",),
    )


def _measurements(root):
    """Measurements as the device prints them beside its interpretation."""
    places = [
        root.find(f".//interpretation/{p}measurements")
        for p in ("global", "interpretation")
    ]
    place = next((found for found in places if found is not None), None)
    return measured(
        {
            name: next((text for tag in tags if (text := text_of(place, tag))), None)
            for name, tags in _MEASURED.items()
        }
    )


def _statements(root):
    """Findings, with the overall one last."""
    interpretation = root.find(".//interpretation")
    if interpretation is None:
        return ()
    texts = [text_of(s, "leftstatement") for s in interpretation.findall("statement")]
    texts.append((text_of(interpretation, "severity") or "").strip("- "))
    return tuple(text for text in texts if text)


def _age(patient, recorded_at):
    """The age in one of its units, else by the date of birth."""
    told = {unit: text_of(patient, f".//age/{unit}") for unit in _AGE_UNITS}
    age = next((f"{text} {unit}" for unit, text in told.items() if text), None)
    birth = text_of(patient, ".//dateofbirth")
    return age_told(told["years"] or age, moment(birth) or birth, recorded_at)
