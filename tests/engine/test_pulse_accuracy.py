"""The error that the tree states over long gaps: a bound of the true one in 30 digits, within the tolerance."""

import mpmath
import numpy as np
import pytest

import trajectories as tj
from trajectories.engine.blocks import BlockTask, run_block
from trajectories.engine.compiled import compile_system
from trajectories.engine.pulses.taylor_kernels import ANCHOR_OFFSET

SIGMA = tj.HilbertSpace(atom=2).lower("atom")
FLIP = SIGMA + SIGMA.T
HEIGHT, DECAY, PERIOD = 0.3, 0.09, 10.0


def matrices(columns):
    """Matrices from their columns with real and imaginary parts apart."""
    return (columns[:, :, 0] + 1j * columns[:, :, 1]).transpose(0, 2, 1)


def period_in_30_digits():
    """The propagator of a period of an atom under a drive h·cos(2πt/T), by Taylor series of 30 digits."""
    mpmath.mp.dps = 30
    height, decay = mpmath.mpf(HEIGHT), mpmath.mpf(DECAY) ** 2
    turns = mpmath.mpf(2.0 * np.pi / PERIOD)

    def motion(t, y):
        f = height * mpmath.cos(turns * t)
        return [-1j * f * y[1], -1j * f * y[0] - decay / 2 * y[1]]

    columns = [mpmath.odefun(motion, 0, y, tol=mpmath.mpf("1e-26"))(PERIOD) for y in ([1, 0], [0, 1])]
    return mpmath.matrix(columns).T


def test_rungs_are_off_by_no_more_than_they_say():
    """Propagators of 1, 2, 4, … periods beside those of 30 digits; a hundredth of what is said would be wrong."""
    drive = tj.Drive(FLIP, HEIGHT * tj.Cosine(2.0 * np.pi / PERIOD))
    system = tj.OpenSystem(0 * SIGMA, [tj.Channel("atom", DECAY * SIGMA)], drives=[drive], period=PERIOD)
    arrays = compile_system(system, np.array([1.0, 0.0]), propagator="tree").propagator.arrays
    exact, stated, true = period_in_30_digits(), [], []
    for rung, (norm, error) in zip(matrices(arrays.ladder)[:10], arrays.rungs, strict=False):
        apart = np.array((mpmath.matrix(rung) - exact).tolist(), dtype=np.complex128)
        true.append(np.linalg.norm(apart, 2))
        stated.append(error)
        assert norm == np.linalg.norm(rung, 2)
        exact = exact * exact
    assert len(true) >= 8
    assert (np.array(true) <= np.array(stated)).all()
    assert (np.array(true) > 0.01 * np.array(stated)).any()
    assert stated[0] < 1e-14


@pytest.mark.parametrize("period", [100.0, 10_000.0])
def test_gaps_of_hundreds_of_periods_keep_the_tolerance(period):
    """30,000 clicks, the longest gap some 400 periods of a hundred steps: 1e-10 is kept, and stated to be.

    In the longer period the slow space has its anchor in the dark.
    """
    drive = tj.Drive(FLIP, tj.Gaussian(50.0, 5.0, 0.015))
    system = tj.OpenSystem(0 * SIGMA, [tj.Channel("atom", 0.3 * SIGMA)], drives=[drive], period=period)
    compiled = compile_system(system, np.array([1.0, 0.0]), propagator="tree")
    assert (compiled.propagator.arrays.scalars[ANCHOR_OFFSET] > 0.0) == (period > 1000.0)
    block = run_block(compiled, BlockTask(0, 1, 3, 1e6 * period))
    assert len(block.time) > 20_000
    assert np.diff(block.time).max() > 300 * period
    assert 1e-14 < block.worst_error < 1e-10


def fast_train(height=0.8, period=2000.0):
    """A mode with an atom, frequencies near 10, under a square pulse; between pulses the atom may wait."""
    space = tj.HilbertSpace(photon=3, atom=2)
    a, s = space.lower("photon"), space.lower("atom")
    hamiltonian = 9.7 * space.number("photon") + 10.3 * (s.T @ s) + 0.05 * (a.T @ s + s.T @ a)
    channels = [tj.Channel("photon", 0.09 * a), tj.Channel("atom", 0.05 * s)]
    pulse = height * tj.Square(100.0, 140.0)
    return tj.OpenSystem(hamiltonian, channels, space, drives=[tj.Drive(s + s.T, pulse)], period=period)


def test_long_constant_stretches_are_off_by_no_more_than_they_say():
    """Square pulses beside matrix exponentials of 40 digits; the phase that all states share is no error of S."""
    system = fast_train()
    arrays = compile_system(system, np.eye(6)[0], propagator="tree").propagator.arrays
    assert (arrays.leaf_modes >= 0).all()
    mpmath.mp.dps = 40
    exact = mpmath.eye(6)
    for length, middle in ((100, 50.0), (40, 120.0), (1860, 1000.0)):
        moment = system.at(middle)
        generator = mpmath.matrix(moment.hamiltonian.toarray().tolist())
        for channel in moment.channels:
            jump = mpmath.matrix(channel.operator.toarray().tolist())
            generator -= mpmath.mpc(0.0, 0.5) * (jump.H * jump)
        exact = mpmath.expm(mpmath.mpc(0.0, -1.0) * generator * length, method="taylor") * exact
    exact = np.array(exact.tolist(), dtype=np.complex128).astype(np.clongdouble)
    found = matrices(arrays.ladder)[0].astype(np.clongdouble)
    common = np.vdot(found, exact)
    apart = np.linalg.norm((found * (common / abs(common)) - exact).astype(np.complex128), 2)
    stated = arrays.rungs[0, 1]
    assert 0.001 * stated < apart < stated
    # Frequencies times a period are 2e4 radians, whose rounding alone is 2e-12.
    assert stated < 1e-12
