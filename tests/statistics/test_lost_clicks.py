"""Posterior of lost clicks: as frequent as their probability, on records whose lost clicks are known."""

from __future__ import annotations

import numpy as np
import pytest
from click_systems import driven_atom, superoperator, watch
from scipy import stats
from scipy.linalg import expm
from systems_with_answers import PairSource

import trajectories as tj
from trajectories import analysis as an
from trajectories.errors import InvalidInput

pytestmark = pytest.mark.filterwarnings("ignore::trajectories.errors.TruncationWarning")
SYSTEM = PairSource(coupling=0.1, levels=3).system()
DETECTORS = {"photon": tj.Detector(0.6, 0.005), "magnon": tj.Detector(0.5, 0.0, dead_time=1.0)}
PAIR, WINDOW = ("photon", "magnon"), 2.0


@pytest.fixture(scope="module")
def clicks():
    return watch(SYSTEM, 60, 400.0, seed=41)


@pytest.fixture(scope="module")
def seen(clicks):
    return an.apply_detectors(clicks, DETECTORS, seed=3)


@pytest.fixture(scope="module")
def lost(clicks, seen):
    """Whether each true click was lost."""
    known = set(zip(seen.trajectory.tolist(), seen.time.tolist(), seen.channel.tolist(), strict=True))
    every = zip(clicks.trajectory.tolist(), clicks.time.tolist(), clicks.channel.tolist(), strict=True)
    return np.array([click not in known for click in every])


def calibrated(probability, happened, bins=8):
    """Return the p-value of Σ (seen − expected)²/variance over groups of like probability."""
    groups = np.array_split(np.argsort(probability), bins)
    squares = 0.0
    for group in groups:
        p = probability[group]
        squares += (happened[group].sum() - p.sum()) ** 2 / (p * (1.0 - p)).sum()
    return stats.chi2.sf(squares, bins)


def has_lost_partner(clicks, seen, lost):
    found = np.zeros(len(seen), dtype=bool)
    for n in range(len(seen)):
        other = 1 - int(seen.channel[n])
        near = (clicks.trajectory == seen.trajectory[n]) & (np.abs(clicks.time - seen.time[n]) <= WINDOW)
        found[n] = (near & lost & (clicks.channel == other)).any()
    return found


def test_companions_are_as_frequent_as_said(clicks, seen, lost):
    """Eight groups of like probability, χ² at 1e-3; probabilities that are a tenth too large are rejected."""
    found = an.lost_clicks(seen, SYSTEM, pair=PAIR, window=WINDOW)
    happened = has_lost_partner(clicks, seen, lost)
    p = found.companion
    assert np.isfinite(p).all()
    assert p.max() > 0.8
    assert p.min() < 0.1
    assert calibrated(p, happened) > 1e-3
    assert calibrated(np.clip(1.1 * p + 0.02, 0.0, 0.999), happened) < 1e-3
    # Without loss in the model nothing is missed; with the efficiencies swapped it is another record.
    swapped = {"photon": tj.Detector(0.5, 0.005), "magnon": tj.Detector(0.9, dead_time=1.0)}
    wrong = an.lost_clicks(seen, SYSTEM, swapped, pair=PAIR, window=WINDOW).companion
    assert calibrated(np.clip(wrong, 1e-3, 0.999), happened) < 1e-6
    alone = an.single_clicks(seen, PAIR, WINDOW)
    assert p[alone].mean() > 2.0 * p[~alone].mean()


def test_rates_add_up_to_what_was_lost(clicks, seen, lost):
    """∫ rate dt against the clicks lost in each channel, and where the rate is large; 4.5 σ of a Poisson count."""
    step = 0.05
    times = np.arange(0.5 * step, 400.0, step)
    rates = an.lost_clicks(seen, SYSTEM, times=times).rates
    for k, name in enumerate(SYSTEM.channel_names):
        mine = lost & (clicks.channel == clicks.channel_names.index(name))
        expected = rates[:, :, k].sum() * step
        assert abs(mine.sum() - expected) < 4.5 * np.sqrt(expected)
        high = np.quantile(rates[:, :, k], 0.9)
        at = rates[clicks.trajectory[mine], np.minimum((clicks.time[mine] / step).astype(int), len(times) - 1), k]
        often = rates[:, :, k][rates[:, :, k] > high].sum() * step
        assert abs((at > high).sum() - often) < 4.5 * np.sqrt(often)
        assert often > 1.5 * 0.1 * expected


def test_dark_counts_are_as_frequent_as_said(clicks, seen):
    known = set(zip(clicks.trajectory.tolist(), clicks.time.tolist(), strict=True))
    made = np.array([c not in known for c in zip(seen.trajectory.tolist(), seen.time.tolist(), strict=True)])
    found = an.lost_clicks(seen, SYSTEM).dark
    assert (found[seen.channel == 1] == 0.0).all()
    photon = seen.channel == 0
    assert calibrated(found[photon], made[photon], bins=4) > 1e-3
    assert made.sum() > 20


def test_agrees_with_dense_matrices_word_for_word():
    """One click of a lossy atom: Tr[J e^{L0 a}…] by exponentials of 4 × 4 matrices."""
    atom = driven_atom(1.5, 1.0)
    record = tj.ClickRecord.from_arrays([0], [2.0], [0], channel_names=["atom"], start=[0.0], stop=[5.0])
    detectors = {"atom": tj.Detector(0.3, 0.01)}
    found = an.lost_clicks(record, atom, detectors, times=[1.0, 4.0], initial=[1.0, 0.0], pair=None)
    c = atom.channels[0].operator.toarray()
    jump, one = np.kron(c, c.conj()), np.eye(2).ravel()
    click = 0.3 * jump + 0.01 * np.eye(4)
    silent = superoperator(atom) - click
    rho = np.diag([1.0, 0.0]).ravel()
    early = one @ expm(3.0 * silent) @ click @ expm(silent)
    state = expm(silent) @ rho
    assert found.rates[0, 0, 0] == pytest.approx((0.7 * early @ jump @ state / (early @ state)).real, rel=1e-9)
    late, state = one @ expm(silent), expm(2.0 * silent) @ click @ expm(2.0 * silent) @ rho
    assert found.rates[0, 1, 0] == pytest.approx((0.7 * late @ jump @ state / (late @ state)).real, rel=1e-9)


def test_refusals(seen, clicks):
    with pytest.raises(InvalidInput, match="nothing is lost"):
        an.lost_clicks(clicks, SYSTEM)
    with pytest.raises(InvalidInput, match="must be two different channels"):
        an.lost_clicks(seen, SYSTEM, pair=("photon", "photon"))
    with pytest.raises(InvalidInput, match="falls into its dead time"):
        an.lost_clicks(clicks, SYSTEM, DETECTORS)


def test_a_click_at_the_end_of_a_dead_time_of_large_times():
    """What rounding of the times takes from the dead time is none: at 1e9 it is 1e-7. `filter` allows as much."""
    watching, system = {"atom": tj.Detector(0.5, dead_time=1.0)}, driven_atom(1.0, 1.0)
    end = np.nextafter(1e9 + 0.3, 0.0)

    def two_clicks(second):
        times = [1e9 - 0.7, second]
        return tj.ClickRecord.from_arrays(
            [0, 0], times, [0, 0], channel_names=["atom"], start=[1e9 - 9], stop=[1e9 + 9]
        )

    assert np.isfinite(an.lost_clicks(two_clicks(end), system, watching, times=[1e9]).rates).all()
    with pytest.raises(InvalidInput, match="falls into its dead time"):
        an.lost_clicks(two_clicks(end - 1e-6), system, watching, times=[1e9])
