"""Against the field's own programs, photon for photon and bin for bin, where they are installed."""

import warnings

import numpy as np
import peers
import pytest
from instrument import words_of
from tagged_files import ptu_file

import trajectories as tj
from trajectories import analysis as an
from trajectories.errors import RecordWarning

pytest.importorskip("ptufile")
T2, T3 = 0x01010204, 0x01010304


def photons(seed=3, count=20000):
    rng = np.random.default_rng(seed)
    return np.cumsum(rng.integers(0, 3000, count)), rng.integers(0, 2, count)


@pytest.fixture(scope="module")
def t2(tmp_path_factory):
    stamp, channel = photons()
    path = tmp_path_factory.mktemp("t2") / "a.ptu"
    return ptu_file(path, words_of(stamp, channel), T2, acquisition=None), stamp, channel


@pytest.fixture(scope="module")
def t3(tmp_path_factory):
    sync, channel = photons(5)
    step = np.random.default_rng(1).integers(0, 3000, len(sync))
    words, passed = [], np.diff(sync // 1024, prepend=0)
    for wraps, time, rest, number in zip(passed, sync % 1024, step, channel, strict=True):
        if wraps:
            words.append((1 << 31) | (63 << 25) | int(wraps))
        words.append((int(number) << 25) | (int(rest) << 10) | int(time))
    path = tmp_path_factory.mktemp("t3") / "a.ptu"
    extra = [("TTResult_SyncRate", 0x10000008, 80_000_000)]
    made = ptu_file(path, words, T3, tick=12.5e-9, fine=4e-12, acquisition=400, extra=extra)
    return made, sync, step, channel


def load(path, **options):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", RecordWarning)
        return tj.load(path, **options)


def test_tttrlib_reads_the_same_photons_in_t2(t2):
    tttrlib = pytest.importorskip("tttrlib")
    theirs, ours = tttrlib.TTTR(str(t2[0]), "PTU"), load(t2[0])
    assert ours.stamp.tolist() == np.asarray(theirs.macro_times).astype(np.int64).tolist()
    assert ours.stamp.tolist() == t2[1].tolist()


def test_tttrlib_reads_the_same_photons_in_t3(t3):
    tttrlib = pytest.importorskip("tttrlib")
    theirs, ours = tttrlib.TTTR(str(t3[0]), "PTU"), load(t3[0])
    order = np.lexsort((np.asarray(theirs.micro_times), np.asarray(theirs.macro_times)))
    assert ours.stamp.tolist() == np.asarray(theirs.macro_times)[order].astype(np.int64).tolist()
    assert ours.within.tolist() == np.asarray(theirs.micro_times)[order].tolist()
    assert ours.channel.tolist() == np.asarray(theirs.routing_channels)[order].tolist()


def test_phconvert_reads_the_same_photons(t3):
    reader = peers.phconvert("phconvert.pqreader")
    stamps, detectors, nanotimes = reader.load_ptu(str(t3[0]))[:3]
    ours, photon = load(t3[0]), np.asarray(detectors) < 64  # it keeps overflows and markers above
    order = np.lexsort((np.asarray(nanotimes)[photon], np.asarray(stamps)[photon]))
    assert ours.stamp.tolist() == np.asarray(stamps)[photon][order].tolist()
    assert ours.within.tolist() == np.asarray(nanotimes)[photon][order].tolist()


@pytest.mark.parametrize("step", [1, 250])
def test_pycorrelate_counts_the_same_pairs(t2, step):
    path, stamp, channel = t2
    edges = np.arange(0, 201) * step
    theirs = peers.pcorrelate()(stamp[channel == 0].tolist(), stamp[channel == 1].tolist(), edges.tolist())
    ours = an.g2(load(path), "channel 0", "channel 1", edges * 1e-12)
    assert np.rint(np.asarray(theirs) * step).astype(int).tolist() == ours.counts.tolist()
