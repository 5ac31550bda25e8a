"""Averages over trajectories: the same whatever the blocks, and in memory that does not grow with trajectories."""

from __future__ import annotations

import tracemalloc

import numpy as np
import pytest
from click_systems import driven_atom, watch

from trajectories.group_errors import independent_groups
from trajectories.records import averages
from trajectories.records.averages import EnsembleAverages, add_value
from trajectories.records.layout import Layout


def described(times: int, shares: list[float] | None = None, initial: str = "a ket") -> dict:
    configuration = {
        "observables": ["n", "m"],
        "sample_times": np.linspace(0.0, 9.0, times).tolist(),
        "initial": initial,
        "seed": 4,
    }
    return {"configuration": configuration, "initial_shares": shares}


def averaged(metadata: dict, sampled: np.ndarray, size: int, shuffled: bool = False) -> dict:
    """Add samples in blocks of so many trajectories, in the order of the blocks or not."""
    found = EnsembleAverages(metadata, np.arange(len(sampled)))
    blocks = list(Layout(()).extended(len(sampled), size))
    for place in np.random.default_rng(1).permutation(len(blocks)) if shuffled else range(len(blocks)):
        first, last = blocks[place]
        found.add(first, sampled[first:last])
    return found.result()


def same_bits(first: dict, second: dict) -> bool:
    return all(
        first[name].value.tobytes() == second[name].value.tobytes()
        and first[name].standard_error.tobytes() == second[name].standard_error.tobytes()
        for name in first
    )


@pytest.mark.parametrize("kept", [2**22, 0], ids=["few", "many"])
@pytest.mark.parametrize("shares", [None, [0.5, 0.8, 1.0]], ids=["independent", "dealt"])
def test_bits_do_not_depend_on_the_blocks(shares, kept, monkeypatch):
    monkeypatch.setattr(averages, "SAMPLES_KEPT", kept)
    sampled = np.random.default_rng(2).normal(3.0, 1.0, (103, 7, 2))
    metadata = described(7, shares)
    reference = averaged(metadata, sampled, 103)
    for size in (1, 8, 50):
        assert same_bits(reference, averaged(metadata, sampled, size))
        assert same_bits(reference, averaged(metadata, sampled, size, shuffled=True))


@pytest.mark.parametrize("shares", [None, [0.5, 0.8, 1.0]], ids=["independent", "dealt"])
def test_moments_give_what_all_samples_give(shares, monkeypatch):
    """Means, errors, and which errors cannot be known: here a column where one trajectory alone deviates."""
    sampled = np.random.default_rng(3).normal(1e3, 1e-3, (200, 5, 2))
    sampled[:, 2, 0] = 7.0
    sampled[11, 2, 0] = 8.0
    sampled[:, 3, 1] = 0.3
    metadata = described(5, shares)
    whole = averaged(metadata, sampled, 40)
    monkeypatch.setattr(averages, "SAMPLES_KEPT", 0)
    streamed = averaged(metadata, sampled, 40)
    for name in ("n", "m"):
        np.testing.assert_allclose(streamed[name].value, whole[name].value, rtol=1e-14)
        np.testing.assert_allclose(
            streamed[name].standard_error, whole[name].standard_error, rtol=1e-8, atol=1e-14
        )
    assert np.isnan(streamed["n"].standard_error[2])
    assert np.isfinite(streamed["n"].standard_error[1])


def test_a_value_is_added_to_the_moments():
    values = np.random.default_rng(5).exponential(size=(60, 4)) + 10.0
    moments = np.zeros((4, 4))
    for count, value in enumerate(values, 1):
        add_value(moments, float(count), value)
    deviations = values - values.mean(axis=0)
    for power in (2, 3, 4):
        np.testing.assert_allclose(moments[power - 1], (deviations**power).sum(axis=0), rtol=1e-10)
    second, fourth = moments[1], moments[3]
    expected = independent_groups(deviations)
    np.testing.assert_allclose(1.0 / np.maximum(fourth / second**2 - 2.0 / 60, 1.0 / 60), expected, rtol=1e-9)


def test_memory_does_not_grow_with_the_trajectories(monkeypatch):
    """2,000 times of 20,000 trajectories were 1.1 GB for a result of 16 kB; 1,000 of 1,000 here."""
    monkeypatch.setattr(averages, "SAMPLES_KEPT", 2**19)
    times = np.linspace(0.0, 0.5, 1000)

    def peak(trajectories: int) -> int:
        tracemalloc.start()
        record = watch(
            driven_atom(1.0, 0.4),
            trajectories,
            0.5,
            seed=1,
            initial=[1.0, 0.0],
            observables={"e": np.diag([0.0, 1.0])},
            sample_times=times,
        )
        assert record.expectations["e"].n == trajectories
        _, most = tracemalloc.get_traced_memory()
        tracemalloc.stop()
        return most

    peak(4)
    assert peak(1000) < 2**19 * 8  # all samples would be 8 MB; those that are kept are 4.2 MB at the most


def test_many_trajectories_average_to_the_same_whether_streamed_or_not(monkeypatch, tmp_path):
    """In memory, in blocks on disk, and with all samples at once."""
    asked = {
        "seed": 3,
        "initial": [1.0, 0.0],
        "observables": {"e": np.diag([0.0, 1.0])},
        "sample_times": np.linspace(0.0, 5.0, 11),
    }
    whole = watch(driven_atom(1.0, 0.4), 300, 5.0, **asked).expectations["e"]
    monkeypatch.setattr(averages, "SAMPLES_KEPT", 0)
    streamed = watch(driven_atom(1.0, 0.4), 300, 5.0, **asked).expectations["e"]
    stored = watch(driven_atom(1.0, 0.4), 300, 5.0, out=tmp_path / "run", **asked).expectations["e"]
    assert streamed.value.tobytes() == stored.value.tobytes()
    assert streamed.standard_error.tobytes() == stored.standard_error.tobytes()
    np.testing.assert_allclose(streamed.value, whole.value, rtol=1e-13, atol=1e-15)
    np.testing.assert_allclose(streamed.standard_error, whole.standard_error, rtol=1e-10, atol=1e-15)
