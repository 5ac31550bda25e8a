"""Drives and envelopes: what they mean, that they are data, and what is refused."""

import itertools
import json
from functools import partial

import numpy as np
import pytest
import qutip

import trajectories as tj
from trajectories.errors import InvalidInput
from trajectories.model.envelopes import envelope_from

SIGMA = tj.HilbertSpace(atom=2).lower("atom")
FLIP = SIGMA + SIGMA.T
GAUSSIAN = tj.Gaussian(centre=10.0, sigma=1.0, height=0.5)
T = np.linspace(-5.0, 25.0, 301)
EVERY_SHAPE = [
    tj.Square(1.0, 3.0, 0.5),
    GAUSSIAN,
    tj.Sech(4.0, 1.0),
    tj.Ramp(0.0, 2.0, 1.0, 3.0),
    tj.Cosine(0.3, 0.1, 2.0),
    tj.Rotation(0.2, 0.1, 0.01, 3.0),
    tj.Sampled(np.arange(20.0), np.sin(0.1 * np.arange(20.0)) + 1j),
    tj.Sampled([0.0, 1.0, 4.0], [0.0, 2.0, 1.0], "lines"),
    tj.Sampled([0.0, 1.0, 4.0], [0.0, 2.0, 1.0], "steps"),
    2.0 - GAUSSIAN * tj.Rotation(0.3) + 1j,
    GAUSSIAN.repeated(spacing=3.0, count=4),
    tj.Square(0.0, 1.0).delayed(2.0),
]


def driven(envelope, period=None, amplitude=None):
    return tj.OpenSystem(
        0 * SIGMA, [tj.Channel("atom", SIGMA, amplitude)], drives=[tj.Drive(FLIP, envelope)], period=period
    )


@pytest.mark.parametrize("envelope", EVERY_SHAPE, ids=lambda e: type(e).__name__)
def test_an_envelope_survives_as_json(envelope):
    again = envelope_from(json.loads(json.dumps(envelope.to_dict())))
    np.testing.assert_array_equal(again(T), envelope(T))
    assert again.knots == envelope.knots
    assert again.steps == envelope.steps
    assert again.is_complex == envelope.is_complex


@pytest.mark.parametrize("envelope", EVERY_SHAPE, ids=lambda e: type(e).__name__)
def test_between_its_knots_an_envelope_is_analytic_and_constant_where_it_says_so(envelope):
    """A polynomial of degree 24 follows it on each piece; a piece that is called constant has one value."""
    edges = np.unique([-5.0, *(k for k in envelope.knots if -5.0 < k < 25.0), 25.0])
    scale = np.abs(envelope(T)).max()
    for low, high in itertools.pairwise(edges):
        parts = np.linspace(low, high, 17)
        for a, b in itertools.pairwise(parts):
            x = np.cos(np.pi * (np.arange(25) + 0.5) / 25)
            values = envelope(0.5 * (a + b) + 0.5 * (b - a) * x)
            fit = np.polynomial.chebyshev.chebfit(x, values, 24)
            y = np.linspace(-0.999, 0.999, 40)
            there = envelope(0.5 * (a + b) + 0.5 * (b - a) * y)
            assert np.abs(np.polynomial.chebyshev.chebval(y, fit) - there).max() < 1e-9 * scale
        if envelope.constant_between(low, high):
            assert np.ptp(np.abs(envelope(np.linspace(low, high, 20)[1:-1]))) == 0.0


def test_an_undeclared_kink_is_noticed_by_the_check_above():
    class Forgetful(tj.Ramp):
        def _knots(self):
            return ()

    with pytest.raises(AssertionError):
        test_between_its_knots_an_envelope_is_analytic_and_constant_where_it_says_so(Forgetful(0.0, 2.0, 1.0, 3.0))


def test_complex_drives_come_with_their_conjugate():
    f = GAUSSIAN * tj.Rotation(frequency=0.7)
    system = tj.OpenSystem(0 * SIGMA, [tj.Channel("atom", SIGMA)], drives=[tj.Drive(SIGMA.T, f)])
    H = system.at(10.5).hamiltonian.toarray()
    value = 0.5 * np.exp(-0.125) * np.exp(-0.7j * 10.5)
    np.testing.assert_allclose(H, [[0.0, np.conj(value)], [value, 0.0]], atol=1e-15)
    whole = system.constant_part + sum(float(term.values(10.5)) * term.operator for term in system.terms)
    np.testing.assert_allclose(whole.toarray(), system.at(10.5).H_eff.toarray(), atol=1e-15)


def test_amplitudes_of_jump_operators():
    system = driven(0.0, amplitude=tj.Ramp(0.0, 2.0))
    np.testing.assert_allclose(system.at(1.0).channels[0].operator.toarray(), 0.5 * SIGMA.toarray())
    whole = system.constant_part + sum(float(term.values(1.0)) * term.operator for term in system.terms)
    np.testing.assert_allclose(whole.toarray(), system.at(1.0).H_eff.toarray(), atol=1e-15)


def test_constant_envelopes_make_a_constant_system():
    assert not driven(0.3).depends_on_time
    plain = tj.OpenSystem(0.3 * FLIP, [tj.Channel("atom", 2.0 * SIGMA)])
    assert driven(0.3, amplitude=2.0).digest == plain.digest


def test_arrays_and_digest_hold_all_time_dependence():
    systems = [
        driven(GAUSSIAN),
        driven(GAUSSIAN, period=20.0),
        driven(tj.Gaussian(10.0, 1.0, 0.5000001)),
        driven(GAUSSIAN, amplitude=tj.Ramp(0.0, 1.0, 1.0, 2.0)),
        tj.OpenSystem(0 * SIGMA, [tj.Channel("atom", SIGMA)], drives=[tj.Drive(2.0 * FLIP, GAUSSIAN)]),
        driven(0.0),
    ]
    assert len({system.digest for system in systems}) == len(systems)
    for system in systems:
        again = tj.OpenSystem.from_arrays({k: np.array(v) for k, v in system.to_arrays().items()})
        assert again.digest == system.digest
        np.testing.assert_array_equal(again.at(9.5).hamiltonian.toarray(), system.at(9.5).hamiltonian.toarray())


def test_a_period_repeats_what_lies_in_it():
    system = driven(GAUSSIAN, period=20.0)
    np.testing.assert_array_equal(system.at(49.75).hamiltonian.toarray(), system.at(9.75).hamiltonian.toarray())


@pytest.mark.parametrize(
    ("made", "message"),
    [
        (lambda: tj.Drive(SIGMA, GAUSSIAN), "not Hermitian"),
        (lambda: tj.Drive(FLIP, lambda t: t), "must be data"),
        (lambda: tj.Drive(FLIP, np.nan), "finite number"),
        (lambda: tj.Gaussian(0.0, -1.0), "sigma of Gaussian=-1.0 must be a positive"),
        (lambda: tj.Gaussian(np.nan, 1.0), "centre of Gaussian=nan must be a finite"),
        (lambda: tj.Square(3.0, 3.0), "stop must be later"),
        (lambda: tj.Sampled([0, 1, 2, 3], [0, 1, np.nan, 0]), "values of Sampled contains"),
        (lambda: tj.Sampled([0, 2, 1, 3], [0, 1, 0, 0]), "do not ascend at 1"),
        (lambda: tj.Sampled(np.arange(20.0), (-1.0) ** np.arange(20)), "too coarse"),
        (lambda: tj.Channel("a", SIGMA, tj.Rotation(1.0)), "is complex"),
        (
            lambda: driven(tj.Gaussian(3.0, 1.0), period=20.0),
            "period=20 does not fit: an envelope starts at 0.0111",
        ),
        (
            lambda: driven(tj.Square(3.0, 40.0), period=20.0),
            "period=20 does not fit: an envelope has a step at t=40",
        ),
        (lambda: driven(tj.Cosine(1.0), period=20.0), "period=20 does not fit"),
        (lambda: driven(0.3, period=20.0), "without drives"),
        (lambda: driven(GAUSSIAN, period=-1.0), "period=-1.0 must be a positive"),
        (lambda: driven(GAUSSIAN).H_eff, "give system.at"),
        (lambda: tj.SpinningResonator(drive=tj.Rotation(1.0)), "complex envelope"),
        (lambda: tj.SpinningResonator(drive=tj.Ramp(0, 1)).resonance("photon-magnon"), "depends on time"),
        (lambda: envelope_from({"shape": "Gaussian", "center": 1.0}), "no 'center'; known are centre"),
        (
            lambda: envelope_from({"shape": "Sampled", "t": [0, 1], "values": {"re": [1]}}),
            "Sampled needs t, values",
        ),
        (lambda: envelope_from({"shape": "Sum", "parts": 5}), "Sum needs parts"),
        (lambda: envelope_from({"shape": "Constant", "value": [1, 2, 3]}), "Constant needs value"),
        (
            lambda: tj.SpinningResonator(kappa={"shape": "Square"}),
            r"kappa cannot .*tj.Channel\(name, c, amplitude=g\)",
        ),
        (lambda: tj.SpinningResonator(atom_detuning=tj.Cosine(1.0)), "atom_detuning cannot depend on time"),
        (lambda: envelope_from({"shape": "Gauss"}), "shape='Gauss' must be one of"),
    ],
)
def test_what_cannot_be_right_is_refused_in_one_line(made, message):
    with pytest.raises(InvalidInput, match=message) as refused:
        made()
    assert "\n" not in str(refused.value)


def test_the_resonator_takes_envelopes_for_its_parameters():
    swept = tj.SpinningResonator(
        detuning=1.30 + tj.Square(100.0, 300.0, 0.04),
        drive=0.8 * tj.Ramp(0.0, 50.0),
        fizeau=0.025 * tj.Cosine(0.01),
    )
    system = swept.system(levels=(2, 2, 2))
    for t in (20.0, 150.0, 250.0, 400.0):
        moment = swept.at(t)
        assert moment.detuning == pytest.approx(1.34 if 100 <= t < 300 else 1.30)
        assert moment.signed_fizeau == pytest.approx(0.025 * np.cos(0.01 * t))
        np.testing.assert_allclose(
            system.at(t).hamiltonian.toarray(), moment.system((2, 2, 2)).hamiltonian.toarray(), atol=1e-14
        )
    again = tj.SpinningResonator(**{k: v for k, v in swept.provenance().items() if k not in ("model", "thermal")})
    assert again.system((2, 2, 2)).digest == system.digest


def test_qutip_coefficients_become_the_same_functions_of_time():
    sm, tlist = qutip.sigmam(), np.linspace(0.0, 10.0, 201)
    chirp = np.exp(-1j * 0.1 * tlist**2) * np.exp(-0.5 * (tlist - 5.0) ** 2)
    H = [qutip.sigmaz(), [sm, chirp], [sm.dag(), chirp.conj()], [qutip.sigmax(), lambda t, w: np.cos(w * t)]]
    system = tj.OpenSystem.from_qutip(H, [[sm, np.sqrt(1.0 + tlist)]], tlist=tlist, args={"w": 0.3})
    theirs = qutip.QobjEvo(H, args={"w": 0.3}, tlist=tlist)
    rate = qutip.QobjEvo([[sm, np.sqrt(1.0 + tlist)]], tlist=tlist)
    for t in (0.0, 1.234, 5.678, 10.0):
        np.testing.assert_allclose(system.at(t).hamiltonian.toarray(), theirs(t).full(), atol=1e-9)
        np.testing.assert_allclose(system.at(t).channels[0].operator.toarray(), rate(t).full(), atol=1e-9)
    assert 0.0 < system.parameters["sampling_error"] <= 1e-10


@pytest.mark.parametrize(
    ("H", "message"),
    [
        ([[qutip.sigmam(), lambda t: t + 1j]], "not Hermitian at t=0"),
        ([[qutip.sigmax(), lambda t: np.sin(1e9 * t)]], "200 polynomials do not approximate"),
        ([[qutip.sigmax(), lambda t: np.nan]], "not finite"),
        ([lambda t: qutip.sigmax()], r"give \[operator, coefficient\] pairs"),
    ],
)
def test_qutip_coefficients_that_cannot_be_followed_are_refused(H, message, monkeypatch):
    monkeypatch.setattr(tj.Piecewise, "of", partial(tj.Piecewise.of, most=200))  # of 20,000, which take seconds
    with pytest.raises(InvalidInput, match=message):
        tj.OpenSystem.from_qutip(H, [qutip.sigmam()], tlist=np.linspace(0.0, 10.0, 11))


def test_steps_of_a_function_are_placed_and_the_phase_of_a_jump_operator_is_dropped():
    step, phase = [qutip.sigmax(), lambda t: float(t >= 3.3)], [qutip.sigmam(), lambda t: 2.0 * np.exp(-5j * t)]
    system = tj.OpenSystem.from_qutip([step], [phase], tlist=np.linspace(0.0, 10.0, 11))
    edges = system.drives[0].envelope.steps
    assert len(edges) == 1
    assert edges[0] == pytest.approx(3.3, abs=1e-10)
    assert system.drives[0].envelope([3.3 - 1e-9, 3.3 + 1e-9]).tolist() == [0.0, 1.0]
    np.testing.assert_allclose(system.channels[0].amplitude(np.linspace(0.0, 10.0, 7)), 2.0, rtol=1e-13)


def test_to_qutip_gives_the_same_functions_back():
    system = driven(
        GAUSSIAN * tj.Cosine(0.3), period=20.0, amplitude=tj.Ramp(0.0, 5.0, 1.0, 2.0) * tj.Square(0.0, 20.0)
    )
    H, jumps = system.to_qutip()
    for t in (3.0, 9.5, 29.5):
        np.testing.assert_allclose(H(t).full(), system.at(t).hamiltonian.toarray(), atol=1e-15)
        np.testing.assert_allclose(jumps[0](t).full(), system.at(t).channels[0].operator.toarray(), atol=1e-15)
