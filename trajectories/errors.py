"""Exceptions and warnings; every message is one line: what, the value, the remedy."""

from __future__ import annotations

import shlex
import sys

from .names import printable


class TrajectoriesError(Exception):
    """Base class of the errors of this package.

    Examples
    --------
    >>> import trajectories as tj
    >>> issubclass(tj.InvalidInput, tj.TrajectoriesError), issubclass(tj.RunFolderError, tj.TrajectoriesError)
    (True, True)
    """

    def __init__(self, message: str = "") -> None:
        # Quoted messages of other libraries may have several lines.
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
    detector efficiency=2 must not exceed 1
    """


class NothingLeft(InvalidInput):
    """A correction that leaves nothing of a record."""


class MissingPackage(InvalidInput):
    """An optional package that is needed and not installed.

    Parameters
    ----------
    what : str
        The feature that needs it.
    packages : str
        Names on the package index, as pip takes them.
    cause : object
        The exception of the import.
    """

    def __init__(self, what: str, packages: str, cause: object) -> None:
        python = shlex.quote(sys.executable) if sys.executable else "python3"
        super().__init__(f"{what} needs {packages} ({cause}); {python} -m pip install {packages}")


class RunFolderError(TrajectoriesError):
    """A run folder that is damaged, foreign, in use, or of another configuration.

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
    """The error of the no-click probability of a record may exceed the requested tolerance."""


class TruncationWarning(UserWarning):
    """The top level of a mode has too much population: the truncation is too low."""


class TickWarning(UserWarning):
    """Bins are not whole ticks of a measured record, or clicks lie in the same tick."""


class RecordWarning(UserWarning):
    """A property of a measured file that affects estimates: it is cut off, or shorter than its header states."""
