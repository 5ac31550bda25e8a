"""What clicks estimate and the density matrix gives has one name and one order of arguments in both packages."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from typing import Any

import pytest

from trajectories import analysis, lindblad

SHARED = sorted(set(analysis.__all__) & set(lindblad.__all__))


def mirrored(estimate: Callable[..., Any], exact: Callable[..., Any]) -> bool:
    """Say whether both take the same arguments: record against steady state, and detectors may follow."""
    ours, theirs = ([*inspect.signature(f).parameters] for f in (estimate, exact))
    if ours[0] == "record":
        ours[0] = "steady"
    return theirs in (ours, [*ours, "detectors"])


def test_the_packages_share_their_main_quantities():
    assert {"cluster_g2", "fano", "g2", "lag_histogram", "order_fraction", "pair_purity", "purity"} <= set(SHARED)


@pytest.mark.parametrize("name", SHARED)
def test_arguments_are_mirrored(name):
    estimate, exact = getattr(analysis, name), getattr(lindblad, name)
    assert mirrored(estimate, exact), f"{inspect.signature(estimate)} but {inspect.signature(exact)}"
    # What may be left out on one side may be left out on the other, so that one call serves both.
    ours, theirs = (inspect.signature(f).parameters for f in (estimate, exact))
    for key in set(ours) & set(theirs):
        assert (ours[key].default is inspect.Parameter.empty) == (theirs[key].default is inspect.Parameter.empty)


def test_a_different_order_or_name_is_noticed():
    def estimate(record, first, window=None): ...

    def exchanged(steady, window, first): ...

    def renamed(steady, first, delta=None): ...

    def longer(steady, first, window=None, detectors=None, tolerance=None): ...

    assert mirrored(estimate, lambda steady, first, window=None, detectors=None: None)
    for fault in (exchanged, renamed, longer):
        assert not mirrored(estimate, fault)
