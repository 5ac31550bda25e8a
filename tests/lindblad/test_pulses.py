"""The master equation of systems that depend on time: closed forms, QuTiP, and sums that must agree."""

from itertools import pairwise

import numpy as np
import pytest
import qutip
from scipy.integrate import solve_ivp
from scipy.special import erf
from scipy.stats import poisson

import trajectories as tj
from trajectories import lindblad
from trajectories.errors import InvalidInput

SIGMA = tj.HilbertSpace(atom=2).lower("atom")
FLIP = SIGMA + SIGMA.T


def two_level_source(area, length, gamma=1.0, period=40.0):
    """An atom under a square pulse of an area, in a period that lets it decay."""
    pulse = tj.Square(1.0, 1.0 + length, 0.5 * area / length)
    return tj.OpenSystem(
        0 * SIGMA, [tj.Channel("atom", np.sqrt(gamma) * SIGMA)], drives=[tj.Drive(FLIP, pulse)], period=period
    )


def cavity(levels=9):
    space = tj.HilbertSpace(photon=levels)
    a = space.lower("photon")
    pulse = tj.Drive(a + a.T, tj.Gaussian(10.0, 1.0, 0.3))
    return tj.OpenSystem(0 * a, [tj.Channel("photon", a)], space, drives=[pulse], period=40.0)


@pytest.mark.parametrize("smooth", [False, True])
def test_rho_of_t_is_that_of_mesolve(smooth):
    space = tj.HilbertSpace(photon=3, atom=2)
    a, s = space.lower("photon"), space.lower("atom")
    carrier = tj.Gaussian(6.0, 0.9, 0.7) * tj.Rotation(0.3, chirp=0.1, centre=6.0)
    drive = tj.Drive(s.T, carrier) if smooth else tj.Drive(s + s.T, tj.Square(3.0, 7.0, 0.4))
    amplitude = tj.Ramp(0.0, 12.0, 1.0, 0.3)
    channels = [tj.Channel("photon", 0.5 * a, amplitude), tj.Channel("atom", 0.4 * s)]
    system = tj.OpenSystem(0.2 * (a.T @ s + s.T @ a), channels, space, drives=[drive])
    ket = space.ket(photon=1, atom="g")
    times = np.linspace(0.0, 12.0, 7)
    H, jumps = system.to_qutip()
    options = {"method": "vern9", "atol": 1e-12, "rtol": 1e-11, "max_step": 0.01 if not smooth else 0.5}
    theirs = qutip.mesolve(H, qutip.Qobj(ket, dims=[[3, 2], [1, 1]]), times, jumps, options=options).states
    ours = lindblad.density_matrix(system, ket, times)
    for mine, there in zip(ours, theirs, strict=True):
        np.testing.assert_allclose(mine, there.full(), atol=1e-9 if smooth else 1e-7)
    number = space.number("photon")
    averages = lindblad.evolve(system, ket, times, {"n": number})["n"].value
    np.testing.assert_allclose(averages, np.einsum("tij,ji->t", ours, number.toarray()).real, atol=1e-13)


def test_a_constant_envelope_is_the_constant_system():
    constant = tj.OpenSystem(0.5 * FLIP, [tj.Channel("atom", SIGMA)])
    timed = tj.OpenSystem(
        0 * SIGMA, [tj.Channel("atom", SIGMA)], drives=[tj.Drive(FLIP, 0.5 + 0.0 * tj.Cosine(1.0))], period=3.0
    )
    state = lindblad.periodic_state(timed)
    np.testing.assert_allclose(state.rho, lindblad.steady_state(constant).rho, atol=1e-12)
    edges = np.linspace(0.0, 3.0, 4)
    steady = lindblad.steady_state(constant)
    np.testing.assert_allclose(lindblad.click_density(state, "atom", edges).value, steady.rate("atom"), atol=1e-12)


def test_pi_and_two_pi_pulses_on_a_two_level_source():
    """A short π pulse makes one photon, a short 2π pulse few, most of them in pairs (Fischer et al. 2017)."""
    one = lindblad.periodic_state(two_level_source(np.pi, 1e-3))
    assert lindblad.brightness(one, "atom").value == pytest.approx(1.0, abs=1e-3)
    short, longer = (
        lindblad.pulsed_g2(lindblad.periodic_state(two_level_source(np.pi, t)), "atom", "atom", 2).value[2]
        for t in (0.01, 0.1)
    )
    # To first order in the length g²[0] of a π pulse grows linearly.
    assert longer / short == pytest.approx(10.0, rel=0.05)
    two = lindblad.pulse_counts(lindblad.periodic_state(two_level_source(2 * np.pi, 0.1)), ["atom"], most=4)
    p = two.probability
    assert p[2] > 2 * p[1] > 0.0


def test_the_first_order_of_two_photons_behind_a_short_pi_pulse():
    """A photon at time s in the pulse leaves the area π(1−s/T): P₂ = γ∫ sin²(πs/2T) sin²(π(T−s)/2T) ds = γT/8."""
    length = 2e-3
    found = lindblad.pulse_counts(lindblad.periodic_state(two_level_source(np.pi, length)), ["atom"], most=3)
    assert found.probability[2] == pytest.approx(length / 8.0, rel=5e-3)


def test_a_driven_cavity_is_poissonian_with_the_integrated_intensity():
    """α′ = −if(t) − α/2 of a coherent state; the clicks are independent of it and of each other."""
    state = lindblad.periodic_state(cavity())
    times = np.linspace(0.0, 40.0, 40001)
    # α(t) = −i∫ f(s) e^{−(t−s)/2} ds of a Gaussian, in closed form.
    alpha = (
        0.3
        * np.sqrt(np.pi / 2)
        * np.exp(-0.5 * (times - 10.0) + 0.125)
        * (erf((times - 10.5) / np.sqrt(2)) + erf(10.5 / np.sqrt(2)))
    )
    mean = np.trapezoid(alpha**2, times)
    found = lindblad.pulse_counts(state, ["photon"], most=4).probability
    np.testing.assert_allclose(found[:4], poisson.pmf(range(4), mean), atol=2e-8)
    assert lindblad.brightness(state, "photon").value == pytest.approx(mean, rel=1e-7)
    np.testing.assert_allclose(lindblad.pulsed_g2(state, "photon", "photon", 2).value, 1.0, atol=1e-6)
    np.testing.assert_allclose(
        lindblad.pulse_map(state, "photon", "photon", [8.0, 10.0, 12.0]).value, 1.0, atol=1e-6
    )


def test_a_landau_zener_sweep():
    """P(diabatic) = exp(−2πg²/v) for H = ±vt/2 and coupling g."""
    v, g, span = 1.0, 0.25, 400.0
    sweep = tj.Drive(np.diag([0.5, -0.5]), v * tj.Ramp(0.0, span, -span / 2, span / 2))
    system = tj.OpenSystem(g * FLIP, [tj.Channel("atom", 1e-9 * SIGMA)], drives=[sweep])
    rho = lindblad.density_matrix(system, [1.0, 0.0], span)
    assert rho[0, 0].real == pytest.approx(np.exp(-2 * np.pi * g**2 / v), abs=4 * g / (v * span))


def test_a_decay_rate_that_depends_on_time():
    g = tj.Ramp(0.0, 10.0, 1.0, 2.0)
    system = tj.OpenSystem(0 * SIGMA, [tj.Channel("atom", SIGMA, g)])
    excited = lindblad.evolve(system, [0.0, 1.0], [2.0, 15.0], {"n": SIGMA.T @ SIGMA})["n"].value
    integral = 10.0 / 3.0 * (np.array([1.2, 2.0]) ** 3 - 1.0) + np.array([0.0, 4.0 * 5.0])
    np.testing.assert_allclose(excited, np.exp(-integral), atol=1e-14)


def test_another_frame_gives_the_same_clicks():
    """A detuned drive as a rotating carrier, and as a detuning."""
    pulse, delta = tj.Gaussian(10.0, 1.0, 0.6), 6 * np.pi / 25.0  # whole turns a period
    channel = [tj.Channel("atom", SIGMA)]
    carrier = tj.Drive(SIGMA.T, pulse * tj.Rotation(delta))
    rotating = tj.OpenSystem(0 * SIGMA, channel, drives=[carrier], period=25.0)
    still = tj.OpenSystem(-delta * (SIGMA.T @ SIGMA), channel, drives=[tj.Drive(FLIP, pulse)], period=25.0)
    counts = [lindblad.pulse_counts(lindblad.periodic_state(s), ["atom"]).probability for s in (rotating, still)]
    np.testing.assert_allclose(counts[0], counts[1], atol=1e-10)


DETECTORS = {"photon": tj.Detector(efficiency=0.6, dark_rate=0.01), "atom": tj.Detector(efficiency=0.3)}


@pytest.mark.parametrize("detectors", [None, DETECTORS])
def test_the_moments_of_the_counts_are_the_integrals_of_the_correlations(detectors):
    space = tj.HilbertSpace(photon=3, atom=2)
    a, s = space.lower("photon"), space.lower("atom")
    drive = tj.Drive(s + s.T, tj.Square(1.0, 3.0, 0.8))
    channels = [tj.Channel("photon", 0.6 * a, 0.5 + 0.5 * tj.Square(0.0, 10.0)), tj.Channel("atom", 0.3 * s)]
    system = tj.OpenSystem(0.5 * (a.T @ s + s.T @ a), channels, space, drives=[drive], period=20.0)
    state = lindblad.periodic_state(system)
    counts = lindblad.pulse_counts(state, ["photon", "atom"], most=6, detectors=detectors)
    P, n = counts.probability, np.arange(7.0)
    assert P.sum() == pytest.approx(1.0, abs=1e-12)
    means = [lindblad.brightness(state, name, detectors=detectors).value for name in ("photon", "atom")]
    assert n @ P.sum(axis=1) == pytest.approx(means[0], rel=1e-4)
    assert P.sum(axis=0) @ n == pytest.approx(means[1], rel=1e-4)
    g2 = {}
    for first, second in (("photon", "atom"), ("photon", "photon"), ("atom", "photon")):
        g2[first, second] = lindblad.pulsed_g2(state, first, second, 3, normalise="rates", detectors=detectors)
    assert n @ P @ n / np.prod(means) == pytest.approx(g2["photon", "atom"].value[3], rel=1e-3)
    assert (n * (n - 1)) @ P.sum(axis=1) / means[0] ** 2 == pytest.approx(
        g2["photon", "photon"].value[3], rel=1e-5
    )
    np.testing.assert_allclose(g2["photon", "atom"].value, g2["atom", "photon"].value[::-1], atol=1e-11)
    edges = np.array([0.0, 2.0, 5.0, 20.0])
    found = lindblad.pulse_map(state, "photon", "atom", edges, detectors=detectors).value
    densities = [
        lindblad.click_density(state, name, edges, detectors=detectors).value * np.diff(edges)
        for name in ("photon", "atom")
    ]
    whole = (found * np.outer(*densities)).sum() / np.prod(means)
    assert whole == pytest.approx(g2["photon", "atom"].value[3], rel=1e-9)


def test_independent_pulses_have_flat_side_peaks_and_slow_systems_have_not():
    fast, slow = (two_level_source(np.pi / 2, 0.1, gamma, 12.0) for gamma in (3.0, 0.1))
    side = [
        np.delete(lindblad.pulsed_g2(lindblad.periodic_state(s), "atom", "atom", 3, normalise="rates").value, 3)
        for s in (fast, slow)
    ]
    np.testing.assert_allclose(side[0], 1.0, atol=1e-9)
    assert np.abs(side[1] - 1.0).max() > 0.01


def source():
    return lindblad.periodic_state(two_level_source(1.0, 1.0))


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: lindblad.periodic_state(two_level_source(1.0, 1.0).at(0.0)), "needs a system with a period"),
        (lambda: lindblad.steady_state(two_level_source(1.0, 1.0)), "that of lindblad.periodic_state"),
        (lambda: lindblad.brightness("steady", "atom"), "pulses need a periodic state"),
        (lambda: lindblad.brightness(source(), "atom", 7.0), "leave it out"),
        (lambda: lindblad.brightness(source(), "b"), "no channel named"),
        (lambda: lindblad.click_density(source(), "atom", [0.0, 99.0]), "beyond the period"),
        (lambda: lindblad.pulse_counts(source(), ["atom"], detectors={"atom": tj.Detector(jitter=1.0)}), "jitter"),
    ],
)
def test_what_has_no_answer_is_refused(call, message):
    with pytest.raises(InvalidInput, match=message):
        call()


def test_counts_by_power_series_are_those_by_steps(monkeypatch):
    """Constant stretches by doubling, or in steps as smooth ones; with a detector and an amplitude."""
    system = two_level_source(2.2, 1.0, period=6.0)
    channels = [tj.Channel("atom", SIGMA, 0.5 + 0.5 * tj.Square(0.0, 3.0)), tj.Channel("b", 0.3 * SIGMA)]
    system = tj.OpenSystem(0.2 * FLIP, channels, drives=system.drives, period=6.0)
    detectors = {"atom": tj.Detector(efficiency=0.7, dark_rate=0.05)}
    state = lindblad.periodic_state(system)
    found = [lindblad.pulse_counts(state, ["atom", "b"], most=3, detectors=detectors).probability]
    monkeypatch.setattr("trajectories.lindblad.pulses.counting.LARGEST", 0)
    found.append(lindblad.pulse_counts(state, ["atom", "b"], most=3, detectors=detectors).probability)
    np.testing.assert_allclose(found[0], found[1], atol=1e-12)
    assert found[0].sum() == pytest.approx(1.0, abs=1e-12)


def test_probabilities_of_many_clicks_are_never_negative():
    """Of a kick that makes one photon three or more had the probability −1e-15."""
    sigma = np.array([[0.0, 1.0], [0.0, 0.0]])
    kick = tj.Drive(sigma + sigma.T, tj.Square(start=1.0, stop=1.0 + 1e-6, height=1e6))
    system = tj.OpenSystem(0 * sigma, [tj.Channel("atom", sigma)], drives=[kick], period=80.0)
    found = lindblad.pulse_counts(lindblad.periodic_state(system), ["atom"], most=3)
    assert (found.probability >= 0.0).all()
    assert found.probability[3] < 1e-12


def test_joint_counts_of_a_sweep_are_those_of_matrices_resolved_by_counts():
    """A resonance swept under a drive: P(n_a, n_m) from four matrices and a plain integrator.

    A jump raises the count of its channel, ρ_ab′ = L₀ρ_ab + J_aρ_(a−1)b + J_mρ_a(b−1); beyond 1 none is kept.
    """
    space = tj.HilbertSpace(photon=3, atom=2)
    a, s = space.lower("photon"), space.lower("atom")
    sweep = tj.Drive(space.number("photon"), tj.Ramp(2.0, 12.0, -1.0, 1.0) - 2.0 * tj.Square(18.0, 24.0))
    drive = tj.Drive(s + s.T, tj.Square(2.0, 12.0, 0.4))
    channels = [tj.Channel("photon", 0.7 * a), tj.Channel("atom", 0.4 * s)]
    system = tj.OpenSystem(0.5 * (a.T @ s + s.T @ a), channels, space, drives=[sweep, drive], period=24.0)
    state = lindblad.periodic_state(system)
    jumps = [channel.operator.toarray() for channel in channels]
    decay = sum(c.conj().T @ c for c in jumps)

    def motion(t, y):
        blocks = y.reshape(2, 2, 6, 6)
        effective = -1j * system.at(t).hamiltonian.toarray() - 0.5 * decay
        change = effective @ blocks + blocks @ effective.conj().T
        change[1] += jumps[0] @ blocks[0] @ jumps[0].conj().T
        change[:, 1] += jumps[1] @ blocks[:, 0] @ jumps[1].conj().T
        return change.ravel()

    blocks = np.zeros((2, 2, 6, 6), np.complex128)
    blocks[0, 0] = state.rho
    for low, high in pairwise([0.0, 2.0, 12.0, 18.0, 24.0]):
        span = (low + 1e-12, high - 1e-12)
        blocks = solve_ivp(motion, span, blocks.ravel(), method="DOP853", rtol=1e-9, atol=1e-12).y[:, -1]
    expected = np.einsum("abii->ab", blocks.reshape(2, 2, 6, 6)).real
    found = lindblad.pulse_counts(state, ["photon", "atom"], most=2)
    assert found.more.value > 0.01
    np.testing.assert_allclose(found.one_each.value, expected[1, 1], atol=1e-8)
    np.testing.assert_allclose(found.no_click.value, expected[0, 0], atol=1e-8)
    np.testing.assert_allclose(found.more.value, 1.0 - expected.sum(), atol=1e-8)
