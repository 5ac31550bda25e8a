"""What an estimator accepts its exact counterpart accepts, and what one of them refuses the other refuses."""

from __future__ import annotations

import inspect
from dataclasses import replace
from functools import cache
from typing import Any

import numpy as np
import pytest
from click_systems import random_system

import trajectories as tj
from trajectories import analysis, lindblad
from trajectories.errors import InvalidInput

SHARED = sorted(set(analysis.__all__) & set(lindblad.__all__))
NAN, INF = float("nan"), float("inf")

# Values of each argument, by its name; the first is right.
CHANNELS = [
    None, "a", ("a",), ["b", "a"], ("a", "b", "c"), iter(["a"]),
    "", "nobody", (), ("a", "a"), ("a", "nobody"), ("a", None), 3, [0], b"a",
]  # fmt: skip
NAMES = ["a", "b", "c", "nobody", "", None, 0, ("a",)]
DURATIONS = [0.5, 1, np.float32(0.25), 0, -1.0, NAN, INF, "wide", True, None, [0.5], 10**400]
EDGES = [
    [0.0, 0.5, 1.0], (0, 1), np.array([0.25, 0.5]), np.array([1, 2]),
    [-1.0, 0.0, 1.0], [-0.5, 0.5], [0.0], [], 1.0, [1.0, 0.5], [0.0, 0.0], [0.0, NAN], [0.0, INF],
    "edges", None, [[0.0, 1.0]],
]  # fmt: skip
COUNTS = [2, 1, np.int64(3), 0, -1, 2.0, "2", None, True, NAN]
KINDS = [1, 2, "a", "a+b", ("a", "b"), ("b", "a"), 0, -1, "nobody", "a+nobody", (), "", None, 1.5, ["a"], {"a": 1}]
DELAYS = [None, {}, {"a": 0.25}, {"a": -0.25, "b": 0.5}, {"nobody": 1.0}, {"a": NAN}, {"a": None}, 3, "a", ["a"]]
VALUES: dict[str, list[Any]] = {
    "channels": CHANNELS,
    **dict.fromkeys(("first", "second", "third", "herald", "signal"), NAMES),
    "window": DURATIONS,
    "windows": [
        [0.5],
        (0.5, 1.0),
        np.array([0.5]),
        0.5,
        [],
        [0.0],
        [-1.0],
        [NAN],
        "windows",
        None,
        [None],
        [[0.5]],
    ],
    **dict.fromkeys(("edges", "edges1", "edges2"), EDGES),
    "n": COUNTS,
    "max_size": COUNTS,
    "delays": DELAYS,
    "channel": NAMES,
    "period": [None, 5.0, 4.0, 0.0, -5.0, NAN, INF, "5", True, [5.0]],
    **dict.fromkeys(("most", "pulses"), COUNTS),
    "normalise": ["side peaks", "rates", "peaks", None, 1],
    "convention": ["C/A", "(C-A)/A", "A/C", None, 1],
    "rate": [0.5, 0.0, -1.0, NAN, INF, "often", None, True],
}
# What is given for the other arguments, where the default will not do.
GIVEN = {
    "first": "a", "second": "b", "third": "c", "herald": "a", "signal": "b", "window": 0.5, "windows": [0.5],
    "channel": "a", "edges": [0.0, 0.5, 1.0], "edges1": [0.0, 0.5], "edges2": [0.0, 0.5],
    "n": 2, "m": 1, "rate": 0.5,
}  # fmt: skip
# What counts the pulses of a system that is driven periodically.
PULSED = {"brightness", "click_density", "pulse_counts", "pulse_map", "pulsed_g2"}
OF_FUNCTION = {
    "pulse_counts": {"channels": ("a", "b"), "most": 1},
    "pulsed_g2": {"pulses": 1},
    "coincidences": {"channels": ("a", "b")},
    "cluster_g2": {"n": 1},
}


@cache
def watched() -> tuple[tj.ClickRecord, lindblad.SteadyState]:
    """A record of three channels, and the steady state of what made it."""
    of = random_system(2, 3, 3)
    channels = [tj.Channel(name, channel.operator) for name, channel in zip("abc", of.channels, strict=True)]
    system = tj.OpenSystem(of.hamiltonian, channels)
    return tj.simulate(system, 24, 20.0, seed=1, progress=False), lindblad.steady_state(system)


@cache
def pulsed() -> tuple[tj.ClickRecord, lindblad.PeriodicState]:
    """The record as of pulses with a period, and a state that has it."""
    record, steady = watched()
    operator = np.diag(np.ones(2), 1)
    drive = tj.Drive(operator + operator.T, tj.Square(1.0, 1.5, 2.0))
    system = tj.OpenSystem(steady.system.hamiltonian, steady.system.channels, drives=[drive], period=5.0)
    return replace(record, provenance={"period": 5.0}), lindblad.periodic_state(system)


def arguments(name: str) -> dict[str, Any]:
    """Return arguments with which a function can be called, without the record."""
    parameters = inspect.signature(getattr(analysis, name)).parameters
    given = GIVEN | OF_FUNCTION.get(name, {})
    return {key: given[key] for key in parameters if key in given}


def outcome(function: Any, subject: Any, given: dict[str, Any]) -> str:
    try:
        function(*subject, **given)
    except InvalidInput as error:
        return "refused" if "\n" not in str(error) else "refused in several lines"
    return "accepted"


def cases() -> list[tuple[str, str]]:
    named = {name: list(inspect.signature(getattr(analysis, name)).parameters) for name in SHARED}
    # Cables, which `centre` is for, are in records alone.
    skipped = {"record", "detectors", "centre"}
    return [(name, key) for name, keys in named.items() for key in keys if key not in skipped]


@pytest.mark.parametrize(("name", "key"), cases())
def test_both_sides_accept_and_refuse_alike(name, key):
    record, steady = pulsed() if name in PULSED else watched()
    takes_clicks = "record" in inspect.signature(getattr(analysis, name)).parameters
    known = KINDS if name == "cluster_g2" and key in ("n", "m") else VALUES[key]
    found = {}
    for value in known:
        ours, theirs = (dict(arguments(name), **{key: value}) for _ in range(2))
        if hasattr(value, "__next__"):  # each side uses it up
            ours[key], theirs[key] = iter(["a"]), iter(["a"])
        sides = (record,) if takes_clicks else (), (steady,) if takes_clicks else ()
        found[repr(value)] = (
            outcome(getattr(analysis, name), sides[0], ours),
            outcome(getattr(lindblad, name), sides[1], theirs),
        )
    differing = {value: sides for value, sides in found.items() if len(set(sides)) > 1}
    assert not differing, f"{name}: {key}"
    assert {sides[0] for sides in found.values()} == {"accepted", "refused"}


def test_one_name_is_one_channel():
    record, steady = watched()
    for given in ("a", ("a",)):
        np.testing.assert_array_equal(
            analysis.fano(record, [0.5], given)[0].value, analysis.fano(record, [0.5], ["a"])[0].value
        )
        assert lindblad.fano(steady, [0.5], given)[0].value == lindblad.fano(steady, [0.5], ["a"])[0].value
    assert next(iter(analysis.composition_rates(record, 0.5, "a").by_spelling())) == "a"
    assert next(iter(lindblad.composition_rates(steady, 0.5, "a").by_spelling())) == "a"
