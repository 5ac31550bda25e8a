"""Runs read block by block: the same numbers to the last bit as from the record in memory, in bounded memory."""

from __future__ import annotations

import inspect
import tracemalloc
from dataclasses import replace
from itertools import pairwise

import numpy as np
import pytest
from click_streams import TICK, click_records, pair_record, poisson_record
from click_systems import driven_atom, watch
from estimator_calls import CALLS, PAIR, WINDOW, assert_same
from hypothesis import given, settings
from hypothesis import strategies as st

from trajectories import analysis as an
from trajectories.analysis.clicks.streams import ClickStream
from trajectories.errors import InvalidInput, RunFolderError
from trajectories.records import Run
from trajectories.records.clicks import ClickRecord
from trajectories.results import read_only

quick = settings(max_examples=6, deadline=None, derandomize=True)
# What takes a record and is no estimator, or needs more than clicks.
NO_ESTIMATORS = {"analyse", "apply_detectors", "detected_stream", "find_bundles", "fit", "stream", "validate"}
# Pulses come at multiples of a period from 0.
OF_PULSES = {"brightness", "click_density", "pulse_counts", "pulse_map"}
# Refuses what shows no delay; need a model.
NO_ESTIMATORS |= {"find_delay", "information", "lost_clicks", "single_clicks"}


def part_of(record: ClickRecord, first: int, last: int) -> ClickRecord:
    """Trajectories first … last − 1 as a record of their own, with private copies of the clicks."""
    clicks = slice(*record.offsets[[first, last]])
    columns = (record.trajectory[clicks] - first, record.time[clicks], record.channel[clicks])
    windows = {"start": record.start[first:last], "stop": record.stop[first:last]}
    return ClickRecord.from_arrays(
        *columns, channel_names=record.channel_names, **windows, provenance=record.provenance
    )


class Blocks:
    """What a run folder does, without a disk: the record in blocks, in memory of its own at every reading."""

    def __init__(self, record, bounds, parts=None):
        self.parts = [part_of(record, *bound) for bound in bounds] if parts is None else parts
        self.readings = 0

    def blocks(self):
        self.readings += 1
        for part in self.parts:
            columns = ("trajectory", "stamp", "channel", "start", "stop")
            yield replace(part, **{name: read_only(getattr(part, name).copy()) for name in columns})


def three_channels(seed: int, trajectories: int, duration: float) -> ClickRecord:
    """Photon–magnon pairs and unrelated atom clicks."""
    rng = np.random.default_rng(seed)
    pairs = pair_record(rng, 0.4, 4.0, 0.7, trajectories, duration)
    atom = poisson_record(rng, {"atom": 0.3}, trajectories, duration)
    row, time = (np.concatenate([getattr(pairs, n), getattr(atom, n)]) for n in ("trajectory", "time"))
    channel = np.concatenate([pairs.channel, atom.channel + 2])
    order = np.lexsort((time, row))
    columns = (row[order], time[order], channel[order])
    names = ("photon", "magnon", "atom")
    return ClickRecord.from_arrays(*columns, channel_names=names, start=pairs.start, stop=pairs.stop)


@st.composite
def divided(draw):
    """A record and a division of its trajectories into blocks."""
    record = draw(click_records(trajectories=(1, 3, 22, 300)))
    cuts = draw(st.sets(st.integers(1, max(record.n_trajectories - 1, 1)), max_size=5))
    at = [0, *sorted(cut for cut in cuts if cut < record.n_trajectories), record.n_trajectories]
    return record, list(pairwise(at))


def test_every_estimator_is_called_here():
    """A new one cannot be forgotten in the tests that hold for all."""
    takes_clicks = {
        name
        for name in an.__all__
        if inspect.isfunction(getattr(an, name))
        and next(iter(inspect.signature(getattr(an, name)).parameters), None) == "record"
    }
    assert takes_clicks - NO_ESTIMATORS == {name.split(",")[0] for name in CALLS}


@pytest.mark.parametrize("name", CALLS)
@quick
@given(divided())
def test_any_division_into_blocks_gives_the_same_bits(name, divided):
    record, bounds = divided
    assert_same(CALLS[name](Blocks(record, bounds)), CALLS[name](record))


@pytest.mark.parametrize("name", CALLS)
@pytest.mark.parametrize("trajectories", [6, 600])
def test_full_records_give_the_same_bits_in_blocks(name, trajectories):
    """With enough clicks for errors, and units that reach across blocks."""
    record = three_channels(11, trajectories, 3000.0 / trajectories)
    bounds = [(k, min(k + 7, trajectories)) for k in range(0, trajectories, 7)]
    whole = CALLS[name](record)
    assert_same(CALLS[name](Blocks(record, bounds)), whole)
    assert_same(CALLS[name]([part_of(record, *b) for b in bounds]), whole)


def test_a_difference_in_the_last_bit_is_noticed():
    record = three_channels(12, 30, 50.0)
    with pytest.raises(AssertionError):
        assert_same(CALLS["lag_histogram, pooled"](part_of(record, 0, 29)), CALLS["lag_histogram, pooled"](record))
    found = an.rates(record)
    off = {name: replace(e, value=np.nextafter(e.value, np.inf)) for name, e in found.items()}
    with pytest.raises(AssertionError):
        assert_same(off, found)


def test_a_run_folder_is_read_block_by_block(tmp_path):
    system = driven_atom(1.0, 0.4)
    record = watch(system, 30, 60.0, seed=3, out=tmp_path / "run", initial=np.eye(2)[0])
    run = Run.open(tmp_path / "run")
    assert len(run.finished()) > 1
    edges = np.linspace(-5.0, 5.0, 11)
    assert_same(an.g2(run, "atom", "atom", edges), an.g2(record, "atom", "atom", edges))
    assert_same(an.rates(run), an.rates(record))
    assert_same(an.fano(run, [5.0]), an.fano(record, [5.0]))
    streamed = an.stream(run)
    assert (len(streamed), streamed.n_trajectories) == (len(record), 30)
    assert streamed.total_time == record.total_time
    assert streamed.provenance["parameters"] == record.provenance["parameters"]
    assert "complete" not in streamed.provenance


# 100 blocks of 4 trajectories: the run is ten times larger than the cap. Blocks are checked here, once.
LARGE = three_channels(13, 400, 900.0)
PARTS = [part_of(LARGE, k, k + 4) for k in range(0, 400, 4)]
SIZE = LARGE.time.nbytes + LARGE.trajectory.nbytes + LARGE.channel.nbytes
CAP = SIZE // 10


def large_run(blocks: int = len(PARTS)) -> Blocks:
    return Blocks(LARGE, (), PARTS[:blocks])


def peak(call) -> int:
    """Return the most memory that a call held at once, in bytes; NumPy reports its arrays to tracemalloc."""
    tracemalloc.start()
    try:
        call()
        return tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()


# Their sums over so many bins are nearly as large as this cap, or larger, whatever the size of the run.
LARGE_SUMS = ("next_click_probabilities", "detector_memory")


@pytest.mark.parametrize("name", sorted(set(CALLS) - set(LARGE_SUMS)))
def test_a_run_ten_times_larger_than_the_cap_gives_the_same_numbers(name):
    whole = CALLS[name](LARGE)  # compiles, too
    found = []
    used = peak(lambda: found.append(CALLS[name](an.stream(large_run(), memory=CAP // 10))))
    assert used < CAP, f"{used / SIZE:.2f} of the run"
    assert_same(found[0], whole)


@pytest.mark.parametrize("name", LARGE_SUMS)
def test_large_sums_do_not_grow_with_the_run(name):
    used, call = [], CALLS[name]
    for blocks in (64, 100):  # 256 units either way
        used.append(peak(lambda blocks=blocks: call(an.stream(large_run(blocks), memory=0))))
    assert used[1] - used[0] < CAP


def test_memory_that_is_not_bounded_is_noticed():
    assert peak(lambda: an.rates(an.stream(large_run(), memory=2 * SIZE))) > CAP
    assert peak(lambda: an.rates(ClickRecord.concatenate(list(large_run().blocks())))) > CAP


def test_what_fits_into_memory_is_read_once():
    blocks = large_run()
    kept = an.stream(blocks, memory=2 * SIZE)
    an.rates(kept), an.order_fraction(kept, *PAIR, WINDOW)
    assert blocks.readings == 1
    again = an.stream(blocks, memory=CAP)
    an.rates(again), an.order_fraction(again, *PAIR, WINDOW)
    assert blocks.readings == 1 + 1 + 2
    assert an.stream(kept) is kept


@quick
@given(divided(), st.sampled_from(sorted(set(CALLS) - {"count_pairs"} - OF_PULSES)), st.integers(-1000, 1000))
def test_shifting_all_times_changes_nothing(divided, name, ticks):
    """On a grid of ticks the differences are exact, and so are the results (pair counts keep windows)."""
    record = divided[0]
    shift = ticks * TICK
    times = {n: read_only(getattr(record, n) + shift) for n in ("stamp", "start", "stop")}
    assert_same(CALLS[name](replace(record, **times)), CALLS[name](record))


# Their results are more than values, or depend on how trajectories are grouped.
NOT_VALUES = {
    "pulse_counts",
    "pulse_map",
    "coincidences",
    "count_pairs",
    "rate_history",
    "stationarity",
    "time_reversal_test",
} | {n for n in CALLS if n.endswith(", pooled")}


@quick
@given(divided(), st.sampled_from(sorted(set(CALLS) - NOT_VALUES)))
def test_the_order_of_records_does_not_matter(divided, name):
    """Values are functions of sums over trajectories, so that the rounding of sums is all that may differ."""
    record, bounds = divided
    parts = [part_of(record, *b) for b in bounds]
    for one, other in zip(*(values(CALLS[name](p)) for p in (parts, parts[::-1])), strict=True):
        np.testing.assert_allclose(one, other, rtol=1e-9, atol=1e-12)


def values(result):
    if isinstance(result, dict):
        return [v for item in result.values() for v in values(item)]
    if isinstance(result, list):
        return [v for item in result for v in values(item)]
    return [result.value]


@pytest.mark.parametrize("name", CALLS)
def test_records_of_no_or_one_click_have_results(name):
    """No failure and no warning; without clicks no errors, because nothing was seen to vary."""
    names = ("photon", "magnon", "atom")
    empty = ClickRecord.from_arrays([], [], [], channel_names=names, start=0, stop=9)
    CALLS[name](ClickRecord.from_arrays([0], [2.0], [0], channel_names=names, start=0, stop=9))
    for error in errors(CALLS[name](empty)):
        assert not (error > 0).any()


def errors(result):
    if isinstance(result, dict):
        return [v for item in result.values() for v in errors(item)]
    if isinstance(result, list | tuple):
        return [v for item in result for v in errors(item)]
    if isinstance(result, an.Pooled):
        return [result.jackknife().standard_error]
    return [np.asarray(result.standard_error)] if hasattr(result, "standard_error") else []


def test_a_burst_of_a_hundred_thousand_clicks_is_one_bundle():
    n = 100_000
    row = np.zeros(n, dtype=int)
    burst = ClickRecord.from_arrays(
        row, np.linspace(5.0, 6.0, n), np.arange(n) % 2, channel_names=("photon", "magnon"), start=0, stop=20
    )
    assert an.purity(burst, n, [1.0])[0].n == 1
    assert an.pair_purity(burst, *PAIR, 1.0).n == 0
    (key,) = an.composition_rates(burst, 1.0)
    assert (key.count("photon"), key.count("magnon")) == (n // 2, n // 2)
    assert an.order_fraction(burst, *PAIR, 1.0).n == 0
    assert an.waiting_times(burst, *PAIR, [0.0, 1.0]).counts.tolist() == [n // 2]
    assert an.fano(burst, [10.0])[0].value == pytest.approx(n)


def test_what_is_no_record_is_refused(tmp_path):
    record = three_channels(14, 3, 10.0)
    with pytest.raises(InvalidInput, match="nowhere"):
        an.rates(tmp_path / "nowhere")
    with pytest.raises(InvalidInput, match="record=3 must be a ClickRecord, a Run"):
        an.rates(3)
    with pytest.raises(InvalidInput, match="must be a ClickRecord, a Run"):
        an.rates([record, None])
    with pytest.raises(InvalidInput, match="no block of clicks yet"):
        an.rates([])
    with pytest.raises(InvalidInput, match="have different channels"):
        an.rates([record, record.select("photon")])
    with pytest.raises(InvalidInput, match="memory=-1"):
        an.stream(record, memory=-1)


@pytest.mark.parametrize("change", ["grown", "shrunk", "replaced"])
def test_a_run_that_changes_while_it_is_read_is_refused(change):
    record = three_channels(15, 8, 20.0)
    blocks = Blocks(record, [(0, 4), (4, 6)])
    streamed = an.stream(blocks, memory=0)
    bounds = {"grown": [(0, 4), (4, 6), (6, 8)], "shrunk": [(0, 4)], "replaced": [(0, 4), (6, 8)]}[change]
    blocks.parts = Blocks(record, bounds).parts
    with pytest.raises(InvalidInput, match="changed while they were read"):
        an.rates(streamed)


def test_a_damaged_block_is_named(tmp_path):
    watch(driven_atom(1.0, 0.4), 4, 60.0, seed=3, out=tmp_path / "run", initial=np.eye(2)[0])
    block = sorted((tmp_path / "run" / "blocks").iterdir())[2]
    block.write_bytes(block.read_bytes()[:-20])
    with pytest.raises(RunFolderError, match=block.name):
        an.rates(Run.open(tmp_path / "run"))


def test_a_stream_looks_like_its_record():
    record = three_channels(16, 5, 20.0)
    streamed = an.stream([part_of(record, 0, 2), part_of(record, 2, 5)])
    assert isinstance(streamed, ClickStream)
    assert (len(streamed), streamed.n_trajectories, streamed.channel_names) == (
        len(record),
        5,
        record.channel_names,
    )
    np.testing.assert_array_equal(streamed.stop, record.stop)
    assert repr(streamed) == repr(record).replace("ClickRecord", "ClickStream")
    with pytest.raises(InvalidInput, match="no channel named 'x'"):
        streamed.channel_number("x")
