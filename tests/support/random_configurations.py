"""Configurations made at random from a seed: sound ones, odd ones, and bytes that are none."""

from __future__ import annotations

import math
import random
import string
from typing import Any

NOT_NUMBERS: list[Any] = [math.nan, math.inf, -math.inf, True, "x", "", [], [1.0], [0.1, 0.1], {"a": 1}]
ODD_NUMBERS: list[Any] = [
    *(0, -1, 1, 2, 3, 0.0, -0.0, 0.5, -2.5, 1e-300, 1e-12, 5e4, 1e6, 1e22, 1e300, -1e300, 10**20, 10**30, 10**400),
    *([0.1, 0.2, 0.3], *NOT_NUMBERS),
]
RATES = ("detuning", "kappa", "gamma", "drive", "fizeau", "thermal", "magnon_coupling", "magnon_frequency")
LEVELS: list[Any] = [
    *([2, 2, 2], [3, 2, 2], [2, 3, 2], [4, 2, 2], [1, 2, 2], [0, 2, 2], [2, 2], [2, 2, 2, 2], [-2, 2, 2]),
    *([10**9] * 3, [400] * 3, [2.0, 2, 2], "222", 3, [[2], 2, 2], [True] * 3, []),
]
WORDS: list[Any] = ["left", "right", "up", "", 3, "blue", "pink", "orange", "auto", "modes", "sparse", [], "mödes"]
NAMES: list[Any] = ["photon", "phonon", "magnon", "atom", "plasmon", "", 3, True]
PAIRS: list[Any] = [["photon", "magnon"], ["magnon", "phonon"], ["photon"], ["photon"] * 2, "photon"]
SIZES: list[Any] = [*[1, 2, 3, 4] * 6, *ODD_NUMBERS]
SHORT: list[Any] = [*[1e-9, 0.1, 7.5, 20.0, 30.0] * 5, "long", *ODD_NUMBERS]
VALUES: dict[tuple[str, str], list[Any]] = {
    ("simulation", "trajectories"): SIZES,
    ("simulation", "duration"): SHORT,
    ("simulation", "seed"): SIZES,
    ("simulation", "propagator"): WORDS,
    ("simulation", "tolerance"): [1e-12, 1e-10, 1e-4, 1e-2, *ODD_NUMBERS],
    ("truncation", "levels"): LEVELS,
    ("truncation", "max_quanta"): SIZES,
    ("analysis", "window"): [0.1, 3.0, 600.0, *ODD_NUMBERS],
    ("analysis", "pair"): [*PAIRS, *NAMES],
    ("resonator", "direction"): WORDS,
    ("resonator", "regime"): WORDS,
    ("resonator", "capa"): ODD_NUMBERS,
    ("physics", "is"): ODD_NUMBERS,
    **{("resonator", name): [0.7, 1.3, *ODD_NUMBERS] for name in RATES},
}
SOUND: dict[tuple[str, str], Any] = {
    ("simulation", "trajectories"): 2,
    ("simulation", "duration"): 20.0,
    ("simulation", "seed"): 1,
    ("truncation", "levels"): [2, 2, 2],
}
# Names that physicists choose, and some unusual ones.
CHANNELS = [
    *(
        "e>g",
        "|1>->|0>",
        "x|y",
        " ",
        "$x_$",
        "a",
        "b",
        "a+b",
        "a,b",
        "photon",
        "atom",
        "_u",
        "光子",
        "<b>&amp;",
        "\\",
    ),
    *("\x1b[31mred", "two\nlines", "a\tb", "\u202eback", "a" * 255, "a" * 256, "", "a\0b", "\ud800", "../a", "%s"),
]
SCALES = [0.0, 1e-300, 1e-9, *[0.1, 1.0, 3.0] * 4, 30.0, 1e9, 1e300, "nan", "inf"]
OPTIONS = [
    *[[]] * 30,
    *(["--dry-run"], ["--window", "1e300"], ["--window", "3"], ["--time", "0"], ["--time", "5"], ["--repair"]),
    *(["--until", "rate(photon) error < 50%"], ["--until", "clicks(e>g) >= 1"], ["--until", "g2(a"]),
    *(["--propagator", "sparse"], ["--trajectories", "100000000000"], ["--duration", "1e300"], ["--seed", "-1"]),
]
SCRIPT = """import numpy as np
import trajectories as tj
from math import inf, nan
rng = np.random.default_rng({seed})
M = rng.normal(size=({size}, {size})) + 1j * rng.normal(size=({size}, {size}))
H = {scale} * (M + M.conj().T){skew}
scales = [{scales}]
channels = [tj.Channel(n, x * rng.normal(size=({other}, {other}))) for n, x in zip({names!a}, scales)]
system = tj.OpenSystem(H, channels, parameters={{"kappa": {kappa}}})
"""


def toml(value: Any) -> str:
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


def document(entries: dict[tuple[str, str], Any]) -> str:
    """Write a configuration."""
    tables: dict[str, list[str]] = {}
    for (table, key), value in entries.items():
        tables.setdefault(table, []).append(f"{key} = {toml(value)}\n")
    return "".join(f"[{table}]\n{''.join(lines)}" for table, lines in tables.items())


def configuration(seed: int) -> tuple[str, bytes, list[str]]:
    """Return the kind of the configuration of that seed, its content, and options of the command."""
    rng = random.Random(seed)
    kind = rng.choice(["toml", "toml", "toml", "bytes", "python"])
    options = list(rng.choice(OPTIONS))
    if kind == "python":
        return kind, _python(rng).encode(errors="backslashreplace"), options
    entries = dict(SOUND)
    for place in rng.sample(sorted(VALUES), rng.choice([0, 1, 1, 2, 3])):
        entries[place] = rng.choice(VALUES[place])
    content = bytearray(document(entries).encode())
    if kind == "bytes":
        for _ in range(rng.choice([1, 3])):
            content[rng.randrange(len(content))] = rng.randrange(256)
        if rng.random() < 0.1:
            content += b"x = " + b"[" * 5000
    return kind, bytes(content), options


def _python(rng: random.Random) -> str:
    """Return a script that makes a random system of a few levels, sound more often than not."""
    size, count = rng.choice([1, 2, 2, 3, 4]), rng.choice([1, 1, 2, 3, 6])
    names = [rng.choice(CHANNELS) for _ in range(count)]
    if rng.random() < 0.8:
        names = list(dict.fromkeys(names))
    script = SCRIPT.format(
        seed=rng.randrange(1000),
        size=size,
        scale=rng.choice(SCALES),
        skew=rng.choice(["", "", "", "", " + 1j * M", " + 1e-14 * M"]),
        scales=", ".join(str(rng.choice(SCALES)) for _ in names),
        other=rng.choice([size] * 9 + [size + 1]),
        names=names,
        kappa=rng.choice(["1.0", "1.0", "0", "nan", "[]", "1e-300"]),
    )
    broken = rng.choice(["1 / 0\n", "raise SystemExit\n", "def", *string.punctuation])
    return script + broken if rng.random() < 0.05 else script
