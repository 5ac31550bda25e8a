"""The report of an analysis as one self-contained HTML page, with its charts and files."""

from __future__ import annotations

import json
from base64 import b64encode
from collections.abc import Iterable, Iterator, Mapping, Sequence
from html import escape as escape_markup
from importlib.resources import files
from typing import Any

from trajectories.names import printable
from trajectories.time_units import NATURAL, TimeUnit

from .analysis_results import AnalysisResults, Check
from .charts import Chart
from .figures import Picture
from .headline import SIGNIFICANCE, headlines, verdict

BAD = ' class="bad"'
# Entries of the provenance that are shown at the top of the page too.
IN_HEAD = ("parameters", "seed", "analysed with", "analysed on")
WORDS = {
    "±": "One standard error, resampled over trajectories (or over long stretches of them). "
    "“± ?”: the number rests on fewer than five independent groups of clicks, so its error is not known.",
    "exact": "The value of the master equation for the same bin, δ and finite time; nothing is fitted.",
    "deviation": "(estimate − exact)/σ; of twenty correct numbers one lies beyond 2 σ.",
    "bundle": "Clicks that follow one another within the window δ.",
    "purity π_n": "Share of all quanta that are emitted in bundles of exactly n clicks.",
    "π_n of independent clicks": "The accidental purity: that of independent clicks of the same rates.",
    "pair purity": "Share of all quanta in bundles of exactly one click of each of the two channels.",
    "heralds": "Probability that a click of the one is accompanied by a click of the other within ±δ.",
    "C/A": "Coincidences of the pair divided by accidental ones, those of independent clicks.",
    "Fano factor": "Variance over mean of the number of clicks in a counting time T; 1 for independent clicks.",
    "stationary": "Whether the click rate is constant in time; a small p contradicts it.",
    "time reversal": "Whether the emission order is the same backwards in time; a small p means that it is not.",
}


def page(
    found: AnalysisResults,
    pictures: Iterable[Picture],
    title: str,
    head: str = "",
    *,
    charts: Mapping[str, Chart] | None = None,
    provenance: Mapping[str, str] | None = None,
    commands: Sequence[str] = (),
) -> str:
    """Return the report as HTML.

    Parameters
    ----------
    found : AnalysisResults
        From `analyse`.
    pictures : iterable of Picture
        From `trajectories.analysis.report.figures.pictures`; they are embedded.
    title : str
        Heading of the page.
    head : str
        More for the head of the page, as HTML.
    charts : mapping of str to Chart, optional
        From `trajectories.analysis.report.charts.charts`; each replaces the picture of its name where scripts run.
    provenance : mapping of str to str, optional
        Where the clicks come from.
    commands : sequence of str
        Commands that make this page again.
    """
    made, origin = charts or {}, provenance or {}
    body = [
        f"<h1>{escape(title)}</h1>\n",
        _verdict(found),
        _headlines(found),
        _facts({**found.facts, **{name: origin[name] for name in IN_HEAD if name in origin}}),
        '<h2>Pictures</h2>\n<div class="charts">\n',
        *(_figure(picture, made.get(picture.name)) for picture in pictures),
        "</div>\n",
        "<h2>Numbers</h2>\n<p>Estimates with one standard error; deviations from the exact values in units of it."
        "</p>\n",
        *_tables(found),
        _notes(found),
        _glossary(),
        _origin(origin, commands),
    ]
    return (
        '<!DOCTYPE html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n'
        '<meta name="viewport" content="width=device-width, initial-scale=1">\n'
        f"{head}\n<title>{escape_markup(printable(title))}</title>\n<style>\n{asset('report.css')}</style>\n</head>\n"
        f"<body>\n<main>\n{''.join(body)}</main>\n<script>\n{asset('report.js')}</script>\n</body>\n</html>\n"
    )


def asset(name: str) -> str:
    """Return a file that is part of every page."""
    return (files(__package__) / "assets" / name).read_text(encoding="utf-8")


def escape(text: str) -> str:
    """Return text as HTML shows it: control characters as escapes, ω_b with its b lowered."""
    return escape_markup(printable(text)).replace("ω_b", "ω<sub>b</sub>").replace("π_n", "π<sub>n</sub>")


def _facts(facts: Mapping[str, str]) -> str:
    return "<dl>\n" + "".join(f"<dt>{escape(k)}</dt><dd>{escape(v)}</dd>\n" for k, v in facts.items()) + "</dl>\n"


def _verdict(found: AnalysisResults) -> str:
    outcome = verdict(found)
    reasons = "".join(f"<li>{escape(reason)}</li>" for reason in outcome.reasons)
    more = f"<ul>{reasons}</ul>"
    return (
        f'<section class="verdict {outcome.kind}" aria-label="verdict"><strong>{escape(outcome.line)}.</strong>'
        f"{more} <span>The full test of curves and gaps is <code>trajectories validate</code>.</span></section>\n"
    )


def _value(text: str) -> str:
    """Return a number whose line may break before its error, and nowhere else."""
    value, sign, error = text.partition(" ± ")
    return f"<span>{escape(value)}</span>" + (f" <span>±&nbsp;{escape(error)}</span>" if sign else "")


def _headlines(found: AnalysisResults) -> str:
    items = "".join(
        f"<li>{escape(one.name)}<b>{_value(one.value)}</b>"
        f"<small>{escape(one.beside).replace(' σ', '&nbsp;σ')}</small></li>\n"
        for one in headlines(found)
    )
    return f'<ul class="headline" aria-label="main numbers">\n{items}</ul>\n' if items else ""


def _figure(picture: Picture, chart: Chart | None) -> str:
    name, title = escape_markup(picture.name, quote=True), escape_markup(printable(picture.title))
    kind = ' class="wide"' if picture.wide else ""
    data = b64encode(picture.png).decode()
    alt = escape_markup(printable(f"{picture.title}. {picture.caption}"), quote=True)
    downloads = _download(name, "pdf", "application/pdf", picture.pdf)
    drawn, live = "", ""
    if chart is not None:
        downloads += _download(name, "csv", "text/csv", chart.csv().encode(errors="backslashreplace"))
        # No "</script>" can end the data early, whatever a channel is called.
        text = json.dumps(chart.spec, ensure_ascii=False).replace("<", "\\u003c").replace("\u2028", " ")
        live = " data-chart"
        drawn = (
            '<div class="controls"></div><div class="plot"></div>'
            f'<div class="said" aria-live="polite">{escape(chart.spec["hint"])}</div>'
            f'<script type="application/json">{text}</script>\n'
        )
    source = f"data:image/png;base64,{data}"
    picked = f' href="{source}"' if chart is None else ""
    return (
        f'<figure{kind} id="{name}"{live}>\n<h3>{title}</h3>\n{drawn}<img alt="{alt}" src="{source}">\n'
        f"<figcaption>{escape(picture.caption)}</figcaption>\n"
        f'<div class="downloads">Download <a class="png" download="{name}.png"{picked}>PNG</a>{downloads}</div>\n'
        "</figure>\n"
    )


def _download(name: str, kind: str, media: str, content: bytes) -> str:
    data = b64encode(content).decode()
    return f'<a download="{name}.{kind}" href="data:{media};base64,{data}">{kind.upper()}</a>'


def _tables(found: AnalysisResults) -> Iterator[str]:
    heads = ("", "estimate", "exact", "deviation")
    for section in found.sections:
        rows = list(found.rows(section))
        shown = 4 if any(row[2] for row in rows) else 2  # no columns without an entry
        yield _table(section, heads[:shown], ((row[:shown], False) for row in rows))
    if found.checks:
        yield _table("tests", ("", "statistic", "p"), map(_checked, found.checks))


def _checked(check: Check) -> tuple[tuple[str, ...], bool]:
    """Return the row of a test, and whether it contradicts the hypothesis at one per cent."""
    p = check.result.p_value
    row = (f"{check.section}: {check.name}", f"{check.result.statistic:.4g}", f"{p:.3g}")
    return row, p < SIGNIFICANCE


def _table(caption: str, heads: tuple[str, ...], rows: Iterable[tuple[tuple[str, ...], bool]]) -> str:
    titles = "".join(f'<th scope="col">{escape(head)}</th>' for head in heads)
    body = "".join(
        f'<tr{BAD if marked else ""}><th scope="row">{escape(row[0])}</th>{_cells(heads, row)}</tr>\n'
        for row, marked in rows
    )
    return (
        f"<table>\n<caption>{escape(caption)}</caption>\n"
        f"<thead><tr>{titles}</tr></thead>\n<tbody>\n{body}</tbody>\n</table>\n"
    )


def _cells(heads: tuple[str, ...], row: tuple[str, ...]) -> str:
    """Return the cells after the first; each carries its head, which small screens show beside it."""
    pairs = zip(heads[1:], row[1:], strict=True)
    return "".join(f'<td data-label="{head}">{escape(cell)}</td>' for head, cell in pairs)


def _notes(found: AnalysisResults) -> str:
    if not found.notes:
        return ""
    return "<h2>Notes</h2>\n<ul>" + "".join(f"<li>{escape(note)}</li>" for note in found.notes) + "</ul>\n"


def _glossary() -> str:
    words = "".join(f"<dt>{escape(word)}</dt><dd>{escape(text)}</dd>\n" for word, text in WORDS.items())
    return f"<details><summary>Terms</summary>\n<dl>\n{words}</dl>\n</details>\n"


def _origin(provenance: Mapping[str, str], commands: Sequence[str]) -> str:
    if not provenance and not commands:
        return ""
    made = "".join(f"{escape_markup(printable(command))}\n" for command in commands)
    again = f'<div class="again"><p>To make this page again:</p>\n<pre>{made}</pre></div>\n' if made else ""
    return f"<h2>Provenance</h2>\n{_facts(provenance)}{again}"


def origin_of(provenance: Mapping[str, Any], software: str, unit: TimeUnit = NATURAL) -> dict[str, str]:
    """Return where clicks come from as names and words, from a record's provenance.

    Parameters
    ----------
    provenance : mapping
        Of the record.
    software : str
        Version of this package.
    unit : TimeUnit
        Of the record's times.
    """
    asked = provenance.get("configuration") or {}
    entries: dict[str, Any] = {"seed": asked.get("seed", provenance.get("seed"))}
    entries |= {name: asked.get(name) for name in ("trajectories", "duration", "tolerance")}
    if entries["duration"] is not None:
        entries["duration"] = unit.of(f"{entries['duration']:.6g}")
    entries["propagator"] = provenance.get("compiled_propagator")
    entries["dimension"] = provenance.get("dimension")
    parameters = provenance.get("parameters") or {}
    entries["parameters"] = ", ".join(f"{name} = {value}" for name, value in parameters.items()) or None
    versions = provenance.get("software") or {}
    entries["simulated with"] = ", ".join(f"{name} {value}" for name, value in versions.items()) or None
    entries["analysed with"] = f"bundle-trajectories {software}"
    return {name: str(value) for name, value in entries.items() if value is not None}
