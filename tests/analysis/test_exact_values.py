"""Exact values that are begun beside others are those that are asked for."""

from __future__ import annotations

from systems_with_answers import paper_system

import trajectories as tj
from trajectories import lindblad
from trajectories.errors import ConvergenceError
from trajectories.lindblad import levels

NAMES = ("photon", "phonon", "magnon")


def test_what_is_begun_beside_another_question_is_what_is_asked(monkeypatch):
    """The same numbers to the bit, computed once, also by cores of pairs that two questions share."""
    monkeypatch.setattr(levels, "COMPLETE", 12)
    system = paper_system((3, 2, 2))

    def asked(beside: bool) -> dict:
        exact = tj.analysis.ExactValues(system)
        object.__setattr__(exact.steady, "solver", "reduced")
        if beside:
            exact.begin("bundle rates", lindblad.composition_rates, 600.0, NAMES, 2)
            exact.begin("bundle rates", lindblad.composition_rates, 600.0, NAMES, 2)
        exact.ask("g²", lindblad.g2_matrix, [0.0, 60.0, 600.0])
        exact.ask("bundle rates", lindblad.composition_rates, 600.0, NAMES, 2)
        exact.ask("sizes", lindblad.cluster_rates, 600.0, NAMES, 3)
        return exact.answers

    one_by_one, together = asked(False), asked(True)
    assert together == one_by_one
    assert len(together["answers"]) == 3


def test_what_is_begun_and_has_no_value_says_so_where_it_is_asked():
    calls = []

    def unknown(steady, detectors=None):
        calls.append(steady)
        raise ConvergenceError("cannot be had")

    exact = tj.analysis.ExactValues(paper_system())
    exact.begin("a number", unknown)
    assert exact.ask("a number", unknown) is None
    assert exact.unanswered == {"a number": "cannot be had"}
    assert len(calls) == 1
    nothing = tj.analysis.ExactValues()
    nothing.begin("a number", unknown)
    assert nothing.ask("a number", unknown) is None
    assert len(calls) == 1
