"""The Chebyshev propagator: its coefficients, its storage, its bound, its action against dense exponentials."""

from __future__ import annotations

import numpy as np
import pytest
from click_systems import random_ket, random_matrix, random_system, unitary_jumps
from mpmath import mp
from scipy import sparse
from scipy.linalg import expm
from scipy.special import jv

import trajectories as tj
from trajectories.engine.compiled import compile_system, stack_operators
from trajectories.engine.jump_kernels import apply_jump, choose_channel, click_rates, squared_norm
from trajectories.engine.sparse import chebyshev_kernels
from trajectories.engine.sparse.chebyshev_kernels import (
    CENTRE_IMAG,
    CENTRE_REAL,
    FIELD_OF_VALUES_CONSTANT,
    RADIUS,
    RHO,
    STEP,
    TRUNCATION,
    bessel_coefficients,
    expansion_degree,
    propagate,
)
from trajectories.engine.sparse.sparse_action import SparsePropagator, coefficient_count, spectrum_bounds
from trajectories.errors import InvalidInput


def no_decay(hamiltonian) -> tj.OpenSystem:
    return tj.OpenSystem(hamiltonian, [tj.Channel("none", np.zeros(np.shape(hamiltonian)))])


def hermitian(seed: int, dimension: int) -> np.ndarray:
    matrix = random_matrix(np.random.default_rng(seed), dimension)
    return matrix + matrix.conj().T


def tridiagonal(dimension: int) -> tj.OpenSystem:
    """Return a long chain: full diagonals and nothing else, and a loss at one end only (non-normal)."""
    loss = np.zeros((dimension, dimension))
    loss[0, dimension - 1] = 1.3
    return tj.OpenSystem(
        sparse.diags_array([np.full(dimension - 1, 0.7), np.full(dimension - 1, 0.7)], offsets=[1, -1]),
        [tj.Channel("end", loss)],
    )


def scattered(dimension: int) -> tj.OpenSystem:
    """Return a random sparse complex H with few entries on each diagonal: everything is kept as CSR."""
    rng = np.random.default_rng(5)
    matrix = sparse.random_array((dimension, dimension), density=2.0 / dimension, rng=rng)
    matrix = sparse.csr_array(matrix * (1.0 + 0.5j))
    jump = sparse.random_array((dimension, dimension), density=1.0 / dimension, rng=rng)
    return tj.OpenSystem(matrix + matrix.conj().T, [tj.Channel("jump", sparse.csr_array(jump))])


def exceptional() -> tj.OpenSystem:
    """Return a lossy dimer at its exceptional point, where H_eff has no eigenbasis: J = κ/4."""
    return tj.OpenSystem(
        np.array([[0, 0, 0], [0, 0, 0.5], [0, 0.5, 0]]),
        [tj.Channel("loss", np.array([[0, np.sqrt(2.0), 0], [0, 0, 0], [0, 0, 0]]))],
    )


FAMILIES = {
    "hermitian": no_decay(hermitian(1, 8)),
    "diagonal": no_decay(np.diag([0.0, 1.0, -3.0])),
    "identity": no_decay(2.5 * np.eye(3)),
    "zero": no_decay(np.zeros((2, 2))),
    "one state": tj.OpenSystem(np.array([[1.5]]), [tj.Channel("always", np.array([[0.3]]))]),
    "random": random_system(2, 6, 3),
    "strongly damped": random_system(3, 6, 2, frequency=0.05, rate=20.0),
    "only damped": tj.OpenSystem(np.zeros((4, 4)), [tj.Channel("c", random_matrix(np.random.default_rng(4), 4))]),
    "fast": random_system(4, 5, 2, frequency=1e3, rate=0.1),
    "exceptional point": exceptional(),
    "unitary jumps": unitary_jumps(0.3, 4.0),
    "chain": tridiagonal(30),
    "scattered": scattered(40),
    "paper": tj.SpinningResonator().system(levels=(3, 2, 2)),
    "paper, cut": tj.SpinningResonator().system(levels=(4, 4, 4), max_quanta=3),
}


def propagated(propagator: SparsePropagator, ket: np.ndarray, time: float) -> np.ndarray:
    state = propagator.start(ket, 1)
    propagate(propagator.arrays, state.work.psi, time, state.work.trial, state.work)
    return state.work.trial.copy()


def dense(arrays: chebyshev_kernels.SparseArrays) -> np.ndarray:
    """Put the diagonals and the CSR part of 2Â together again."""
    size = len(arrays.indptr) - 1
    matrix = sparse.csr_array((arrays.data, arrays.indices, arrays.indptr), shape=(size, size)).toarray()
    for offsets, diagonals, unit in (
        (arrays.real_offsets, arrays.real_diagonals, 1.0),
        (arrays.imag_offsets, arrays.imag_diagonals, 1.0j),
    ):
        for offset, diagonal in zip(offsets, diagonals, strict=True):
            rows = np.arange(max(0, -offset), min(size, size - offset))
            matrix[rows, rows + offset] += unit * diagonal[rows]
    return matrix


@pytest.mark.parametrize("x", [0.0, 1e-9, 1e-3, 0.5, 2.4048255577, 7.0, 31.0, 100.0, 256.0])
def test_bessel_coefficients(x):
    values = np.full(coefficient_count(256.0, 1.0, 1e-16), np.nan)
    bessel_coefficients(x, values)
    # jv itself is off by up to 5e-15 here; the next test holds the recurrence to mpmath.
    np.testing.assert_allclose(values, jv(np.arange(len(values)), x), rtol=0, atol=1e-14)


@pytest.mark.parametrize("x", [1.0, 31.0, 256.0])
def test_bessel_coefficients_are_right_to_rounding(x):
    """The tail is multiplied by ρ^k, so that its relative error matters too."""
    values = np.zeros(coefficient_count(256.0, 1.0, 1e-16))
    bessel_coefficients(x, values)
    with mp.workdps(40):
        for k in range(0, len(values) - 40, 7):
            exact = float(mp.besselj(k, x))
            assert abs(values[k] - exact) < 5e-16, k
            if k > x and abs(exact) > 1e-200:
                assert values[k] == pytest.approx(exact, rel=1e-10, abs=0.0), k


@pytest.mark.parametrize("x", [1e-60, 1e-120, 1e-200, 1e-300])
def test_bessel_coefficients_of_tiny_arguments(x):
    """A sample may lie arbitrarily close to t = 0 or behind a click."""
    values = np.full(coefficient_count(256.0, 1.0, 1e-16), np.nan)
    bessel_coefficients(x, values)
    np.testing.assert_allclose(values, np.eye(1, len(values))[0], rtol=0, atol=1e-15)


@pytest.mark.parametrize("rho", [1.0, 1.0001, 1.05, 1.5, 2.9])
@pytest.mark.parametrize("truncation", [1e-7, 1e-11, 1.2e-16])
def test_the_degree_is_the_smallest_that_keeps_the_bound(rho, truncation):
    x = min(256.0, 1.5 / (0.5 * (rho - 1.0 / rho)) if rho > 1.0 else 256.0)  # as far as the steps go
    bessel = np.zeros(coefficient_count(x, rho, truncation))
    bessel_coefficients(x, bessel)
    degree = expansion_degree(bessel, rho, truncation)
    k = np.arange(len(bessel))
    terms = FIELD_OF_VALUES_CONSTANT * np.abs(bessel) * (rho**k + rho ** -k.astype(float))
    assert terms[degree + 1 :].sum() <= truncation
    assert terms[degree:].sum() > truncation
    # The coefficients end so late that what lies beyond them cannot matter.
    beyond = np.arange(len(bessel), len(bessel) + 200)
    assert (np.abs(jv(beyond, x)) * rho ** beyond.astype(float)).sum() < 1e-3 * truncation


@pytest.mark.parametrize("family", FAMILIES)
def test_stored_parts_make_up_the_effective_hamiltonian(family):
    system = FAMILIES[family]
    arrays = SparsePropagator.compile(system, 1e-10).arrays
    centre = arrays.scalars[CENTRE_REAL] + 1j * arrays.scalars[CENTRE_IMAG]
    rebuilt = 0.5 * arrays.scalars[RADIUS] * dense(arrays) + centre * np.eye(system.dimension)
    exact = system.H_eff.toarray()
    np.testing.assert_allclose(rebuilt, exact, atol=1e-14 * max(1.0, np.abs(exact).max()))


def test_full_diagonals_and_scattered_entries_are_stored_apart():
    chain = SparsePropagator.compile(FAMILIES["chain"], 1e-10).arrays
    assert set(chain.real_offsets) >= {-1, 1}
    few = SparsePropagator.compile(FAMILIES["scattered"], 1e-10).arrays
    assert len(few.data) > 0
    assert len(few.real_offsets) < 10


@pytest.mark.parametrize("family", FAMILIES)
def test_the_field_of_values_lies_in_the_ellipse(family):
    """In every direction the support of W(Â) is below that of the ellipse, on which the bound rests."""
    arrays = SparsePropagator.compile(FAMILIES[family], 1e-10).arrays
    scaled = 0.5 * dense(arrays)
    rho = arrays.scalars[RHO]
    long, short = 0.5 * (rho + 1.0 / rho), 0.5 * (rho - 1.0 / rho)
    for angle in np.linspace(0.0, 2.0 * np.pi, 37):
        turned = np.exp(-1j * angle) * scaled
        support = np.linalg.eigvalsh(0.5 * (turned + turned.conj().T))[-1]
        assert support <= np.hypot(long * np.cos(angle), short * np.sin(angle)) + 1e-12


@pytest.mark.parametrize("tolerance", [1e-2, 1e-6, 1e-10])
@pytest.mark.parametrize("family", FAMILIES)
def test_propagation_is_the_dense_exponential(family, tolerance):
    system = FAMILIES[family]
    propagator = SparsePropagator.compile(system, tolerance)
    scalars = propagator.arrays.scalars
    ket = random_ket(np.random.default_rng(7), system.dimension)
    for fraction in (1.0, 0.37, 1e-3):
        time = fraction * scalars[STEP]
        exact = expm(-1j * time * system.H_eff.toarray()) @ ket
        error = np.linalg.norm(propagated(propagator, ket, time) - exact)
        # The bound is that of the step, e^{centre·t} included; rounding is that of a few hundred terms, each up to
        # e^{1.5} times the sum, and of the reference, whose scaling and squaring loses ‖Ht‖ ulps.
        bound = scalars[TRUNCATION] * np.exp(scalars[CENTRE_IMAG] * time)
        assert error <= bound + 1e-12


@pytest.mark.parametrize(
    "family", ["hermitian", "random", "strongly damped", "exceptional point", "chain", "paper"]
)
def test_the_degree_is_neither_too_low_nor_lavish(family):
    """At a loose tolerance the truncation is far above rounding: it obeys its bound, eight terms fewer do not."""
    system = FAMILIES[family]
    propagator = SparsePropagator.compile(system, 1e-2)
    scalars = propagator.arrays.scalars
    time = scalars[STEP]
    ket = random_ket(np.random.default_rng(8), system.dimension)
    exact = expm(-1j * time * system.H_eff.toarray()) @ ket
    bound = scalars[TRUNCATION] * np.exp(scalars[CENTRE_IMAG] * time)
    terms, errors = propagator.arrays.step_terms, []
    for fewer in (0, 8):
        arrays = propagator.arrays._replace(step_terms=terms[: len(terms) - fewer])
        state = propagator.start(ket, 1)
        propagate(arrays, state.work.psi, time, state.work.trial, state.work)
        errors.append(np.linalg.norm(state.work.trial - exact))
    assert errors[0] <= bound
    assert errors[1] > bound


@pytest.mark.parametrize("family", FAMILIES)
def test_survival_never_rises(family):
    """norm² of a propagated state falls monotonically, to rounding."""
    system = FAMILIES[family]
    propagator = SparsePropagator.compile(system, 1e-10)
    ket = random_ket(np.random.default_rng(9), system.dimension)
    times = np.linspace(0.0, propagator.arrays.scalars[STEP], 40)
    survival = np.array([np.linalg.norm(propagated(propagator, ket, t)) ** 2 for t in times])
    assert (np.diff(survival) <= 1e-12).all()
    assert survival[0] == pytest.approx(1.0, abs=1e-14)


def test_coefficients_suffice_for_every_system_that_can_be_compiled():
    """From pure decay to none at all the count is found, without overflow, and stays in the hundreds."""
    for ratio in np.geomspace(1e-6, 1e6, 49):
        levels = np.array([-0.5, 0.5])
        jump = np.array([[0.0, np.sqrt(ratio)], [0.0, 0.0]])
        system = tj.OpenSystem(np.diag(levels), [tj.Channel("c", jump)])
        for tolerance in (1e-13, 1e-2):
            assert len(SparsePropagator.compile(system, tolerance).start(np.eye(2)[0], 1).work.bessel) < 800


@pytest.mark.parametrize("seed", range(3))
def test_spectrum_bounds_hold_the_spectrum(seed):
    matrix = hermitian(seed, 40)
    values = np.linalg.eigvalsh(matrix)
    low, high = spectrum_bounds(sparse.csr_array(matrix))
    assert low <= values[0] + 1e-12
    assert high >= values[-1] - 1e-12


@pytest.mark.parametrize("shift", [0.0, 1e3, 1e6])
def test_spectrum_bounds_of_a_large_matrix_hold_wherever_its_energy_zero_is(shift):
    """A constant added to H changes no physics; beyond DENSE_SPECTRUM the bounds come from an iteration."""
    size = 1000
    rng = np.random.default_rng(1)
    hopping = rng.uniform(0.3, 1.0, size - 1)
    matrix = sparse.diags_array([hopping, rng.normal(size=size), hopping], offsets=[-1, 0, 1])
    values = np.linalg.eigvalsh(matrix.toarray())
    low, high = spectrum_bounds(sparse.csr_array(matrix + shift * sparse.eye_array(size)))
    assert low - shift <= values[0]
    assert high - shift >= values[-1]
    # A margin of one percent a side was meant, so the interval may not be needlessly wide either.
    assert high - low < 1.1 * (values[-1] - values[0])


@pytest.mark.parametrize("tolerance", [0.0, -1e-6, 1e-14, 0.5, np.nan, np.inf])
def test_tolerances_out_of_reach_are_refused(tolerance):
    with pytest.raises(InvalidInput, match="tolerance"):
        SparsePropagator.compile(FAMILIES["random"], tolerance)


def test_rates_and_jumps_are_those_of_dense_matrices():
    system = random_system(11, 5, 3)
    ket = random_ket(np.random.default_rng(11), 5)
    operators = [channel.operator for channel in system.channels]
    stacked = stack_operators(operators, 5)
    rates = np.zeros(3)
    total = click_rates(stacked, ket, rates)
    exact = [np.linalg.norm(operator @ ket) ** 2 for operator in operators]
    np.testing.assert_allclose(rates, exact, rtol=1e-14)
    assert total == pytest.approx(sum(exact), rel=1e-14)
    assert squared_norm(3.0 * ket) == pytest.approx(9.0, rel=1e-14)
    for k, operator in enumerate(operators):
        out = np.zeros(5, complex)
        apply_jump(stacked, k, ket, out)
        np.testing.assert_allclose(out, operator @ ket / np.linalg.norm(operator @ ket), atol=1e-15)


@pytest.mark.parametrize(
    ("rates", "uniform", "chosen"),
    [
        ([1.0, 1.0], 0.0, 0),
        ([1.0, 1.0], 0.499, 0),
        ([1.0, 1.0], 0.5, 1),
        ([1.0, 1.0], np.nextafter(1.0, 0.0), 1),
        ([0.0, 2.0, 0.0], 0.0, 1),
        ([0.0, 2.0, 0.0], np.nextafter(1.0, 0.0), 1),
        ([0.1] * 10, np.nextafter(1.0, 0.0), 9),
    ],
)
def test_a_channel_is_chosen_by_its_share_and_never_one_that_cannot_click(rates, uniform, chosen):
    rates = np.array(rates)
    assert choose_channel(rates, rates.sum(), uniform) == chosen


def test_the_kernels_are_the_python_they_were_compiled_from():
    system = FAMILIES["paper"]
    propagator = SparsePropagator.compile(system, 1e-10)
    ket = random_ket(np.random.default_rng(12), system.dimension)
    fast, slow = propagator.start(ket, 1), propagator.start(ket, 1)
    degree = propagate(propagator.arrays, fast.work.psi, 0.5, fast.work.trial, fast.work)
    assert propagate.py_func(propagator.arrays, slow.work.psi, 0.5, slow.work.trial, slow.work) == degree
    np.testing.assert_allclose(fast.work.trial, slow.work.trial, atol=1e-15)


def test_a_compiled_system_survives_its_arrays():
    system = FAMILIES["random"]
    compiled = compile_system(system, np.eye(6)[2] * 3.0)
    named = compiled.to_arrays()
    again = type(compiled).from_arrays(named)
    for name, array in again.to_arrays().items():
        np.testing.assert_array_equal(array, named[name])
    np.testing.assert_array_equal(again.kets, [np.eye(6)[2]])
