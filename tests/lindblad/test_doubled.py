"""Doubled precision: products, elimination and its error bound against fractions, and the exact Liouvillian."""

from __future__ import annotations

from fractions import Fraction

import numpy as np
import pytest
from dense_lindblad import DenseLindblad
from systems_with_answers import paper_system, random_lindbladian

from trajectories.lindblad.superoperators.doubled import (
    Doubled,
    Elimination,
    ExactGenerator,
    add,
    product,
    subtract,
)
from trajectories.lindblad.superoperators.hermitian_vectors import pack, unpack


def random_doubled(seed: int, shape: tuple[int, ...]) -> Doubled:
    rng = np.random.default_rng(seed)
    high = rng.normal(size=shape) * 10.0 ** rng.uniform(-8.0, 8.0, size=shape)
    return Doubled(high, 1e-17 * high * rng.uniform(-1.0, 1.0, size=shape))


def fraction(value: Doubled, *place: int) -> Fraction:
    return Fraction(float(value.high[place])) + Fraction(float(value.low[place]))


def test_sums_and_products_have_32_digits():
    first, second = random_doubled(0, (50,)), random_doubled(1, (50,))
    for found, operation in (
        (add(first, second), Fraction.__add__),
        (subtract(first, second), Fraction.__sub__),
        (product(first, second), Fraction.__mul__),
    ):
        for i in range(50):
            a, b = fraction(first, i), fraction(second, i)
            scale = abs(a) + abs(b) if operation is not Fraction.__mul__ else abs(a * b)
            assert abs(fraction(found, i) - operation(a, b)) <= Fraction(2.0**-102) * scale


def test_matrix_product_has_32_digits_of_its_terms():
    first, second = random_doubled(2, (5, 7)), random_doubled(3, (7, 4))
    found = first @ second
    for i in range(5):
        for j in range(4):
            terms = [fraction(first, i, k) * fraction(second, k, j) for k in range(7)]
            assert abs(fraction(found, i, j) - sum(terms)) <= Fraction(2.0**-100) * sum(map(abs, terms))


def hilbert(n: int) -> tuple[Doubled, list[list[Fraction]]]:
    exact = [[Fraction(1, i + j + 1) for j in range(n)] for i in range(n)]
    high = np.array([[float(x) for x in row] for row in exact])
    low = np.array([[float(x - Fraction(float(x))) for x in row] for row in exact])
    return Doubled(high, low), [[fraction(Doubled(high, low), i, j) for j in range(n)] for i in range(n)]


def solve_fractions(matrix: list[list[Fraction]], right: list[Fraction]) -> list[Fraction]:
    rows = [[*row, value] for row, value in zip(matrix, right, strict=True)]
    n = len(rows)
    for k in range(n):
        for i in range(k + 1, n):
            ratio = rows[i][k] / rows[k][k]
            rows[i] = [a - ratio * b for a, b in zip(rows[i], rows[k], strict=True)]
    solution = [Fraction(0)] * n
    for i in range(n - 1, -1, -1):
        solution[i] = (rows[i][n] - sum(rows[i][j] * solution[j] for j in range(i + 1, n))) / rows[i][i]
    return solution


def test_elimination_of_an_ill_conditioned_matrix_and_its_bound():
    # cond = 2e16: in doubles no digit would be right.
    matrix, exact = hilbert(12)
    right = np.random.default_rng(4).normal(size=12)
    expected = solve_fractions(exact, [Fraction(float(x)) for x in right])
    solver, column = Elimination(matrix), Doubled.of(right[:, None])
    found = solver.solve(column)
    functionals = np.random.default_rng(5).normal(size=(4, 12))
    bounds = solver.error(found, column, functionals)
    for u, bound in zip(functionals, bounds, strict=True):
        value = sum(Fraction(float(c)) * fraction(found, i, 0) for i, c in enumerate(u))
        error = abs(value - sum(Fraction(float(c)) * x for c, x in zip(u, expected, strict=True)))
        assert float(error) <= bound <= 1e-9 * abs(float(value))
    # Planted fault: a solution that is wrong in its tenth digit breaks the bound, which must rise with it.
    wrong = Doubled(found.high * (1.0 + 1e-10 * np.arange(12)[:, None]), found.low)
    assert solver.error(wrong, column, functionals).min() > 1e3 * bounds.max()


def test_transposed_solutions():
    matrix, _ = hilbert(9)
    rows = Doubled.of(np.random.default_rng(6).normal(size=(3, 9)))
    found = Elimination(matrix).solve_transposed(rows)
    left = subtract(found @ matrix, rows).high
    assert np.abs(left).max() < 1e-18 * np.abs(found.high).max()


def test_singular_matrices_are_reported():
    assert Elimination(Doubled.of(np.diag([1.0, 0.0, 2.0]))).singular
    assert not Elimination(Doubled.of(np.diag([1.0, 1e-300, 2.0]))).singular


@pytest.mark.parametrize("detected", [{}, {"c0": 1.0, "c1": 0.3}])
def test_exact_generator_is_the_liouvillian_without_what_is_detected(detected):
    system = random_lindbladian(3)
    dark = 0.4 if detected else 0.0
    oracle = DenseLindblad(system, tuple(detected) or None, detected, {"c0": dark} if detected else None)
    generator = ExactGenerator(system, detected, dark)
    rng = np.random.default_rng(2)
    state = rng.normal(size=(4, 4)) + 1j * rng.normal(size=(4, 4))
    state = state + state.conj().T
    expected = ((oracle.L0 if detected else oracle.L) @ state.reshape(-1)).reshape(4, 4)
    found = generator.apply(Doubled.of(pack(state)))
    np.testing.assert_allclose(unpack(found.high), expected, atol=1e-13)
    dense = generator.matrix() @ Doubled.of(pack(state)[:, None])
    np.testing.assert_allclose(dense.high[:, 0], found.high, rtol=1e-25, atol=1e-28)


@pytest.mark.parametrize("system", [random_lindbladian(7, 5, 3), paper_system()])
def test_exact_generator_keeps_the_trace_to_30_digits(system):
    matrix = ExactGenerator(system).matrix()
    trace = Doubled.of(pack(np.eye(system.dimension) + 0j)[None]) @ matrix
    assert np.abs(trace.high).max() < 1e-29
