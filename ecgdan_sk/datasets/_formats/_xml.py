"""The one way XML is parsed here: no entities, nothing fetched, nothing expanded."""

import base64
import binascii
import re

import numpy as np

from ._recording import ECGFileError, text_in

# Recordings of ten seconds take 0.1 to 1 MB; a tree takes twenty times its text.
_LARGEST = 20_000_000  # bytes
_DECLARED = re.compile(rb"""^(\s*<\?xml[^>]*?)\sencoding\s*=\s*["']([-\w]+)["']""")
# Of several bytes for a letter, which the parser does not know.
_WIDE = ("gb2312", "gbk", "gb18030", "big5", "shift_jis", "euc-jp", "euc-kr", "cp932")


def parse_xml(data):
    """Root element of the XML in `data` (bytes), names without their namespaces."""
    try:
        from defusedxml import DefusedXmlException, ElementTree
    except ImportError as error:
        raise ImportError(
            "ECGs in XML need defusedxml: pip install ecgdan_sk[vendor]"
        ) from error
    if len(data) > _LARGEST:
        raise ECGFileError(
            f"it is XML of {len(data)} bytes; expected at most {_LARGEST}, twenty "
            "times the largest recording of ten seconds."
        )
    try:
        # GE names a DTD in each of its files; it is neither fetched nor followed.
        root = ElementTree.fromstring(
            _in_utf8(data), forbid_dtd=False, forbid_entities=True
        )
    except DefusedXmlException as error:
        raise ECGFileError(
            "its XML declares entities or calls on other files, which no ECG needs; "
            f"refused unread ({type(error).__name__})."
        ) from error
    except (ElementTree.ParseError, ValueError, LookupError) as error:
        raise ECGFileError(
            f"its XML is damaged or cut short: {error}. Expected one whole document."
        ) from error
    for element in root.iter():
        element.tag = _local(element.tag)
        if element.attrib:
            element.attrib = {_local(k): v for k, v in element.attrib.items()}
    return root


def _in_utf8(data):
    """The XML in `data` (bytes) in an encoding that the parser reads.

    Names of patients and findings may have another encoding than the file declares. All
    elements that an ECG needs are ASCII.
    """
    found = _DECLARED.match(data)
    encoding = found[2].decode().lower().replace("_", "-") if found else "utf-8"
    wide = {name.replace("_", "-"): name for name in _WIDE}
    if encoding in wide:
        text = data.decode(wide[encoding], errors="replace")
    elif encoding in ("utf-8", "ascii", "us-ascii") and not _is_utf16(data):
        text = text_in(data)
    else:
        return data
    return _DECLARED.sub(rb"\1", text.encode("utf-8"), count=1)


def _is_utf16(data):
    """Whether bytes begin as UTF-16 does."""
    return data[:2] in (b"\xff\xfe", b"\xfe\xff") or b"\0" in data[:4]


def base64_counts(name, text):
    """Counts of a lead from base64, whole 16-bit little-endian numbers."""
    try:
        data = base64.b64decode("".join((text or "").split()), validate=True)
        return np.frombuffer(data, dtype="<i2").astype(np.float64)
    except (binascii.Error, ValueError) as error:
        raise ECGFileError(
            f"the samples of lead {name} are damaged ({error}); expected 16-bit "
            "counts in base64."
        ) from error


def listed_counts(text):
    """Numbers separated by commas."""
    try:
        return np.array((text or "").replace(",", " ").split(), dtype=np.float64)
    except ValueError as error:
        raise ECGFileError(
            f"its waveform holds a value that is not a number ({error}); expected "
            "integers separated by commas."
        ) from error


def text_of(element, path, default=None):
    """Text of the first element at the path, without white space around it."""
    found = None if element is None else element.findtext(path)
    return (found or "").strip() or default


def attribute_of(element, path, name, default=None):
    """An attribute of the first element at the path."""
    found = None if element is None else element.find(path)
    return default if found is None else found.get(name, default)


def _local(name):
    """A name without its namespace."""
    return name.rpartition("}")[2]
