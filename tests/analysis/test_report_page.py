"""The report as a page: verdict and headline, charts and their tables, hostile names, a real browser."""

import base64
import csv
import html.parser
import io
import json
import re
import shutil

import numpy as np
import pytest
from click_fuzz import random_case

import trajectories as tj
from trajectories import analysis as an
from trajectories import lindblad
from trajectories.analysis.report.analysis_results import AnalysisResults, Check, Number
from trajectories.analysis.report.charts import charts
from trajectories.analysis.report.exact_values import ExactValues
from trajectories.analysis.report.figures import pictures
from trajectories.analysis.report.headline import headlines, verdict
from trajectories.analysis.report.html import asset, origin_of, page
from trajectories.analysis.statistics.resampling import TestResult
from trajectories.time_units import TimeUnit

HOSTILE = '</script><script>alert("pwned")</script><b>&'
CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")


def pair_record(names=("left", HOSTILE)):
    """Return pairs of clicks half a unit apart, of two channels, in a hundred trajectories."""
    rng = np.random.default_rng(5)
    first = np.sort(rng.uniform(0.0, 900.0, (100, 20)), axis=1)
    second = first + rng.exponential(0.5, first.shape)
    times = np.concatenate([first, second], axis=1)
    order = np.argsort(times, axis=1)
    channel = np.repeat([0, 1], 20)[order]
    return tj.ClickRecord.from_arrays(
        np.repeat(np.arange(100), 40),
        np.take_along_axis(times, order, axis=1).ravel(),
        channel.ravel(),
        channel_names=names,
        start=np.zeros(100),
        stop=np.full(100, 1000.0),
        provenance={"configuration": {"seed": 7, "trajectories": 100}, "parameters": {"kappa": 0.005}},
    )


@pytest.fixture(scope="module")
def record():
    return pair_record()


@pytest.fixture(scope="module")
def found(record):
    return an.analyse(record, pair=("left", HOSTILE), window=5.0)


@pytest.fixture(scope="module")
def report(record, found):
    command = "trajectories analyse runs/x --window 5"
    made = charts(found, record)
    origin = origin_of(record.provenance, "0.2.0")
    drawn = pictures(found, record)
    return page(found, drawn, f"Clicks of {HOSTILE}", charts=made, provenance=origin, commands=[command])


class Reader(html.parser.HTMLParser):
    def __init__(self):
        super().__init__()
        self.tags, self.links, self.data, self.ids, self.images = [], {}, [], [], []
        self.text, self._inside = [], ""

    def handle_starttag(self, tag, attrs):
        given = dict(attrs)
        self.tags.append(tag)
        self._inside = tag if tag != "script" else given.get("type", "script")
        self.ids += [given["id"]] if "id" in given else []
        if "download" in given:
            self.links[given["download"]] = given.get("href")
        if tag == "img":
            self.images.append(given)
        for name in ("src", "href"):
            assert not str(given.get(name, "")).startswith(("http", "//")), "nothing is loaded"

    def handle_data(self, data):
        if self._inside == "application/json":
            self.data.append(json.loads(data))
        self.text.append(data)
        self._inside = ""


def read(report):
    reader = Reader()
    reader.feed(report)
    return reader


def test_the_page_begins_with_verdict_and_five_numbers(report):
    begun = report.index("<h1>")
    marks = ('class="verdict', 'class="headline"', "<dl>", "<dt>parameters", "<figure", "<table", "<pre>")
    order = [report.index(mark, begun) for mark in marks]
    assert order == sorted(order)
    order = [report.index(mark) for mark in ('class="verdict', 'class="headline"', "<figure", "<table", "<pre>")]
    assert order == sorted(order)
    assert report.count("<li>rate of left") == 1
    assert len(re.findall(r"<li>.*?<b>", report)) == 5
    assert "seed</dt><dd>7<" in report
    assert "kappa = 0.005" in report
    assert "trajectories analyse runs/x --window 5" in report
    assert "1/ω<sub>b</sub>" in report
    assert "ω_b" not in re.sub(r"<script.*?</script>", "", report, flags=re.DOTALL)


def test_the_origin_says_the_unit_of_its_times():
    asked = {"configuration": {"duration": 1000000.0}}
    assert origin_of(asked, "0")["duration"] == "1e+06/ω_b"
    assert origin_of(asked, "0", TimeUnit("ns"))["duration"] == "1e+06 ns"


def luminance(colour):
    """Relative luminance of WCAG 2.1."""
    whole = colour.lstrip("#")
    whole = whole if len(whole) == 6 else "".join(2 * digit for digit in whole)
    parts = [int(whole[k : k + 2], 16) / 255 for k in (0, 2, 4)]
    red, green, blue = (part / 12.92 if part <= 0.03928 else ((part + 0.055) / 1.055) ** 2.4 for part in parts)
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue


@pytest.mark.parametrize("scheme", [0, 1], ids=["light", "dark"])
def test_text_and_curves_stand_out_from_the_page(scheme):
    """WCAG 2.1 AA: 4.5 for text, 3 for what a picture cannot be read without."""
    blocks = re.findall(r":root \{(.*?)\}", asset("report.css"), flags=re.DOTALL)
    colours = dict(re.findall(r"--([\w]+): (#[0-9a-f]+);", blocks[scheme]))

    def ratio(name, ground):
        one, other = sorted((luminance(colours[name]), luminance(colours[ground])), reverse=True)
        return (one + 0.05) / (other + 0.05)

    for ground in ("page", "panel"):
        for name in ("text", "quiet", "bad", "good", "unknown", "s0"):
            assert ratio(name, ground) >= 4.5, (name, ground)
    for name in ("s0", "s1", "s2", "s3", "s4", "s5", "exact", "axis"):
        assert ratio(name, "page") >= 3.0, name


def test_hostile_names_stay_text(report):
    reader = read(report)
    assert reader.tags.count("script") == len(reader.data) + 1
    assert "b" not in [tag for tag in reader.tags if tag == "b"][5:]  # only the five numbers are bold
    assert any(
        HOSTILE in json.dumps(spec) or HOSTILE.replace('"', '\\"') in json.dumps(spec) for spec in reader.data
    )
    assert len(set(reader.ids)) == len(reader.ids)


def test_every_picture_has_words_and_can_be_taken_along(report):
    reader = read(report)
    names = [name.removesuffix(".pdf") for name in reader.links if name.endswith(".pdf")]
    assert {"clicks", "g2", "purity", "lags", "fano", "waits"} <= set(names)
    for name in names:
        pdf = base64.b64decode(reader.links[f"{name}.pdf"].partition(",")[2])
        assert pdf.startswith(b"%PDF")
    assert all(image["alt"] for image in reader.images)
    assert len(reader.images) == len(names)


def test_tables_of_the_charts_hold_the_estimates(report, found):
    reader = read(report)
    text = base64.b64decode(reader.links["g2.csv"].partition(",")[2]).decode()
    heads, *rows = list(csv.reader(io.StringIO(text)))
    assert heads == ["curve", "series", "from", "to", "value", "standard error", "events", "exact"]
    curve = found.curves["g2"]["left", HOSTILE].estimate
    mine = [row for row in rows if row[0] == f"left and {HOSTILE}"]
    assert [float(row[2]) for row in mine] == curve.edges[:-1].tolist()
    np.testing.assert_allclose([float(row[4]) for row in mine], curve.value)
    assert [int(row[6]) for row in mine] == curve.counts.tolist()
    spec = next(spec for spec in reader.data if spec["id"] == "g2")
    assert spec["choices"][0]["name"] == f"left and {HOSTILE}"
    assert spec["choices"][0]["series"][0]["x"] == curve.edges.tolist()
    strip = next(spec for spec in reader.data if spec["id"] == "clicks")
    assert sum(map(len, strip["clicks"])) == 40


def result(*deviations, n=1000, p_values=()):
    numbers = [Number("rates", f"r{k}", tj.Estimate(d, 1.0, n), 0.0) for k, d in enumerate(deviations)]
    checks = [Check("rates", f"c{k}", TestResult(1.0, p, n, "made up")) for k, p in enumerate(p_values)]
    return AnalysisResults(numbers=numbers, checks=checks)


def test_the_verdict_corrects_for_how_many_numbers_it_looks_at():
    assert verdict(result(1.0, -2.0, 2.9)).kind == "good"
    assert verdict(result(3.1)).kind == "bad"
    assert verdict(result(3.1, *[0.0] * 19)).kind == "good"  # one of twenty at 3.1 σ: p = 0.039 in all
    assert verdict(result(4.5, *[0.0] * 19)).kind == "bad"
    few = verdict(result(50.0, n=10))
    assert few.kind == "unknown"
    assert verdict(result(p_values=(0.3,))).line.startswith("Nothing contradicts")
    told = verdict(result(-0.5, p_values=(1e-9, float("nan"))))
    assert told.kind == "bad"
    assert told.reasons[0].startswith("rates: c0, p = 1e-09")
    assert "+5.0 σ from exact" in verdict(result(5.0)).reasons[0]


def test_correct_records_are_called_contradicted_at_the_stated_rate():
    """Two thousand normal draws of thirty numbers at 1 %: 20 expected, beyond 43 once in 2e5 such tests."""
    rng = np.random.default_rng(3)
    alarms = sum(verdict(result(*rng.normal(size=30))).kind == "bad" for _ in range(2000))
    assert 4 <= alarms <= 43


def test_skew_numbers_do_not_contradict_by_themselves():
    """Shares near 1 are judged on the scale of arcsin √, variances only where many windows give their error."""

    def judged(value, error, exact, n=1000, **more):
        return verdict(
            AnalysisResults(numbers=[Number("bundles", "x", tj.Estimate(value, error, n), exact, **more)])
        ).kind

    assert judged(0.999, 0.001, 0.9957) == "bad"
    assert judged(0.999, 0.001, 0.9957, share=True) == "good"
    assert judged(0.999, 0.001, 0.985, share=True) == "bad"
    assert judged(1.5, 0.2, 2.5, n=160) == "bad"
    assert judged(1.5, 0.2, 2.5, n=160, least=1000) == "unknown"
    assert judged(1.5, 0.2, 2.5, n=1600, least=1000) == "bad"


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore::trajectories.errors.TruncationWarning")
def test_small_records_of_bundles_are_called_contradicted_at_the_stated_rate():
    """Sixty records of some 370 clicks: more than four are contradicted at 1 % once in 3,000 such tests."""
    system = tj.SpinningResonator("left", 1.340217).system((3, 2, 3))
    exact = ExactValues(system)
    alarms = 0
    for seed in range(60):
        record = tj.simulate(system, 8, 1e5, seed=1000 + seed, progress=False)
        alarms += verdict(an.analyse(record, exact_values=exact, progress=False)).kind == "bad"
    assert alarms <= 4


def test_headlines_without_a_pair_are_click_rates():
    numbers = [Number("click rates", f"r{k}", tj.Estimate(float(k), 0.1, 10 * k), None, "kHz") for k in range(7)]
    found = headlines(AnalysisResults(numbers=numbers))
    assert [one.name for one in found] == [f"click rate of r{k}" for k in (6, 5, 4, 3, 2)]
    assert found[0].value == "6.00 ± 0.10 kHz"
    assert headlines(AnalysisResults()) == []


def test_a_record_without_clicks_has_a_page_too():
    empty = tj.ClickRecord.from_arrays([], [], [], channel_names=["a"], start=0.0, stop=1.0)
    found = an.analyse(empty)
    report = page(found, pictures(found, empty), "nothing", charts=charts(found, empty))
    assert "Too few clicks for a verdict" in report
    read(report)


@pytest.mark.skipif(CHROMIUM is None, reason="needs Chromium")
def test_a_browser_shows_it_without_errors_at_three_widths(report, tmp_path):
    playwright = pytest.importorskip("playwright.sync_api")
    path = tmp_path / "report.html"
    path.write_text(report, encoding="utf-8")
    with playwright.sync_playwright() as browsers:
        browser = browsers.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        for width, scheme in ((400, "light"), (800, "dark"), (1280, "light")):
            tab = browser.new_context(viewport={"width": width, "height": 900}, color_scheme=scheme).new_page()
            said = []
            tab.on("console", lambda message, said=said: said.append(message.text))
            tab.on("pageerror", lambda error, said=said: said.append(str(error)))
            tab.on("dialog", lambda dialog, said=said: (said.append(dialog.message), dialog.dismiss()))
            tab.goto(path.as_uri())
            tab.wait_for_selector("#g2 svg")
            assert said == []
            assert tab.evaluate("document.documentElement.scrollWidth") <= width
            every = "[...document.querySelectorAll('figure, table, .headline')]"
            assert max(tab.evaluate(f"{every}.map(e => e.scrollWidth - e.clientWidth)")) <= 1
        hover(tab)
        tab.close()
        browser.close()


def hover(tab):
    """Point, step, switch, zoom and take along, as a reader would."""
    said = tab.locator("#g2 .said")
    tab.hover("#g2 .plot svg", position={"x": 640, "y": 100})
    assert re.match(r"-?[\d.e-]+ … -?[\d.e-]+: [\d.]+ ± [\d.?]+", said.text_content())
    before = said.text_content()
    tab.locator("#g2 .plot svg").focus()
    tab.keyboard.press("ArrowRight")
    assert said.text_content() != before
    tab.select_option("#g2 select", "1")
    first = tab.locator("#g2 .plot svg path").nth(1).get_attribute("d")
    tab.click("#g2 button[aria-label='zoom in']")
    assert tab.locator("#g2 .plot svg path").nth(1).get_attribute("d") != first
    tab.click("#g2 button[aria-label='logarithmic y axis']")
    assert tab.get_attribute("#g2 button[aria-label='logarithmic y axis']", "aria-pressed") == "true"
    clicks = tab.locator("#clicks .plot svg path").count()
    assert clicks >= 3
    for picture in tab.locator("figure a.png").all():
        assert picture.get_attribute("href").startswith("data:image/png")
    box = tab.locator("#clicks .plot svg").bounding_box()
    tab.click("#clicks button[aria-label='zoom in']")
    before = tab.locator("#clicks .plot svg").text_content()
    tab.mouse.move(box["x"] + 600, box["y"] + 60)
    tab.mouse.down()
    tab.mouse.move(box["x"] + 300, box["y"] + 60)
    tab.mouse.up()
    assert tab.locator("#clicks .plot svg").text_content() != before, "a drag moves the axis"
    assert "left" in tab.locator("#clicks svg").text_content()


def test_lags_that_never_occur_have_no_asymmetry_and_no_warning():
    """NumPy's warning of a division by zero reached those who analysed this dark system."""
    system, _ = random_case("dark", 189, 3.0)
    steady = lindblad.steady_state(system)
    rate = sum(steady.rate(name) for name in system.channel_names)
    record = tj.simulate(system, 12, 20.0 / rate, seed=189, progress=False)
    found = an.analyse(record, system, window=0.3 / rate, progress=False)
    (curve,) = found.curves["asymmetry"].values()
    assert np.isnan(curve.exact.value).any()
