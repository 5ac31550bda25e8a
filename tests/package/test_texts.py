"""The texts: files, links and commands that they name are there, and one word is used for one thing."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

import trajectories
from trajectories.cli.parser import command_line_parser, commands_of

ROOT = Path(__file__).parents[2]
README = ROOT / "README.md"
TEXTS = (
    README,
    ROOT / ".github/CONTRIBUTING.md",
    *(ROOT / room / "README.md" for room in ("trajectories", "analysis", "examples", "tests")),
)
# Where files that texts name are looked for: they are given from the root, from the package or from a room.
BASES = (
    ROOT,
    ROOT / "trajectories",
    ROOT / "analysis",
    ROOT / "trajectories/lindblad",
    ROOT / "trajectories/engine",
    ROOT / "trajectories/records",
)
# Files that commands write, or readers of the text.
MADE = re.compile(r"^(runs|site|my_system|moments|\.venv)\b|NAME|[*<…{]")
# Words that the glossary has another word for.
OTHER_WORDS = {
    r"inter-?click": "wait",
    r"lag time|delay time": "lag",
    r"jump time|photon count|detection event": "click",
    r"realization": "trajectory",
    r"simulation run": "run",
    r"cutoff": "cut-off",
    r"after-pulse": "afterpulse",
    r"gap cluster length|cluster size": "composition",
    r"error bar of": "standard error",
}


def prose(text):
    """Return a text without its blocks of code."""
    return re.sub(r"^```.*?^```", "", text, flags=re.M | re.S)


def anchors(text):
    """Return the anchors of a text, as GitHub makes them of headings."""
    heads = re.findall(r"^#+ (.*)$", prose(text), flags=re.M)
    return {re.sub(r"\s", "-", re.sub(r"[^\w\s-]", "", head.lower())) for head in heads}


@pytest.mark.parametrize("text", TEXTS, ids=lambda text: text.parent.name)
def test_links_lead_somewhere(text):
    for target in re.findall(r"\]\(([^)]+)\)", prose(text.read_text())):
        if "://" in target:
            continue
        path, _, anchor = target.partition("#")
        found = (text.parent / path).resolve() if path else text
        assert found.exists(), target
        assert not anchor or anchor in anchors(found.read_text()), target


@pytest.mark.parametrize("text", TEXTS, ids=lambda text: text.parent.name)
def test_files_that_are_named_are_there(text):
    named = [name for span in re.findall(r"`([^`\n]+)`", prose(text.read_text())) for name in span.split()]
    files = [
        name
        for name in named
        if re.search(r"\w/?[\w.-]*\.(py|csv|toml|md|ipynb|json)$|\w/$", name) and "/" in name
    ]
    missing = [
        name
        for name in files
        if not MADE.search(name) and not any((base / name).exists() for base in (*BASES, text.parent))
    ]
    assert not missing


def test_commands_of_the_readme_are_there():
    named = set(re.findall(r"bin/trajectories (\w+) ", README.read_text())) | set(
        re.findall(r"`(\w+) (?:CONFIG|RUN)", README.read_text())
    )
    assert named <= set(commands_of(command_line_parser()))
    assert {"simulate", "analyse", "validate", "export", "exact", "converge", "info"} <= named


def test_the_readme_is_short_and_every_room_has_its_own():
    assert len(README.read_text().splitlines()) <= 120
    for room in ("trajectories", "analysis", "examples", "tests"):
        assert (ROOT / room / "README.md").stat().st_size > 1000


def sources():
    """Return texts and modules that users read."""
    package = Path(trajectories.__file__).parent
    return [*TEXTS, *package.rglob("*.py")]


def words_of_others(text):
    """Return the words in a text for which the glossary has another one."""
    return [word for word in OTHER_WORDS if re.search(rf"\b(?:{word})s?\b", text, flags=re.I)]


def test_one_word_is_used_for_one_thing():
    found = {str(path): words for path in sources() if (words := words_of_others(path.read_text()))}
    assert not found


def test_planted_fault_another_word_is_noticed():
    assert words_of_others("The inter-click times of a realization.") == [r"inter-?click", "realization"]


def test_changes_of_this_version_are_listed():
    first = next(line for line in (ROOT / "CHANGELOG.md").read_text().splitlines() if line.startswith("## "))
    assert first.startswith(f"## {trajectories.__version__}")
