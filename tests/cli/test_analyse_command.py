"""``trajectories analyse``: table, JSON and page of a small cascade, beside its exact values."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
from base64 import b64decode
from html.parser import HTMLParser
from pathlib import Path

import pytest
from command_line import ATOM, command, environment

import trajectories as tj
from trajectories import analysis as an
from trajectories import lindblad
from trajectories.analysis.report.figures import Picture
from trajectories.analysis.report.html import page
from trajectories.detectors import Detector
from trajectories.model import OpenSystem
from trajectories.records import Run

# Pumped from 0 to 2, it falls to 1 and to 0, more often with a photon first and a magnon second.
CASCADE = """import numpy as np
import trajectories as tj

def jump(rate, to, out):
    operator = np.zeros((3, 3))
    operator[to, out] = np.sqrt(rate)
    return operator

photon, magnon = jump(1.0, 1, 2) + jump(0.3, 0, 1), jump(0.4, 1, 2) + jump(0.8, 0, 1)
jumps = {"photon": photon, "magnon": magnon, "atom": jump(0.05, 2, 0)}
system = tj.OpenSystem(np.diag([0.0, 0.3, 0.7]), [tj.Channel(name, operator) for name, operator in jumps.items()])
"""
WINDOW = ("--window", "6")


@pytest.fixture(scope="module")
def simulated(tmp_path_factory) -> Path:
    """A folder with the cascade and a run of it."""
    folder = tmp_path_factory.mktemp("cascade")
    (folder / "cascade.py").write_text(CASCADE, encoding="utf-8")
    space: dict = {}
    exec(compile(CASCADE, "cascade.py", "exec"), space)
    size = {"trajectories": 40, "duration": 600.0, "seed": 5, "workers": 1}
    tj.simulate(space["system"], **size, out=folder / "out", progress=False)
    return folder


@pytest.fixture
def cascade(simulated, here) -> Path:
    """A run of the cascade in the current folder."""
    shutil.copytree(simulated, here, dirs_exist_ok=True)
    return here / "out"


def files(folder: Path) -> dict[str, bytes]:
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def numbers_of(folder: Path) -> dict[tuple[str, str], dict]:
    document = json.loads((folder / "analysis.json").read_text(encoding="utf-8"))
    return {(n["section"].split(",")[0], n["name"]): n for n in document["numbers"]}


def test_every_number_is_that_of_its_estimator_and_of_the_solver(run, cascade, undrawn):
    before = files(cascade)
    status, out, err = run("analyse", "out", *WINDOW)
    assert (status, err) == (0, [])
    found = numbers_of(cascade / "analysis")
    record = tj.load("out")
    steady = lindblad.steady_state(OpenSystem.from_arrays(Run.open("out").arrays()))
    pair = ("photon", "magnon")
    expected = {
        ("click rates", "photon"): (an.rates(record)["photon"], lindblad.rates(steady)["photon"]),
        ("photon–magnon bundles", "pair purity"): (
            an.pair_purity(record, *pair, 6.0),
            lindblad.pair_purity(steady, *pair, 6.0),
        ),
        ("photon–magnon bundles", "photon first"): (
            an.order_fraction(record, *pair, 6.0),
            lindblad.order_fraction(steady, *pair, 6.0),
        ),
        ("photon–magnon bundles", "photon heralds magnon within ±δ"): (
            an.heralding_efficiency(record, *pair, 6.0),
            lindblad.heralding_efficiency(steady, *pair, 6.0),
        ),
        ("photon–magnon bundles", "coincidences/accidentals, C/A"): (
            an.coincidence_to_accidental(record, *pair, 6.0),
            lindblad.coincidence_to_accidental(steady, *pair, 6.0),
        ),
        ("bundles", "photon + magnon"): (
            an.composition_rates(record, 6.0)["photon+magnon"],
            lindblad.composition_rates(steady, 6.0, pair)["photon+magnon"],
        ),
        ("bundles", "purity π₂"): (an.purity(record, 2, [6.0])[0], lindblad.purity(steady, 2, [6.0], pair)[0]),
        ("next click after one of photon", "magnon"): (
            an.next_click_probabilities(record, "photon", pair)["magnon"],
            lindblad.next_click_probabilities(steady, "photon", pair)["magnon"],
        ),
    }
    for key, (estimate, exact) in expected.items():
        assert found[key]["value"] == estimate.value, key
        assert found[key]["standard_error"] == estimate.standard_error, key
        # C/A weighs lags by how long a pair of that lag is seen; the solver has the limit of long windows.
        rel = 6.0 / 600.0 if "C/A" in key[1] else 1e-9
        assert found[key]["exact"] == pytest.approx(exact.value, rel=rel), key
    # What was not there before is in the folder of the analysis, and nothing else changed. So small a system has
    # no reduced model to keep.
    after = files(cascade)
    assert {name for name in after if name not in before} == {
        f"analysis/{name}" for name in ("analysis.json", "exact.json", "report.html")
    }
    assert all(after[name] == content for name, content in before.items())
    assert [line.split()[0] for line in out[-2:]] == ["report", "numbers"]


def test_the_table_agrees_with_the_exact_values_and_with_the_json(run, cascade, undrawn):
    _, out, _ = run("analyse", "out", *WINDOW)
    deviations = [float(m[1]) for line in out if (m := re.search(r"([-+]\d+\.\d) σ$", line))]
    assert len(deviations) > 20
    # The largest of about 20 normal deviations, false alarm 1e-5; the planted fault is below.
    assert max(map(abs, deviations)) < 5.0
    known = [n for n in numbers_of(cascade / "analysis").values() if n["deviation"] is not None]
    assert [round(n["deviation"], 1) for n in known] == pytest.approx(deviations, abs=1e-9)
    status, printed, _ = run("analyse", "out", *WINDOW, "--json")
    document = json.loads("\n".join(printed))
    assert status == 0
    assert document["numbers"] == json.loads(Path("out/analysis/analysis.json").read_text("utf-8"))["numbers"]
    assert document["window"] == 6.0
    assert document["pair"] == ["photon", "magnon"]
    assert {t["name"] for t in document["tests"]} >= {"photon stationary", "time reversal"}


def test_a_wrong_model_stands_out(run, cascade, undrawn, here):
    (here / "wrong.py").write_text(CASCADE.replace("jump(0.4", "jump(0.8"), encoding="utf-8")
    _, out, _ = run("analyse", "out", *WINDOW, "--model", "wrong.py:system")
    assert max(abs(float(m[1])) for line in out if (m := re.search(r"([-+]\d+\.\d) σ$", line))) > 5.0


def test_a_second_analysis_replaces_the_first_and_computes_nothing_again(run, cascade, undrawn, monkeypatch):
    first = run("analyse", "out", *WINDOW)
    before = files(cascade)
    monkeypatch.setattr(
        "trajectories.analysis.report.exact_values.lindblad.steady_state", lambda *_: pytest.fail("solved again")
    )
    assert run("analyse", "out", *WINDOW) == first
    assert files(cascade) == before


def test_exact_values_of_another_model_are_not_taken(run, cascade, undrawn, here):
    run("analyse", "out", *WINDOW, "--out", "a")
    right = numbers_of(here / "a")["click rates", "magnon"]["exact"]
    (here / "wrong.py").write_text(CASCADE.replace("jump(0.05", "jump(0.04"), encoding="utf-8")
    run("analyse", "out", *WINDOW, "--out", "a", "--model", "wrong.py:system")
    assert numbers_of(here / "a")["click rates", "magnon"]["exact"] != right


@pytest.mark.parametrize("name", ["report.html", "analysis.json", "exact.json"])
@pytest.mark.parametrize("content", ["{}", "<html>mine</html>", '{"format": "other"}'])
def test_files_of_others_are_never_replaced(run, cascade, undrawn, name, content):
    (cascade / "analysis").mkdir()
    (cascade / "analysis" / name).write_text(content, encoding="utf-8")
    before = files(cascade)
    status, out, err = run("analyse", "out", *WINDOW)
    assert (status, out) == (2, [])
    assert re.fullmatch(rf"error: .*{name} was not written by an analysis; .*another --out", err[0])
    assert files(cascade) == before


def test_without_exact_values(run, cascade, undrawn):
    status, out, _ = run("analyse", "out", *WINDOW, "--no-exact", "--out", "elsewhere")
    assert status == 0
    assert all(n["exact"] is None for n in numbers_of(Path("elsewhere")).values())
    assert not Path("elsewhere/exact.json").exists()
    assert not any("σ" in line.split("deviation")[0][-3:] for line in out)
    assert not (cascade / "analysis").exists()


def test_detectors_apply_to_clicks_and_to_the_exact_side(run, cascade, undrawn, here):
    (here / "detectors.toml").write_text("[photon]\nefficiency = 0.5\ndark_rate = 0.01\n", encoding="utf-8")
    status, out, _ = run("analyse", "out", *WINDOW, "--detectors", "detectors.toml")
    assert status == 0
    found = numbers_of(cascade / "analysis")
    seen = an.apply_detectors(tj.load("out"), {"photon": Detector(0.5, 0.01)}, 0)
    assert found["click rates", "photon"]["n"] == seen.counts().sum(axis=0)[0]
    exact = tj.load("out").provenance["steady_state"]["rates"]["photon"]
    assert found["click rates", "photon"]["exact"] == pytest.approx(0.5 * exact + 0.01)
    assert any(line.startswith("detectors") and "efficiency 0.5, dark_rate 0.01" in line for line in out)


def test_a_dead_time_has_exact_rates_and_what_has_no_formula_is_said(run, cascade, undrawn, here):
    (here / "detectors.toml").write_text("[photon]\ndead_time = 0.5\n", encoding="utf-8")
    status, out, _ = run("analyse", "out", *WINDOW, "--detectors", "detectors.toml")
    assert status == 0
    found = numbers_of(cascade / "analysis")
    ideal = float(lindblad.steady_state(OpenSystem.from_arrays(Run.open(cascade).arrays())).rate("photon"))
    assert 0.9 * ideal < found["click rates", "photon"]["exact"] < ideal
    assert all(n["exact"] is None for (section, _), n in found.items() if section.startswith("bundles"))
    notes = [line for line in out if line.startswith("note")]
    assert any("dead_time=0.5" in note for note in notes)


def test_a_file_of_clicks_is_analysed_with_a_model(run, cascade, undrawn, here):
    assert run("export", "out", "--out", "measured.npz")[0] == 0
    status, out, _ = run("analyse", "measured.npz", *WINDOW, "--model", "cascade.py:system")
    assert status == 0
    run("analyse", "out", *WINDOW)
    ours, theirs = numbers_of(here / "measured-analysis"), numbers_of(cascade / "analysis")
    assert {k: (v["value"], v["exact"]) for k, v in ours.items()} == {
        k: (v["value"], v["exact"]) for k, v in theirs.items()
    }
    status, out, _ = run("analyse", "measured.npz", *WINDOW)
    assert any("--model CONFIG" in line for line in out)


def test_a_record_without_bundles_is_analysed_too(run, here, quick_report, undrawn):
    """A driven atom: no window, no pair, but rates, g², waits and counts."""
    (here / "mine.py").write_text(ATOM, encoding="utf-8")
    size = ("--trajectories", "25", "--duration", "300", "--seed", "1", "--workers", "1", "--quiet")
    assert run("simulate", "mine.py:system", "--out", "out", *size)[0] == 0
    status, out, err = run("analyse", "out")
    assert (status, err) == (0, [])
    assert any("no bundles" in line for line in out)
    document = json.loads(Path("out/analysis/analysis.json").read_text("utf-8"))
    assert set(document["curves"]) == {"g2", "waits"}
    antibunched = document["curves"]["g2"]["atom|atom"]["exact"]
    assert min(antibunched) < 0.5
    assert 0.5 < document["scans"]["fano"]["fano"]["estimates"][-1]["value"] < 1.0


def test_a_run_without_clicks_is_analysed_too(run, here, quick_report, undrawn):
    (here / "mine.py").write_text(ATOM, encoding="utf-8")
    size = ("--trajectories", "2", "--duration", "1e-6", "--seed", "1", "--workers", "1", "--quiet")
    assert run("simulate", "mine.py:system", "--out", "out", *size)[0] == 0
    status, out, err = run("analyse", "out")
    assert (status, err) == (0, [])
    assert any("no clicks" in line for line in out)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("nowhere",), "nowhere does not exist"),
        (("out", "--window", "-1"), "window=-1"),
        (("out", "--pair", "photon,magnon"), "needs a bundle window"),
        (("out", *WINDOW, "--pair", "photon,photon"), "must be two different channels"),
        (("out", *WINDOW, "--pair", "photon,atom"), "'atom' is not detected"),
        (("out", "--levels", "4,4,4"), "is only for --model"),
        (("out", "--detectors", "nothing.toml"), "cannot be read"),
        (("out", "--detectors", "empty.toml"), "describes no detector"),
        (("out", "--detectors", "bad.toml"), "unknown key 'efficency'"),
        (("out", "--detectors", "large.toml"), "efficiency=1.5 must not exceed 1"),
        (("out", "--detectors", "unknown.toml"), "no channel named 'phonon'"),
        (("out", "--out", "cascade.py"), "cascade.py cannot be written to"),
    ],
)
def test_bad_input_is_refused_in_one_line(run, cascade, here, arguments, message):
    tables = {
        "empty": "",
        "bad": "[photon]\nefficency = 0.5\n",
        "large": "[photon]\nefficiency = 1.5\n",
        "unknown": "[phonon]\nefficiency = 0.5\n",
    }
    for name, text in tables.items():
        (here / f"{name}.toml").write_text(text, encoding="utf-8")
    before = files(here)
    status, out, err = run("analyse", *arguments)
    assert (status, out) == (2, [])
    assert len(err) == 1
    assert re.search(message, err[0]), err
    assert files(here) == before


class Tags(HTMLParser):
    """Collects tags with their attributes, and refuses tags that are not closed in order."""

    def __init__(self) -> None:
        super().__init__()
        self.open: list[str] = []
        self.seen: list[tuple[str, dict[str, str | None]]] = []

    def handle_starttag(self, tag, attributes):
        self.seen.append((tag, dict(attributes)))
        if tag not in ("meta", "img"):
            self.open.append(tag)

    def handle_endtag(self, tag):
        assert self.open.pop() == tag


@pytest.fixture(scope="module")
def outside(simulated, tmp_path_factory) -> tuple[subprocess.CompletedProcess, Path]:
    """The command as it is run from outside, and the folder of what it writes; all pictures are drawn."""
    folder = tmp_path_factory.mktemp("outside")
    shutil.copytree(simulated, folder, dirs_exist_ok=True)
    done = subprocess.run(
        command("analyse", "out", *WINDOW),
        cwd=folder,
        env=environment(),
        capture_output=True,
        text=True,
        timeout=120,
    )
    assert done.returncode == 0, done.stderr
    return done, folder / "out" / "analysis"


def test_the_command_runs_from_outside(outside):
    done, _ = outside
    assert all(line.endswith("…") for line in done.stderr.splitlines())  # stages alone
    assert "photon–magnon bundles" in done.stdout


def test_the_page_is_well_formed_and_needs_nothing_else(outside):
    text = (outside[1] / "report.html").read_text(encoding="utf-8")
    tags = Tags()
    tags.feed(text)
    assert tags.open == []
    names = [name for name, _ in tags.seen]
    assert not {"link", "iframe", "object"} & set(names)
    references = [
        v for _, attributes in tags.seen for k, v in attributes.items() if k in ("src", "href", "srcset")
    ]
    assert len(references) == 3 * names.count("img") == 24  # each picture as PNG, PDF and CSV
    assert all(reference.startswith("data:") for reference in references)
    scripts = [attributes for name, attributes in tags.seen if name == "script"]
    assert all("src" not in attributes for attributes in scripts)
    known = text.replace("http://www.w3.org/2000/svg", "")  # a name, which nothing is loaded from
    assert "http" not in re.sub(r"data:[a-z/]*;base64,[^\"]*", "", known)
    assert "url(" not in text.replace("url(#", "")
    assert all(attributes["alt"] for name, attributes in tags.seen if name == "img")
    assert any(attributes.get("name") == "viewport" for name, attributes in tags.seen if name == "meta")
    titles = re.findall(r"<h3>([^<]*)</h3>", text)
    assert {"Clicks", "Second-order correlations", "Waiting times", "Counting statistics"} <= set(titles)


def test_the_page_takes_words_as_words(run, cascade):
    found = an.analyse(Run.open("out"), window=6.0)
    found.facts["<b>"] = "a & b"
    found.notes.append("x < y")
    text = page(found, [Picture("p", "<i>", '"quoted"', b"", b"")], "<script>")
    assert text.count("<script>") == 1  # the page's own
    assert "<i>" not in text
    assert "x &lt; y" in text
    assert "a &amp; b" in text


def test_every_picture_is_drawn(outside):
    names = ["clicks", "g2", "purity", "lags", "asymmetry", "waits", "fano", "convergence"]
    text = (outside[1] / "report.html").read_text(encoding="utf-8")
    assert re.findall(r'download="(\w+)\.pdf"', text) == names
    pictures = [b64decode(data) for data in re.findall(r'src="data:image/png;base64,([^"]*)"', text)]
    assert len(pictures) == len(names)
    assert all(png.startswith(b"\x89PNG") and len(png) > 5000 for png in pictures)
