"""Measured files on the command line: units asked for and printed, corrections in their order, verdicts."""

import json
import re

import numpy as np
import pytest
from instrument import HBT, TICK, TOML, UNIT, measured, words_of
from tagged_files import ptu_file

import trajectories as tj

pytest.importorskip("ptufile")
pytestmark = pytest.mark.usefixtures("quick_report")
WRONG = TOML.replace("0.8", "0.6")
NAMED = ("--rename", "channel 0=left", "--rename", "channel 1=right")


@pytest.fixture
def lab(here):
    (here / "hbt.py").write_text(HBT)
    (here / "seen.toml").write_text(TOML)
    (here / "wrong.toml").write_text(WRONG)
    measured(here / "a.ptu", 3, duration=24000.0)
    return here


def test_validate_accepts_what_is_corrected_and_rejects_what_is_not(run, lab):
    rest = ("--model", "hbt.py:system", "--unit", "1e-6", *NAMED)
    status, out, err = run("validate", "a.ptu", *rest, "--delay", "right=-7.3", "--detectors", "seen.toml")
    assert (status, err) == (0, [])
    assert any(line.startswith("accepted") for line in out)
    assert run("validate", "a.ptu", *rest, "--delay", "right=-4", "--detectors", "seen.toml")[0] == 1
    assert run("validate", "a.ptu", *rest, "--delay", "right=-7.3", "--detectors", "wrong.toml")[0] == 1


def test_a_default_unit_is_not_compared_with_a_model(run, lab):
    for command in ("validate", "analyse"):
        status, _, err = run(command, "a.ptu", "--model", "hbt.py:system", *NAMED)
        assert status == 2
        assert "--unit S, the length of 1/ω_b in seconds" in err[-1]


def test_analyse_prints_and_keeps_the_unit(run, lab, undrawn):
    status, out, _ = run("analyse", "a.ptu", "--unit", "ns", *NAMED, "--window", "1000")
    assert status == 0
    assert any(line.startswith("observed") and "ns in all" in line for line in out)
    assert any("left (1/ns)" in line for line in out)
    document = json.loads((lab / "a-analysis" / "analysis.json").read_text())
    assert document["unit"] == {"name": "ns", "seconds": 1e-9}
    assert "ω_b" not in (lab / "a-analysis" / "report.html").read_text()


def test_corrections_are_done_in_the_order_given_and_noted(run, lab):
    status, _, _ = run(
        "export", "a.ptu", "--out", "b.npz", *NAMED, "--delay", "right=-7.3e-6", "--merge", "all=left,right"
    )
    assert status == 0
    record = tj.load("b.npz")
    assert record.channel_names == ("all",)
    steps = [next(iter(step)) for step in record.provenance["corrections"]]
    assert steps == ["renamed", "renamed", "delayed", "merged"]
    status, _, err = run("export", "a.ptu", "--out", "c.npz", "--delay", "right=-7.3e-6", *NAMED)
    assert status == 2
    assert "no channel named 'right'" in err[0]


def test_two_files_of_one_measurement_are_joined(run, lab):
    measured(lab / "b.ptu", 4, duration=24000.0)
    status, out, err = run("info", "a.ptu", "--unit", "ms", "--join", "b.ptu,60")
    assert (status, err) == (0, [])
    assert any(line.startswith("observed      2 trajectories, 48 ms") for line in out)
    status, _, err = run("info", "a.ptu", "--join", "a.ptu,60")
    assert status == 2
    assert "the same clicks" in err[0]
    status, _, err = run("info", "a.ptu", "--unit", "ms", "--join", "b.ptu,1")
    assert "overlap" in err[0]


def test_dark_rates_come_from_a_file_without_light(run, lab):
    """Together with efficiencies from a file they are the detectors that the record is accepted with."""
    rng = np.random.default_rng(8)
    stamp = np.sort(rng.integers(0, 4_000_000_000, 60_000))
    dark = words_of(stamp, np.repeat([0, 1, 1], 20_000)[rng.permutation(60_000)])
    ptu_file(lab / "dark.ptu", dark, 0x01010204, tick=TICK * UNIT, acquisition=4000)
    (lab / "seen.toml").write_text("[left]\nefficiency = 0.8\n[right]\nefficiency = 0.7\n")
    rest = ("--model", "hbt.py:system", "--unit", "1e-6", *NAMED, "--delay", "right=-7.3")
    status, _, err = run("validate", "a.ptu", *rest, "--dark", "dark.ptu", "--detectors", "seen.toml")
    assert (status, err) == (0, [])
    assert run("validate", "a.ptu", *rest, "--detectors", "seen.toml")[0] == 1  # no dark counts at all
    assert run("export", "a.ptu", "--unit", "1e-6", *NAMED, "--dark", "dark.ptu", "--out", "b.npz")[0] == 0
    noted = tj.load("b.npz").provenance["corrections"][-1]["seen_with"]
    assert noted["left"]["dark_rate"] == pytest.approx(0.005, rel=1e-3)
    assert noted["right"]["dark_rate"] == pytest.approx(0.010, rel=1e-3)
    (lab / "seen.toml").write_text(TOML)
    status, _, err = run("validate", "a.ptu", *rest, "--dark", "dark.ptu", "--detectors", "seen.toml")
    assert status == 2
    assert "is given and estimated (--dark); leave one of them out" in err[0]


def test_time_is_kept_cut_and_appended(run, lab):
    measured(lab / "b.ptu", 4, duration=24000.0)

    def window(*steps):
        status, out, err = run("info", "a.ptu", "--unit", "ms", *steps)
        assert (status, err) == (0, [])
        return next(line.split(None, 1)[1] for line in out if line.startswith("observed"))

    assert window("--keep", "3,9") == "1 trajectory, 6 ms in all"
    assert window("--cut", "3,9") == "2 trajectories, 18 ms in all"
    assert window("--append", "b.ptu") == "2 trajectories, 48 ms in all"
    assert window("--append", "b.ptu", "--keep", "3,9") == "2 trajectories, 12 ms in all"
    assert window("--cut-silence", "1") == "1 trajectory, 24 ms in all"
    status, _, err = run("info", "a.ptu", "--append", "a.ptu")
    assert (status, "the same clicks" in err[0]) == (2, True)


def test_channels_that_the_model_lacks_are_renamed_or_left_out(run, lab):
    rest = ("--model", "hbt.py:system", "--unit", "1e-6", "--rename", "channel 0=left")
    status, _, err = run("validate", "a.ptu", *rest)
    assert status == 2
    assert (
        "channel named 'channel 1', and the model left, right; rename it with --rename, or leave it out" in err[0]
    )
    assert "with --only" in err[0]
    status, out, _ = run("info", "a.ptu", "--unit", "us", "--only", "channel 1", "--rename", "channel 1=right")
    assert status == 0
    assert [line.split()[1] for line in out if line.startswith("clicks")] == ["right"]


def test_remedies_are_options_on_the_command_line(run, here):
    (here / "a.txt").write_text("2 0\n5 1\n")
    status, _, err = run("info", "a.txt")
    assert (status, "give --text-columns TIME,CHANNEL" in err[0]) == (2, True)
    status, _, err = run("info", "a.txt", "--text-columns", "0,1")
    assert (status, "give --text-tick, in seconds" in err[0]) == (2, True)
    status, out, _ = run("info", "a.txt", "--text-columns", "0,1", "--text-tick", "1e-9")
    assert status == 0
    assert any("give --duration if it lasted longer" in line for line in out)


def test_info_describes_a_file(run, lab):
    status, out, err = run("info", "a.ptu", "--unit", "us", "--gate", "channel 0,1,5")
    assert (status, err) == (0, [])
    text = "\n".join(out)
    for word in ("ticks of 0.001 us", "channel 1", "1/us", "HydraHarp" if "HydraHarp" in text else "PTU", "gated"):
        assert word in text


def test_info_finds_a_delay_and_measures_a_detector(run, lab):
    more = ("--find-delay", "left,right,60", "--detector", "left,10")
    status, out, err = run("info", "a.ptu", "--unit", "us", *NAMED, *more)
    assert (status, err) == (0, [])
    delay = float(re.search(r"right after left: ([0-9.]+) ± [0-9.]+ us", "\n".join(out))[1])
    assert delay == pytest.approx(7.3, abs=1.5)
    assert any(line.startswith("dead time     left") for line in out)
    assert any(line.startswith("afterpulses   left") for line in out)


def test_a_file_larger_than_memory_is_analysed_piece_by_piece(run, lab, monkeypatch, undrawn):
    assert run("analyse", "a.ptu", "--unit", "us", "--out", "whole")[0] == 0
    monkeypatch.setattr("trajectories.cli.source.LARGE", 1000)
    monkeypatch.setattr("trajectories.records.formats.tttr.CHUNK", 64)
    monkeypatch.setattr("trajectories.records.formats.files.PIECE", 300)
    assert run("analyse", "a.ptu", "--unit", "us", "--out", "pieces")[0] == 0
    found = [json.loads((lab / out / "analysis.json").read_text()) for out in ("whole", "pieces")]
    rates = [[n["value"] for n in one["numbers"] if n["section"] == "click rates"] for one in found]
    assert rates[0] == pytest.approx(rates[1], rel=1e-9)
    _, out, _ = run("info", "a.ptu", "--unit", "us", *NAMED, "--delay", "right=-7.3", "--merge", "all=left,right")
    assert "corrected     {'merged': {'all': ['left', 'right']}}" in out
    assert any(line.startswith("clicks        all") for line in out)
    count = next(int(line.split()[1]) for line in out if line.startswith("observed"))
    assert count > 5  # trajectories, of one file
    assert (
        run("validate", "a.ptu", "--unit", "1e-6", "--model", "hbt.py:system", *NAMED)[0] == 1
    )  # steps: as a whole


def test_an_interrupted_measurement_is_said(run, here):
    words = np.sort(np.random.default_rng(1).integers(0, 2**25, 4000))
    ptu_file(here / "a.ptu", words, 0x01010204, tick=1e-9, acquisition=5000)
    status, out, err = run("info", "a.ptu")
    assert status == 0
    assert err[0].startswith("warning: a.ptu states a duration of 5 s; observed until the last event (0.033")
    assert any(line.startswith("note") for line in out)
    status, out, _ = run("info", "a.ptu", "--duration", "5")
    p_value = float(re.search(r"stationary with p = (\S+)", "\n".join(out))[1])
    assert p_value < 1e-10


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("--delay", "left"), "not of the form NAME=VALUE"),
        (("--gate", "left,1"), "two times"),
        (("--cut", "1"), "2 numbers"),
        (("--unit", "fortnight"), "must be one of"),
        (("--duration", "1e-9"), "ends before the last event"),
        (("--text-tick", "1"), "does not apply"),
        (("--fine",), "only synced"),
    ],
)
def test_options_that_cannot_be_right_are_one_line(run, lab, arguments, message):
    status, _, err = run("info", "a.ptu", *arguments)
    assert status == 2
    assert message in err[-1]


def test_a_run_folder_takes_no_options_of_measured_files(run, lab):
    size = ("--trajectories", "4", "--duration", "20", "--seed", "1")
    assert run("simulate", "hbt.py:system", "--out", "out", "--quiet", "--workers", "1", *size)[0] == 0
    status, _, err = run("analyse", "out", "--unit", "ns")
    assert status == 2
    assert "--unit is for measured files" in err[0]
