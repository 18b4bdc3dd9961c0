"""Files made to harm: refused by ECGFileError, unexpanded and unopened."""

import importlib.util
import io
import os
import pickle
import struct
import tracemalloc
import zipfile

import numpy as np
import pytest
from ecg_mutations import with_checksum
from ecg_writers import (
    INDEPENDENT,
    cardiosoft_xml,
    ecg_counts,
    muse_xml,
    scp_bytes,
    sierra_xml,
    write_dicom,
    write_edf,
    write_wfdb,
)

from ecgdan_sk.datasets import ECGFileError, read_ecg

for package in ("defusedxml", "pydicom", "pyedflib", "sierraecg"):
    if importlib.util.find_spec(package) is None:
        pytest.skip(f"{package} is not installed", allow_module_level=True)

BOMB = (
    '<!DOCTYPE RestingECG [<!ENTITY a "aaaaaaaaaa">'
    + "".join(
        f'<!ENTITY {y} "{f"&{x};" * 10}">' for x, y in zip("abcdefgh", "bcdefghi")
    )
    + "]>"
)


@pytest.fixture
def counts():
    return ecg_counts(500)


@pytest.fixture(autouse=True)
def bounded_memory():
    """Nothing here may ask for more than 100 MB, used or not."""
    tracemalloc.start()
    yield
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 100_000_000


def refused(path, match, **options):
    with pytest.raises(ECGFileError, match=match) as caught:
        read_ecg(path, **options)
    assert str(path) in str(caught.value)


def write(path, content):
    path.write_bytes(content)
    return path


@pytest.mark.parametrize("name", ["a.xml", "a.dcm", "a.edf", "a.csv", "a.npy", "a.hea"])
def test_an_empty_file_is_named(tmp_path, name):
    refused(write(tmp_path / name, b""), "is empty|header begins with ''")


@pytest.mark.parametrize("content", [b"\0" * 1000, bytes(range(256)) * 40, b"hello"])
def test_other_content_lists_what_is_known(tmp_path, content):
    path = write(tmp_path / "a.xml", content)
    refused(path, "expected one of WFDB, GE MUSE XML, .*NumPy")


def test_text_that_is_no_table_of_leads_is_refused(tmp_path):
    path = write(tmp_path / "a.csv", b"a,b\n1,2\n")
    refused(path, "first line is 'a,b'; expected the names of leads", sampling_rate=500)
    path = write(tmp_path / "a.csv", b"I,II\n1,x\n")
    refused(path, "columns II hold what is no number", sampling_rate=500)


def test_an_xml_bomb_is_not_expanded(tmp_path):
    content = muse_xml(ecg_counts(50, INDEPENDENT)).decode()
    start = content.index("<RestingECG>")
    bomb = BOMB + content[start:].replace("MRN-7", "&i;")
    refused(write(tmp_path / "a.xml", bomb.encode()), "declares entities")


@pytest.mark.parametrize("encoding", ["gbk", "Shift_JIS", "utf-16", "utf-8", "utf-7"])
def test_an_xml_bomb_is_not_expanded_in_any_encoding(tmp_path, encoding):
    content = muse_xml(ecg_counts(50, INDEPENDENT)).decode()
    bomb = BOMB + content[content.index("<RestingECG>") :].replace("MRN-7", "&i;")
    bomb = f'<?xml version="1.0" encoding="{encoding}"?>' + bomb
    said = "damaged" if encoding == "utf-7" else "declares entities"
    refused(write(tmp_path / "a.xml", bomb.encode(encoding)), f"{said}|no known format")


def test_a_pipe_is_refused_unopened(tmp_path):
    os.mkfifo(tmp_path / "a.xml")
    refused(tmp_path / "a.xml", "is no regular file")


@pytest.mark.parametrize(
    ("place", "value", "message"),
    [
        (slice(244, 252), b"0       ", "last 0.0 seconds"),
        (slice(236, 244), b"-1      ", "header claims"),
        (slice(252, 256), b"9999", "header has .* for 9999 channels"),
        (slice(252, 256), b"1e99", "header has"),
        (slice(184, 192), b"256     ", "header claims"),
        (slice(192, 197), b"EDF+D", "interrupted"),
    ],
)
def test_wrong_edf_says_what_is_wrong(tmp_path, counts, place, value, message):
    path = write_edf(tmp_path / "a.edf", counts)
    content = bytearray(path.read_bytes())
    content[place] = value
    refused(write(path, bytes(content)), message)


@pytest.mark.parametrize("kind", ["SYSTEM", 'PUBLIC "x"'])
def test_an_external_entity_is_not_read(tmp_path, kind):
    secret = write(tmp_path / "secret", b"top")
    content = muse_xml(ecg_counts(50, INDEPENDENT)).decode()
    start = content.index("<RestingECG>")
    doctype = f'<!DOCTYPE RestingECG [<!ENTITY x {kind} "file://{secret}">]>'
    content = doctype + content[start:].replace("MRN-7", "&x;")
    refused(write(tmp_path / "a.xml", content.encode()), "declares entities")
    parameter = f'<!DOCTYPE RestingECG [<!ENTITY % x SYSTEM "file://{secret}"> %x;]>'
    content = parameter + content[content.index("<RestingECG>") :]
    refused(write(tmp_path / "a.xml", content.encode()), "declares entities")


def test_the_dtd_that_muse_names_is_not_opened(tmp_path):
    content = muse_xml(ecg_counts(500, INDEPENDENT))
    (tmp_path / "restecg.dtd").write_text('<!ENTITY x "text"')  # not well-formed
    path = write(tmp_path / "a.xml", content)
    assert read_ecg(path).shape == (1, 12, 500)


def test_sierra_is_vetted_before_its_package_sees_it(tmp_path, counts):
    content = sierra_xml(counts).decode()
    start = content.index("<restingecgdata")
    bomb = BOMB.replace("RestingECG", "restingecgdata") + content[start:]
    refused(write(tmp_path / "a.xml", bomb.encode()), "declares entities")


def test_sierra_that_unpacks_to_more_than_it_claims_is_refused(tmp_path, counts):
    content = sierra_xml(counts).replace(b'Channel="1000"', b'Channel="10"')
    content = content.replace(b'channel="1000"', b'channel="10"')
    refused(write(tmp_path / "a.xml", content), "does not unpack to the 5 samples")


def test_xml_of_another_kind_or_encoding_is_named(tmp_path, counts):
    refused(
        write(tmp_path / "a.xml", b"<svg/>"), "XML is a <svg>; expected <RestingECG>"
    )
    latin = cardiosoft_xml(counts).replace(b"ISO-8859-1", b"no-such-encoding")
    refused(write(tmp_path / "b.xml", latin), "damaged or cut short")


def test_deep_xml_is_no_ecg(tmp_path):
    content = b"<a>" * 20_000 + b"</a>" * 20_000
    refused(write(tmp_path / "a.xml", content), "XML")


@pytest.mark.parametrize(
    "name", ["../secret.dat", "/etc/passwd", "..", "sub/r.dat", "~/x"]
)
def test_a_signal_file_elsewhere_is_not_opened(tmp_path, counts, name):
    (tmp_path / "in" / "sub").mkdir(parents=True)
    header = write_wfdb(tmp_path / "in", "r", counts)
    data = header.with_suffix(".dat").read_bytes()
    write(tmp_path / "secret.dat", data)
    write(tmp_path / "in" / "sub" / "r.dat", data)
    header.write_text(header.read_text().replace("r.dat", name))
    refused(header, "plain name of a file in the same folder")


def test_a_header_that_claims_too_much_is_refused_before_allocation(tmp_path, counts):
    header = write_wfdb(tmp_path, "r", counts)
    text = header.read_text()
    header.write_text(text.replace("12 500 500", "12 500 1000000000"))
    refused(header, "claims 24000000000 bytes in r.dat, which holds 12000")
    header.write_text(text.replace("r.dat 16 ", "r.dat 16x99999999 "))
    refused(header, "claims .* bytes in r.dat")
    header.write_text(text.replace("r.dat 16 ", "r.dat 16+99999999 "))
    refused(header, "claims .* bytes in r.dat")
    header.write_text(text.replace("r.dat 16 ", "r.dat 16:99999999 "))
    refused(header, "shifts a signal beyond its length")


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("r 12 500", "r/3 12 500", "names 12 segments and claims 3"),
        ("r 12 500", "r 13 500", "describes 12 signals"),
        ("r 12 500 500", "r 12", "expected one segment"),
        ("r.dat 16 ", "r.dat 517 ", "of format 517; expected .* formats 8, 16"),
        ("/mV", "/mmHg", "expected 'mV', 'uV'|expected mV, uV"),
        ("r.dat", "q.dat", "q.dat is not beside it"),
    ],
)
def test_a_wrong_header_says_what_is_wrong(tmp_path, counts, old, new, message):
    header = write_wfdb(tmp_path, "r", counts)
    header.write_text(header.read_text().replace(old, new))
    refused(header, message)


def test_a_cut_signal_file_is_refused(tmp_path, counts):
    header = write_wfdb(tmp_path, "r", counts)
    data = header.with_suffix(".dat").read_bytes()
    header.with_suffix(".dat").write_bytes(data[:-2])
    refused(header, "which holds 11998")


class Attack:
    """What runs code where it is unpickled."""

    def __reduce__(self):
        return exec, ("raise SystemExit('unpickled')",)


def test_pickles_are_not_loaded(tmp_path):
    np.save(tmp_path / "a.npy", np.array([Attack()], dtype=object), allow_pickle=True)
    refused(tmp_path / "a.npy", "NumPy", sampling_rate=500)
    np.savez(tmp_path / "a.npz", signals=np.array([Attack()], dtype=object))
    refused(tmp_path / "a.npz", "pickled objects", sampling_rate=500)
    path = write(tmp_path / "a.pkl", pickle.dumps(Attack()))
    refused(path, "of no known format|first line", sampling_rate=500)


def npy_claiming(shape, n_bytes=100):
    """A .npy file whose header claims another shape than it holds."""
    content = io.BytesIO()
    header = {"descr": "<f8", "fortran_order": False, "shape": shape}
    np.lib.format.write_array_header_1_0(content, header)
    return content.getvalue() + bytes(n_bytes)


def test_arrays_that_claim_too_much_are_refused_before_allocation(tmp_path):
    content = npy_claiming((12, 1_000_000_000))
    path = write(tmp_path / "a.npy", content)
    refused(path, "cannot be read as NumPy", sampling_rate=500)
    with zipfile.ZipFile(tmp_path / "a.npz", "w") as archive:
        archive.writestr("signals.npy", content)
    refused(tmp_path / "a.npz", "cannot be read as NumPy", sampling_rate=500)


def test_a_zip_bomb_is_refused_before_it_is_unpacked(tmp_path):
    archive = zipfile.ZipFile(
        tmp_path / "a.npz", "w", zipfile.ZIP_DEFLATED, compresslevel=1
    )
    with archive, archive.open("signals.npy", "w") as member:
        member.write(npy_claiming((12, 3_000_000)))
        for _ in range(201):
            member.write(bytes(1_000_000))
    refused(tmp_path / "a.npz", "expected one ECG of at most", sampling_rate=500)


def test_deflated_dicom_is_refused_unread(tmp_path, counts):
    import pydicom

    path = write_dicom(tmp_path / "a.dcm", counts)
    dataset = pydicom.dcmread(path)
    dataset.file_meta.TransferSyntaxUID = pydicom.uid.DeflatedExplicitVRLittleEndian
    dataset.save_as(path)
    refused(path, "compressed as a whole")


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"NumberOfWaveformSamples": 400_000_000}, "cannot be read as DICOM"),
        ({"WaveformSampleInterpretation": "MB"}, "companded"),
        ({"SamplingFrequency": "0"}, "sampling rate is"),
        ({"WaveformOriginality": "DERIVED"}, "none of them original"),
    ],
)
def test_wrong_dicom_says_what_is_wrong(tmp_path, counts, changes, message):
    refused(write_dicom(tmp_path / "a.dcm", counts, **changes), message)


def test_dicom_leads_recorded_one_after_the_other_are_refused(tmp_path, counts):
    path = write_dicom(tmp_path / "a.dcm", counts, groups=2)
    import pydicom

    dataset = pydicom.dcmread(path)
    dataset.WaveformSequence[1].MultiplexGroupTimeOffset = "2500"
    dataset.save_as(path)
    refused(path, "2 original waveforms differ in time")


def test_a_dicom_image_is_no_ecg(tmp_path, counts):
    import pydicom

    path = write_dicom(tmp_path / "a.dcm", counts)
    dataset = pydicom.dcmread(path)
    del dataset.WaveformSequence
    dataset.save_as(path)
    refused(path, "with 0 waveforms")


def test_edf_that_claims_more_than_it_holds_is_refused(tmp_path, counts):
    path = write_edf(tmp_path / "a.edf", counts)
    content = bytearray(path.read_bytes())
    content[236:244] = b"99999999"
    refused(write(path, bytes(content)), "header claims .* bytes and the file holds")
    content[236:244] = b"many    "
    refused(write(path, bytes(content)), "EDF header is damaged")


def test_edf_without_ecg_lists_its_channels(tmp_path, counts):
    path = write_edf(
        tmp_path / "a.edf", counts[:2], leads=("EEG C3", "Resp"), prefix=""
    )
    refused(path, "channels are EEG C3, Resp; expected leads of an ECG")


def test_damaged_scp_fails_its_checksum(tmp_path, counts):
    content = bytearray(scp_bytes(counts))
    content[-100] ^= 1
    refused(write(tmp_path / "a.scp", bytes(content)), "cut short or damaged")
    refused(write(tmp_path / "b.scp", bytes(content[:-50])), "cut short or damaged")


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (
            lambda data: data.replace(struct.pack("<H", 19999), b"\x02\0", 1),
            "of its own",
        ),
        (
            lambda data: data.replace(
                b"\1\0\0\0\xf4\1\0\0", b"\1\0\0\0\xff\xff\xff\x7f"
            ),
            "claims 2147483647",
        ),
        (
            lambda data: data[:22] + bytes(10) + data[32:42] + bytes(200) + data[242:],
            "lacks section|section",
        ),
    ],
)
def test_wrong_scp_says_what_is_wrong(tmp_path, counts, change, message):
    content = with_checksum(change(scp_bytes(counts)))
    refused(write(tmp_path / "a.scp", content), message)


def test_cardiosoft_without_scale_or_strips_is_refused(tmp_path, counts):
    content = cardiosoft_xml(counts)
    without = content.replace(b"Resolution", b"Elsewhere")
    refused(write(tmp_path / "a.xml", without), "gives no Resolution")
    without = content.replace(b"StripData", b"Elsewhere")
    refused(write(tmp_path / "b.xml", without), "Is it an exercise test")
    twice = content.replace(b'lead="V2"', b'lead="V1"')
    refused(write(tmp_path / "c.xml", twice), "lead V1 more than once")
    words = content.replace(b'lead="V2">\n', b'lead="V2">\nx,')
    refused(write(tmp_path / "d.xml", words), "expected integers separated by commas")


def test_muse_that_lost_samples_is_refused(tmp_path):
    content = muse_xml(ecg_counts(500, INDEPENDENT))
    less = content.replace(b"Total>500<", b"Total>501<")
    refused(write(tmp_path / "a.xml", less), "holds 500 samples, but claims 501")
    wrong = content.replace(b"MICROVOLTS", b"FURLONGS")
    refused(write(tmp_path / "b.xml", wrong), "amplitudes are in 'FURLONGS'")
    none = content.replace(b">Rhythm<", b">Median<")
    refused(write(tmp_path / "c.xml", none), "holds the waveforms Median; expected")
