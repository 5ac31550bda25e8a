"""Wave-function averages: which states are sampled, what does not matter to them, what is refused."""

from __future__ import annotations

import inspect

import numpy as np
import pytest
from click_systems import random_system, watch
from systems_with_answers import ResonanceFluorescence, ThermalCavity

import trajectories as tj
from trajectories import lindblad
from trajectories.engine.compiled import compile_system
from trajectories.engine.two_time import TimeSampling, kets_along, occupations
from trajectories.errors import InvalidInput
from trajectories.random_streams import branch_seed
from trajectories.simulation.two_time import Moments

OPTIONS = {"trajectories": 5, "duration": 40.0, "seed": 2, "samples": 7}
ATOM = ResonanceFluorescence().system()


def compiled(system, propagator="auto"):
    return compile_system(system, lindblad.steady_state(system).rho, propagator=propagator)


@pytest.mark.parametrize("propagator", ["modes", "sparse"])
def test_kets_are_those_of_the_trajectory(propagator):
    """Rebuilt from averages, they give every other average."""
    system, sampling = random_system(3, 6, 2), TimeSampling(4, 30.0, 25)
    engine = compiled(system, propagator)
    operator = system.channel("c1").operator
    kets = kets_along(engine, sampling, 3)
    np.testing.assert_allclose(np.linalg.norm(kets, axis=1), 1.0, rtol=1e-12)
    weights = np.linalg.norm(kets @ operator.T, axis=1) ** 2
    direct = occupations(engine, sampling, 3, [operator])
    assert weights.mean() == pytest.approx(direct[0], rel=1e-9)


def test_the_trajectories_are_those_that_simulate_records():
    system = random_system(5, 5, 2)
    operator = system.channel("c0").operator
    sampling = TimeSampling(9, 20.0, 30)
    number = operator.conj().T @ operator
    record = watch(
        system, 1, 20.0, seed=9, observables={"number": number.toarray()}, sample_times=sampling.times(0)
    )
    found = occupations(compiled(system), sampling, 0, [operator])
    assert record.expectations["number"].value.mean() == pytest.approx(found[0], rel=1e-12)


def test_sample_times_are_one_in_each_part_and_differ_between_trajectories():
    sampling = TimeSampling(1, 50.0, 10)
    for index in range(4):
        assert (np.floor(sampling.times(index) / 5.0) == np.arange(10)).all()
    assert (sampling.times(0) != sampling.times(1)).all()
    assert len({branch_seed(1, index) for index in range(100)}) == 100


def test_results_are_the_same_bits_for_any_number_of_workers():
    system = ThermalCavity(levels=8).system()
    tau = [0.0, 1.0, 4.0]
    found = [tj.bundle_correlation(system, ("photon",), tau, workers=workers, **OPTIONS) for workers in (1, 2, 5)]
    for other in found[1:]:
        np.testing.assert_array_equal(found[0].value, other.value)
        np.testing.assert_array_equal(found[0].standard_error, other.standard_error)
    tables = [tj.moments(system, {"a": ("photon",)}, workers=workers, **OPTIONS).table for workers in (1, 3)]
    np.testing.assert_array_equal(*tables)
    more = tj.moments(system, {"a": ("photon",)}, **(OPTIONS | {"trajectories": 8}))
    np.testing.assert_array_equal(more.table[:5], tables[0])
    assert not np.array_equal(tj.moments(system, {"a": ("photon",)}, **(OPTIONS | {"seed": 3})).table, tables[0])


def test_the_jackknife_of_a_mean_is_its_standard_error():
    found = tj.moments(ATOM, {"σ": ("atom",)}, **OPTIONS)
    column = found.table[:, 0]
    estimate = found.mean("σ")
    assert estimate.value == pytest.approx(column.mean(), rel=1e-14)
    assert estimate.standard_error == pytest.approx(column.std(ddof=1) / np.sqrt(5), rel=1e-12)
    assert estimate.n == 35
    never = tj.moments(ATOM, {"σσ": ("atom", "atom")}, **OPTIONS).mean("σσ")
    assert never.value == 0.0
    assert np.isnan(never.standard_error)
    with pytest.raises(ValueError, match="read-only"):
        found.table[0] = 1.0


def test_an_average_that_few_trajectories_make_up_has_no_error():
    """Fewer than five effective groups: the spread over trajectories says nothing of the error."""
    table = np.random.default_rng(1).uniform(0.9, 1.1, (60, 2))
    assert np.isfinite(Moments(("a", "b"), table, 8).ratio("a", "b", "b").standard_error)
    few = np.where(np.arange(60)[:, None] < 2, [[1.0, 1.0]], [[1e-6, 1.0]]) * table
    found = Moments(("a", "b"), few, 8)
    assert np.isnan(found.mean("a").standard_error)
    assert np.isnan(found.ratio("a", "b", "b").standard_error)
    assert np.isfinite(found.mean("b").standard_error)


@pytest.mark.parametrize("name", ["bundle_correlation", "cross_correlation"])
def test_what_is_asked_is_asked_as_of_the_density_matrix(name):
    ours, theirs = (inspect.signature(getattr(room, name)).parameters for room in (tj, lindblad))
    positional = [key for key, p in ours.items() if p.kind is not inspect.Parameter.KEYWORD_ONLY]
    assert positional[1:] == [*theirs][1:]
    assert all(ours[key].default == theirs[key].default for key in positional[1:])


def test_a_name_and_its_matrix_are_the_same_bundle():
    sigma = ATOM.space.lower("atom").toarray()
    named, given = (tj.bundle_correlation(ATOM, bundle, [1.0], **OPTIONS) for bundle in (("atom",), sigma))
    np.testing.assert_array_equal(named.value, given.value)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"operator": "atom"}, "sequence of mode names"),
        ({"operator": ("magnon",)}, "magnon"),
        ({"operator": np.eye(3)}, "dimension 3"),
        ({"tau": [1.0, np.nan]}, "tau contains nan"),
        ({"trajectories": 1}, "trajectories=1 must be an integer of at least 2"),
        ({"duration": -1.0}, "duration=-1.0"),
        ({"samples": 0}, "samples=0"),
        ({"samples": 2.5}, r"samples=2\.5"),
        ({"seed": -1}, "seed=-1"),
        ({"workers": 0}, "workers=0"),
        ({"system": "atom"}, "must be an OpenSystem"),
        ({"operator": ("atom", "atom")}, "in every sampled state"),
    ],
)
def test_bad_input_is_refused(change, message):
    arguments = {"system": ATOM, "operator": ("atom",), "tau": 0.0, **OPTIONS}
    with pytest.raises(InvalidInput, match=message):
        tj.bundle_correlation(**(arguments | change))


def test_bad_moments_are_refused():
    with pytest.raises(InvalidInput, match="must be a dictionary"):
        tj.moments(ATOM, ("atom",), **OPTIONS)
    found = tj.moments(ATOM, {"σ": ("atom",), "σσ": ("atom", "atom")}, **OPTIONS)
    with pytest.raises(InvalidInput, match="'photon' was not sampled; there are σ, σσ"):
        found.mean("photon")
    with pytest.raises(InvalidInput, match="'σσ' is 0 in every sample"):
        found.ratio("σ", "σσ")


def test_a_system_that_depends_on_time_has_no_g2_of_a_delay():
    """Branches would start with the envelopes of t = 0, whenever their state was taken."""
    sigma = ATOM.channels[0].operator
    drive = tj.Drive(sigma + sigma.conj().T, tj.Square(0.0, 2.0))
    pulsed = tj.OpenSystem(0.0 * ATOM.hamiltonian, ATOM.channels, drives=[drive], period=10.0)
    with pytest.raises(InvalidInput, match="bundle_correlation needs a system that does not depend on time"):
        tj.bundle_correlation(pulsed, sigma, [1.0], **OPTIONS)
