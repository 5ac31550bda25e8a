"""What the exact functions refuse, and that they say the value and the remedy."""

from __future__ import annotations

import numpy as np
import pytest
from systems_with_answers import DecayingFock, ResonanceFluorescence, paper_system, random_lindbladian

from trajectories import Channel, OpenSystem, lindblad
from trajectories.detectors import Detector
from trajectories.errors import InvalidInput
from trajectories.lindblad.summary import summary
from trajectories.lindblad.superoperators.propagation import MAX_STEPS

ATOM = ResonanceFluorescence()
STEADY = lindblad.steady_state(random_lindbladian(1, 3))
DARK = lindblad.steady_state(DecayingFock().system())
KET = np.array([1.0, 0, 0])
SKEW = np.diag([1, 1], 1)
LIGHT = ("fluorescence", "fluorescence")
BLIND = Detector(efficiency=0.0)

REFUSED = {
    "pair of one": (lambda: summary(STEADY, pair=("c0", "c0")), r"pair=\('c0', 'c0'\) must be two"),
    "pair of three": (lambda: summary(STEADY, pair=("c0", "c1", "c0")), r"pair=.* must be two"),  # type: ignore[arg-type]
    "method": (lambda: lindblad.steady_state(ATOM.system(), method="magic"), "magic"),
    "guess shape": (lambda: lindblad.steady_state(ATOM.system(), guess=np.eye(3)), "dimension 2"),
    "guess trace": (lambda: lindblad.steady_state(ATOM.system(), guess=-np.eye(2)), "positive trace"),
    "guess nan": (lambda: lindblad.steady_state(ATOM.system(), guess=np.full((2, 2), np.nan)), "nan"),
    "operator": (lambda: STEADY.expect(np.eye(4)), "dimension 4"),
    "rate channel": (lambda: STEADY.rate("photon"), "photon"),
    "channel": (lambda: lindblad.g2(STEADY, "c0", "c7", [0, 1]), "c7"),
    "dark channel": (lambda: lindblad.g2(DARK, "photon", "photon", [0, 1]), "never clicks"),
    "edges order": (lambda: lindblad.g2(STEADY, "c0", "c1", [1, 0]), "ascend"),
    "edges count": (lambda: lindblad.g2(STEADY, "c0", "c1", [1]), "at least two"),
    "edges nan": (lambda: lindblad.g2(STEADY, "c0", "c1", [0, np.nan]), "nan"),
    "edges text": (lambda: lindblad.g2(STEADY, "c0", "c1", "ab"), "numbers"),
    "waiting edges": (lambda: lindblad.waiting_times(STEADY, "c0", "c1", [-1, 1]), "-1"),
    "tau": (lambda: lindblad.g2_at(STEADY, "c0", "c1", np.inf), "inf"),
    "dead time": (
        lambda: lindblad.fano(STEADY, [1.0], None, {"c0": Detector(dead_time=1.0)}),
        "dead_time=1, with which the Fano factor",
    ),
    "jitter": (lambda: lindblad.fano(STEADY, [1.0], None, {"c0": Detector(jitter=0.1)}), "jitter=0.1"),
    "detector type": (lambda: lindblad.rates(STEADY, {"c0": 0.5}), "float"),
    "detector channel": (lambda: lindblad.rates(STEADY, {"x": Detector()}), "'x'"),
    "blind detector": (lambda: lindblad.fano(STEADY, [1.0], "c0", {"c0": BLIND}), "never click"),
    "bundle of one name": (lambda: lindblad.bundle_correlation(STEADY, "photon"), "sequence"),
    "bundle without space": (lambda: lindblad.bundle_correlation(STEADY, ("photon",)), "space"),
    "bundle of nothing": (lambda: lindblad.bundle_correlation(STEADY, ()), "no mode"),
    "bundle dimension": (lambda: lindblad.bundle_correlation(STEADY, np.eye(2)), "dimension 2"),
    "empty bundle": (lambda: lindblad.bundle_correlation(DARK, ("photon",)), "no such bundle"),
    "empty mode": (lambda: lindblad.cross_correlation(DARK, "photon", "photon"), "occupied"),
    "transient time": (lambda: lindblad.transient_g2(STEADY.system, KET, "c0", "c1", -1, 0), "-1"),
    "transient silent": (lambda: lindblad.transient_g2(ATOM.system(), [1, 0], *LIGHT, 0.0, 0), "never clicks"),
    "state shape": (lambda: lindblad.density_matrix(STEADY.system, np.ones(4), 1.0), "shape"),
    "state norm": (lambda: lindblad.density_matrix(STEADY.system, 2 * KET, 1.0), "trace 4"),
    "state hermitian": (
        lambda: lindblad.density_matrix(STEADY.system, np.diag(KET) + np.diag([1j, 0], 1), 1.0),
        "Hermitian",
    ),
    "state positive": (lambda: lindblad.density_matrix(STEADY.system, np.diag([1.5, -0.5, 0]), 1.0), "-0.5"),
    "state nan": (lambda: lindblad.density_matrix(STEADY.system, np.nan * KET, 1.0), "nan"),
    "time": (lambda: lindblad.density_matrix(STEADY.system, KET, [-1.0]), "-1"),
    "times dimension": (lambda: lindblad.evolve(STEADY.system, KET, [[1.0]], {"a": np.eye(3)}), "one dimension"),
    "no operators": (lambda: lindblad.evolve(STEADY.system, KET, [1.0], {}), "empty"),
    "skew operator": (lambda: lindblad.evolve(STEADY.system, KET, [1.0], {"a": SKEW}), "not Hermitian"),
    "window": (lambda: lindblad.cluster_rates(STEADY, 0.0), "window=0.0"),
    "window unknown": (lambda: lindblad.cluster_rates(STEADY), "kappa"),
    "window nan": (lambda: lindblad.cluster_rates(STEADY, np.nan), "nan"),
    "windows": (lambda: lindblad.purity(STEADY, 1, []), "empty"),
    "windows text": (lambda: lindblad.fano(STEADY, "12"), "sequence"),
    "size": (lambda: lindblad.order_rates(STEADY, 1.0, max_size=0), "max_size=0"),
    "channels text": (lambda: lindblad.cluster_rates(STEADY, 1.0, "c0c1"), "no channel named"),
    "channels twice": (lambda: lindblad.cluster_rates(STEADY, 1.0, ["c0", "c0"]), "distinct"),
    "equal channels": (lambda: lindblad.pair_purity(STEADY, "c0", "c0", 1.0), "different"),
    "undetected": (lambda: lindblad.order_fraction(STEADY, "c0", "c1", 1.0, ["c0"]), "not detected"),
    "lag edges": (lambda: lindblad.lag_histogram(STEADY, "c0", "c1", [1, 0], 1.0), "ascend"),
    "lag channel": (lambda: lindblad.lag_histogram(STEADY, "c0", "x", [0, 1], 1.0), "'x'"),
    "undetected wait": (lambda: lindblad.next_click_probabilities(STEADY, "c0", ["c1"]), "not detected"),
    "kind": (lambda: lindblad.cluster_g2_at(STEADY, "c0+x", 1, 2.0, 1.0), "'x'"),
    "kind size": (lambda: lindblad.cluster_g2_at(STEADY, 0, 1, 2.0, 1.0), "at least 1"),
    "order": (lambda: lindblad.cumulants(STEADY, order=0), "order=0"),
    "accidental rate": (lambda: lindblad.accidental_purity(-1.0, 1, [1.0]), "-1"),
    "too long": (lambda: lindblad.fano(STEADY.with_solver("propagation"), [1e9]), f"{MAX_STEPS}; ask for at most"),
    "solver": (lambda: STEADY.with_solver("fast"), "propagation"),
}


@pytest.mark.parametrize("name", REFUSED)
def test_refused(name):
    call, said = REFUSED[name]
    with pytest.raises(InvalidInput, match=said) as caught:
        call()
    assert "\n" not in str(caught.value)


def test_only_an_atom_has_no_bundles():
    system = OpenSystem(ATOM.system().hamiltonian, (Channel("atom", ATOM.system().channels[0].operator),))
    with pytest.raises(InvalidInput, match="leave out"):
        lindblad.cluster_rates(lindblad.steady_state(system), 1.0)


def test_a_guess_may_be_a_matrix_or_a_steady_state():
    first = lindblad.steady_state(ATOM.system())
    for guess in (first, first.rho, 3 * first.rho):
        np.testing.assert_allclose(lindblad.steady_state(ATOM.system(), guess=guess).rho, first.rho, atol=1e-14)


def test_results_are_read_only():
    steady = lindblad.steady_state(paper_system())
    with pytest.raises(ValueError, match="read-only"):
        steady.rho[0, 0] = 1.0
    with pytest.raises(ValueError, match="read-only"):
        lindblad.g2(STEADY, "c0", "c1", [0, 1]).value[0] = 1.0
