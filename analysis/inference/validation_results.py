"""Validation: what `validate` found, as a verdict, a table, and JSON."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from trajectories.notebook import Shown, Summary

# Probability of rejecting a record that did come from the system.
SIGNIFICANCE = 0.01


@dataclass(frozen=True)
class ValidationTest:
    """One test of a validation.

    Attributes
    ----------
    name : str
        What was tested.
    statistic : float
        Its statistic.
    p_value : float
        Probability of so large a statistic if the record came from the system.
    adjusted : float
        The same, after Holm's correction for the number of tests.
    n : int
        Events behind it.
    method : str
        The statistic and its null distribution.
    """

    name: str
    statistic: float
    p_value: float
    adjusted: float
    n: int
    method: str


@dataclass(frozen=True, repr=False)
class Validation(Shown):
    """Whether a record can have come from a system.

    Attributes
    ----------
    tests : tuple of ValidationTest
        Every test that was made.
    untested : tuple of str
        What could not be tested, and why.
    significance : float
        Probability of rejecting a record that did come from the system.
    n_trajectories, n_clicks : int
        Size of the record.

    Examples
    --------
    >>> import trajectories as tj
    >>> sigma = tj.HilbertSpace(atom=2).lower("atom")
    >>> system = tj.OpenSystem(sigma + sigma.T, [tj.Channel("atom", sigma)])
    >>> record = tj.simulate(system, trajectories=20, duration=100.0, seed=1, progress=False)
    >>> found = tj.analysis.validate(record, system)
    >>> found.significance, len(found.tests) > 5, found.verdict
    (0.01, True, 'accepted: none of 7 tests contradicts the model at 0.01')
    """

    tests: tuple[ValidationTest, ...]
    untested: tuple[str, ...]
    significance: float
    n_trajectories: int
    n_clicks: int

    @property
    def accepted(self) -> bool:
        """Whether no test contradicts the system: every adjusted p-value is at least the significance."""
        return all(test.adjusted >= self.significance for test in self.tests)

    @property
    def verdict(self) -> str:
        """The outcome in one line."""
        worst = min(self.tests, key=lambda test: test.adjusted)
        if self.accepted:
            return f"accepted: none of {len(self.tests)} tests contradicts the model at {self.significance:g}"
        against = sum(test.adjusted < self.significance for test in self.tests)
        return (
            f"rejected at {self.significance:g}: {against} of {len(self.tests)} tests contradict the model, "
            f"first of all {worst.name} (adjusted p = {worst.adjusted:.2g})"
        )

    def to_dict(self) -> dict[str, Any]:
        """Return everything as JSON values; infinite numbers become strings."""
        tests = [{key: _plain(value) for key, value in vars(test).items()} for test in self.tests]
        return {
            "accepted": self.accepted,
            "verdict": self.verdict,
            "significance": self.significance,
            "tests": tests,
            "untested": list(self.untested),
        }

    def _summary(self) -> Summary:
        worst_first = sorted(self.tests, key=lambda test: test.adjusted)
        rows = [
            (test.name, f"{test.statistic:.4g}", f"{test.p_value:.2g}", f"{test.adjusted:.2g}", str(test.n))
            for test in worst_first
        ]
        size = f"{self.n_clicks} clicks of {self.n_trajectories} trajectories"
        untested = f"; not tested: {len(self.untested)}" if self.untested else ""
        return Summary(self.verdict, ("test", "statistic", "p", "Holm", "n"), rows, size + untested)

    def __str__(self) -> str:
        width = max(len(test.name) for test in self.tests)
        lines = [f"{'test':{width}}  {'statistic':>10}  {'p':>8}  {'Holm':>8}  {'n':>8}"]
        for test in self.tests:
            mark = "  <<" if test.adjusted < self.significance else ""
            lines.append(
                f"{test.name:{width}}  {test.statistic:10.4g}  {test.p_value:8.2g}  {test.adjusted:8.2g}  "
                f"{test.n:8d}{mark}"
            )
        lines += [f"not tested: {what}" for what in self.untested]
        return "\n".join([*lines, "", self.verdict])


def _plain(value: Any) -> Any:
    return value if not isinstance(value, float) or np.isfinite(value) else str(value)
