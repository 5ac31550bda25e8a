"""Spectral filters: identities to rounding, closed forms, the sensor method, clicks, configurations, refusals."""

from __future__ import annotations

import numpy as np
import pytest

import trajectories as tj
from trajectories import analysis as an
from trajectories import lindblad
from trajectories.cli.configuration import read_job
from trajectories.errors import InvalidInput

ATOM = tj.HilbertSpace(atom=2)
SIGMA = ATOM.lower("atom")


def driven_atom(rabi: float) -> tj.OpenSystem:
    return tj.OpenSystem(0.5 * rabi * (SIGMA + SIGMA.T), [tj.Channel("atom", SIGMA)], ATOM)


def two_channels() -> tj.OpenSystem:
    """A driven atom in a cavity, both of which click."""
    space = tj.HilbertSpace(cavity=3, atom=2)
    a, sigma = space.lower("cavity"), space.lower("atom")
    h = 0.7 * space.number("cavity") + 0.8 * (a.T @ sigma + sigma.T @ a) + 0.3 * (sigma + sigma.T)
    return tj.OpenSystem(h, [tj.Channel("cavity", 0.6 * a), tj.Channel("atom", 0.4 * sigma)], space)


def source_state(steady: lindblad.SteadyState, source: tj.OpenSystem) -> np.ndarray:
    """Trace the filters out: they stand between the cavity and the atom."""
    levels = list(steady.system.space.levels.values())
    middle = int(np.prod(levels[1:-1]))
    tensor = steady.rho.reshape(levels[0], middle, levels[-1], levels[0], middle, levels[-1])
    return np.einsum("afbcfd->abcd", tensor).reshape(source.dimension, source.dimension)


# --- identities ------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("frequency", "width"), [(0.5, 0.2), ([0.5, -0.4], [0.2, 1.0])])
def test_the_source_is_unchanged_and_rates_add_up(frequency: object, width: object) -> None:
    source = two_channels()
    before = lindblad.steady_state(source)
    system = source.filtered("cavity", frequency, width, levels=3)
    after = lindblad.steady_state(system)
    np.testing.assert_allclose(source_state(after, source), before.rho, atol=1e-13)
    outputs = [name for name in system.channel_names if name.startswith("cavity")]
    assert sum(after.rate(name) for name in outputs) == pytest.approx(before.rate("cavity"), rel=1e-12)
    assert after.rate("atom") == pytest.approx(before.rate("atom"), rel=1e-12)
    g2 = [lindblad.g2_at(steady, "atom", "atom", [0.0, 1.0, 3.0]) for steady in (before, after)]
    np.testing.assert_allclose(g2[1], g2[0], rtol=1e-9, atol=1e-12)
    assert set(after.top_level) == set(system.space.modes)
    # Planted fault: without the coherent part of the series product light comes back to the source.
    wrong = tj.OpenSystem(
        tj.OpenSystem.filtered(source, "cavity", frequency, width).hamiltonian * 1.02,
        system.channels,
        system.space,
    )
    assert np.abs(source_state(lindblad.steady_state(wrong), source) - before.rho).max() > 1e-4


def test_a_wide_filter_transmits_everything() -> None:
    source = two_channels()
    before = lindblad.steady_state(source)
    tau = [0.0, 0.5, 2.0]
    expected = lindblad.g2_at(before, "cavity", "cavity", tau)
    errors, left = [], []
    for width in (1e2, 1e3):
        after = lindblad.steady_state(source.filtered("cavity", 0.0, width))
        left.append(after.rate("cavity reflected") / before.rate("cavity"))
        seen = lindblad.g2_at(after, "cavity transmitted", "cavity transmitted", tau)
        errors.append(np.abs(seen - expected).max())
    assert left[1] < 0.02 * left[0] < 1e-4
    assert errors[1] < 0.2 * errors[0] < 0.05


def test_the_transmitted_rate_is_the_spectrum_under_the_lorentzian() -> None:
    """Mollow's closed form: (Γ/2) Re Σ a/(d + Γ/2 − iω_f) and the coherent line."""
    rabi, y2 = 5.0, 50.0
    delta = np.sqrt(complex(1.0 / 16.0 - rabi**2))
    side = (1.0 - 5.0 * y2) / 4.0 / delta
    terms = [
        (0.25 * y2 / (1.0 + y2), 0.5),
        (-0.125 * y2 / (1.0 + y2) ** 2 * (1.0 - y2 + side), 0.75 - delta),
        (-0.125 * y2 / (1.0 + y2) ** 2 * (1.0 - y2 - side), 0.75 + delta),
    ]
    for frequency, width in ((0.0, 0.7), (-5.0, 0.7), (2.5, 0.3)):
        half = 0.5 * width
        expected = half * sum((a / (d + half - 1j * frequency)).real for a, d in terms)
        expected += 0.5 * y2 / (1.0 + y2) ** 2 * half**2 / (half**2 + frequency**2)
        steady = lindblad.steady_state(driven_atom(rabi).filtered("atom", frequency, width, levels=12))
        assert steady.rate("atom transmitted") == pytest.approx(expected, rel=1e-6)
        assert max(steady.top_level.values()) < 1e-6


def test_filtered_g2_is_that_of_sensors() -> None:
    """Sensors of del Valle et al. (2012): weakly coupled modes of width Γ, in the limit of no coupling."""
    rabi, frequencies, width = 3.0, (-3.0, 3.0), 1.0
    system = driven_atom(rabi)
    levels, weak = 3, 2e-3
    space = tj.HilbertSpace(one=levels, two=levels, atom=2)
    sigma = space.lower("atom")
    h = 0.5 * rabi * (sigma + sigma.T)
    for mode, frequency in zip(("one", "two"), frequencies, strict=True):
        f = space.lower(mode)
        h = h + frequency * space.number(mode) + weak * (f.T @ sigma + sigma.T @ f)
    channels = [tj.Channel("atom", sigma)]
    channels += [tj.Channel(mode, np.sqrt(width) * space.lower(mode)) for mode in ("one", "two")]
    sensors = lindblad.steady_state(tj.OpenSystem(h, channels, space))
    tau = np.array([-1.5, 0.0, 0.7])
    expected = lindblad.g2_at(sensors, "one", "two", tau)
    # Filters in front of half of the light each: what the other reflects or takes plays no part.
    half = tj.OpenSystem(
        system.hamiltonian, [tj.Channel(name, np.sqrt(0.5) * SIGMA) for name in ("left", "right")], ATOM
    )
    both = half.filtered("left", frequencies[0], width, levels=4).filtered(
        "right", frequencies[1], width, levels=4
    )
    found = lindblad.g2_at(lindblad.steady_state(both), "left transmitted", "right transmitted", tau)
    np.testing.assert_allclose(found, expected, rtol=2e-3)
    one = lindblad.steady_state(system.filtered("atom", frequencies[0], width, levels=4))
    alone = lindblad.g2_at(one, "atom transmitted", "atom transmitted", tau)
    np.testing.assert_allclose(alone, lindblad.g2_at(sensors, "one", "one", tau), rtol=2e-3)
    assert not np.allclose(alone, expected, rtol=0.05)  # planted fault: the same sideband twice


def test_the_sidebands_of_the_triplet_are_emitted_in_turn() -> None:
    """In the secular limit γ ≪ Γ ≪ Ω, with S = |−⟩⟨+| behind the filters: after the filters' memory 1/Γ a sideband
    follows itself with 1 − e^{−γτ/2} and the other with 1 + e^{−γτ/2}; at τ = 0 both orders interfere, S² = 0 and
    ½{S, S†} = ½ give 0 and 1, and ½{σ_z, S} = 0 gives 0 for the middle line with a sideband.

    Cohen-Tannoudji and Reynaud (1979); measured by Aspect et al., PRL 45, 617 (1980), and Schrama et al. (1992).
    """
    rabi, width, tau = 400.0, 20.0, np.array([0.0, 0.5, 1.0])
    system = driven_atom(rabi).filtered("atom", [-rabi, rabi, 0.0], width, levels=2)
    steady = lindblad.steady_state(system)
    red, blue, middle = (f"atom transmitted {i}" for i in (1, 2, 3))
    decay = np.where(tau > 0.0, np.exp(-0.5 * tau), [1.0, 0.0, 0.0])
    same, other, mixed = (lindblad.g2_at(steady, red, name, tau) for name in (red, blue, middle))
    np.testing.assert_allclose(same[1:], 1.0 - decay[1:], atol=0.06)
    np.testing.assert_allclose(other[1:], 1.0 + decay[1:], atol=0.06)
    np.testing.assert_allclose(mixed[1:], 1.0, atol=0.06)
    np.testing.assert_allclose([other[0], mixed[0]], [1.0, 0.0], atol=0.06)


# --- clicks ----------------------------------------------------------------------------------------------


def test_clicks_behind_a_filter_have_the_exact_statistics() -> None:
    system = driven_atom(3.0).filtered("atom", 3.0, 1.0, levels=4)
    record = tj.simulate(system, 64, 1500.0, seed=3, progress=False, workers=1)
    steady = lindblad.steady_state(system)
    edges = np.linspace(-4.0, 4.0, 9)
    seen = an.g2(record, "atom transmitted", "atom transmitted", edges)
    exact = lindblad.g2(steady, "atom transmitted", "atom transmitted", edges)
    # Nine numbers, each beyond 4σ with probability 6e-5, at a fixed seed.
    assert (np.abs(seen.value - exact.value) < 4.0 * seen.standard_error).all()
    rates = an.rates(record)
    for name in system.channel_names:
        assert abs(rates[name].value - steady.rate(name)) < 4.0 * rates[name].standard_error
    unfiltered = lindblad.g2(lindblad.steady_state(driven_atom(3.0)), "atom", "atom", edges)
    assert (np.abs(seen.value - unfiltered.value) > 8.0 * seen.standard_error).any()  # planted fault


def test_a_filtered_system_is_data() -> None:
    system = two_channels().filtered("cavity", 0.5, 0.2).filtered("atom", -0.3, 0.1, name="light")
    assert system.channel_names == (
        "cavity transmitted",
        "cavity reflected",
        "light transmitted",
        "light reflected",
    )
    assert system.space.names == ("cavity", "filter of cavity", "filter of light", "atom")
    again = tj.OpenSystem.from_arrays(system.to_arrays(), system.space, system.parameters)
    assert again.digest == system.digest
    assert [f["channel"] for f in system.parameters["filters"]] == ["cavity", "atom"]
    bare = tj.OpenSystem(two_channels().hamiltonian, two_channels().channels)
    steady = lindblad.steady_state(bare.filtered("cavity", 0.5, 0.2))
    expected = lindblad.steady_state(two_channels().filtered("cavity", 0.5, 0.2))
    assert steady.rate("cavity transmitted") == pytest.approx(expected.rate("cavity transmitted"), rel=1e-12)
    assert list(steady.top_level) == ["filter of cavity"]


# --- configurations --------------------------------------------------------------------------------------

TOML = """
[resonator]
detuning = 1.34
[truncation]
levels = [3, 2, 3]
[filters.photon]
frequency = 1.349
width = 0.05
[filters.atom]
frequency = [-2.4, 0.0]
width = 0.1
levels = 2
"""


def test_a_configuration_has_filters(tmp_path) -> None:
    file = tmp_path / "blue.toml"
    file.write_text(TOML)
    resonator = tj.SpinningResonator(detuning=1.34)
    expected = resonator.system((3, 2, 3)).filtered("photon", 1.349, 0.05)
    expected = expected.filtered("atom", [-2.4, 0.0], 0.1, levels=2)
    assert read_job(str(file)).system.digest == expected.digest
    file.write_text(TOML.split("[filters.photon]")[0])
    job = read_job(str(file), None, [("magnon", {"frequency": 1.0, "width": 0.1})] * 2)
    twice = resonator.system((3, 2, 3)).filtered("magnon", [1.0, 1.0], 0.1)
    assert job.system.digest == twice.digest


@pytest.mark.parametrize(
    "table", ["[filters.photon]\nwidth = 1", "[filters]\nphoton = 1", "[filters.photon]\nq = 1"]
)
def test_bad_tables_are_refused(tmp_path, table: str) -> None:
    file = tmp_path / "bad.toml"
    file.write_text(table + "\n")
    with pytest.raises(InvalidInput, match=r"\[filters.photon\]; it needs frequency and width"):
        read_job(str(file))


# --- bad input -------------------------------------------------------------------------------------------


def test_bad_filters_are_refused() -> None:
    system = two_channels()
    for given, message in (
        (("phonon", 0.0, 1.0), "no channel named 'phonon'"),
        (("cavity", np.nan, 1.0), "frequency"),
        (("cavity", [], 1.0), "frequency"),
        (("cavity", 0.0, 0.0), "width"),
        (("cavity", [0.0, 1.0], [1.0, 2.0, 3.0]), "width has shape"),
    ):
        with pytest.raises(InvalidInput, match=message):
            system.filtered(*given)
    with pytest.raises(InvalidInput, match="levels"):
        system.filtered("cavity", 0.0, 1.0, levels=1)
    with pytest.raises(InvalidInput, match="already"):
        system.filtered("cavity", 0.0, 1.0).filtered("atom", 0.0, 1.0, name="cavity")
    with pytest.raises(InvalidInput, match="max_quanta"):
        tj.SpinningResonator().system((3, 3, 3), max_quanta=3).filtered("photon", 1.0, 1.0)
    pulsed = tj.OpenSystem(SIGMA + SIGMA.T, [tj.Channel("atom", SIGMA, tj.Square(0.0, 1.0))], ATOM)
    with pytest.raises(InvalidInput, match="depends on time"):
        pulsed.filtered("atom", 0.0, 1.0)
