"""Report of a finished run: a table and pictures, with exact values."""

from __future__ import annotations

import warnings
from pathlib import Path
from typing import Any

from ..errors import TrajectoriesError
from ..stages import Stage


def report_run(job: Any, record: Any, folder: Path) -> None:
    """Print the table and draw the pictures of a finished run, given as a record, or as a `Run` to be streamed."""
    from trajectories.analysis import report, stream

    record = stream(record)
    exact, lags = _exact_bundles(job, folder)
    print(report.summary(record, pair=job.pair, window=job.window, exact=exact))
    print(f"record    {folder}")
    drawn = report.pictures(record, folder / "pictures", pair=job.pair, window=job.window, exact_lags=lags)
    for path in drawn:
        print(f"picture   {path}")
    picture = _draw_populations(job, record, folder)
    if picture is not None:
        print(f"picture   {picture}")


def _exact_bundles(job: Any, folder: Path) -> tuple[dict[str, float], Any]:
    """Return exact purity, order and lag histogram of the pair's bundles; nothing if they cannot be computed.

    Exact values are stored in the run folder for `analyse` and `validate`, and theirs are used.
    """
    from trajectories.analysis.report.exact_model_file import MODEL, keep_beside, read_kept
    from trajectories.analysis.report.run_summary import lag_edges

    from ..blas import one_blas_thread
    from ..lindblad.click_statistics.ordering import bundles_and_lags
    from ..lindblad.inputs import bundle_window
    from ..lindblad.kept_state import known_steady_state

    if job.pair is None:
        return {}, None
    edges = lag_edges(bundle_window(job.system, job.window))
    first, second = job.pair
    try:
        kept = read_kept(folder / "analysis" / MODEL, job.system.digest)
        before = len(kept)
        with one_blas_thread():  # as in `analyse`, for the same bits
            steady = known_steady_state(job.system, kept)
        with Stage("exact values of the bundles"):
            bundles, lags = bundles_and_lags(steady, first, second, edges, job.window)
        if len(kept) > before:
            keep_beside(folder, kept, job.system.digest)
    except TrajectoriesError as error:  # the pair is never emitted, or the system is too large
        warnings.warn(f"no exact values of bundles: {error}", stacklevel=2)
        return {}, None
    return {"purity": bundles.purity.value, "order": bundles.order_fraction.value}, lags


def _draw_populations(job: Any, record: Any, folder: Path) -> Path | None:
    """Draw the dressed-state populations of a trajectory around a bundle (the paper's Fig. 2(d)–(g))."""
    from trajectories.analysis import report

    from ..simulation.follow import follow

    if job.resonator is None or job.pair is None:
        return None
    bundle = report.typical_bundle(record, pair=job.pair, window=job.window)
    if bundle is None:
        return None
    space = job.system.space
    pair_state = {name: int(name in job.pair) for name in space.modes}
    states = {
        "000+": (0, 0, 0, "+"),
        "".join(map(str, pair_state.values())) + "−": (*pair_state.values(), "-"),
    }
    for name in job.pair:
        single = tuple(int(mode == name) for mode in space.modes)
        states["".join(map(str, single)) + "−"] = (*single, "-")
    kets = {f"|{label}⟩": job.resonator.dressed_ket(space, *state) for label, state in states.items()}
    populations = follow(folder, bundle.trajectory, kets, bundle.times)
    return report.population_picture(bundle, populations, folder / "pictures" / "populations.png")
