"""Names of channels that physicists choose: kept apart, kept by every file, harmless wherever they are shown."""

from __future__ import annotations

import io
import json
import random
import warnings

import numpy as np
import pytest
from outcomes import of_command

import trajectories as tj
from trajectories import analysis as an
from trajectories import lindblad
from trajectories.analysis import plot
from trajectories.errors import InvalidInput
from trajectories.names import ByChannels, display, parted, printable, spelled

# The first two are of a record, not of a system, whose channels have names that can be seen.
ODD = [" ", "_u", "e>g", "|1>->|0>", "x|y", "$x_$", "a", "b", "a+b", "a,b", "\\", "<b>&", "\x1b[31mred\n", "光子"]


def system(names=ODD[1:]):
    lower = np.diag(np.ones(3), 1)
    channels = [
        tj.Channel(name, np.sqrt((1.0 + 0.1 * k) / len(names)) * (lower if k % 2 else 0.5 * lower.T))
        for k, name in enumerate(names)
    ]
    return tj.OpenSystem(np.diag([0.0, 1.0, 2.0, 3.0]), channels, parameters={"kappa": 1.0})


def record(names=ODD, clicks=4000):
    rng = np.random.default_rng(5)
    row = np.sort(rng.integers(0, 8, clicks))
    time = rng.random(clicks) * 1000.0
    time = time[np.lexsort((time, row))]
    return tj.ClickRecord.from_arrays(
        row, time, rng.integers(0, len(names), clicks), channel_names=names, start=[0.0] * 8, stop=[1000.0] * 8,
        provenance={"parameters": {"kappa": 1.0}},
    )  # fmt: skip


def test_names_that_are_joined_can_be_told_apart():
    """No two lists of names have one spelling, and each is read back."""
    rng, seen = random.Random(1), {}
    for _ in range(20_000):
        names = tuple(
            "".join(rng.choice("a+\\>") for _ in range(rng.randint(1, 3))) for _ in range(rng.randint(1, 3))
        )
        for separator in "+>":
            text = spelled(names, separator)
            assert parted(text, separator) == names
            assert seen.setdefault((separator, text), names) == names
    assert len(seen) > 5000


def test_results_are_found_by_names_and_by_their_spelling():
    rates = ByChannels({("a",): 1, ("b",): 2, ("a", "b"): 3, ("a+b",): 4}, separator="+")
    assert [rates[key] for key in (("a", "b"), "a+b", r"a\+b", ("a+b",))] == [3, 3, 4, 4]
    assert "a+b" in rates
    assert "b+a" not in rates
    assert rates.get("c", 7) == 7
    assert rates.by_spelling() == {"a": 1, "b": 2, "a+b": 3, r"a\+b": 4}
    with pytest.raises(KeyError):
        rates["c"]


def test_no_bundle_vanishes_where_a_channel_is_named_like_two():
    """Every composition of at most two clicks is there once, and together they are all bundles of that size."""
    clicks = record(["a", "b", "a+b"])
    found = an.composition_rates(clicks, 1.0, max_size=2)
    assert len(found) == 9
    bundles = an.find_bundles(clicks, 1.0)
    small = bundles.complete & (bundles.size <= 2)
    assert sum(rate.n for rate in found.values()) == np.count_nonzero(small)
    for names in found:
        assert found[names].n == np.count_nonzero(bundles.complete & bundles.of_kind(names))
    assert found["a", "b"].n != found["a+b",].n
    orders = an.order_rates(record(["a", "b", "a>b"]), 1.0, max_size=2)
    assert len(orders) == 12
    assert sum(rate.n for rate in orders.values()) == np.count_nonzero(small)


def test_the_exact_side_tells_them_apart_too():
    names = ["a", "b", "a+b", "a>b"]
    steady = lindblad.steady_state(system(names))
    orders = lindblad.order_rates(steady, 0.5, max_size=2)
    rates = lindblad.composition_rates(steady, 0.5, max_size=2)
    plain = lindblad.steady_state(system(["c0", "c1", "c2", "c3"]))
    assert len(orders) == 20
    assert len(rates) == 14
    for found, expected in (
        (orders, lindblad.order_rates(plain, 0.5, max_size=2)),
        (rates, lindblad.composition_rates(plain, 0.5, max_size=2)),
    ):
        assert [rate.value for rate in found.values()] == [rate.value for rate in expected.values()]
    curve = lindblad.cluster_g2(steady, ("a+b",), ("a", "b"), [1.0, 2.0], 0.5)
    assert (curve.first, curve.second) == (r"a\+b", "a+b")
    same = lindblad.cluster_g2(plain, ("c2",), "c0+c1", [1.0, 2.0], 0.5)
    assert curve.value == pytest.approx(same.value, rel=1e-12)


@pytest.mark.parametrize("name", ["", "a\0", "\ud800", "a" * 256, 3, None])
def test_names_that_no_file_keeps_are_refused_before_any_work(name):
    with pytest.raises(InvalidInput, match="channel"):
        tj.Channel(name, np.eye(2))
    with pytest.raises(InvalidInput, match="channel_names"):
        record([name, "other"], clicks=10)


@pytest.mark.parametrize("suffix", [".npz", ".h5", ".ptu"])
def test_every_file_keeps_every_name(tmp_path, suffix):
    original = record(clicks=200)
    options = {} if suffix == ".npz" else {"tick": 1e-3, "unit": 1e-9}
    assert tj.load(tj.export(original, tmp_path / f"a{suffix}", **options)).channel_names == tuple(ODD)


def test_a_run_of_odd_names_is_simulated_analysed_and_validated(here, undrawn):
    (here / "odd.py").write_text(
        f"import numpy as np\nimport trajectories as tj\nlower = np.diag(np.ones(3), 1)\nnames = {ODD[1:]!a}\n"
        "scales = [np.sqrt((1 + .1 * k) / 13) for k in range(13)]\n"
        "jumps = [s * (lower if k % 2 else .5 * lower.T) for k, s in enumerate(scales)]\n"
        "system = tj.OpenSystem(np.diag([0., 1, 2, 3]), [tj.Channel(*c) for c in zip(names, jumps)], "
        "parameters={'kappa': 1.0})\n"
    )
    size = ("--trajectories", "4", "--duration", "300", "--seed", "1")
    for command in (
        ("simulate", "odd.py:system", "--out", "run", "--quiet", *size),
        ("info", "run"),
        ("analyse", "run", "--window", "1", "--pair", "a\\,b,a+b"),
        ("simulate", "odd.py:system", "--out", "more", "--quiet", *size, "--until", "clicks(e>g) >= 1"),
    ):
        found = of_command(*command)
        assert found.kind == "answer", found
        assert "\x1b" not in found.value
        assert "Glyph" not in found.said
        shown = found.value.splitlines()
        assert all(line.isprintable() for line in shown)
    page = (here / "run" / "analysis" / "report.html").read_text()
    assert "<b>&<" not in page
    assert "&lt;b&gt;&amp;" in page
    assert "\x1b" not in page
    document = json.loads((here / "run" / "analysis" / "analysis.json").read_text())
    assert document["pair"] == ["a,b", "a+b"]
    assert len(document["curves"]["g2"]) == 21


def test_a_record_of_odd_names_is_analysed(here, undrawn):
    """A space is a name too; none is dropped, and the page counts them all."""
    tj.export(record(), here / "odd.npz")
    found = of_command("analyse", "odd.npz", "--window", "1", "--json")
    assert found.kind == "answer", found
    numbers = json.loads(found.value)["numbers"]
    assert [n["name"] for n in numbers if n["section"] == "click rates"] == [display(name) for name in ODD]
    assert found.value.replace("\n", "").isprintable()


def test_what_is_shown_moves_no_cursor_and_keeps_its_spaces():
    assert printable("\x1b[31mred\n\u202e\x9b") == "\\x1b[31mred\\n\\u202e\\x9b"
    assert display(" ") == "“ ”"
    assert display("e>g") == "e>g"
    assert "\x1b" not in str(InvalidInput("\x1b[2J"))


@pytest.mark.parametrize("name", ODD)
def test_a_picture_shows_a_name_as_it_is(name):
    """No $ begins a formula, nothing is left out of a legend, and no warning is given."""
    clicks = record([name, "photon"], clicks=300)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        ax = plot.click_stream(clicks, 0, 0.0, 100.0, bundles=an.find_bundles(clicks, 1.0))
        label = ax.get_yticklabels()[0]
        with plot.any_script():
            ax.get_figure().savefig(io.BytesIO(), format="png")
        waits = {name: an.waiting_times(clicks, name, name, [0.1, 1.0, 10.0])}
        legend = plot.waiting_times(waits, first=name).get_legend()
    assert label.get_text().replace("\\$", "$").strip() == display(name)
    assert any(display(name) in text.get_text().replace("\\$", "$") for text in legend.get_texts())
