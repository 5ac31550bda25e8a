"""What a notebook shows, records as tables of other libraries, and the picture of each result."""

import html.parser
import subprocess
import sys
import xml.etree.ElementTree

import matplotlib.figure
import numpy as np
import pytest

import trajectories as tj
from trajectories import analysis as an
from trajectories import lindblad
from trajectories.notebook import Summary
from trajectories.results import Expectation

HOSTILE = '<script>alert("&")</script>'


@pytest.fixture(scope="module")
def system():
    sigma = tj.HilbertSpace(atom=2).lower("atom")
    return tj.OpenSystem(sigma + sigma.T, [tj.Channel("light", sigma), tj.Channel(HOSTILE, 0.5 * sigma)])


@pytest.fixture(scope="module")
def record(system):
    return tj.simulate(system, 20, 100.0, seed=1, progress=False)


@pytest.fixture(scope="module")
def steady(system):
    return lindblad.steady_state(system)


class Reader(html.parser.HTMLParser):
    """Collects tags and text, and notices tags that are not closed in order."""

    def __init__(self):
        super().__init__()
        self.open, self.tags, self.text = [], [], []

    def handle_starttag(self, tag, attrs):
        self.open.append(tag)
        self.tags.append(tag)

    def handle_startendtag(self, tag, attrs):
        self.tags.append(tag)

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def handle_data(self, data):
        self.text.append(data)


def read(page):
    reader = Reader()
    reader.feed(page)
    assert reader.open == []
    return reader


def everything(system, record, steady, folder):
    tj.simulate(system, 4, 20.0, seed=1, out=folder / "run", progress=False)
    edges = [0.0, 1.0, 2.0]
    return {
        "record": record,
        "run": tj.Run.open(folder / "run"),
        "system": system,
        "steady state": steady,
        "estimate": an.order_fraction(record, "light", HOSTILE, window=0.5),
        "correlation": an.g2(record, "light", HOSTILE, edges),
        "exact correlation": lindblad.g2(steady, "light", HOSTILE, edges),
        "histogram": an.waiting_times(record, "light", HOSTILE, edges),
        "coincidences": an.coincidences(record, ("light", HOSTILE), 0.5),
        "triple": an.g3(record, "light", "light", HOSTILE, edges, edges),
        "validation": an.validate(record, system),
        "analysis": an.analyse(record, system, pair=("light", HOSTILE), window=0.5),
    }


def test_everything_shows_itself_in_few_lines_and_names_do_not_become_markup(system, record, steady, tmp_path):
    for name, value in everything(system, record, steady, tmp_path).items():
        text = repr(value)
        assert len(text.splitlines()) <= 16, name
        assert len(text) < 2500, name
        page = read(value._repr_html_())
        assert "script" not in page.tags, name
        assert "\x1b" not in text, name
    shown = read(record._repr_html_())
    assert HOSTILE in "".join(shown.text)
    assert {"svg", "table", "path"} <= set(shown.tags)
    strip = record._repr_html_()
    strip = strip[strip.index("<svg") : strip.index("</svg>") + 6]
    xml.etree.ElementTree.fromstring(strip)
    assert str(record.counts().sum(axis=0)[0]) in "".join(shown.text)
    assert f"{steady.rate('light'):.6g}" in repr(steady)


def test_long_tables_say_what_they_leave_out():
    summary = Summary("title", ("a", "b"), [(str(k), "1") for k in range(40)], "a note")
    assert summary.text().splitlines()[-1] == "  28 more rows; a note"
    assert "28 more rows" in summary.html()
    assert Summary("only\na line\x1b[2J").text() == "only\\na line\\x1b[2J"


def test_a_channel_and_a_stretch_of_time_are_taken_by_brackets(record):
    one = record["light"]
    assert one.channel_names == ("light",)
    assert len(one) == record.counts()[:, 0].sum()
    assert record[HOSTILE, "light"].channel_names == (HOSTILE, "light")
    part = record[20.0:50.0]
    kept = (record.time >= 20.0) & (record.time < 50.0)
    np.testing.assert_array_equal(part.time, record.time[kept])
    assert (part.start == 20.0).all()
    assert (part.stop == 50.0).all()
    assert part.total_time == 20 * 30.0
    np.testing.assert_array_equal(record.between(20.0, 50.0).time, part.time)
    np.testing.assert_array_equal(record[20.0:].time, record.after(20.0).time)
    assert len(record[:40.0]) + len(record[40.0:]) == len(record)
    assert record[:].total_time == record.total_time
    ticks = record.in_ticks(0.5)[20.0:50.0]
    assert ticks.stamp.min() >= 40
    assert ticks.stamp.max() < 100


STRETCHES = [slice(0.0, 5.0, 2), slice(5.0, 5.0), slice(200.0, None), slice(None, -1.0)]


@pytest.mark.parametrize("wanted", [3, 1.0, ("light", 3), "phonon", (), *STRETCHES])
def test_brackets_refuse_anything_else_in_a_line(record, wanted):
    with pytest.raises(tj.InvalidInput) as refused:
        record[wanted]
    assert "\n" not in str(refused.value)


def test_a_record_becomes_the_tables_of_other_libraries(record):
    table = record.to_numpy()
    assert table.dtype.names == ("trajectory", "time", "channel")
    np.testing.assert_array_equal(table["time"], record.time)
    frame = record.to_pandas()
    assert list(frame.columns) == ["trajectory", "time", "channel"]
    assert (frame["channel"] == "light").sum() == record.counts()[:, 0].sum()
    assert frame.groupby("trajectory").size().max() == record.counts().sum(axis=1).max()
    data = record.to_xarray()
    assert data.sizes == {"click": len(record), "trajectory": 20}
    np.testing.assert_array_equal(data["time"], record.time)
    np.testing.assert_array_equal(data["stop"], record.stop)
    assert int((data["channel"] == HOSTILE).sum()) == record.counts()[:, 1].sum()
    stamped = record.in_ticks(0.25).to_numpy()
    assert stamped.dtype.names == ("trajectory", "time", "channel", "tick")


def test_each_result_draws_itself_with_the_exact_one_under_it(record, steady):
    edges = np.linspace(0.0, 5.0, 6)
    found, exact = an.g2(record, "light", HOSTILE, edges), lindblad.g2(steady, "light", HOSTILE, edges)
    waits = an.waiting_times(record, "light", "light", edges)
    average = Expectation(np.array([0.0, 1.0]), np.array([1.0, 0.5]), np.array([0.0, 0.1]), 10)
    pictures = [
        found.plot(exact),
        waits.plot(lindblad.waiting_times(steady, "light", "light", edges)),
        an.order_fraction(record, "light", HOSTILE, window=0.5).plot(0.5),
        average.plot(Expectation(np.array([0.0, 1.0]), np.array([1.0, 0.6]), np.zeros(2))),
        an.g3(record, "light", "light", "light", edges, edges).plot(),
        record.plot(),
        record.plot(3, 10.0, 30.0, bundles=an.find_bundles(record, 0.5)),
    ]
    for axes in pictures:
        axes.get_figure().canvas.draw()
        assert axes.get_xlabel() or not axes.yaxis.get_ticklocs().size
    labels = [text.get_text() for text in pictures[0].get_legend().get_texts()]
    assert labels == ["clicks", "95 % band", "exact"]
    given = matplotlib.figure.Figure().add_subplot()
    assert found.plot(ax=given) is given


def test_results_and_records_do_not_import_a_plotting_library():
    code = "import sys, trajectories as tj; tj.ClickRecord, tj.Estimate; sys.exit('matplotlib' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


@pytest.mark.parametrize(
    ("value", "error", "text"),
    [
        (2000.0, 268.0, "2000 ± 270"),
        (123456.0, 4321.0, "123500 ± 4300"),
        (4.321e9, 2.5e7, "4.321e+09 ± 2.5e+07"),
        (2.0001e-6, 9.9e-9, "2.0001e-06 ± 9.9e-09"),
        (2.0e-4, 5.0e-3, "0.0002 ± 0.0050"),
        (3.0e-8, 5.0e-5, "3e-08 ± 5.0e-05"),
        (0.43, 0.01, "0.430 ± 0.010"),
    ],
)
def test_the_digits_of_an_estimate_are_those_of_its_error(value, error, text):
    assert str(tj.Estimate(value, error, 9, "")) == text


def test_no_result_is_shown_as_its_arrays():
    sigma = tj.HilbertSpace(atom=2).lower("atom")
    system = tj.OpenSystem(sigma + sigma.T, [tj.Channel("atom", sigma)])
    record = tj.simulate(system, 8, 40.0, seed=1, progress=False, final_states=True)
    seen = an.apply_detectors(record, {"atom": tj.Detector(efficiency=0.5)}, seed=1)
    pulsed = tj.OpenSystem(
        0 * sigma,
        [tj.Channel("atom", sigma)],
        period=12.0,
        drives=[tj.Drive(sigma + sigma.T, tj.Gaussian(5.0, 0.5, 1.0))],
    )
    periodic = tj.lindblad.periodic_state(pulsed)
    results = {
        "a pulse": tj.lindblad.pulse_counts(periodic, ["atom"], most=2),
        "period": periodic,
        "replay": tj.replay(record, system),
        "lost": an.lost_clicks(seen, system, times=[1.0, 2.0]),
        "kets": record.final_states,
        "wait": an.detector_memory(record, "atom", 2.0),
        "clicks/s": tj.estimate_run(system, 10, 10.0, workers=1, seconds=0.01),
    }
    for name, result in results.items():
        shown = repr(result)
        assert "array(" not in shown, name
        assert len(shown) < 2000, name
