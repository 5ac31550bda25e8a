"""What clicks estimate and the density matrix gives has one name and one order of arguments in both packages."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from pathlib import Path
from types import ModuleType
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


def rooms_of(package: ModuleType) -> dict[str, str]:
    """Return room and file of every public name, such as "estimators.waiting"."""
    return {name: home.lstrip(".") for name, home in package._HOMES.items()}


def test_files_are_mirrored():
    """Each file of estimators has an exact counterpart of its name; what has none stands in other rooms."""

    def files(package: ModuleType, room: str) -> set[str]:
        names = {path.stem for path in (Path(package.__path__[0]) / room).glob("*.py")}
        return {name for name in names if name != "__init__" and not name.endswith("_kernels")}

    assert files(analysis, "estimators") == files(lindblad, "click_statistics")
    ours, theirs = rooms_of(analysis), rooms_of(lindblad)
    # The purity of independent clicks is a formula; the analysis offers that of the exact side.
    shared = [name for name in SHARED if name != "accidental_purity"]
    assert len(shared) > 20
    for name in shared:
        assert theirs[name] == ours[name].replace("estimators.", "click_statistics."), name


def test_a_different_order_or_name_is_noticed():
    def estimate(record, first, window=None): ...

    def exchanged(steady, window, first): ...

    def renamed(steady, first, delta=None): ...

    def longer(steady, first, window=None, detectors=None, tolerance=None): ...

    assert mirrored(estimate, lambda steady, first, window=None, detectors=None: None)
    for fault in (exchanged, renamed, longer):
        assert not mirrored(estimate, fault)
