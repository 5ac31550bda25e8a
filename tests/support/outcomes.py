"""What a command or a call makes of hostile input: an answer, one line, or what must never be."""

from __future__ import annotations

import contextlib
import io
import time
import warnings
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from trajectories import cli
from trajectories.errors import TrajectoriesError

# Nothing may take longer: seconds of the processor, which others on the machine do not prolong, and of the clock.
PATIENCE, WAITING = 20.0, 200.0


@dataclass(frozen=True)
class Outcome:
    """What happened: "answer", "one line", or one of the kinds that must never be."""

    kind: str
    said: str = ""
    value: Any = None


def now() -> tuple[float, float]:
    return time.process_time(), time.perf_counter()


def hangs(begun: tuple[float, float]) -> bool:
    busy, waited = (after - before for after, before in zip(now(), begun, strict=True))
    return busy > PATIENCE or waited > WAITING


def of_command(*arguments: str) -> Outcome:
    """Run a command in this process."""
    out, err = io.StringIO(), io.StringIO()
    begun = now()
    try:
        with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err), warnings.catch_warnings():
            warnings.simplefilter("default")
            status = cli.main(list(arguments))
    except SystemExit as leave:
        status = leave.code
    except BaseException as error:
        return Outcome(f"traceback {type(error).__name__}", str(error))
    if hangs(begun):
        return Outcome("hang")
    errors = [line for line in err.getvalue().splitlines() if not line.startswith(("warning: ", "note: "))]
    if status in (0, 1) and not errors:
        return Outcome("answer", err.getvalue(), out.getvalue())
    if status == 2 and len(errors) == 1 and errors[0].startswith("error: ") and errors[0].isprintable():
        return Outcome("one line", errors[0])
    return Outcome(f"status {status} and {len(errors)} lines", err.getvalue())


def of_call(call: Callable[[], Any]) -> Outcome:
    """Call a function of the package."""
    begun = now()
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            value = call()
    except TrajectoriesError as error:
        lines = len(str(error).splitlines())
        found = Outcome("one line" if lines == 1 else f"{lines} lines", str(error))
    except BaseException as error:
        return Outcome(f"traceback {type(error).__name__}", str(error))
    else:
        found = Outcome("answer", "", value)
    return Outcome("hang") if hangs(begun) else found
