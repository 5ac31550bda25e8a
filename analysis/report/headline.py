"""The top of a report: the verdict of an analysis in a line, and at most five main numbers."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from trajectories.names import display

from ..statistics.goodness_of_fit import deviation, holm
from .analysis_results import AnalysisResults, Check, Number, spelled, spelled_like

# Probability of calling a correct record contradicted, over all numbers and tests, as in `validate`.
SIGNIFICANCE = 0.01


@dataclass(frozen=True)
class Verdict:
    """The outcome of an analysis.

    Attributes
    ----------
    kind : {"good", "bad", "unknown"}
        Whether the record agrees with its model and with itself.
    line : str
        The outcome in a sentence.
    reasons : tuple of str
        The results that it rests on.
    """

    kind: str
    line: str
    reasons: tuple[str, ...]


@dataclass(frozen=True)
class Headline:
    """One main number: its name, the estimate, and the exact value with the deviation from it."""

    name: str
    value: str
    beside: str


def verdict(found: AnalysisResults) -> Verdict:
    """Judge deviations from exact values and the tests of an analysis together, with Holm's correction.

    Deviations are taken on the scale of `goodness_of_fit.deviation`, on which few counts are nearer to normal.

    It judges single numbers, which share clicks, and does not replace `validate`, which tests whole curves and
    every gap.

    Parameters
    ----------
    found : AnalysisResults
        From `analyse`.
    """
    judged: list[tuple[str, float, Number | Check]] = []
    for number in found.numbers:
        if number.deviation is not None and number.exact is not None and number.estimate.n >= number.least:
            p = deviation(number.estimate, number.exact, np.inf, share=number.share).p_value
            judged.append((f"{number.section}: {number.name}", p, number))
    compared = len(judged)
    for check in found.checks:
        judged.append((f"{check.section}: {check.name}", check.result.p_value, check))
    judged = [each for each in judged if each[1] == each[1]]  # a test that could not be made has p = NaN
    adjusted = list(holm([p for _, p, _ in judged])) if judged else []
    against = [
        f"{name}, {_apart(one)} (adjusted p = {p:.2g})"
        for (name, _, one), p in sorted(zip(judged, adjusted, strict=True), key=lambda each: each[1])
        if p < SIGNIFICANCE
    ]
    tests = len(judged) - compared
    made = f"{compared} numbers compared with exact values and {tests} tests, at {SIGNIFICANCE:g} for all together"
    if against:
        what = "the model" if compared else "a stationary source"
        return Verdict("bad", f"These clicks contradict {what}", (*against[:5], made))
    if compared:
        return Verdict("good", "These clicks agree with the model", (made,))
    if judged:
        return Verdict("unknown", "Nothing contradicts a stationary source; no model was compared", (made,))
    return Verdict("unknown", "Too few clicks for a verdict", ())


def _apart(one: Number | Check) -> str:
    return f"{one.deviation_text} from exact" if isinstance(one, Number) else f"p = {one.result.p_value:.2g}"


def headlines(found: AnalysisResults) -> list[Headline]:
    """Return at most five numbers: of the bundles of the pair where there is one, else of the clicks.

    Parameters
    ----------
    found : AnalysisResults
        From `analyse`.
    """
    chosen: list[tuple[str, Number | None]] = []
    if found.pair is not None:
        first, second = map(display, found.pair)
        of_pair = [number for number in found.numbers if number.section.startswith(f"{first}–{second} bundles")]
        named = {number.name: number for number in of_pair}
        both = {f"{first} + {second}", f"{second} + {first}"}
        bundles = [
            number for number in found.numbers if number.section.startswith("bundles") and number.name in both
        ]
        rate = next(iter(bundles), None)
        chosen = [
            (f"rate of {first}–{second} bundles", rate),
            ("pair purity: share of quanta in such bundles", named.get("pair purity")),
            (f"{first} heralds {second}", next((n for n in of_pair if " heralds " in n.name), None)),
            ("coincidences over accidentals", named.get("coincidences/accidentals, C/A")),
            (f"{first} comes first", named.get(f"{first} first")),
        ]
    kept = [(name, number) for name, number in chosen if number is not None]
    busiest = sorted((n for n in found.numbers if n.section == "click rates"), key=lambda n: -n.estimate.n)
    for number in busiest:
        if len(kept) < 5:
            kept.append((f"click rate of {number.name}", number))
    return [Headline(name, *_words(number)) for name, number in kept[:5]]


def _words(number: Number) -> tuple[str, str]:
    unit = f" {number.unit}" if number.unit else ""
    beside = ""
    if number.exact is not None:
        beside = f"exact {spelled_like(number.exact, number.estimate)}, {number.deviation_text}"
    return f"{spelled(number.estimate)}{unit}", beside
