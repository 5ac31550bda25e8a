"""The minimum between two bounds: the same calls and the same bits as SciPy's bounded search."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.optimize import minimize_scalar

from trajectories.model.minimum import minimum_between

SHAPES = {
    "crossing": lambda x, c, w: np.hypot(w, x - c),
    "kink": lambda x, c, w: abs(x - c),
    "flat": lambda x, c, w: (x - c) ** 4 + w * x,
    "waves": lambda x, c, w: w * np.cos(9.0 * x + c),
    "step": lambda x, c, w: 1.0 if x < c else x,
    "constant": lambda x, c, w: w,
}


@pytest.mark.parametrize("shape", SHAPES)
def test_every_call_is_that_of_scipy(shape):
    rng = np.random.default_rng(4)
    for _ in range(60):
        centre, width = rng.uniform(-1.2, 1.4), 10.0 ** rng.uniform(-6.0, 1.0)
        calls: tuple[list[float], list[float]] = ([], [])

        def called(x, which, centre=centre, width=width, calls=calls):
            calls[which].append(float(x))
            return float(SHAPES[shape](float(x), centre, width))

        right = minimize_scalar(
            lambda x: called(x, 0), bounds=(-1.0, 1.2), method="bounded", options={"xatol": 1e-8}
        )
        found = minimum_between(lambda x: called(x, 1), -1.0, 1.2, 1e-8)
        assert (found.x, found.value) == (right.x, right.fun)
        assert calls[0] == calls[1]
