"""QuTiP's mcsolve and the one of trajectories.qutip on the systems of three of QuTiP's tutorials, in one run.

    .venv/bin/python tests/benchmarks/mcsolve_vs_qutip.py [--ntraj 500]

The systems are built anew from their physics: a photon exchanged between a cavity and an atom, the birth and
death of photons in a thermal cavity (Gleyzes et al., Nature 446, 297 (2007)), a Heisenberg chain with dephasing.
Both solve for the same expectation values at the same times with the same number of trajectories, on one thread;
kernels are compiled, and imports done, before the clock starts. Times are of whole calls, the lower of two.
"""

from __future__ import annotations

import argparse
import time

import numpy as np
import qutip

from trajectories.qutip import mcsolve

QUIET = {"progress_bar": ""}


def cavity_and_atom():
    """Return the vacuum Rabi oscillation of five photons in a leaky cavity."""
    a, sigma = qutip.tensor(qutip.destroy(8), qutip.qeye(2)), qutip.tensor(qutip.qeye(8), qutip.destroy(2))
    coupling = 2.0 * np.pi * 0.25
    H = 2.0 * np.pi * (a.dag() * a + sigma.dag() * sigma) + coupling * (sigma * a.dag() + sigma.dag() * a)
    state = qutip.tensor(qutip.fock(8, 5), qutip.fock(2, 0))
    return H, state, np.linspace(0.0, 10.0, 200), [np.sqrt(0.1) * a], [a.dag() * a, sigma.dag() * sigma]


def thermal_cavity():
    """Return the decay of one photon in a cavity of 0.8 K, with thermal photons that come and go."""
    a, rate, thermal = qutip.destroy(5), 1.0 / 0.129, 0.063
    jumps = [np.sqrt(rate * (1.0 + thermal)) * a, np.sqrt(rate * thermal) * a.dag()]
    return a.dag() * a, qutip.fock(5, 1), np.linspace(0.0, 0.6, 100), jumps, [a.dag() * a]


def spin_chain(length=5):
    """Return a Heisenberg chain with one spin up at its end, and dephasing of each spin."""

    def at(place, operator):
        return qutip.tensor([operator if k == place else qutip.qeye(2) for k in range(length)])

    H = sum(-0.5 * 2.0 * np.pi * at(k, qutip.sigmaz()) for k in range(length))
    for k in range(length - 1):
        for pauli in (qutip.sigmax(), qutip.sigmay(), qutip.sigmaz()):
            H -= 0.5 * 0.1 * 2.0 * np.pi * at(k, pauli) * at(k + 1, pauli)
    state = qutip.tensor([qutip.basis(2, 1)] + [qutip.basis(2, 0)] * (length - 1))
    jumps = [np.sqrt(0.01) * at(k, qutip.sigmaz()) for k in range(length)]
    return H, state, np.linspace(0.0, 50.0, 200), jumps, [at(k, qutip.sigmaz()) for k in range(length)]


def timed(solve, system, ntraj):
    """Return the lower of two times of a call, and its result."""
    H, state, times, jumps, e_ops = system
    best = np.inf
    for _ in range(2):
        begun = time.perf_counter()
        result = solve(H, state, times, jumps, e_ops=e_ops, ntraj=ntraj, seeds=1, options=QUIET)
        best = min(best, time.perf_counter() - begun)
    return best, result


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--ntraj", type=int, default=500)
    ntraj = parser.parse_args().ntraj
    first = cavity_and_atom()
    mcsolve(*first[:4], e_ops=first[4], ntraj=2, seeds=1, options=QUIET)  # compiles
    print("system                QuTiP s   here s   ratio   largest deviation from mesolve in σ: QuTiP, here")
    for build in (cavity_and_atom, thermal_cavity, spin_chain):
        system = build()
        H, state, times, jumps, e_ops = system
        exact = qutip.mesolve(H, state, times, jumps, e_ops=e_ops, options={"atol": 1e-11, "rtol": 1e-9}).expect
        spent, deviations = [], []
        for solve in (qutip.mcsolve, mcsolve):
            seconds, result = timed(solve, system, ntraj)
            spent.append(seconds)
            error = np.array(result.std_expect) / np.sqrt(ntraj)
            known = error > 1e-3 * np.abs(np.array(exact)).max() / np.sqrt(ntraj)
            deviations.append((np.abs(np.array(result.average_expect) - exact)[known] / error[known]).max())
        print(
            f"{build.__name__:18} {spent[0]:9.2f} {spent[1]:8.2f} {spent[0] / spent[1]:6.1f}×"
            f"   {deviations[0]:.1f}, {deviations[1]:.1f}"
        )


if __name__ == "__main__":
    main()
