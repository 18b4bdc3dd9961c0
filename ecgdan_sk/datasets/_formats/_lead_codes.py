"""Leads by the numbers that SCP-ECG, MDC (ISO/IEEE 11073-10101) and DICOM share."""

import re

from ._recording import ECGFileError, lead_name

_BY_NUMBER = {1: "I", 2: "II", **{2 + i: f"V{i}" for i in range(1, 8)}}
_BY_NUMBER |= {8 + i: f"V{i}R" for i in range(2, 8)} | {16: "X", 17: "Y", 18: "Z"}
_BY_NUMBER |= {61: "III", 62: "aVR", 63: "aVL", 64: "aVF"}
# Of opposite sign; its display text in DICOM's own table is "aVR" all the same.
_BY_NUMBER |= {65: "-aVR", 66: "V8", 67: "V9", 68: "V8R", 69: "V9R"}

# 5.6.3-9-62 of SCP-ECG; 2:62, 131134 and MDC_ECG_LEAD_AVR of MDC.
_NUMBERED = re.compile(r"(?:5\.6\.3-9-|2:)(\d{1,3})|(131\d{3})")
_MDC_PARTITION = 2 << 16


def lead_of_number(number):
    """Name of the lead with this number, or the number in words."""
    return _BY_NUMBER.get(number, f"lead {number}")


def lead_of_code(value, meaning=None):
    """Name of a lead by its code or, if the code is unknown, by its meaning.

    A code is the same in all languages and versions. A meaning is free text: "aVR,
    augmented voltage, right", "Lead I (Einthoven)", "Ableitung I".
    """
    value = str(value or "").strip()
    told = _of_meaning(meaning)
    if value.upper().startswith("MDC_ECG_LEAD_"):
        name = re.sub("(?i)^avrneg$", "-aVR", lead_name(value))
    else:
        found = _NUMBERED.fullmatch(value)
        if found is None:
            return told
        number = int(found[1] or int(found[2]) - _MDC_PARTITION)
        name = _BY_NUMBER.get(number)
    if name is None:
        return told
    if told in _BY_NUMBER.values() and told != name.removeprefix("-"):
        raise ECGFileError(
            f"it calls the lead of code {value!r}, which is {name}, {meaning!r}; "
            "expected code and meaning of one lead. Correct it where it was exported."
        )
    return name


def _of_meaning(meaning):
    """Lead in a text, without its explanation; the whole text if there is none."""
    text = str(meaning or "").strip()
    name = lead_name(re.split(r"\s*[,(]", text)[0])
    return name if name in _BY_NUMBER.values() else lead_name(text)
