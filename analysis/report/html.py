"""The report of an analysis as one HTML page without scripts, and without fonts or files from elsewhere."""

from __future__ import annotations

from base64 import b64encode
from collections.abc import Iterable
from html import escape as escape_markup

from trajectories.names import printable

from .analysis_results import AnalysisResults
from .figures import Picture

STYLE = """
:root { color-scheme: light; }
body { font: 16px/1.5 system-ui, sans-serif; color: #111; background: #fff; }
body { max-width: 64rem; margin: 0 auto; padding: 1rem; }
h1 { font-size: 1.5rem; line-height: 1.2; overflow-wrap: anywhere; }
h2 { font-size: 1.15rem; margin: 2rem 0 .5rem; }
dl { display: grid; grid-template-columns: max-content 1fr; gap: .2rem 1rem; }
dt { color: #555; }
dd { margin: 0; overflow-wrap: anywhere; }
.scroll { overflow-x: auto; }
table { border-collapse: collapse; width: 100%; font-variant-numeric: tabular-nums; }
caption { text-align: left; font-weight: 600; padding: .8rem 0 .2rem; }
th, td { padding: .2rem .6rem; text-align: right; white-space: nowrap; border-bottom: 1px solid #ddd; }
th { font-weight: normal; }
thead th { color: #555; }
th:first-child { text-align: left; white-space: normal; }
.pictures { display: grid; grid-template-columns: repeat(auto-fit, minmax(min(100%, 26rem), 1fr)); }
.pictures { gap: 1.5rem; align-items: start; }
figure { margin: 0; break-inside: avoid; }
figure.wide { grid-column: 1 / -1; }
figure h2 { margin-top: 0; }
figcaption { color: #444; font-size: .9rem; }
img { max-width: 100%; height: auto; }
@media (max-width: 40rem) {
  body { padding: .6rem; font-size: 15px; }
  th, td { padding: .2rem .35rem; font-size: .85rem; }
  .wide img { max-width: none; width: 44rem; }
}
@media print {
  body { max-width: none; font-size: 10pt; }
  tr { break-inside: avoid; }
  .scroll { overflow: visible; }
}
"""


def page(findings: AnalysisResults, pictures: Iterable[Picture], title: str, head: str = "") -> str:
    """Return the report as HTML.

    Parameters
    ----------
    findings : AnalysisResults
        From `analyse`.
    pictures : iterable of Picture
        From `trajectories.analysis.report.figures.pictures`; they are embedded.
    title : str
        Heading of the page.
    head : str
        More for the head of the page, as HTML.
    """
    begin = (
        '<!DOCTYPE html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n'
        '<meta name="viewport" content="width=device-width, initial-scale=1">\n'
        f"{head}\n"
        f"<title>{escape(title)}</title>\n<style>{STYLE}</style>\n</head>\n<body>\n"
    )
    facts = "".join(f"<dt>{escape(name)}</dt><dd>{escape(value)}</dd>\n" for name, value in findings.facts.items())
    parts = [begin, f"<h1>{escape(title)}</h1>\n<dl>\n{facts}</dl>\n"]
    parts.append('<div class="pictures">\n' + "".join(_figure(picture) for picture in pictures) + "</div>\n")
    parts.append(
        "<h2>Numbers</h2>\n<p>Estimates with one standard error, resampled over trajectories. Deviations are "
        "in units of it.</p>\n"
    )
    heads = ("", "estimate", "exact", "deviation")
    parts += [_table(section, heads, findings.rows(section)) for section in findings.sections]
    if findings.checks:
        tests = (
            (f"{c.section}: {c.name}", f"{c.result.statistic:.4g}", f"{c.result.p_value:.3g}")
            for c in findings.checks
        )
        parts.append(_table("tests", ("", "statistic", "p"), tests))
    if findings.notes:
        parts.append("<h2>Notes</h2>\n<ul>" + "".join(f"<li>{escape(n)}</li>" for n in findings.notes) + "</ul>\n")
    return "".join([*parts, "</body>\n</html>\n"])


def escape(text: str) -> str:
    """Return text as HTML shows it; control characters, which HTML does not have, as escapes."""
    return escape_markup(printable(text))


def _figure(picture: Picture) -> str:
    data = b64encode(picture.png).decode()
    kind = ' class="wide"' if picture.wide else ""
    return (
        f'<figure{kind} id="{escape(picture.name)}">\n<h2>{escape(picture.title)}</h2>\n'
        f'<div class="scroll"><img alt="{escape(picture.caption)}" src="data:image/png;base64,{data}"></div>\n'
        f"<figcaption>{escape(picture.caption)}</figcaption>\n</figure>\n"
    )


def _table(caption: str, heads: tuple[str, ...], rows: Iterable[tuple[str, ...]]) -> str:
    titles = "".join(f'<th scope="col">{escape(head)}</th>' for head in heads)
    body = "".join(
        f'<tr><th scope="row">{escape(row[0])}</th>'
        + "".join(f"<td>{escape(cell)}</td>" for cell in row[1:])
        + "</tr>\n"
        for row in rows
    )
    return (
        f'<div class="scroll"><table>\n<caption>{escape(caption)}</caption>\n'
        f"<thead><tr>{titles}</tr></thead>\n<tbody>\n{body}</tbody>\n</table></div>\n"
    )
