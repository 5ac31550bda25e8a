"""Convergence with the truncation: the paper's feasibility values, closed forms, limits, parity rules."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest

from trajectories import Channel, HilbertSpace, OpenSystem, SpinningResonator, lindblad
from trajectories.errors import InvalidInput
from trajectories.lindblad import SteadyState


def pair_correlation(mode: str) -> Callable[[SteadyState], float]:
    """g₂(0) = ⟨(oo')†(oo')†(oo')(oo')⟩/⟨(oo')†(oo')⟩² of the photon and another mode: Eq. (3) at τ = 0."""

    def value(steady: SteadyState) -> float:
        space = steady.system.space
        pair = space.lower("photon") @ space.lower(mode)
        twice = pair @ pair
        return steady.expect(twice.conj().T @ twice) / steady.expect(pair.conj().T @ pair) ** 2

    return value


def thermal_cavity(occupation: float, rate: float = 0.1) -> Callable[[tuple[int, ...]], OpenSystem]:
    def factory(levels: tuple[int, ...]) -> OpenSystem:
        space = HilbertSpace(photon=levels[0])
        a = space.lower("photon")
        emission = Channel("emission", np.sqrt(rate * (occupation + 1.0)) * a)
        absorption = Channel("absorption", np.sqrt(rate * occupation) * a.conj().T)
        return OpenSystem(space.number("photon"), (emission, absorption), space)

    return factory


def mean_photons(steady: SteadyState) -> float:
    return steady.expect(steady.system.space.number("photon"))


# --- the paper's system --------------------------------------------------------------------------------


@pytest.mark.slow
@pytest.mark.parametrize(
    ("direction", "mode", "four_levels", "converged"),
    [("left", "phonon", 0.494, 0.528), ("right", "magnon", 0.291, 0.335)],
)
def test_the_feasibility_values_are_those_of_four_levels(
    direction: str, mode: str, four_levels: float, converged: float
) -> None:
    resonator = SpinningResonator(direction=direction, detuning=1.3693, kappa=0.008)
    found = lindblad.converge(resonator.system, {"g2": pair_correlation(mode)}, start=(4, 4, 4), tolerance=1e-3)
    assert found.converged
    assert found.levels == (6, 4, 4)
    assert found.steps[0].values["g2"] == pytest.approx(four_levels, abs=5e-4)
    assert found.values["g2"] == pytest.approx(converged, abs=5e-4)
    assert max(found.moves.values()) <= 1e-3
    assert found.steps[0].moves["photon"] > 0.05  # planted fault: four levels must not pass
    # A tiny population of the top level does not mean that a bundle correlation has converged.
    assert found.steps[0].top_level < 1e-4


def test_only_the_mode_that_matters_is_raised_and_rates_at_three_levels_are_wrong() -> None:
    resonator = SpinningResonator(direction="left", detuning=1.3693, kappa=0.008)
    rates = {name: (lambda steady, name=name: steady.rate(name)) for name in ("photon", "phonon", "magnon")}
    found = lindblad.converge(resonator.system, rates, tolerance=5e-3)
    assert found.converged
    assert found.levels[0] > 3
    assert found.levels[1:] == (3, 3)
    first = found.steps[0]
    assert first.levels == (3, 3, 3)
    assert first.dimension == 54
    assert first.moves["photon"] == pytest.approx(0.4, abs=0.02)
    raised = next(step for step in found.steps if step.levels == (4, 3, 3))
    largest = max(abs(raised.values[n] - first.values[n]) / max(raised.values[n], first.values[n]) for n in rates)
    assert first.moves["photon"] == pytest.approx(largest, rel=1e-12)


def test_following_the_resonance() -> None:
    resonator = SpinningResonator(direction="left", kappa=0.008)
    factory = lindblad.at_resonance(resonator, "photon-phonon")
    detunings = [factory(levels).parameters["detuning"] for levels in ((3, 2, 2), (3, 3, 2))]
    assert detunings[1] == pytest.approx(lindblad.resonance(resonator, "photon-phonon", (3, 3, 2)), abs=2e-7)
    assert abs(detunings[1] - detunings[0]) > 3e-4
    followed = lindblad.converge(
        factory, {"phonon": lambda s: s.rate("phonon")}, start=(3, 2, 2), tolerance=0.05, max_dimension=40
    )
    fixed = lindblad.converge(
        replace(resonator, detuning=detunings[0]).system,
        {"phonon": lambda s: s.rate("phonon")},
        start=(3, 2, 2),
        tolerance=0.05,
        max_dimension=40,
    )
    assert followed.steps[0].values["phonon"] == pytest.approx(fixed.steps[0].values["phonon"], rel=1e-6)
    assert followed.steps[0].moves["phonon"] != pytest.approx(fixed.steps[0].moves["phonon"], rel=1e-2)


def test_following_needs_three_level_counts() -> None:
    with pytest.raises(InvalidInput, match="levels"):
        lindblad.at_resonance(SpinningResonator(), "photon-phonon")((3, 3))


def test_a_cut_off_of_the_total_excitation() -> None:
    resonator = SpinningResonator(direction="left", detuning=1.3693, kappa=0.008)
    found = lindblad.converge(
        lambda n: resonator.system((n[0] + 1,) * 3, max_quanta=n[0]),
        {"g2": pair_correlation("phonon")},
        start=(3,),
        tolerance=2e-3,
    )
    assert found.converged
    assert found.steps[0].moves["levels[0]"] > 0.05  # planted fault: three quanta must not pass
    assert found.values["g2"] == pytest.approx(0.528, abs=1e-3)
    assert found.last.dimension < 192  # what 6,4,4 takes
    assert list(found.moves) == ["levels[0]"]


# --- closed form and parity ----------------------------------------------------------------------------


def test_a_thermal_cavity_stops_where_its_closed_form_does() -> None:
    """On d levels p_n ∝ r^n with r = n̄/(n̄+1), so every value and every move is known."""
    occupation, tolerance = 0.7, 1e-4
    ratio = occupation / (occupation + 1.0)

    def mean(d: int) -> float:
        weights = ratio ** np.arange(d)
        return float(weights @ np.arange(d) / weights.sum())

    found = lindblad.converge(thermal_cavity(occupation), {"n": mean_photons}, start=(2,), tolerance=tolerance)
    for step in found.steps:
        assert step.values["n"] == pytest.approx(mean(step.levels[0]), rel=1e-10)
        d = step.dimension
        assert step.top_level == pytest.approx(ratio ** (d - 1) * (1 - ratio) / (1 - ratio**d))
    expected = next(d for d in range(2, 100) if (mean(d + 1) - mean(d)) / mean(d + 1) <= tolerance)
    assert found.converged
    assert found.levels == (expected,)
    move = (mean(expected + 1) - mean(expected)) / mean(expected + 1)
    assert found.moves["photon"] == pytest.approx(move, rel=1e-6)


def test_a_level_that_parity_keeps_empty_does_not_end_the_search() -> None:
    """Driven and damped by pairs, with odd levels only ever leaking to even ones: every other level is empty."""

    def factory(levels: tuple[int, ...]) -> OpenSystem:
        space = HilbertSpace(photon=levels[0])
        a = space.lower("photon").toarray()
        odd = np.diag((np.arange(levels[0]) % 2).astype(float))
        drive = 0.5 * (a @ a + (a @ a).T)
        return OpenSystem(
            drive + 0.3 * a.conj().T @ a, (Channel("pair", np.sqrt(0.6) * a @ a), Channel("leak", a @ odd)), space
        )

    at_three, at_four = (mean_photons(lindblad.steady_state(factory((d,)))) for d in (3, 4))
    assert at_three == pytest.approx(at_four, rel=1e-11)  # the trap: one level more changes nothing
    found = lindblad.converge(factory, {"n": mean_photons}, start=(3,), tolerance=1e-4)
    assert found.converged
    assert found.values["n"] == pytest.approx(mean_photons(lindblad.steady_state(factory((30,)))), rel=1e-3)
    assert abs(found.values["n"] - at_three) > 0.05 * at_three


# --- limits, table, bad input --------------------------------------------------------------------------


def test_limits_end_the_search_and_say_so() -> None:
    by_size = lindblad.converge(thermal_cavity(3.0), {"n": mean_photons}, start=(2,), max_dimension=6)
    assert not by_size.converged
    assert by_size.levels == (6,)
    assert np.isnan(by_size.moves["photon"])
    assert "max_dimension=6" in by_size.reason
    resonator = SpinningResonator(detuning=1.3)
    rate = {"photon": lambda steady: steady.rate("photon")}
    by_mode = lindblad.converge(resonator.system, rate, start=(2, 2, 2), maximum=(3, 2, 3))
    assert not by_mode.converged
    assert all(step.levels[1] == 2 for step in by_mode.steps)
    assert np.isnan(by_mode.moves["phonon"])
    assert "maximum=(3, 2, 3)" in by_mode.reason


def test_the_table_shows_every_truncation(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("trajectories.lindblad.truncation.is_interactive", lambda: True)
    found = lindblad.converge(
        thermal_cavity(0.2), {"n": mean_photons, "twice": lambda s: 2 * mean_photons(s)}, start=(2,), progress=True
    )
    lines = found.table().splitlines()
    assert lines[0].split() == ["levels", "N", "top", "level", "n", "twice", "+1", "photon"]
    assert len(lines) == len(found.steps) + 2
    assert sum("*" in line for line in lines) == 2  # the truncation chosen, and the reason
    assert lines[-1] == "* converged: one level more moves nothing by more than 0.001"
    assert f"{len(found.steps)}state" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        ({"observables": {}}, "observables"),
        ({"observables": {"n": 1.0}}, "observables"),
        ({"observables": {"n": lambda s: np.nan}}, "'n' is nan"),
        ({"observables": {"n": lambda s: 1j}}, "finite real"),
        ({"start": ()}, "start"),
        ({"start": (2.5,)}, "start"),
        ({"start": 3}, "start"),
        ({"tolerance": 0.0}, "tolerance"),
        ({"tolerance": np.nan}, "tolerance"),
        ({"maximum": (1,)}, "maximum"),
        ({"maximum": (5, 5)}, "maximum"),
        ({"max_dimension": 0}, "max_dimension"),
        ({"max_dimension": 1}, "start="),
        ({"system_factory": None}, "system_factory"),
        ({"system_factory": lambda levels: np.eye(2)}, "not an OpenSystem"),
    ],
)
def test_bad_input_is_refused(changed: dict, message: str) -> None:
    arguments = {"system_factory": thermal_cavity(0.2), "observables": {"n": mean_photons}, "start": (2,)}
    with pytest.raises(InvalidInput, match=message):
        lindblad.converge(**(arguments | changed))
