"""Clicks of an instrument: from a time tagger's file to g², lifetime, a verdict on stationarity and a report.

    python examples/measured_clicks.py --out runs/figures

An 80 MHz laser excites an emitter of single photons; two detectors behind a beam splitter feed a HydraHarp in T3
mode. The file is made here, with a cable two pulses long, dark counts, blinking and occasional second
photons, so that every result can be compared with the true value. Steps 2 to 6 are those for a file of your own.
"""

import struct
from pathlib import Path

import numpy as np
from figures import figure, options, panel, save, style, timed, write_table

import trajectories as tj
from trajectories import analysis as an
from trajectories.analysis.report.folder import AnalysisFolder
from trajectories.records import corrections

PERIOD, STEP = 12.5e-9, 16e-12  # seconds
LIFETIME, EMITTED, MULTIPLE, DARK, CABLE = 1.8e-9, 0.04, 0.002, 2e-5, 2
WRAP = 1024  # pulses from one overflow of the counter to the next


def detections(pulses: int, seed: int = 4) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return pulse number, step within the period and channel of every detection, in order of time."""
    rng = np.random.default_rng(seed)
    switched = np.cumsum(rng.exponential(4e3, pulses // 1000 + 10))  # blinking, some 50 µs long
    shots = np.flatnonzero(rng.random(pulses) < EMITTED)
    shots = shots[np.searchsorted(switched, shots) % 2 == 0]
    sync = np.concatenate([shots, shots[rng.random(len(shots)) < MULTIPLE]])
    delay = 1e-9 + rng.exponential(LIFETIME, len(sync)) + rng.normal(0.0, 50e-12, len(sync))
    noise = rng.integers(0, pulses, rng.poisson(2 * DARK * pulses))
    sync, delay = np.concatenate([sync, noise]), np.concatenate([delay, rng.uniform(0.0, PERIOD, len(noise))])
    channel = rng.integers(0, 2, len(sync))
    sync = sync + np.floor(delay / PERIOD).astype(np.int64) + CABLE * channel
    step = np.floor(delay % PERIOD / STEP).astype(np.int64)
    order = np.lexsort((step, sync))
    order = order[sync[order] < pulses]
    return sync[order], step[order], channel[order]


def write_t3(path: Path, pulses: int, sync: np.ndarray, step: np.ndarray, channel: np.ndarray) -> Path:
    """Write a PTU file as a HydraHarp 400 does in T3 mode: 32 bits a photon, and one for overflows in between."""
    integer, real, empty = 0x10000008, 0x20000008, 0xFFFF0008
    overflow = 1 << 31 | 63 << 25
    passed = np.diff(sync // WRAP, prepend=0)
    places = np.cumsum((passed > 0) + 1) - 1
    words = np.zeros(places[-1] + 1, dtype="<u4")
    words[places] = channel << 25 | step << 10 | sync % WRAP
    words[places[passed > 0] - 1] = overflow | passed[passed > 0]
    words = np.append(words, np.full(pulses // WRAP - sync[-1] // WRAP, overflow | 1, dtype="<u4"))
    tags = [
        ("MeasDesc_AcquisitionTime", integer, round(pulses * PERIOD * 1e3)),
        ("MeasDesc_GlobalResolution", real, PERIOD),
        ("MeasDesc_Resolution", real, STEP),
        ("TTResultFormat_TTTRRecType", integer, 0x01010304),
        ("TTResultFormat_BitsPerRecord", integer, 32),
        ("TTResult_NumberOfRecords", integer, len(words)),
        ("Header_End", empty, 0),
    ]
    with path.open("wb") as file:
        file.write(b"PQTTTR\0\x001.0.00\0\0")
        for name, kind, value in tags:
            file.write(struct.pack("<32siI", name.encode(), -1, kind))
            file.write(struct.pack("<d" if kind == real else "<q", value))
        file.write(words.tobytes())
    return path


with timed():
    chosen = options(__doc__, clicks=600_000, quick_clicks=60_000)
    pulses = 80_000 * round(2.0 * chosen.clicks / EMITTED / 80_000)  # whole milliseconds, dark half of the time
    # 1. The instrument.
    path = write_t3(chosen.out / "measured.ptu", pulses, *detections(pulses))
    # 2. Load it. Ticks are sync periods, and stay integers; times are in ns from here on.
    record = corrections.renamed(tj.load(path, unit="ns"), {"channel 0": "left", "channel 1": "right"})
    period = record.clock.tick
    print(record, f"in {record.counted_in}", sep="\n")
    # 3. Find the delay of the cable, and correct it.
    delay = an.find_delay(record, "left", "right", 20 * period, resolution=period)
    print(f"right lags behind by {delay} ns, {delay.value / period:.2f} pulses: {delay.method}")
    record = corrections.delayed(record, {"right": -round(delay.value / period) * period})
    # 4. Is the source steady, and how does it blink?
    for name, rate in an.rates(record).items():
        print(f"{name}: {rate} /ns, stationary with p = {an.stationarity(record, name).p_value:.2g}")
    # 5. Pulse by pulse, and within the pulse.
    peaks = an.pulsed_g2(record, "left", "right", 25)
    by_rates = an.pulsed_g2(record, "left", "right", 25, normalise="rates")
    centre = tj.Estimate(peaks.value[25], peaks.standard_error[25])
    print(f"g²[0] = {centre} of the side peaks ({peaks.counts[25]} pairs)")
    decay = an.decay_histogram(record, "left", np.arange(0, 782) * record.clock.fine)
    fit = an.fit_decay(decay, start=1.3, stop=12.0)
    print(f"lifetime {fit.lifetime} ns, background {fit.background}, χ² p = {fit.fit.p_value:.2g}")
    fine = corrections.unfolded(record)  # 16 ps steps instead of pulses
    trains = an.g2(fine, "left", "right", np.arange(-1250, 1251) * 2 * fine.clock.tick)
    # 6. Everything else, on one page.
    folder = AnalysisFolder(chosen.out / "measured")
    files = folder.write(an.analyse(record), record, {"answers": {}}, "A pulsed single-photon source")
    print(*(f"{name:9} {place}" for name, place in files.items()), sep="\n")

    columns = {
        "pulse": np.arange(-25, 26),
        "pairs": peaks.counts,
        "g2": peaks.value,
        "error": peaks.standard_error,
    }
    write_table(chosen.out / "measured_clicks.csv", columns | {"g2_by_rates": by_rates.value})
    style()
    left, middle, right = (picture := figure(2.3)).subplots(1, 3)
    left.errorbar(columns["pulse"], peaks.value, peaks.standard_error, fmt="o", markersize=2.5, linewidth=0.8)
    left.set(xlabel="pulses between left and right", ylabel=r"$g^{(2)}[m]$ by side peaks", ylim=(0, None))
    middle.step(trains.tau, trains.counts, where="mid", linewidth=0.5)
    middle.set(xlabel=r"lag  $\tau$  (ns)", ylabel="pairs in 32 ps", ylim=(0, None))
    shown = decay.counts > 0
    middles = 0.5 * (decay.edges[1:] + decay.edges[:-1])
    right.semilogy(middles[shown], decay.counts[shown], ".", markersize=1.5)
    steps = np.linspace(fit.start, fit.stop, 200)
    counted = decay.counts[(decay.edges[:-1] >= fit.start - 1e-9) & (decay.edges[1:] <= fit.stop + 1e-9)].sum()
    tau, share, span = fit.lifetime.value, fit.background.value, fit.stop - fit.start
    density = (1 - share) * np.exp(-(steps - fit.start) / tau) / (tau * -np.expm1(-span / tau)) + share / span
    right.semilogy(steps, counted * record.clock.fine * density, "k--", linewidth=1)
    right.set(xlabel="time after the pulse  (ns)", ylabel="clicks in 16 ps")
    for ax, letter in ((left, "a"), (middle, "b"), (right, "c")):
        panel(ax, letter)
    save(picture, chosen.out, "measured_clicks")
