"""The Gaussian state that the linear motion of the modes has, and coordinates in which that motion is diagonal."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy import linalg

from ...errors import InvalidInput
from .polynomials import Matrix
from .words import MasterEquation, Word, Words, letters

# Condition of the eigenvectors of the drift above which its coordinates are not used: near an exceptional point.
DEFECTIVE = 1e3
# Size of a coupling, relative to the largest, below which it is rounding.
ROUNDING = 1e-14


class Reference(NamedTuple):
    """R = exp(½ zCz + mz) S, z = V⁻ᵀ y: in y the linear motion of S is Σ λ_i y_i ∂_i and hardly more.

    Attributes
    ----------
    rates : ndarray of shape (2M,)
        λ_i: minus half a mode's decay rate, plus or minus i times its frequency.
    down, up : ndarray of shape (4M, 2M)
        Every letter as down·∂ + up·y + constant, in coordinates scaled so that both parts are about as large.
    constant : ndarray of shape (4M,)
    words : dict
        What is left: the coupling of modes and finite factors, and what is not linear.
    drift : ndarray of shape (2M, 2M)
        What is left of the linear motion, Σ y_i drift_ij ∂_j; zero unless it is near an exceptional point.
    """

    rates: Matrix
    down: Matrix
    up: Matrix
    constant: Matrix
    words: Words
    drift: Matrix


def reference(equation: MasterEquation) -> Reference:
    """Split the linear motion of the modes off, and solve it.

    Its drift is z A ∂, its diffusion ½ z D z and its force d z; C solves AC + CAᵀ = −D and m solves Am = −d.

    Raises
    ------
    InvalidInput
        A mode that no channel damps, or that gains more than it loses.
    """
    alpha, beta = (part.astype(np.complex128) for part in letters(equation.modes))
    a, d, force, words = _linear_motion(equation)
    if not np.isfinite(a).all() or np.linalg.eigvals(a).real.max() >= -1e-12 * max(np.abs(a).max(), 1e-300):
        raise InvalidInput(
            "a mode is not damped by its own channels, or gains more than it loses, so that it has no Gaussian "
            "state to start from; add a channel √κ a, or use lindblad.steady_state"
        )
    rates, vectors = np.linalg.eig(a)
    drift = np.zeros_like(a)
    if np.linalg.cond(vectors) > DEFECTIVE:
        vectors, rates = np.eye(len(a), dtype=np.complex128), np.diag(a).copy()
        drift = a - np.diag(rates)
    covariance = linalg.solve_sylvester(a, a.T, -d).astype(np.complex128)
    covariance = 0.5 * (covariance + covariance.T)
    mean = np.linalg.solve(a, -force)
    down = alpha @ vectors
    up = linalg.solve(vectors, (beta + alpha @ covariance).T).T
    scale = _balance(np.abs(down).sum(axis=0), np.abs(up).sum(axis=0))
    drift = scale[:, None] ** -1.0 * drift * scale
    return Reference(rates, down * scale, up / scale, alpha @ mean, words, drift)


def _linear_motion(equation: MasterEquation) -> tuple[Matrix, Matrix, Matrix, Words]:
    """Return A, D, d, and the words without the parts that went into them."""
    alpha, beta = letters(equation.modes)
    count = 2 * equation.modes
    a, d = np.zeros((2, count, count), dtype=np.complex128)
    force = np.zeros(count, dtype=np.complex128)
    words = dict(equation.whole)
    largest = max((np.abs(s).max() for s in (*equation.words.values(), *equation.whole.values())), default=0.0)
    for word, superoperator in equation.words.items():
        part = _identity_part(word, superoperator)
        if part != 0.0:
            if len(word) == 1:
                force += part * beta[word[0]]
            else:
                first, second = word
                a += part * (np.outer(beta[first], alpha[second]) + np.outer(beta[second], alpha[first]))
                d += part * (np.outer(beta[first], beta[second]) + np.outer(beta[second], beta[first]))
            superoperator = superoperator - part * np.eye(len(superoperator))
        if np.abs(superoperator).max() > ROUNDING * largest:
            words[word] = words[word] + superoperator if word in words else superoperator
    return a, d, force, words


def _identity_part(word: Word, superoperator: Matrix) -> complex:
    """Return the part of a superoperator that multiplies linear motion."""
    return complex(np.trace(superoperator)) / len(superoperator) if len(word) <= 2 else 0.0


def _balance(down: NDArray[np.float64], up: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the scale of each coordinate that makes steps up and down about as large."""
    return np.sqrt(np.divide(up, down, out=np.ones_like(up), where=(down > 0.0) & (up > 0.0)))
