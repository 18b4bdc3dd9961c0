"""Schiller XML: resting ECGs as Schiller carts and SEMA export them.

No specification is public. The layout of the waveforms follows open readers, and the
patient data follow the names of the elements.
"""

from ._recording import (
    ECGFileError,
    Recording,
    age_told,
    moment,
    mv_per,
    number,
    sex_code,
    waveform,
)
from ._xml import listed_counts, text_of

_WAVES = "eventdata/event/wavedata"
_RHYTHM = "ECG_RHYTHMS"


def is_schiller(root):
    """Whether a parsed document holds waveforms as Schiller writes them."""
    return root.find(_WAVES) is not None


def schiller(root):
    """Recording of a parsed document."""
    waves = root.findall(_WAVES)
    rhythm = [wave for wave in waves if text_of(wave, "type", "").upper() == _RHYTHM]
    if len(rhythm) != 1:
        types = ", ".join(text_of(wave, "type", "unnamed") for wave in waves[:20])
        raise ECGFileError(
            f"it holds the waveforms {types}; expected one {_RHYTHM}. Export it with "
            "its rhythm."
        )
    patient = root.find("patdata")
    recorded_at = moment(
        f"{text_of(root, './/startdatetime/date')}"
        f"{text_of(root, './/startdatetime/time', '')}"
    )
    birth = text_of(patient, "birthdate")
    return Recording(
        rhythm=_waveform(rhythm[0]),
        patient_id=text_of(patient, "id"),
        sex=sex_code(text_of(patient, "gender")),
        recorded_at=recorded_at,
        device=text_of(root, "vendor"),
        **age_told(text_of(patient, "age"), moment(birth) or birth, recorded_at),
    )


def _waveform(wave):
    """Leads of a wavedata element in mV."""
    exponent = text_of(wave, "resolution/samplerate/exponent", "1")
    step = number(text_of(wave, "resolution/yres/unitperbit"))
    if number(exponent) != 1 or not step > 0:
        raise ECGFileError(
            f"its sampling rate has the exponent {exponent} and its counts are "
            f"{step:g} units; expected 1 and a number above 0."
        )
    unit = text_of(wave, "resolution/yres/units", "unknown")
    # Divided last, so that whole microvolts come back as written.
    per_mv = 1 / mv_per(unit)
    channels = wave.findall("channel")
    return waveform(
        [_counts(channel) * step / per_mv for channel in channels],
        number(text_of(wave, "resolution/samplerate/value")),
        [text_of(channel, "name", "") for channel in channels],
        (unit,),
    )


def _counts(channel):
    """Counts of one lead."""
    # Spelled as Schiller does.
    written = text_of(channel, "datastype", "COMMASEPARATE")
    if written.upper() != "COMMASEPARATE":
        raise ECGFileError(
            f"lead {text_of(channel, 'name')} has samples of type {written}; expected "
            "COMMASEPARATE."
        )
    return listed_counts(text_of(channel, "data"))
