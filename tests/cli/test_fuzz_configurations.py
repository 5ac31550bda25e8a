"""Configurations made at random: an error in one line, or a correct run; no traceback, no hang, no changed file.

The default suite tries a few dozen; ``pytest -m slow tests/cli/test_fuzz_configurations.py`` tries thousands.
"""

import math

import numpy as np
import pytest
from command_line import simulate
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import trajectories as tj

# No valid value here makes more work than a second; refusals are for the invalid ones.
SIZES = st.one_of(st.integers(-2, 4), st.sampled_from([0.5, -1.0, math.nan, math.inf, 10**30, True, "x", [], {}]))
SHORT = st.one_of(st.floats(-5.0, 30.0), st.sampled_from([math.nan, math.inf, -math.inf, "long", True, [1.0]]))
NUMBERS = st.one_of(
    st.floats(-3.0, 3.0),
    st.floats(allow_nan=True, allow_infinity=True),
    st.integers(-3, 10**20),
    st.sampled_from(["x", True, [], [0.1, 0.1], [0.1, 0.2, 0.3], [0.1, -0.1, "x"], {"a": 1}]),
)
LEVELS = st.one_of(
    st.lists(st.integers(-1, 4), min_size=0, max_size=4),
    st.sampled_from(
        [[2, 2, 2], [3, 2, 2], [10**9] * 3, [400] * 3, [2.0, 2, 2], "222", 3, [[2], 2, 2], [True] * 3]
    ),
)
NAMES = st.sampled_from(["photon", "phonon", "magnon", "atom", "plasmon", "", 3, True])
WORDS = st.sampled_from(["left", "right", "up", "", 3, "blue", "pink", "orange", "auto", "modes", "sparse", []])
VALUES = {
    ("simulation", "trajectories"): SIZES,
    ("simulation", "duration"): SHORT,
    ("simulation", "seed"): SIZES,
    ("simulation", "propagator"): WORDS,
    ("simulation", "tolerance"): NUMBERS,
    ("truncation", "levels"): LEVELS,
    ("truncation", "max_quanta"): SIZES,
    ("analysis", "window"): NUMBERS,
    ("analysis", "pair"): st.one_of(st.lists(NAMES, max_size=3), NAMES),
    ("resonator", "direction"): WORDS,
    ("resonator", "regime"): WORDS,
    **{
        ("resonator", name): NUMBERS
        for name in (
            "detuning",
            "kappa",
            "gamma",
            "drive",
            "fizeau",
            "thermal",
            "magnon_coupling",
            "magnon_frequency",
        )
    },
    ("resonator", "capa"): NUMBERS,
    ("physics", "is"): NUMBERS,
}
SOUND = {
    ("simulation", "trajectories"): 2,
    ("simulation", "duration"): 20.0,
    ("simulation", "seed"): 1,
    ("truncation", "levels"): [2, 2, 2],
}


def toml(value) -> str:
    """Write a value as TOML does."""
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, str):
        return f'"{value}"'
    if isinstance(value, list):
        return f"[{', '.join(map(toml, value))}]"
    if isinstance(value, dict):
        return "{" + ", ".join(f"{key} = {toml(item)}" for key, item in value.items()) + "}"
    return repr(value)


def document(entries) -> str:
    tables: dict[str, list[str]] = {}
    for (table, key), value in entries.items():
        tables.setdefault(table, []).append(f"{key} = {toml(value)}\n")
    return "".join(f"[{table}]\n{''.join(lines)}" for table, lines in tables.items())


@st.composite
def configurations(draw) -> bytes:
    """A sound configuration with some entries replaced, and now and then with bytes replaced too."""
    entries = dict(SOUND)
    for place in draw(st.lists(st.sampled_from(sorted(VALUES)), max_size=3, unique=True)):
        entries[place] = draw(VALUES[place])
    text = bytearray(document(entries).encode())
    for _ in range(draw(st.sampled_from([0, 0, 0, 1, 3]))):
        text[draw(st.integers(0, len(text) - 1))] = draw(st.integers(0, 255))
    return bytes(text)


def check(run, here, content: bytes, number: int) -> None:
    configuration = here / "some.toml"
    configuration.write_bytes(content)
    out = f"out{number}"
    status, _, err = run("simulate", "some.toml", "--out", out, "--quiet", "--workers", "1")
    assert configuration.read_bytes() == content
    errors = [line for line in err if not line.startswith("warning: ")]
    if status == 0:
        assert errors == []
        record = tj.load(here / out)
        assert np.isfinite(record.time).all()
        assert record.provenance["complete"]
    else:
        assert status == 2, err
        assert len(errors) == 1, errors
        assert errors[0].startswith("error: ")


def fuzz(examples: int):
    """Return a test that tries so many configurations."""

    @settings(
        max_examples=examples,
        deadline=None,
        derandomize=True,
        suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
    )
    @given(content=configurations())
    @pytest.mark.usefixtures("quick_report")
    def test(run, here, content):
        check(run, here, content, len(list(here.glob("out*"))))

    return test


test_a_few_configurations = fuzz(60)
test_thousands_of_configurations = pytest.mark.slow(fuzz(3000))


def test_the_fuzz_finds_a_planted_traceback(run, here, monkeypatch, quick_report):
    """A command that lets a ValueError through is caught by the check above."""

    def broken(*_):
        raise ValueError("two\nlines")

    monkeypatch.setattr("trajectories.cli.configuration._check_keys", broken)
    with pytest.raises(ValueError, match="two"):
        check(run, here, document(SOUND).encode(), 0)


def test_the_sound_configuration_runs(run, here, quick_report):
    """Else every example above would be a refusal."""
    (here / "good.toml").write_text(document(SOUND))
    assert simulate(run, "good.toml")[0] == 0
