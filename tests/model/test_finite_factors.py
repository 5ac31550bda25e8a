"""Factors declared finite: what an atom is by its name, any factor is by HilbertSpace(…, finite=…)."""

from __future__ import annotations

import json
import warnings
from dataclasses import replace

import numpy as np
import pytest
from forged_runs import seal
from run_folders import same

import trajectories as tj
from trajectories import analysis, lindblad
from trajectories.errors import InvalidInput, RunFolderError, TruncationWarning


def emitter_in_cavity(space: tj.HilbertSpace, name: str) -> tj.OpenSystem:
    """A driven emitter of two levels in a cavity; its upper level is well populated."""
    a, s = space.lower("cavity"), space.lower(name)
    hamiltonian = 0.2 * (a.T @ s + s.T @ a) + 0.5 * (s + s.T)
    return tj.OpenSystem(hamiltonian, [tj.Channel("cavity", a), tj.Channel(name, np.sqrt(0.3) * s)], space)


def of_an_atom() -> tj.OpenSystem:
    return emitter_in_cavity(tj.HilbertSpace(cavity=6, atom=2), "atom")


def of_a_spin(levels: int = 6) -> tj.OpenSystem:
    """The same system; the factors are named in the other order."""
    return emitter_in_cavity(tj.HilbertSpace(spin=2, cavity=levels, finite=("spin",)), "spin")


def of_an_undeclared_spin() -> tj.OpenSystem:
    return emitter_in_cavity(tj.HilbertSpace(cavity=6, spin=2), "spin")


# --- the space -------------------------------------------------------------------------------------------


@pytest.mark.parametrize("max_quanta", [None, 3])
def test_a_declared_factor_is_what_an_atom_is(max_quanta):
    atom = tj.HilbertSpace(max_quanta=max_quanta, photon=4, phonon=3, atom=2)
    spin = tj.HilbertSpace(max_quanta=max_quanta, spin=2, photon=4, phonon=3, finite="spin")
    assert spin.names == ("photon", "phonon", "spin")
    assert (spin.modes, spin.finite, spin.declared_finite) == (("photon", "phonon"), ("spin",), ("spin",))
    assert (atom.finite, atom.declared_finite) == (("atom",), ())
    assert spin.labels == atom.labels
    assert spin.dimension == atom.dimension == len(spin.occupations)
    assert spin.index(photon=1, spin="e") == atom.index(photon=1, atom="e")
    np.testing.assert_array_equal(spin.lower("spin").toarray(), atom.lower("atom").toarray())
    assert list(spin.top_levels()) == list(atom.top_levels())
    with pytest.raises(InvalidInput, match=r"use transition\('dot'"):
        tj.HilbertSpace(dot=3, finite="dot").lower("dot")


def test_a_space_says_which_factors_it_was_told_are_finite():
    space = tj.HilbertSpace(max_quanta=2, dot=3, photon=4, atom=2, spin=2, finite=["spin", "dot"])
    assert repr(space) == "HilbertSpace(max_quanta=2, photon=4, dot=3, atom=2, spin=2, finite=('dot', 'spin'))"
    assert eval(repr(space), {"HilbertSpace": tj.HilbertSpace}).labels == space.labels
    assert repr(tj.HilbertSpace(atom=2, finite="atom")) == "HilbertSpace(atom=2)"


@pytest.mark.parametrize(
    ("finite", "message"),
    [
        ("spn", "finite names 'spn', which is no subsystem; there are spin, photon; did you mean 'spin'?"),
        (("spin", "phonon"), "finite names 'phonon'"),
        (("max_quanta",), "finite names 'max_quanta'"),
        (2, r"finite=2 must name finite factors, such as finite=\('spin',\)"),
        (None, "finite=None must name"),
        ([2], r"finite=\[2\] must name"),
        ([["spin"]], "must name"),
    ],
)
def test_what_names_no_factor_is_refused_in_one_line(finite, message):
    with pytest.raises(InvalidInput, match=message) as refusal:
        tj.HilbertSpace(spin=2, photon=3, finite=finite)
    assert "\n" not in str(refusal.value)


# --- truncation ------------------------------------------------------------------------------------------


def test_a_declared_spin_is_no_truncation():
    system = of_a_spin()
    steady = lindblad.steady_state(system)
    assert steady.rho[1::2, 1::2].trace().real > 0.1
    assert list(steady.top_level) == ["cavity"]
    assert steady.truncation_warning() is None
    with warnings.catch_warnings():
        warnings.simplefilter("error", TruncationWarning)
        tj.simulate(system, 2, 5.0, seed=1, workers=1, progress=False)
    sigma = system.space.lower("spin")
    pulses = tj.Drive(sigma + sigma.T, tj.Gaussian(2.0, 0.3, 0.2))
    driven = tj.OpenSystem(system.hamiltonian, system.channels, system.space, drives=[pulses], period=4.0)
    assert list(lindblad.periodic_state(driven).top_level) == ["cavity"]


def test_the_warning_of_an_undeclared_spin_names_the_remedy():
    with pytest.warns(TruncationWarning, match=r"spin 0\.\d+; .*HilbertSpace\(…, finite=\('spin',\)\)") as said:
        tj.simulate(of_an_undeclared_spin(), 2, 5.0, seed=1, workers=1, progress=False)
    assert len(said) == 1
    deeper = tj.HilbertSpace(photon=3)
    a = deeper.lower("photon")
    steady = lindblad.steady_state(tj.OpenSystem(a + a.T, [tj.Channel("photon", a)], deeper))
    assert "finite" not in steady.truncation_warning()


def test_physics_knows_nothing_of_names():
    """Digest, steady state and clicks are those of the atom, and of the spin that was not declared."""
    atom, spin = of_an_atom(), of_a_spin()
    np.testing.assert_array_equal(spin.hamiltonian.toarray(), atom.hamiltonian.toarray())
    assert spin.digest == of_an_undeclared_spin().digest
    records = [tj.simulate(each, 3, 20.0, seed=5, workers=1, progress=False) for each in (atom, spin)]
    assert same(*records)


def test_converge_leaves_a_finite_factor_alone():
    def rate(steady):
        return steady.rate("cavity")

    found = lindblad.converge(lambda levels: of_a_spin(levels[0]), {"rate": rate}, start=(2,))
    assert found.converged
    assert list(found.moves) == ["cavity"]

    def of_both(levels):
        space = tj.HilbertSpace(spin=levels[0], cavity=levels[1], finite="spin")
        a, s = space.lower("cavity"), space.transition("spin", 0, 1)
        hamiltonian = 0.2 * (a.T @ s + s.T @ a) + 0.5 * (s + s.T)
        return tj.OpenSystem(hamiltonian, [tj.Channel("cavity", a), tj.Channel("spin", s)], space)

    both = lindblad.converge(of_both, {"rate": rate}, start=(2, 2))
    assert both.converged
    assert both.levels[0] == 2
    assert both.levels[1] > 2
    assert {step.levels[0] for step in both.steps} == {2}
    only = lindblad.converge(of_both, {"rate": rate}, start=(2, 2), maximum=(2, 8))
    assert only.levels == both.levels
    assert only.converged


def test_a_factory_that_cannot_raise_a_finite_factor_is_told_to_leave_it_out():
    def factory(levels):
        return emitter_in_cavity(tj.HilbertSpace(cavity=levels[0], spin=levels[1], finite="spin"), "spin")

    with pytest.raises(InvalidInput, match="count levels of modes alone, not of the finite spin") as refusal:
        lindblad.converge(factory, {"rate": lambda steady: steady.rate("cavity")}, start=(3, 2))
    assert "\n" not in str(refusal.value)


def test_a_filter_behind_a_spin_keeps_it_finite():
    behind = of_a_spin(4).filtered("spin", 0.0, 0.4)
    assert behind.space.names == ("cavity", "filter of spin", "spin")
    assert behind.space.finite == ("spin",)
    atom = emitter_in_cavity(tj.HilbertSpace(cavity=4, atom=2), "atom").filtered("atom", 0.0, 0.4)
    np.testing.assert_array_equal(behind.hamiltonian.toarray(), atom.hamiltonian.toarray())
    assert list(lindblad.steady_state(behind).top_level) == ["cavity", "filter of spin"]


# --- bundles ---------------------------------------------------------------------------------------------


def test_bundles_leave_out_the_clicks_of_a_declared_spin(tmp_path):
    """On the exact side, in the record of a run and behind a filter, as they leave out those of an atom."""
    exact = [
        lindblad.cluster_rates(lindblad.steady_state(each), window=1.0, max_size=2)[0].value
        for each in (of_an_atom(), of_a_spin())
    ]
    assert exact[0] == pytest.approx(exact[1], rel=1e-12)
    records = [
        tj.simulate(each, 4, 100.0, seed=2, workers=1, progress=False) for each in (of_an_atom(), of_a_spin())
    ]
    counted = [len(analysis.find_bundles(record, 1.0)) for record in records]
    assert counted[0] == counted[1] < len(analysis.find_bundles(records[1], 1.0, ("cavity", "spin")))
    tj.export(records[1], tmp_path / "clicks.npz")
    assert analysis.find_bundles(tj.load(tmp_path / "clicks.npz"), 1.0).channels == ("cavity",)
    behind = of_a_spin(4).filtered("spin", 0.0, 0.4)
    assert lindblad.inputs.bundle_channels(behind, None) == ("cavity",)


def test_validate_leaves_out_what_the_model_declares():
    """Whether or not the record knows of it; a pair that is asked for is looked at in any case."""
    record = tj.simulate(of_a_spin(), 64, 300.0, seed=2, workers=1, progress=False)
    unknowing = replace(record, provenance={})
    of_the_cavity = record.counts().sum(axis=0)[0]

    def bundles(clicks, **more):
        found = analysis.validate(clicks, of_a_spin(), window=1.0, progress=False, **more)
        return next(test.n for test in found.tests if test.name == "bundle rates by order")

    assert bundles(record) == bundles(unknowing) <= of_the_cavity
    assert bundles(unknowing, pair=("cavity", "spin")) > of_the_cavity


# --- runs on disk ----------------------------------------------------------------------------------------


def test_a_run_keeps_what_was_declared_and_nothing_else(tmp_path):
    size = {"seed": 3, "workers": 1, "progress": False}
    for name, system in {"atom": of_an_atom(), "spin": of_a_spin()}.items():
        tj.simulate(system, 2, 20.0, out=tmp_path / name, **size)
    levels = {"levels": {"cavity": 6, "atom": 2}, "max_quanta": None}
    assert tj.Run.open(tmp_path / "atom").metadata["space"] == levels  # as before there was `finite`
    declared = {"levels": {"cavity": 6, "spin": 2}, "max_quanta": None, "finite": ["spin"]}
    run = tj.Run.open(tmp_path / "spin")
    assert run.metadata["space"] == declared
    assert tj.load(tmp_path / "spin").provenance["space"] == declared


def test_a_run_begun_before_the_spin_was_declared_goes_on(tmp_path):
    with pytest.warns(TruncationWarning):
        tj.simulate(of_an_undeclared_spin(), 2, 20.0, seed=3, out=tmp_path / "run", workers=1, progress=False)
    longer = tj.simulate(of_a_spin(), 4, 20.0, seed=3, out=tmp_path / "run", workers=1, progress=False)
    assert same(longer, tj.simulate(of_a_spin(), 4, 20.0, seed=3, workers=1, progress=False))
    assert "finite" not in tj.Run.open(tmp_path / "run").metadata["space"]


@pytest.mark.parametrize("finite", [["dot"], "spin", [], [2], {"spin": 1}, None])
def test_a_forged_declaration_is_refused_in_one_line(tmp_path, finite):
    tj.simulate(of_a_spin(), 1, 5.0, seed=3, out=tmp_path / "run", workers=1, progress=False)
    described = json.loads((tmp_path / "run" / "run.json").read_text(encoding="utf-8"))
    described["space"]["finite"] = finite
    seal(tmp_path / "run", described, "blocks")
    with pytest.raises(RunFolderError, match="was edited: space is") as refusal:
        tj.load(tmp_path / "run")
    assert "\n" not in str(refusal.value)
