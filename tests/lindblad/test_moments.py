"""Stationary moments: closed forms of linear modes at any temperature, and the steady state on Fock levels."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

import trajectories as tj
from trajectories import lindblad
from trajectories.errors import ConvergenceError, InvalidInput
from trajectories.lindblad.moments import hierarchy, words


def bath(name, a, rate, quanta):
    """Return the channels of a warm bath."""
    channels = [tj.Channel(name, np.sqrt(rate * (quanta + 1.0)) * a)]
    return (
        [*channels, tj.Channel(f"{name} absorption", np.sqrt(rate * quanta) * a.conj().T)] if quanta else channels
    )


def cavity(levels, quanta, drive=0.0, detuning=0.0, kerr=0.0, squeezing=0.0):
    """Return a driven warm cavity of κ = 1."""
    space = tj.HilbertSpace(photon=levels)
    a = space.lower("photon")
    h = detuning * space.number("photon") + drive * (a + a.T) + 0.5 * kerr * a.T @ a.T @ a @ a
    h = h + 0.5 * squeezing * (a @ a + a.T @ a.T)
    return tj.OpenSystem(h, bath("photon", a, 1.0, quanta), space)


def jaynes_cummings(levels, quanta, dephasing=0.0, dispersive=0.0):
    """Return a driven atom in a warm cavity."""
    space = tj.HilbertSpace(photon=levels, atom=2)
    a, s = space.lower("photon"), space.lower("atom")
    n = space.number("atom")
    h = 0.3 * space.number("photon") + 0.2 * n + 0.25 * (a.T @ s + s.T @ a) + 0.3 * (s + s.T)
    h = h + dispersive * n @ space.number("photon")
    channels = [*bath("photon", a, 1.0, quanta), tj.Channel("atom", np.sqrt(0.4) * s)]
    if dephasing:
        channels.append(tj.Channel("dephasing", np.sqrt(dephasing) * (2.0 * n - space.identity()) @ a))
    return tj.OpenSystem(h, channels, space)


@pytest.mark.parametrize("quanta", [0.0, 10.0, 1e6])
def test_a_driven_warm_cavity_is_displaced_thermal_light(quanta):
    # ⟨a⟩ = −iε/(κ/2 + iΔ); with n thermal and m coherent quanta G² = m² + 4mn + 2n².
    state = lindblad.steady_moments(cavity(4, quanta, drive=0.7, detuning=0.4), order=4)
    alpha = -0.7j / (0.5 + 0.4j)
    coherent = abs(alpha) ** 2
    space = state.system.space
    a = space.lower("photon")
    assert state.expect(a) == pytest.approx(alpha, rel=1e-10)
    # Damping is κ(n + 1) − κn, and rounds like n.
    assert state.expect(space.number("photon")) == pytest.approx(quanta + coherent, rel=1e-9)
    both = coherent**2 + 4.0 * coherent * quanta + 2.0 * quanta**2
    assert state.expect(a.T @ a.T @ a @ a) == pytest.approx(both, rel=1e-9)
    assert state.rate("photon") == pytest.approx((quanta + 1.0) * (quanta + coherent), rel=1e-9)
    found = float(lindblad.bundle_correlation(state, ("photon",)))
    assert found == pytest.approx(both / (quanta + coherent) ** 2, rel=1e-9)
    assert lindblad.cross_correlation(state, "photon", "photon") == pytest.approx(found, rel=1e-12)


def test_a_warm_cavity_of_500_levels_takes_no_time():
    system = cavity(500, 10.0)
    state = lindblad.steady_moments(system, order=4)
    assert state.unknowns == 15
    assert state.expect(system.space.number("photon")) == pytest.approx(10.0, rel=1e-12)


def test_squeezing_up_to_its_threshold():
    # H = ½ s (a² + a†²): ⟨a†a⟩ = (n + ½)/(1 − 4s²/κ²) − ½, which diverges at s = κ/2.
    for s in (0.1, 0.499):
        state = lindblad.steady_moments(cavity(4, 0.3, squeezing=s), order=2)
        expected = 0.8 / (1.0 - 4.0 * s**2) - 0.5
        assert state.expect(state.system.space.number("photon")) == pytest.approx(expected, rel=1e-9)
    with pytest.raises(InvalidInput, match="gains more than it loses"):
        lindblad.steady_moments(cavity(4, 0.3, squeezing=0.5))


@pytest.mark.parametrize("coupling", [0.1, 0.2, 0.25, 0.4])
def test_two_modes_at_two_temperatures_also_at_their_exceptional_point(coupling):
    # H = g(a†b + b†a), κ = 1.5 and 0.5: the drift is defective at g = (1.5 − 0.5)/4 = 0.25.
    space = tj.HilbertSpace(a=3, b=3)
    a, b = space.lower("a"), space.lower("b")
    channels = [*bath("a", a, 1.5, 0.0), *bath("b", b, 0.5, 40.0)]
    state = lindblad.steady_moments(tj.OpenSystem(coupling * (a.T @ b + b.T @ a), channels, space), order=3)
    na, nb = (state.expect(space.number(name)) for name in "ab")
    # The flow g·2 Im⟨a†b⟩ leaves through a and comes in through b.
    flow = 4.0 * coupling**2 / 2.0 * (nb - na)
    assert 1.5 * na == pytest.approx(flow, rel=1e-9)
    assert 0.5 * (40.0 - nb) == pytest.approx(flow, rel=1e-9)


SYSTEMS = {
    "kerr": (lambda n: cavity(n, 0.1, drive=0.4, kerr=0.5), 24, 20, 1e-7),
    "cold atom in a cavity": (lambda n: jaynes_cummings(n, 0.0), 12, 20, 1e-9),
    "warm": (lambda n: jaynes_cummings(n, 0.4), 24, 20, 1e-6),
    "dispersive": (lambda n: jaynes_cummings(n, 0.2, dispersive=0.4), 20, 24, 1e-6),
    "jumps of both": (lambda n: jaynes_cummings(n, 0.1, dephasing=0.2), 18, 24, 1e-6),
}


@pytest.mark.parametrize("name", SYSTEMS)
def test_moments_agree_with_the_state_on_fock_levels(name):
    make, levels, order, tolerance = SYSTEMS[name]
    steady, state = lindblad.steady_state(make(levels)), lindblad.steady_moments(make(6), order)
    fock, few = steady.system.space, state.system.space
    for channel in steady.system.channel_names:
        assert state.rate(channel) == pytest.approx(steady.rate(channel), rel=tolerance)
    assert state.expect(few.lower("photon")) == pytest.approx(steady.expect(fock.lower("photon")), rel=tolerance)
    expected = lindblad.cross_correlation(steady, "photon", "photon")
    assert lindblad.cross_correlation(state, "photon", "photon") == pytest.approx(expected, rel=10 * tolerance)
    if "atom" in fock.finite:
        assert state.reduced[1, 1].real == pytest.approx(steady.expect(fock.number("atom")), rel=tolerance)
    assert state.error < 1e-8
    assert state.residual < 1e-11


def test_a_letter_that_is_wrong_is_seen(monkeypatch):
    def without_vacuum(modes):
        alpha, beta = words.letters(modes)
        return alpha, beta * np.where(np.arange(len(alpha)) % 4 == words.RAISE_LEFT, 0.99, 1.0)[:, None]

    monkeypatch.setattr("trajectories.lindblad.moments.reference.letters", without_vacuum)
    with pytest.raises((AssertionError, ConvergenceError)):
        test_moments_agree_with_the_state_on_fock_levels("warm")


def test_the_papers_emitter_at_30_millikelvin():
    resonator = tj.SpinningResonator("left", 1.3406, thermal=(0.0, 0.0425, 0.0360))
    steady = lindblad.steady_state(resonator.system((4, 3, 5)))
    state = lindblad.steady_moments(resonator.system((4, 4, 4)), order=8)
    for channel in ("photon", "magnon", "atom", "magnon absorption"):
        assert state.rate(channel) == pytest.approx(steady.rate(channel), rel=0.01)
    pair = lindblad.cross_correlation(steady, "photon", "magnon")
    assert lindblad.cross_correlation(state, "photon", "magnon") == pytest.approx(pair, rel=0.01)


def test_a_filter_behind_a_channel_leaves_the_source_unchanged():
    system = jaynes_cummings(4, 3.0)
    behind = system.filtered("atom", 0.2, 0.5, levels=3)
    source, state = lindblad.steady_moments(system, 6), lindblad.steady_moments(behind, 8)
    # 1e-4: what the source's own moments of order 7 and 8 change.
    assert state.rate("photon") == pytest.approx(source.rate("photon"), rel=1e-4)
    assert state.rate("atom transmitted") + state.rate("atom reflected") == pytest.approx(
        source.rate("atom"), rel=1e-4
    )
    assert 0.0 < state.rate("atom transmitted") < 0.9 * source.rate("atom")


def test_converge_raises_the_order():
    system = jaynes_cummings(4, 5.0)
    wanted = {"atom": lambda state: state.rate("atom")}
    found = lindblad.converge(
        lambda n: lindblad.steady_moments(system, 2 * n[0]), wanted, start=(1,), tolerance=1e-4
    )
    assert found.converged
    assert found.levels > (2,)
    assert list(found.moves) == ["order"]
    best = lindblad.steady_moments(system, 20)
    assert found.values["atom"] == pytest.approx(best.rate("atom"), rel=1e-4)
    held = lindblad.converge(
        lambda n: lindblad.steady_moments(system, 2 * n[0]), wanted, start=(1,), maximum=(2,), tolerance=1e-12
    )
    assert not held.converged


def test_what_cannot_be_had_is_one_line():
    warm = cavity(4, 1.0)
    space, a = warm.space, warm.space.lower("photon")
    undamped = tj.OpenSystem(space.number("photon"), [tj.Channel("in", a.T)], space)
    cut = tj.HilbertSpace(max_quanta=2, photon=4)
    cut_system = tj.OpenSystem(cut.number("photon"), [tj.Channel("photon", cut.lower("photon"))], cut)
    pulsed = replace(warm, drives=(tj.Drive(a + a.T, tj.Gaussian(6.0, 0.5, 0.2)),), period=12.0)
    state = lindblad.steady_moments(warm, order=4)
    cases = [
        (lambda: lindblad.steady_moments(undamped), "not damped"),
        (lambda: lindblad.steady_moments(cut_system), "max_quanta"),
        (lambda: lindblad.steady_moments(pulsed), "time"),
        (lambda: lindblad.steady_moments(cavity(2, 1.0)), "take 3 levels"),
        (lambda: lindblad.steady_moments(warm, order=0), "order"),
        (lambda: lindblad.steady_moments(warm, order=5000), "lower it"),
        (lambda: lindblad.steady_moments(replace(warm, space=None)), "HilbertSpace"),
        (lambda: state.expect(a @ a.T), "lowering operators to the right"),
        (lambda: state.expect(np.eye(3)), "dimension 3"),
        (lambda: lindblad.bundle_correlation(state, ("photon",), 1.0), "tau=0"),
        (lambda: lindblad.bundle_correlation(state, ("photon",) * 2), "order"),
        (lambda: lindblad.bundle_correlation(state, ("photon",) * 3), "take 5 levels"),
        (lambda: lindblad.bundle_correlation(state, ("photon",) * 4), "operator is zero"),
    ]
    for call, match in cases:
        with pytest.raises(InvalidInput, match=match) as caught:
            call()
        assert "\n" not in str(caught.value)


def test_a_conserved_quantity_is_noticed():
    space = tj.HilbertSpace(photon=3, atom=2)
    a, n = space.lower("photon"), space.number("atom")
    system = tj.OpenSystem(0.3 * n @ (a + a.T), bath("photon", a, 1.0, 0.5), space)
    with pytest.raises(ConvergenceError, match="not unique"):
        lindblad.steady_moments(system)


def test_indices_hold_every_moment_once():
    found = hierarchy.Indices(4, 2, 5)
    assert len(found) == len({tuple(row) for row in found.rows}) == 462
    assert found.rows.sum(axis=1).max() == 5
    step = found.lowering[3]
    assert np.allclose((step.T @ step).diagonal(), found.rows[:, 3])
