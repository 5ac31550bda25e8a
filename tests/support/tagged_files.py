"""Files as instruments write them, made from records of 32 bits: PTU of any type, HT2, HT3, PT2 and PT3."""

import struct

import numpy as np

from trajectories.records.formats.ptu import DATE, EMPTY, FLOAT, INT, MAGIC, TEXT, _packed

HYDRAHARP, PICOHARP = b"HydraHarp", b"PicoHarp 300"


def ptu_file(path, words, kind, tick=1e-12, fine=1e-12, acquisition=1000, records=None, extra=()):
    """A PTU file; `records` is what the header claims."""
    tags = [
        ("CreatorSW_Name", TEXT, "a test"),
        ("CreatorSW_Version", TEXT, "1.0"),
        ("HW_Type", TEXT, "HydraHarp 400"),
        ("Measurement_Mode", INT, 3 if kind & 0x300 == 0x300 else 2),
        ("Measurement_SubMode", INT, 0),
        ("MeasDesc_GlobalResolution", FLOAT, tick),
        ("MeasDesc_Resolution", FLOAT, fine),
        ("TTResultFormat_TTTRRecType", INT, kind),
        ("TTResultFormat_BitsPerRecord", INT, 32),
        ("TTResult_NumberOfRecords", INT, len(words) if records is None else records),
        ("File_CreatingTime", DATE, 46000.5),
        *([("MeasDesc_AcquisitionTime", INT, acquisition)] if acquisition is not None else []),
        *extra,
        ("Header_End", EMPTY, 0),
    ]
    path.write_bytes(MAGIC + b"".join(_packed(*tag) for tag in tags) + np.asarray(words, "<u4").tobytes())
    return path


def steady_file(path, tags, synced=False):
    """A HydraHarp 2 file of `tags` events of two channels at about 1 MHz, in T2 mode or in T3 mode."""
    rng = np.random.default_rng(tags)
    wrap, longest = (1024, 160) if synced else (2**25, 2_000_000)
    stamp = np.cumsum(rng.integers(1, longest, tags))
    passed = np.diff(stamp // wrap, prepend=0)
    places = np.cumsum((passed > 0) + 1) - 1
    words = np.zeros(places[-1] + 1, dtype=np.uint32)
    words[places] = rng.integers(0, 2, tags) << 25 | stamp % wrap
    if synced:
        words[places] |= (rng.integers(0, 780, tags) << 10).astype(np.uint32)
    words[places[passed > 0] - 1] = 1 << 31 | 63 << 25 | passed[passed > 0]
    kind, tick = (0x01010304, 12.5e-9) if synced else (0x01010204, 1e-12)
    return ptu_file(path, words, kind, tick=tick, fine=16e-12, acquisition=None)


def _text_header(ident, version):
    return struct.pack(
        "<16s6s18s12s18s2s256s", ident, version, b"a test", b"1.0", b"01/01/26 10:00:00", b"\r\n", b""
    )


def hydraharp_file(
    path, words, t3, version=b"2.0", inputs=2, sync_rate=10_000_000, acquisition=1000, records=None
):
    """An HT2 or HT3 file."""
    header = _text_header(HYDRAHARP, version)
    header += struct.pack("<6id2i", 0, 32, 0, 3 if t3 else 2, 0, 0, 4.0, 0, acquisition)
    header = header.ljust(648, b"\0") + struct.pack("<d", 1.0)
    header = header.ljust(664, b"\0") + struct.pack("<i", inputs)
    header = header.ljust(696 + 20 * inputs, b"\0")
    header += struct.pack("<4iq", sync_rate, acquisition, 0, 3, len(words) if records is None else records)
    path.write_bytes(header + b"\0" * 12 + np.asarray(words, "<u4").tobytes())
    return path


def picoharp_file(path, words, t3, sync_rate=10_000_000, acquisition=1000, records=None, version=b"2.0"):
    """A PT2 or PT3 file."""
    header = _text_header(PICOHARP, version)
    settings = [0] * 18
    settings[1], settings[5], settings[9] = 32, 3 if t3 else 2, acquisition
    header += struct.pack("<18i", *settings)
    header = header.ljust(536 + 48, b"\0") + struct.pack("<f", 0.004)
    header = header.ljust(692, b"\0")
    count = len(words) if records is None else records
    header += struct.pack("<9i", 0, 0, 0, sync_rate, 100, acquisition, 0, count, 0)
    path.write_bytes(header + np.asarray(words, "<u4").tobytes())
    return path


def random_words(kind, count=4000, seed=1):
    """Legal records of a kind: photons, markers and overflows, in no order of time."""
    rng = np.random.default_rng(seed)
    t3, family = kind & 0x300 == 0x300, kind & 0xFF
    what = rng.choice(3, count, p=[0.7, 0.1, 0.2])
    if family == 3:  # PicoHarp 300
        if t3:
            photon = (rng.integers(1, 5, count) << 28) | (rng.integers(0, 4096, count) << 16)
            photon |= rng.integers(0, 65536, count)
            marker = (15 << 28) | (rng.integers(1, 16, count) << 16) | rng.integers(0, 65536, count)
            overflow = np.full(count, 15 << 28)
        else:
            photon = (rng.integers(0, 5, count) << 28) | rng.integers(0, 210698240, count)
            marker = (15 << 28) | (rng.integers(1, 1000, count) << 4) | rng.integers(1, 16, count)
            overflow = np.full(count, 15 << 28)
    else:
        low = (
            rng.integers(0, 1024, count) | (rng.integers(0, 2**15, count) << 10)
            if t3
            else rng.integers(0, 2**25, count)
        )
        time = rng.integers(0, 1024, count) if t3 else rng.integers(0, 2**25, count)
        photon = (rng.integers(0, 8, count) << 25) | low
        marker = (1 << 31) | (rng.integers(1, 16, count) << 25) | time
        overflow = (1 << 31) | (63 << 25) | rng.integers(0, 7, count)
    return np.choose(what, [photon, marker, overflow]).astype(np.uint32)


HYDRAHARP_2_T2, HYDRAHARP_2_T3 = 0x01010204, 0x01010304


def steady_words(photons=2000, every=30000):
    """T2 photons at equal distances, with the overflows between them."""
    stamps = np.arange(1, photons + 1) * every
    words, passed = [], 0
    for stamp in stamps.tolist():
        while stamp // 2**25 > passed:
            passed += 1
            words.append((1 << 31) | (63 << 25) | 1)
        words.append(stamp % 2**25)
    return np.array(words, dtype=np.uint32), stamps
