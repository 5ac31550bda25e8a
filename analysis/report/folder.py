"""The folder that an analysis is written to: four files that replace earlier ones of ours, and never others."""

from __future__ import annotations

import json
import os
import warnings
from collections.abc import Mapping, Sequence
from datetime import date
from importlib import import_module
from pathlib import Path
from threading import Thread
from typing import Any

from numpy.typing import NDArray

import trajectories
from trajectories.errors import InvalidInput
from trajectories.records.files import (
    UNREADABLE,
    checksum_of_json,
    read_json,
    regular_file,
    remove_abandoned,
    write_whole,
)
from trajectories.stages import staged

from ..clicks.streams import Clicks, stream
from .analysis_results import AnalysisResults
from .exact_model_file import MODEL, Kept, is_kept_file, read_kept, write_kept

FORMAT, VERSION = "bundle-trajectories analysis", 1
# The mark by which a page of ours is recognised.
GENERATOR = f'<meta name="generator" content="{FORMAT}">'
NUMBERS, PAGE, EXACT = "analysis.json", "report.html", "exact.json"


class AnalysisFolder:
    """Where an analysis goes.

    Parameters
    ----------
    path : pathlib.Path
        The folder; it is made when something is written.

    Raises
    ------
    InvalidInput
        It holds a file of one of our names that no analysis wrote, or it cannot be written to.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        for name in (NUMBERS, EXACT, PAGE, MODEL):
            if (path / name).exists() and not _is_ours(path / name):
                raise InvalidInput(f"{path / name} was not written by an analysis; move it, or give another --out")
        there = next(folder for folder in (path, *path.absolute().parents) if folder.exists())
        if not there.is_dir() or not os.access(there, os.W_OK):
            raise InvalidInput(f"{path} cannot be written to; give another --out")

    def known(self) -> Mapping[str, Any] | None:
        """Return the exact values that an analysis by this version of the package left; None if there are none."""
        if not (self.path / EXACT).exists():
            return None
        document = read_json(self.path / EXACT)
        known = document.get("exact")
        if document.get("software") != trajectories.__version__ or "checksum" not in document:
            return None  # of an earlier version
        sound = isinstance(known, Mapping) and isinstance(known.get("answers"), Mapping)
        if not sound or document["checksum"] != checksum_of_json(known):
            warnings.warn(f"{self.path / EXACT} is damaged or was edited; it is computed again", stacklevel=2)
            return None
        return dict(known)

    def kept(self, digest: str) -> Kept:
        """Return what exact computations for a system kept here, for `ExactValues`."""
        return read_kept(self.path / MODEL, digest)

    @staticmethod
    def begin_loading() -> None:
        """Load what draws the pictures while something else is computed: it takes a third of a second."""
        Thread(target=import_module, args=(".figures", __package__), daemon=True).start()

    @staged("pictures and report")
    def write(
        self,
        findings: AnalysisResults,
        record: Clicks,
        answers: Mapping[str, Any],
        title: str,
        kept: Mapping[str, NDArray[Any]] | None = None,
        commands: Sequence[str] = (),
    ) -> dict[str, Path]:
        """Write the files; return the paths of page and numbers by name.

        Parameters
        ----------
        findings : AnalysisResults
            From `analyse`.
        record : ClickRecord or Run
            The clicks that it analysed.
        answers : mapping
            Exact values to be kept, `ExactValues.answers`.
        title : str
            Heading of the page.
        kept : mapping of str to ndarray, optional
            `ExactValues.kept`.
        commands : sequence of str
            What makes the page again; shown at its end.

        Raises
        ------
        InvalidInput
            The folder cannot be made.
        RunFolderError
            A file cannot be written.
        """
        from ..plot.style import labelled_in
        from .charts import charts
        from .figures import pictures
        from .html import origin_of, page

        head = {"format": FORMAT, "version": VERSION, "software": trajectories.__version__}
        with labelled_in(findings.unit):
            drawn = page(
                findings,
                pictures(findings, record),
                title,
                GENERATOR,
                charts=charts(findings, record),
                provenance=origin_of(stream(record).provenance, trajectories.__version__, findings.unit)
                | {"analysed on": date.today().isoformat()},
                commands=commands,
            )
        contents = {
            PAGE: drawn,
            NUMBERS: _json(head | {"title": title} | findings.to_dict()),
        }
        if answers["answers"]:
            contents[EXACT] = _json(head | {"checksum": checksum_of_json(answers), "exact": answers})
        try:
            self.path.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise InvalidInput(f"cannot make {self.path}: {error.strerror}; give another --out") from error
        for name, content in contents.items():
            remove_abandoned(self.path / name)
            write_whole(self.path / name, content.encode(errors="backslashreplace"))
        if kept:
            write_kept(self.path / MODEL, kept, str(answers["about"]["digest"]))
        return {"report": self.path / PAGE, "numbers": self.path / NUMBERS}


def _is_ours(path: Path) -> bool:
    if path.name == MODEL:
        return is_kept_file(path)
    try:
        if path.name == PAGE:
            with regular_file(path) as stream:
                return GENERATOR.encode() in stream.read(2000)
        document = read_json(path)
    except UNREADABLE:
        return False
    return isinstance(document, dict) and document.get("format") == FORMAT


def _json(document: Mapping[str, Any]) -> str:
    return json.dumps(document, indent=1, ensure_ascii=False) + "\n"
