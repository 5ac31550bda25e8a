"""ρ(t): closed forms, dense exponentials, the stated error bounds, complete positivity, QuTiP."""

from __future__ import annotations

import numpy as np
import pytest
import qutip
from dense_lindblad import DenseLindblad
from dense_lindblad import packed_matrix as dense
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import linalg
from systems_with_answers import (
    DecayingFock,
    DrivenCavity,
    ResonanceFluorescence,
    ThermalCavity,
    paper_system,
    random_lindbladian,
)

from trajectories import Channel, HilbertSpace, OpenSystem, SpinningResonator, lindblad
from trajectories.lindblad.superoperators.chebyshev import Expansion
from trajectories.lindblad.superoperators.hermitian_vectors import pack, packed_generator, unpack
from trajectories.lindblad.superoperators.propagation import Stepper, observe, propagate

SYSTEMS = {
    "random": random_lindbladian(3),
    "random, strongly damped": random_lindbladian(5, 3, 3, 2.0),
    "fluorescence": ResonanceFluorescence().system(),
    "overdamped atom": ResonanceFluorescence(rabi=0.5, gamma=8.0).system(),
    "exceptional point": ResonanceFluorescence(rabi=0.5, gamma=1.0).system(),
    "thermal": ThermalCavity(levels=5).system(),
    "no Hamiltonian": OpenSystem(np.zeros((3, 3)), (Channel("down", np.diag([1.0, 0.3], 1)),)),
    "closed": OpenSystem(np.array([[0.0, 1.0], [1.0, 0.4]]), (Channel("nothing", np.zeros((2, 2))),)),
}


@pytest.fixture(params=SYSTEMS, scope="module")
def system(request):
    return SYSTEMS[request.param]


def random_hermitian(seed: int, size: int) -> np.ndarray:
    rng = np.random.default_rng(seed)
    matrix = rng.normal(size=(size, size)) + 1j * rng.normal(size=(size, size))
    return matrix + matrix.conj().T


def test_packing_is_an_isometry():
    first, second = random_hermitian(0, 5), random_hermitian(1, 5)
    np.testing.assert_allclose(unpack(pack(first)), first, atol=1e-15)
    assert pack(first) @ pack(second) == pytest.approx(np.trace(first @ second).real, rel=1e-13)


@pytest.mark.parametrize("detected", [{}, {"c0": 1.0, "c1": 0.3}])
def test_generator_is_the_liouvillian_without_what_is_detected(detected):
    system = random_lindbladian(3)
    oracle = DenseLindblad(system, tuple(detected) or None, detected, {"c0": 0.4} if detected else None)
    generator = packed_generator(system, detected, 0.4 if detected else 0.0)
    matrix = random_hermitian(2, 4)
    expected = (oracle.L0 if detected else oracle.L) @ matrix.reshape(-1)
    np.testing.assert_allclose(unpack(generator.apply(pack(matrix))).reshape(-1), expected, atol=1e-13)
    observable = random_hermitian(3, 4)
    forward = pack(observable) @ generator.apply(pack(matrix))
    assert generator.adjoint().apply(pack(observable)) @ pack(matrix) == pytest.approx(forward, rel=1e-12)


def test_kernel_does_what_the_sparse_products_do(system):
    # One term of a series: Φ_1 x = (L − c)x/R, by the kernel and by its plain twin.
    for generator in (packed_generator(system), packed_generator(system).adjoint()):
        expansion = Expansion(generator, 1.0)
        start = pack(random_hermitian(4, system.dimension))
        weights = np.zeros((1, 2))
        weights[0, 1] = expansion.ellipse.focus
        sums, _ = expansion.series(start, weights)
        expected = generator.apply(start) - expansion.ellipse.center * start
        np.testing.assert_allclose(sums[0], expected, atol=1e-12 * np.abs(expected).max() + 1e-13)


def test_kernel_with_modes_cut_off_by_the_total_excitation():
    # Lowering operators then lie on many diagonals, which the kernel treats in another way.
    system = SpinningResonator().system(levels=(3, 3, 3), max_quanta=3)
    generator = packed_generator(system)
    expansion = Expansion(generator, 1.0)
    start = pack(random_hermitian(5, system.dimension))
    sums, _ = expansion.series(start, np.array([[0.0, expansion.ellipse.focus]]))
    np.testing.assert_allclose(sums[0], generator.apply(start) - expansion.ellipse.center * start, atol=1e-12)


def test_numerical_range_lies_in_the_stated_rectangle(system):
    generator = packed_generator(system)
    matrix = dense(generator)
    real = linalg.eigvalsh(0.5 * (matrix + matrix.T))
    imaginary = linalg.eigvalsh(-0.5j * (matrix - matrix.T))
    lowest, highest = generator.real_range
    assert lowest - 1e-12 <= real[0]
    assert real[-1] <= highest + 1e-12
    assert np.abs(imaginary).max() <= generator.imaginary_bound + 1e-12


def test_one_step_is_within_its_error_bound(system):
    expansion = Expansion(packed_generator(system), 40.0)
    assert expansion.error <= 1e-14
    exact = linalg.expm(dense(expansion.generator) * expansion.step)
    start = np.random.default_rng(2).normal(size=system.dimension**2)
    start /= np.linalg.norm(start)
    step = propagate(expansion, start, np.array([expansion.step]))[0]
    # On top of the bound, rounding errors of at most 10⁴ cancelling terms.
    assert np.linalg.norm(step - exact @ start) < 1e-14 + 1e4 * 2.3e-16
    # Planted fault: a series cut at a quarter of its length is far off, so that the comparison can fail.
    expansion.order //= 4
    expansion.__dict__.pop("_in_time", None)
    short = propagate(expansion, start, np.array([expansion.step]))[0]
    assert np.linalg.norm(short - exact @ start) > 1e-9


def test_states_and_integrals_at_any_time(system):
    expansion = Expansion(packed_generator(system), 1.0)
    matrix = dense(expansion.generator)
    start = np.random.default_rng(3).normal(size=system.dimension**2)
    times = np.array([3.3, 0.0, 0.2, 1.0, 17.0])
    size = len(start)
    block = np.zeros((2 * size, 2 * size))
    block[:size, :size], block[:size, size:] = matrix, np.eye(size)
    exact = [linalg.expm(block * t) for t in times]
    scale = 1e-11 * np.linalg.norm(start)
    states = propagate(expansion, start, times)
    np.testing.assert_allclose(states, [e[:size, :size] @ start for e in exact], atol=scale)
    integrals = propagate(expansion, start, times, integral=True)
    np.testing.assert_allclose(integrals, [e[:size, size:] @ start for e in exact], atol=20 * scale)
    rows = np.random.default_rng(4).normal(size=(3, size))
    values = observe(expansion, start, rows, times, integrals=2)
    np.testing.assert_allclose(values[0], states @ rows.T, atol=10 * scale)
    np.testing.assert_allclose(values[1], integrals @ rows.T, atol=100 * scale)
    fine = np.linspace(0.0, 3.3, 2001)
    once = observe(expansion, start, rows, fine, integrals=1)[1]
    twice = np.sum(0.5 * (once[1:] + once[:-1]) * np.diff(fine)[:, None], axis=0)
    np.testing.assert_allclose(values[2, 0], twice, rtol=1e-4, atol=1e-4 * np.abs(values[2, 0]).max())


def test_krylov_space_ends_early_within_its_error_bound():
    expansion = Expansion(packed_generator(paper_system()))
    start = pack(np.diag(np.eye(16)[7]).astype(complex))
    steps = 600
    lengths, errors = [], []
    power = np.linalg.matrix_power(linalg.expm(dense(expansion.generator) * expansion.step), steps)
    exact = unpack(power @ start)
    for tolerance in (1e-10, 1e-4, 1e-2):
        (stretch,) = Stepper(expansion, tolerance=tolerance).stretches(start, steps)
        lengths.append(len(stretch.basis))
        found = unpack(stretch.end @ stretch.basis)
        errors.append(np.abs(linalg.eigvalsh(found - exact)).sum())
        assert errors[-1] <= tolerance
    assert lengths[0] > lengths[1] > lengths[2]  # the looser ones really stop early
    assert lengths[0] < 256 < steps
    assert errors[2] > errors[0]


def test_little_memory_means_more_stretches_and_the_same_answer(monkeypatch):
    expansion = Expansion(packed_generator(paper_system()))
    start = pack(np.diag(np.eye(16)[3]).astype(complex))
    times = np.array([0.0, 100.0, 1500.0])
    rows = np.array([pack(np.eye(16) + 0j), pack(np.diag(np.arange(16.0)).astype(complex))])
    whole = observe(expansion, start, rows, times, integrals=2), propagate(expansion, start, times, integral=True)
    monkeypatch.setattr("trajectories.lindblad.superoperators.propagation.MAX_VECTORS", 12)
    assert len(list(Stepper(expansion).stretches(start, 60))) > 3
    np.testing.assert_allclose(observe(expansion, start, rows, times, integrals=2), whole[0], rtol=1e-9)
    np.testing.assert_allclose(propagate(expansion, start, times, integral=True), whole[1], rtol=1e-9, atol=1e-9)


@settings(max_examples=10, deadline=None, derandomize=True)
@given(seed=st.integers(0, 10**6), dimension=st.integers(2, 4), t=st.floats(0.05, 20.0))
def test_evolution_is_completely_positive_and_trace_preserving(seed, dimension, t):
    expansion = Expansion(packed_generator(random_lindbladian(seed, dimension)), t)
    choi = np.zeros((dimension,) * 4, dtype=complex)
    for i in range(dimension):
        for j in range(dimension):
            unit = np.zeros((dimension, dimension), dtype=complex)
            unit[i, j] = 1.0
            for part, factor in ((0.5 * (unit + unit.T), 1.0), (-0.5j * (unit - unit.T), 1j)):
                moved = propagate(expansion, pack(part), np.array([t]))[0]
                choi[i, :, j, :] += factor * unpack(moved)
    np.testing.assert_allclose(np.einsum("iaja->ij", choi), np.eye(dimension), atol=1e-11)
    assert np.linalg.eigvalsh(choi.reshape(dimension**2, dimension**2))[0] > -1e-11


@pytest.mark.usefixtures("every_motion")
def test_decaying_fock_state():
    fock = DecayingFock()
    times = np.array([0.0, 0.3, 2.0, 11.0])
    states = lindblad.density_matrix(fock.system(), fock.ket(), times)
    for t, state in zip(times, states, strict=True):
        np.testing.assert_allclose(np.diag(state).real, fock.populations(t), atol=1e-12)
    number = {"n": fock.system().space.number("photon")}
    found = lindblad.evolve(fock.system(), fock.ket(), times, number)["n"]
    np.testing.assert_allclose(found.value, fock.quanta * np.exp(-fock.kappa * times), atol=1e-12)
    assert not found.standard_error.any()


@pytest.mark.usefixtures("every_motion")
def test_driven_cavity_swings_up_coherently():
    cavity = DrivenCavity()
    system = cavity.system()
    vacuum = system.space.ket(photon=0)
    times = np.linspace(0.0, 12.0, 7)
    a = system.space.lower("photon")
    operators = {"x": a + a.conj().T, "n": system.space.number("photon")}
    found = lindblad.evolve(system, vacuum, times, operators)
    amplitude = cavity.amplitude() * (1 - np.exp(-(0.5 * cavity.kappa + 1j * cavity.detuning) * times))
    np.testing.assert_allclose(found["x"].value, 2 * amplitude.real, atol=1e-8)
    np.testing.assert_allclose(found["n"].value, np.abs(amplitude) ** 2, atol=1e-8)


@pytest.mark.usefixtures("every_motion")
def test_closed_system_keeps_oscillating():
    # No dissipation at all: Rabi oscillations over a thousand periods.
    space = HilbertSpace(atom=2)
    lower = space.lower("atom")
    system = OpenSystem(0.5 * (lower + lower.conj().T), (Channel("nothing", 0 * lower),), space)
    times = np.array([np.pi, 2 * np.pi, 2001 * np.pi, 2000.5 * np.pi])
    found = lindblad.evolve(system, space.ket(atom="g"), times, {"e": space.number("atom")})["e"]
    np.testing.assert_allclose(found.value, np.sin(0.5 * times) ** 2, atol=1e-10)


@pytest.mark.usefixtures("every_motion")
def test_long_times_reach_the_steady_state():
    system = paper_system()
    final = lindblad.density_matrix(system, system.space.ket(), 1e5)
    np.testing.assert_allclose(final, lindblad.steady_state(system).rho, atol=1e-9)


def test_evolution_agrees_with_qutip_on_the_paper_system():
    system = paper_system((3, 3, 3))
    ket = system.space.ket(photon=1, magnon=1)
    times = np.array([0.0, 5.0, 20.0, 60.0])
    number = {name: system.space.number(name) for name in system.space.names}
    ours = lindblad.evolve(system, ket, times, number)
    theirs = qutip.mesolve(
        qutip.Qobj(system.hamiltonian.toarray()).to("CSR"),
        qutip.Qobj(ket),
        times,
        c_ops=[qutip.Qobj(c.operator.toarray()).to("CSR") for c in system.channels],
        e_ops=[qutip.Qobj(n.toarray()).to("CSR") for n in number.values()],
        options={"method": "vern9", "atol": 1e-12, "rtol": 1e-11, "nsteps": 100000},
    )
    for name, values in zip(number, theirs.expect, strict=True):
        np.testing.assert_allclose(ours[name].value, values, atol=1e-8)
