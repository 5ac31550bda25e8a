"""What can go wrong, by name; every message is one line: what, the value, the remedy."""

from __future__ import annotations

import shlex
import sys

from .names import printable


class TrajectoriesError(Exception):
    """Base of every error that this package raises on purpose.

    Examples
    --------
    >>> import trajectories as tj
    >>> issubclass(tj.InvalidInput, tj.TrajectoriesError), issubclass(tj.RunFolderError, tj.TrajectoriesError)
    (True, True)
    """

    def __init__(self, message: str = "") -> None:
        # Messages of exceptions of other libraries, which ours quote, may have several lines.
        super().__init__(printable(" ".join(str(message).splitlines())))


class InvalidInput(TrajectoriesError, ValueError):
    """An argument or configuration value that is refused before any work is done.

    Examples
    --------
    >>> import trajectories as tj
    >>> try:
    ...     tj.Detector(efficiency=2.0)
    ... except tj.InvalidInput as error:
    ...     print(error)
    detector efficiency=2.0 must not exceed 1
    """


class NothingLeft(InvalidInput):
    """A correction that leaves nothing of a record."""


class MissingPackage(InvalidInput):
    """A package that is only needed for what was asked, and that is not installed.

    Parameters
    ----------
    what : str
        What needs it.
    packages : str
        Names on the package index, as pip takes them.
    cause : object
        What the import said.
    """

    def __init__(self, what: str, packages: str, cause: object) -> None:
        python = shlex.quote(sys.executable) if sys.executable else "python3"
        super().__init__(f"{what} needs {packages} ({cause}); {python} -m pip install {packages}")


class RunFolderError(TrajectoriesError):
    """A run folder that is damaged, foreign, or belongs to another configuration.

    Examples
    --------
    >>> import tempfile, trajectories as tj
    >>> try:
    ...     with tempfile.TemporaryDirectory() as folder:
    ...         tj.Run.open(folder)
    ... except tj.RunFolderError:
    ...     print("no run folder")
    no run folder
    """


class ConvergenceError(TrajectoriesError):
    """A numerical method that did not reach its tolerance."""


class SteadyStateNotUnique(TrajectoriesError):
    """The Liouvillian has more than one steady state."""


class AccuracyWarning(UserWarning):
    """A record whose error of the no-click probability may exceed the tolerance that was asked for."""


class TruncationWarning(UserWarning):
    """A mode whose top level holds too much population for its truncation to be trusted."""


class TickWarning(UserWarning):
    """Bins that do not fit the whole ticks of a measured record, or clicks that share one tick."""


class RecordWarning(UserWarning):
    """Something about a measured file that its numbers depend on: cut off, or shorter than its header claims."""
