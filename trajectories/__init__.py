"""Monte Carlo wave-function click records for open quantum systems, and exact values to compare them with."""

from __future__ import annotations

from importlib import import_module

# Not imported from typing, which takes as long as everything else here; type checkers know the name.
TYPE_CHECKING = False
if TYPE_CHECKING:
    import typing

    from . import analysis as analysis
    from . import lindblad as lindblad
    from .analysis.inference.replay import replay as replay
    from .analysis.inference.replay import replays as replays
    from .detectors import Detector as Detector
    from .engine.replay.replay import Replay as Replay
    from .ensembles import TrajectoryStates as TrajectoryStates
    from .errors import InvalidInput as InvalidInput
    from .errors import RunFolderError as RunFolderError
    from .errors import TrajectoriesError as TrajectoriesError
    from .model import AvoidedCrossing as AvoidedCrossing
    from .model import Channel as Channel
    from .model import Cosine as Cosine
    from .model import Drive as Drive
    from .model import Envelope as Envelope
    from .model import Gaussian as Gaussian
    from .model import HilbertSpace as HilbertSpace
    from .model import OpenSystem as OpenSystem
    from .model import Piecewise as Piecewise
    from .model import Ramp as Ramp
    from .model import Rotation as Rotation
    from .model import Sampled as Sampled
    from .model import Sech as Sech
    from .model import SpinningResonator as SpinningResonator
    from .model import Square as Square
    from .model import fizeau_shift as fizeau_shift
    from .pulse_results import PulseCounts as PulseCounts
    from .pulse_results import PulseMap as PulseMap
    from .records import ClickRecord as ClickRecord
    from .records import Run as Run
    from .records import end_to_end as end_to_end
    from .records import repair as repair
    from .records.formats import export as export
    from .records.formats import load as load
    from .records.formats import open_measured as open_measured
    from .results import Correlation as Correlation
    from .results import Estimate as Estimate
    from .results import Histogram as Histogram
    from .simulation.estimate import RunEstimate as RunEstimate
    from .simulation.estimate import estimate_run as estimate_run
    from .simulation.follow import follow as follow
    from .simulation.follow import states_along as states_along
    from .simulation.simulate import simulate as simulate
    from .simulation.two_time import Moments as Moments
    from .simulation.two_time import bundle_correlation as bundle_correlation
    from .simulation.two_time import cross_correlation as cross_correlation
    from .simulation.two_time import moments as moments
    from .stages import quiet as quiet

# Module of each public name, imported on first use, so that `import trajectories` is fast. A test compares this
# with the imports above, which editors and type checkers read.
_HOMES = {
    "AvoidedCrossing": ".model",
    "PulseCounts": ".pulse_results",
    "PulseMap": ".pulse_results",
    "Square": ".model",
    "Sech": ".model",
    "Piecewise": ".model",
    "Sampled": ".model",
    "Rotation": ".model",
    "Ramp": ".model",
    "Gaussian": ".model",
    "Envelope": ".model",
    "Drive": ".model",
    "Cosine": ".model",
    "Channel": ".model",
    "ClickRecord": ".records",
    "Correlation": ".results",
    "Detector": ".detectors",
    "Estimate": ".results",
    "Histogram": ".results",
    "HilbertSpace": ".model",
    "InvalidInput": ".errors",
    "Moments": ".simulation.two_time",
    "OpenSystem": ".model",
    "Replay": ".engine.replay.replay",
    "Run": ".records",
    "RunEstimate": ".simulation.estimate",
    "RunFolderError": ".errors",
    "SpinningResonator": ".model",
    "TrajectoriesError": ".errors",
    "TrajectoryStates": ".ensembles",
    "bundle_correlation": ".simulation.two_time",
    "cross_correlation": ".simulation.two_time",
    "end_to_end": ".records",
    "estimate_run": ".simulation.estimate",
    "export": ".records.formats",
    "fizeau_shift": ".model",
    "follow": ".simulation.follow",
    "load": ".records.formats",
    "moments": ".simulation.two_time",
    "open_measured": ".records.formats",
    "quiet": ".stages",
    "repair": ".records",
    "replay": ".analysis.inference.replay",
    "replays": ".analysis.inference.replay",
    "simulate": ".simulation.simulate",
    "states_along": ".simulation.follow",
}
# Subpackages that are attributes, imported on first use as well.
_ROOMS = ("analysis", "lindblad")

__version__ = "0.2.0"
__all__ = ["__version__", *_HOMES, *_ROOMS]


def __getattr__(name: str) -> typing.Any:
    if name in _ROOMS:
        return import_module(f".{name}", __name__)
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    value = getattr(import_module(_HOMES[name], __name__), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted(__all__)
