"""Products of tabulated propagators and states, beside NumPy's."""

import numpy as np
import pytest

from trajectories.engine.pulses.product_kernels import add_columns, inner, multiply, multiply_far, tried
from trajectories.engine.pulses.tables import columns_apart


def random_case(rng, rows, columns, falling=0.0):
    """A matrix that makes nothing longer, and a state whose components fall off."""
    matrix = rng.normal(size=(rows, columns, 2)) @ np.array([1.0, 1.0j])
    matrix /= np.linalg.norm(matrix, 2)
    psi = rng.normal(size=(columns, 2)) @ np.array([1.0, 1.0j]) * np.exp(-falling * np.arange(columns))
    return matrix, psi / np.linalg.norm(psi)


@pytest.mark.parametrize(("rows", "columns"), [(1, 1), (3, 5), (8, 8), (17, 30), (245, 245), (600, 70)])
@pytest.mark.parametrize("product", [multiply, multiply_far])
def test_products_are_those_of_numpy(rows, columns, product):
    matrix, psi = random_case(np.random.default_rng(rows), rows, columns)
    out = np.full((2, rows + 3), 7.0)
    norm = product(columns_apart(matrix), psi, out)
    np.testing.assert_allclose(out[0, :rows] + 1j * out[1, :rows], matrix @ psi, atol=1e-15)
    assert norm == pytest.approx(np.linalg.norm(matrix @ psi) ** 2, rel=1e-13)
    assert (out[:, rows:] == 7.0).all()


@pytest.mark.parametrize("falling", [0.0, 0.05, 0.5])
def test_a_product_ends_early_only_below_the_threshold(falling):
    """And has the bits of the whole product otherwise."""
    rng = np.random.default_rng(3)
    early = 0
    for _ in range(300):
        matrix, psi = random_case(rng, 61, 61, falling)
        columns, right = columns_apart(matrix), np.zeros((2, 61))
        whole = multiply(columns, psi, right)
        threshold, found = whole * rng.choice([0.5, 1.0 - 1e-12, 1.0, 1.0 + 1e-12, 1.001, 2.0]), np.zeros((2, 61))
        after = tried(columns, psi, threshold, found)
        assert (after >= threshold) == (whole >= threshold)
        if after != whole:
            early += 1
            continue
        np.testing.assert_array_equal(found, right)
    assert (early > 50) == (falling > 0.1)


def test_what_comes_later_may_reach_the_threshold():
    """The first component gives a quarter, the last one 1e-10 more."""
    psi = np.zeros(40, complex)
    psi[0], psi[39] = 1.0, 1e-5
    columns, out = columns_apart(np.diag([0.5, *np.zeros(38), 1.0]).astype(complex)), np.zeros((2, 40))
    assert tried(columns, psi, 0.25 + 0.5e-10, out) == 0.25 + 1e-10
    assert tried(columns, psi, 0.25 + 2e-10, out) == 0.25 + 1e-10
    assert tried(columns, psi, 0.2501, out) == 0.25


def test_columns_are_added_in_parts():
    matrix, psi = random_case(np.random.default_rng(1), 20, 30)
    out = np.zeros((2, 20))
    for first, last in ((0, 8), (8, 8), (8, 20), (20, 30)):
        add_columns(columns_apart(matrix), first, last, psi, out)
    np.testing.assert_allclose(out[0] + 1j * out[1], matrix @ psi, atol=1e-15)


@pytest.mark.parametrize("count", [0, 1, 7, 8, 9, 64, 100])
def test_sums_of_products(count):
    x, y = np.random.default_rng(count).normal(size=(2, 101))
    assert inner(x, y, count) == pytest.approx(x[:count] @ y[:count], abs=1e-14)
