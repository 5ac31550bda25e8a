"""Bessel functions of all orders against mpmath: full relative accuracy, which the far tails need."""

from __future__ import annotations

import mpmath
import numpy as np
import pytest

from trajectories.lindblad.superoperators.bessel import bessel_orders

ORDERS = (0, 1, 2, 5, 17, 50, 99, 120, 200, 300, 360, 440)


@pytest.mark.parametrize("argument", [1e-8, 1e-3, 0.1, 1.0, 10.0, 100.0, 359.7])
def test_every_order(argument):
    z = np.array([argument])
    ordinary, modified = bessel_orders(450, z, modified=False)[:, 0], bessel_orders(450, z, modified=True)[:, 0]
    for k in ORDERS:
        exact = float(mpmath.besselj(k, argument))
        assert ordinary[k] == pytest.approx(exact, rel=1e-13 if k > argument else 1e-10, abs=1e-250)
        exact = float(mpmath.besseli(k, argument) * mpmath.exp(-mpmath.mpf(argument)))
        assert modified[k] == pytest.approx(exact, rel=1e-13, abs=1e-250)


def test_zero_argument_and_many_at_once():
    z = np.array([0.0, 3.0, 250.0])
    for modified in (False, True):
        table = bessel_orders(30, z, modified)
        np.testing.assert_array_equal(table[:, 0], np.eye(30)[0])
        for column, argument in enumerate(z):
            np.testing.assert_allclose(
                table[:, column], bessel_orders(30, np.array([argument]), modified)[:, 0], rtol=1e-12
            )
