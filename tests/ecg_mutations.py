"""Damage to files, and one small file of each format to damage."""

import binascii
import io
import re
import struct
import zipfile

import numpy as np
from ecg_writers import (
    INDEPENDENT,
    aecg_xml,
    cardiosoft_xml,
    ecg_counts,
    ishne_bytes,
    mfer_bytes,
    mortara_xml,
    muse_xml,
    schiller_xml,
    scp_bytes,
    sierra_xml,
    subtracted_scp,
    watch_csv,
    write_dicom,
    write_edf,
    write_segments,
    write_wfdb,
)

from ecgdan_sk.records import LEADS

_EXTREMES = (b"\0\0\0\0", b"\xff\xff\xff\xff", b"\xff\xff\xff\x7f", b"\0\0\0\x80")
_NUMBERS = (b"0", b"-1", b"1e308", b"999999999", b"nan", b"", b"0.0001", b"x", b"2")
_DIGITS = re.compile(rb"-?\d+")


def mutated(data, rng):
    """The bytes with one to three changes of the kinds that break parsers."""
    data = bytearray(data)
    for _ in range(rng.integers(1, 4)):
        # Half of the changes fall on the first bytes, where headers are.
        size = max(len(data), 1)
        at = int(rng.integers(size if rng.random() < 0.5 else min(size, 2000)))
        _damage(data, at, rng)
    return bytes(data)


def _damage(data, at, rng):
    """One change at a place, in place."""
    kind, length = rng.random(), int(rng.integers(1, 64))
    if kind < 0.2:
        data[at : at + 1] = bytes([rng.integers(256)])
    elif kind < 0.4:
        data[at : at + 1] = bytes(
            [byte ^ (1 << rng.integers(8)) for byte in data[at:][:1]]
        )
    elif kind < 0.45:
        del data[at:]
    elif kind < 0.5:
        del data[at : at + length]
    elif kind < 0.55:
        data[at:at] = data[at : at + length]
    elif kind < 0.65:
        data[at : at + 4] = _EXTREMES[rng.integers(len(_EXTREMES))]
    else:
        # A number in the text becomes another, and XML remains XML.
        found = _DIGITS.search(data, at)
        if found:
            data[found.start() : found.end()] = _NUMBERS[rng.integers(len(_NUMBERS))]


def damaged(name, data, rng):
    """A file of that format, damaged where its own checksum does not tell."""
    if name in ("scp", "beats"):
        return with_checksum(mutated(data, rng))
    if name == "npz":
        return _with_damaged_member(data, rng)
    return mutated(data, rng)


def _with_damaged_member(data, rng):
    """An archive of which one member is damaged."""
    written = io.BytesIO()
    with zipfile.ZipFile(io.BytesIO(data)) as whole:
        members = {name: whole.read(name) for name in whole.namelist()}
    name = sorted(members)[rng.integers(len(members))]
    members[name] = mutated(members[name], rng)
    with zipfile.ZipFile(written, "w") as archive:
        for name, content in members.items():
            archive.writestr(name, content)
    return written.getvalue()


def with_checksum(data):
    """SCP-ECG whose size and checksum agree with what is left of it."""
    content = struct.pack("<I", len(data)) + data[6:]
    return struct.pack("<H", binascii.crc_hqx(content, 0xFFFF)) + content


def write_seeds(folder):
    """One small file of each format; name of the format -> path of what is damaged."""
    folder.mkdir(parents=True, exist_ok=True)
    counts = ecg_counts(500)
    independent = ecg_counts(500, INDEPENDENT)
    paths = {}
    for name, data in {
        "cardiosoft.xml": cardiosoft_xml(counts[:, :100], median=counts[:, :50]),
        "muse.xml": muse_xml(independent, median=independent[:, :300]),
        "aecg.xml": aecg_xml(counts[:, :100]),
        "sierra.xml": sierra_xml(counts),
        "scp.scp": scp_bytes(counts),
        "csv.csv": csv_text(counts[:, :100]).encode(),
        "mortara.xml": mortara_xml(counts[:, :100], median=counts[:, :50]),
        "schiller.xml": schiller_xml(counts[:, :100]),
        "beats.scp": subtracted_scp(
            counts, counts[:, 100:200], [(0, 131, 150, 180), (0, 401, 420, 450)]
        ),
        "ishne.ecg": ishne_bytes(counts[:3, :400], ("I", "II", "V1")),
        "mfer.mwf": mfer_bytes(counts),
        "watch.csv": watch_csv(counts[0] * 5.0),
    }.items():
        (folder / name).write_bytes(data)
        paths[name.split(".")[0]] = folder / name
    paths["wfdb"] = write_wfdb(folder, "record", counts)
    paths["segments"] = write_segments(folder, "segments", counts, (200, 300), 50)
    paths["flac"] = write_wfdb(folder, "flac", counts, fmt="516")
    frames = write_wfdb(folder, "frames", counts, fmt="212")
    text = frames.read_text().replace("500 500", "125 125", 1)
    frames.write_text(text.replace(" 212 ", " 212x4 "))
    paths["frames"] = frames
    paths["bdf"] = write_edf(folder / "bdf.bdf", counts, kind="BDFPLUS")
    paths["dicom"] = write_dicom(folder / "dicom.dcm", counts)
    paths["edf"] = write_edf(folder / "edf.edf", counts)
    paths["npy"], paths["npz"] = folder / "npy.npy", folder / "npz.npz"
    np.save(paths["npy"], counts * 0.005)
    np.savez(paths["npz"], signals=counts * 0.005, leads=LEADS, sampling_rate=500)
    return paths


def csv_text(counts, leads=LEADS, delimiter=","):
    """A table with a line of lead names and numbers in mV."""
    rows = [delimiter.join(map(str, row)) for row in np.round(counts.T * 0.005, 4)]
    return "\n".join([delimiter.join(leads), *rows]) + "\n"
