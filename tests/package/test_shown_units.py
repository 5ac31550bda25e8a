"""Pictures and tables of a system that counts in ns say ns: of clicks and of exact values, alone or together."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import fields, is_dataclass, replace

import matplotlib.text
import numpy as np
import pytest
from estimator_calls import CALLS, EDGES, LAGS, PAIR, WINDOW, WITHIN
from matplotlib.axes import Axes

import trajectories as tj
from trajectories import analysis as an
from trajectories import lindblad
from trajectories.time_units import TimeUnit

pytestmark = pytest.mark.filterwarnings("ignore:top-level population")
NATURAL_WORDS = re.compile(r"ω_b|\\omega_b|ω<sub>b")


def system(**more) -> tj.OpenSystem:
    space = tj.HilbertSpace(photon=3, magnon=3, atom=2)
    a, m, sigma = (space.lower(name) for name in ("photon", "magnon", "atom"))
    hamiltonian = a.T @ sigma + sigma.T @ a + m.T @ sigma + sigma.T @ m + 0.8 * (sigma + sigma.T)
    channels = [tj.Channel("photon", a), tj.Channel("magnon", m), tj.Channel("atom", 0.5 * sigma)]
    return tj.OpenSystem(hamiltonian, channels, space, time_unit="ns", **more)


@pytest.fixture(scope="module")
def record():
    times = np.linspace(0.0, 2.0, 3)
    sigma = system().space.lower("atom")
    return tj.simulate(
        system(), 30, 100.0, seed=1, progress=False, observables={"n": sigma.T @ sigma}, sample_times=times
    )


@pytest.fixture(scope="module")
def steady():
    return lindblad.steady_state(system())


@pytest.fixture(scope="module")
def periodic():
    a = system().space.lower("photon")
    drive = tj.Drive(0.1 * (a + a.T), tj.Gaussian(1.5, 0.2, 1.0))
    return lindblad.periodic_state(system(drives=[drive], period=3.0))


EXACT = {
    "cluster_g2": lambda s: lindblad.cluster_g2(s, 1, 1, LAGS, WINDOW),
    "coincidences": lambda s: lindblad.coincidences(s, PAIR, WINDOW),
    "g2": lambda s: lindblad.g2(s, *PAIR, EDGES),
    "g2, by keyword": lambda s: lindblad.g2(first="photon", second="magnon", edges=EDGES, steady=s),
    "g2_matrix": lambda s: lindblad.g2_matrix(s, EDGES),
    "g2_of_halves": lambda s: lindblad.g2_of_halves(s, *PAIR, LAGS),
    "g3": lambda s: lindblad.g3(s, "photon", "magnon", "atom", [0.0, 1.0], [0.5, 1.0]),
    "lag_histogram": lambda s: lindblad.lag_histogram(s, *PAIR, EDGES, WINDOW),
    "waiting_times": lambda s: lindblad.waiting_times(s, *PAIR, LAGS),
    "emission_spectrum": lambda s: lindblad.emission_spectrum(s, "photon"),
    "evolve": lambda s: lindblad.evolve(s.system, s.rho, [0.0, 1.0], {"n": np.eye(18)}),
}
PULSED = {
    "click_density": lambda p: lindblad.click_density(p, "photon", WITHIN),
    "pulsed_g2": lambda p: lindblad.pulsed_g2(p, *PAIR, 2),
    "pulse_map": lambda p: lindblad.pulse_map(p, *PAIR, WITHIN),
}


def parts_of(result):
    """Yield a result and what it holds, results within results included."""
    if isinstance(result, Mapping):
        result = list(result.values())
    if isinstance(result, list | tuple):
        for part in result:
            yield from parts_of(part)
    elif is_dataclass(result):
        yield result
        for field in fields(result):
            yield from parts_of(getattr(result, field.name))


def said_in(ax: Axes) -> str:
    return "\n".join(text.get_text() for text in ax.figure.findobj(matplotlib.text.Text))


def check(result) -> None:
    """A unit that is kept is ns, results over times keep one, and neither text nor picture says anything else."""
    for part in parts_of(result):
        if isinstance(part, TimeUnit):
            assert part.name == "ns"
        if any(hasattr(part, name) for name in ("edges", "times", "edges1")):
            assert hasattr(part, "unit"), type(part)
        if hasattr(part, "_repr_html_"):
            assert not NATURAL_WORDS.search(repr(part) + part._repr_html_()), part
        if hasattr(part, "plot"):
            assert not NATURAL_WORDS.search(said_in(part.plot())), type(part)


@pytest.mark.filterwarnings("ignore:.*")
@pytest.mark.parametrize("name", CALLS)
def test_estimates(record, name):
    check(CALLS[name](record))


@pytest.mark.parametrize("name", EXACT)
def test_exact_values(steady, name):
    found = EXACT[name](steady)
    assert not any("1/ω_b" in repr(part) for part in parts_of(found))
    check(found)


@pytest.mark.parametrize("name", PULSED)
def test_exact_values_of_pulses(periodic, name):
    check(PULSED[name](periodic))


def test_records_states_and_runs(record, steady, periodic, tmp_path):
    tj.simulate(system(), 2, 10.0, seed=1, progress=False, out=tmp_path / "run")
    for one in (record, steady, periodic, tj.Run.open(tmp_path / "run"), record.expectations["n"]):
        check(one)
    assert "rate of photon (1/ns)" in repr(steady)
    assert "10 ns" in repr(tj.Run.open(tmp_path / "run"))
    assert "3 ns" in repr(periodic)


def test_joined_averages_keep_it(record):
    asked = dict(seed=2, progress=False, observables={"n": np.eye(18)}, final_states=True)
    first = tj.simulate(system(), 4, 10.0, sample_times=[1.0], initial=np.eye(18)[0], **asked)
    later = tj.simulate(system(), 4, 10.0, sample_times=[1.0], initial=first.final_states, **asked)
    joined = tj.end_to_end([first, later]).expectations["n"]
    assert joined.times.tolist() == [1.0, 11.0]
    check(joined)
    assert "(ns)" in said_in(joined.plot())


def test_a_decay_and_a_histogram_of_counts(record):
    histogram = an.decay_histogram(record, "magnon", np.linspace(0.0, 4.0, 21), "photon")
    found = an.fit_decay(histogram, start=0.0)
    assert "lifetime (ns)" in repr(found)
    counts = an.count_distribution(record, 2.0)
    assert "time" not in said_in(counts.plot())
    assert "clicks" in said_in(counts.plot())
    assert repr(counts).splitlines()[1].split()[0] == "clicks"


@pytest.mark.parametrize("name", [name for name in EXACT if name not in ("g3", "g2_matrix", "coincidences")])
def test_exact_values_that_are_drawn_alone_are_not_called_clicks(steady, name):
    for part in parts_of(EXACT[name](steady)):
        if hasattr(part, "plot"):
            words = said_in(part.plot()).split("\n")
            assert "exact" in words
            assert not any("clicks" in word or "band" in word for word in words), words


def test_pictures_of_plain_numbers_are_told_the_unit(record):
    scan = an.fano(record, [1.0, 2.0])
    times, history = an.rate_history(record)
    pictures = [
        an.plot.fano([1.0, 2.0], scan, unit=record.unit),
        an.plot.purity([0.5, 1.0], {2: an.purity(record, 2, [0.5, 1.0])}, unit="ns"),
        an.plot.populations([0.0, 1.0], {"up": [0.0, 1.0]}, unit="ns"),
        an.plot.rate_convergence(times, history["photon"], unit="ns"),
        an.plot.click_stream(record),
    ]
    alone = an.plot.fano([1.0, 2.0], lindblad.fano(lindblad.steady_state(system()), [1.0, 2.0]), unit="ns")
    assert "exact" in said_in(alone)
    waits = lindblad.waiting_times(lindblad.steady_state(system()), *PAIR, LAGS)
    apart = an.plot.waiting_times({"magnon": waits, "atom": waits}, first="photon")
    assert apart.get_yscale() == "log"
    assert "band" not in said_in(apart)
    assert "clicks" not in said_in(alone)
    for ax in pictures:
        assert "ns" in said_in(ax)
        assert not NATURAL_WORDS.search(said_in(ax))
    natural = an.plot.g2_matrix({PAIR: replace(an.g2(record, *PAIR, EDGES), unit=TimeUnit())})
    assert NATURAL_WORDS.search(said_in(natural[0, 0]))
