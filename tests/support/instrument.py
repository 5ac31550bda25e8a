"""A simulated record as an instrument would have seen and written it."""

import numpy as np
from tagged_files import ptu_file

import trajectories as tj
from trajectories import analysis as an

# 1/ω_b in seconds, and the tick of the instrument in 1/ω_b.
UNIT, TICK = 1e-6, 1e-3
DELAY = 7.3
DETECTORS = {"left": tj.Detector(0.8, 0.005), "right": tj.Detector(0.7, 0.01)}
HBT = """
import numpy as np
import trajectories as tj

sigma = np.array([[0.0, 1.0], [0.0, 0.0]])
channels = [tj.Channel(name, np.sqrt(0.2) * sigma) for name in ("left", "right")]
system = tj.OpenSystem(0.5 * (sigma + sigma.T), channels)
"""
TOML = "[left]\nefficiency = 0.8\ndark_rate = 0.005\n[right]\nefficiency = 0.7\ndark_rate = 0.01\n"


def beam_splitter() -> tj.OpenSystem:
    """A driven atom whose light falls on two detectors."""
    names: dict = {}
    exec(HBT, names)
    return names["system"]


def words_of(stamp, channel, wrap=2**25):
    """T2 records of a HydraHarp 2 with the overflows between them."""
    passed = np.diff(stamp // wrap, prepend=0)
    words = []
    for step, value, number in zip(passed.tolist(), (stamp % wrap).tolist(), channel.tolist(), strict=True):
        if step:
            words.append((1 << 31) | (63 << 25) | step)
        words.append((number << 25) | value)
    return words


def measured(path, seed, duration=12000.0, dead_time=0.02, blanked=()):
    """Clicks of the atom seen by lossy, dark and dead detectors, one behind a cable, written as PTU.

    The instrument is blanked for some intervals of its own time.
    """
    clicks = tj.simulate(beam_splitter(), 1, duration, seed=seed, progress=False, workers=1)
    seen = {n: tj.Detector(d.efficiency, d.dark_rate, dead_time) for n, d in DETECTORS.items()}
    record = an.apply_detectors(clicks, seen, seed)
    time = record.time + DELAY * (record.channel == 1)
    kept = time < duration
    for begin, end in blanked:
        kept &= (time < begin) | (time >= end)
    order = np.argsort(time[kept], kind="stable")
    stamp = np.floor(time[kept][order] / TICK).astype(np.int64)
    words = words_of(stamp, record.channel[kept][order])
    seconds = TICK * UNIT
    return ptu_file(path, words, 0x01010204, tick=seconds, acquisition=round(duration * UNIT * 1e3))
