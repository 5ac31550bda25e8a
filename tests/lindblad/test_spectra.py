"""Excitation spectra and steady-state resonances: QuTiP, known positions, refinement, nonreciprocity."""

from __future__ import annotations

from dataclasses import replace
from functools import cache

import numpy as np
import pytest
import qutip

from trajectories import SpinningResonator, lindblad
from trajectories.blas import one_blas_thread, openblas_libraries
from trajectories.errors import ConvergenceError, InvalidInput

SMALL = (3, 3, 3)


@cache
def resonance_to_the_left(pair: str) -> float:
    """Return the resonance of several tests, at the levels SMALL."""
    return lindblad.resonance(SpinningResonator(direction="left"), pair, SMALL)


def pair_population(resonator: SpinningResonator, detuning: float, mode: str) -> float:
    steady = lindblad.steady_state(replace(resonator, detuning=detuning).system(SMALL))
    space = steady.system.space
    return steady.expect(space.number("photon") @ space.number(mode))


# --- resonances ----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("direction", "pair", "expected"),
    [
        ("left", "photon-magnon", 1.3406),  # blue
        pytest.param("right", "photon-phonon", 1.3984, marks=pytest.mark.slow),  # pink
        pytest.param("left", "photon-phonon", 1.3694, marks=pytest.mark.slow),  # orange
        pytest.param("right", "photon-magnon", 1.3695, marks=pytest.mark.slow),
    ],
)
def test_the_regimes_of_the_paper(direction: str, pair: str, expected: float) -> None:
    """Positions found independently, at κ = 0.005 and four levels, to the four digits given."""
    found = lindblad.resonance(SpinningResonator(direction=direction), pair)
    assert found == pytest.approx(expected, abs=5.5e-5)


@pytest.mark.parametrize(("pair", "mode"), [("photon-phonon", "phonon"), ("photon-magnon", "magnon")])
def test_a_resonance_is_the_maximum_and_not_the_smallest_gap(pair: str, mode: str) -> None:
    resonator = SpinningResonator(direction="left")
    found = resonance_to_the_left(pair)
    offsets = np.array([-2e-5, 0.0, 2e-5])
    below, at, above = (pair_population(resonator, found + d, mode) for d in offsets)
    assert at > below
    assert at > above
    # The vertex of the parabola through three points is the maximum again.
    vertex = 1e-5 * (below - above) / (below - 2.0 * at + above)
    assert abs(vertex) < 2e-7
    # Planted fault: the crossing of the closed system is elsewhere, about 1e-4 away.
    assert abs(resonator.resonance(pair, SMALL) - found) > 5e-5


@pytest.mark.parametrize(
    ("kappa", "levels"), [pytest.param(0.2, (3, 2, 2), marks=pytest.mark.slow), (0.005, (2, 2, 2))]
)
def test_a_resonance_that_is_not_there_is_not_found(kappa: float, levels: tuple[int, int, int]) -> None:
    """Washed out by the decay, or without the two-photon state that mediates the coupling."""
    resonator = SpinningResonator(direction="left", kappa=kappa)
    with pytest.raises(ConvergenceError, match="no maximum of the photon-phonon population"):
        lindblad.resonance(resonator, "photon-phonon", levels)
    spectrum = lindblad.excitation_spectrum(resonator, [1.3, 1.34, 1.4], levels)
    assert "photon-phonon" not in spectrum.resonances


# --- spectra -------------------------------------------------------------------------------------------


def test_populations_are_those_of_qutip() -> None:
    resonator = SpinningResonator(direction="right")
    levels = (3, 2, 2)
    spectrum = lindblad.excitation_spectrum(resonator, [1.21, 1.25], levels)
    assert len(spectrum.detunings) == 2
    for i, detuning in enumerate(spectrum.detunings):
        system = replace(resonator, detuning=detuning).system(levels)
        jumps = [qutip.Qobj(channel.operator.toarray()) for channel in system.channels]
        rho = qutip.steadystate(qutip.Qobj(system.hamiltonian.toarray()), jumps)
        for name, values in spectrum.populations.items():
            expected = qutip.expect(qutip.Qobj(system.space.number(name).toarray()), rho)
            assert values[i] == pytest.approx(expected, rel=1e-8)
        for pair, values in spectrum.pairs.items():
            first, second = pair.split("-")
            both = system.space.number(first) @ system.space.number(second)
            assert values[i] == pytest.approx(qutip.expect(qutip.Qobj(both.toarray()), rho), rel=1e-8)


def test_a_coarse_sweep_finds_and_resolves_the_narrow_resonances() -> None:
    resonator = SpinningResonator(direction="left")
    asked = np.array([1.300, 1.355, 1.410])  # steps of 0.055 for resonances of width 0.006
    spectrum = lindblad.excitation_spectrum(resonator, asked[::-1], SMALL)
    np.testing.assert_allclose(spectrum.detunings[~spectrum.added], asked, rtol=1e-15)
    assert (np.diff(spectrum.detunings) > 0).all()
    assert spectrum.added.sum() == 50
    assert spectrum.residuals.max() < 1e-12
    assert 0.0 < spectrum.top_level.max() < 1e-2
    for pair in ("photon-phonon", "photon-magnon"):
        values, centre = spectrum.pairs[pair], spectrum.resonances[pair]
        assert centre == pytest.approx(resonance_to_the_left(pair), abs=2e-7)
        assert spectrum.detunings[values.argmax()] == centre
        # Resolved: neighbours of the top are less than a tenth lower, and the foot is under a third.
        top = values.argmax()
        assert values[top - 1 : top + 2].min() > 0.9 * values.max()
        near = np.abs(spectrum.detunings - centre) < 0.02
        assert values[near].min() < values.max() / 3.0
        # Planted fault: the points asked for miss it.
        assert values[~spectrum.added].max() < 0.5 * values.max()


def test_a_sweep_beside_the_resonances_adds_nothing() -> None:
    spectrum = lindblad.excitation_spectrum(SpinningResonator(), [1.2, 1.3, 1.3], SMALL)
    assert dict(spectrum.resonances) == {}
    np.testing.assert_array_equal(spectrum.detunings, [1.2, 1.3])
    assert not spectrum.added.any()


def test_rotation_makes_the_spectra_nonreciprocal() -> None:
    right = lindblad.excitation_spectrum(SpinningResonator(direction="right"), [1.30, 1.45], (3, 2, 2)).resonances
    assert set(right) == {"photon-phonon", "photon-magnon"}
    for pair in right:
        left = lindblad.resonance(SpinningResonator(direction="left"), pair, (3, 2, 2))
        assert right[pair] - left > 0.02
    # Planted fault: without rotation there is no difference.
    still = [
        lindblad.excitation_spectrum(SpinningResonator(direction=direction, fizeau=0.0), [1.25], (3, 2, 2))
        for direction in ("left", "right")
    ]
    np.testing.assert_array_equal(still[0].populations["magnon"], still[1].populations["magnon"])


def test_the_answer_does_not_depend_on_the_workers(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("trajectories.lindblad.spectra.CHUNK", 4)
    monkeypatch.setattr("trajectories.lindblad.spectra.is_interactive", lambda: True)
    detunings = np.linspace(1.2, 1.3, 9)
    one, two = (
        lindblad.excitation_spectrum(SpinningResonator(), detunings, (3, 2, 2), workers=workers, progress=True)
        for workers in (1, 2)
    )
    for name in one.populations:
        np.testing.assert_allclose(one.populations[name], two.populations[name], rtol=1e-10)
    assert "9/9" in capsys.readouterr().err


def test_warm_starts_do_not_change_the_answer() -> None:
    resonator = SpinningResonator()
    spectrum = lindblad.excitation_spectrum(resonator, np.linspace(1.25, 1.26, 5), SMALL)
    alone = lindblad.excitation_spectrum(resonator, spectrum.detunings[-1:], SMALL)
    for name, values in spectrum.populations.items():
        assert values[-1] == pytest.approx(alone.populations[name][0], rel=1e-9)


def test_a_sweep_leaves_the_blas_threads_as_they_were() -> None:
    libraries = openblas_libraries()
    if not libraries:
        pytest.skip("NumPy and SciPy use another BLAS than OpenBLAS")
    before = [library.get() for library in libraries]
    try:
        for library in libraries:
            library.set(2)
        with one_blas_thread():
            assert [library.get() for library in libraries] == [1] * len(libraries)
        assert [library.get() for library in libraries] == [2] * len(libraries)
        with pytest.raises(ConvergenceError):  # restored after an error too
            lindblad.resonance(SpinningResonator(kappa=0.2), "photon-magnon", (3, 2, 2))
        assert [library.get() for library in libraries] == [2] * len(libraries)
    finally:
        for library, threads in zip(libraries, before, strict=True):
            library.set(threads)


# --- bad input -----------------------------------------------------------------------------------------


@pytest.mark.parametrize("detunings", [[], [1.3, np.nan], [[1.3, 1.4]], 1.3])
def test_bad_detunings_are_refused(detunings: list) -> None:
    with pytest.raises(InvalidInput, match="detunings"):
        lindblad.excitation_spectrum(SpinningResonator(), detunings)


@pytest.mark.parametrize("workers", [0, -1, 1.5, True])
def test_bad_workers_are_refused(workers: int) -> None:
    with pytest.raises(InvalidInput, match="workers"):
        lindblad.excitation_spectrum(SpinningResonator(), [1.3], workers=workers)


def test_bad_levels_and_pairs_are_refused() -> None:
    with pytest.raises(InvalidInput, match="levels"):
        lindblad.excitation_spectrum(SpinningResonator(), [1.3], (4, 4))
    with pytest.raises(InvalidInput, match="pair="):
        lindblad.resonance(SpinningResonator(), "phonon-magnon")
