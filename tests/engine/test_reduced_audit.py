"""The bases of the reduced propagator: what they hold, and the audit that follows gaps in all states."""

from __future__ import annotations

import time

import numpy as np
import pytest
from click_systems import ground, jumps_of, random_matrix, random_system, shelving, superoperator, weak_cavity
from scipy.linalg import null_space

import trajectories as tj
from trajectories import lindblad
from trajectories.engine.blocks import BlockTask, run_block
from trajectories.engine.compiled import CompiledSystem, compile_system
from trajectories.engine.modes.eigenmodes import ModesPropagator
from trajectories.engine.modes.forms_kernels import BEFORE_BLOCKS, BLOCK, FLOOR, MOST_LEAK, TOLERANCE, TURNED
from trajectories.engine.modes.modal_jump_kernels import LEAK_ERROR
from trajectories.engine.operators import stack_operators
from trajectories.engine.reduced import audit
from trajectories.engine.reduced import basis as bases
from trajectories.engine.reduced.audit import AUDIT_TOLERANCE, audited_gaps, survival_in, survival_in_all
from trajectories.engine.reduced.essential import essential_states
from trajectories.engine.reduced.level import reduced_arrays, reduced_system
from trajectories.engine.reduced.moves import moves, pairs
from trajectories.engine.reduced.pilot import gaps
from trajectories.engine.reduced.placement_kernels import move
from trajectories.engine.reduced.reduced_basis import REPLAYED, WORST, ReducedPropagator
from trajectories.engine.sparse import chebyshev_kernels
from trajectories.engine.sparse.sparse_action import SparsePropagator
from trajectories.errors import ConvergenceError, InvalidInput, RunFolderError
from trajectories.stages import Stage


def random_basis(dimension: int, states: int, vectors: int) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(3)
    chosen = np.sort(rng.choice(dimension, states, replace=False))
    columns = rng.normal(size=(states, vectors)) + 1j * rng.normal(size=(states, vectors))
    return chosen, np.linalg.qr(columns)[0]


@pytest.fixture(scope="module")
def paper() -> tuple[tj.OpenSystem, CompiledSystem]:
    system = tj.SpinningResonator(direction="left", detuning=1.3406).system(levels=(5, 5, 5))
    return system, compile_system(system, ground(system), propagator="reduced")


@pytest.mark.parametrize("whole", [True, False])
def test_reduced_system_is_the_projection_of_the_whole(whole):
    system = random_system(1, 12, 3)
    states, columns = random_basis(12, 7, 4)
    full = np.zeros((12, 7 if whole else 4), complex)
    full[states] = np.eye(7) if whole else columns
    reduced = reduced_system(system, states, None if whole else columns)
    np.testing.assert_allclose(reduced.H_eff.toarray(), full.conj().T @ system.H_eff @ full, atol=1e-14)
    for k, channel in enumerate(system.channels):
        inside, lost = (reduced.channels[n].operator.toarray() for n in (k, k + 3))
        rate = full.conj().T @ (channel.operator.conj().T @ (channel.operator @ full))
        np.testing.assert_allclose(inside, full.conj().T @ (channel.operator @ full), atol=1e-14)
        np.testing.assert_allclose(inside.conj().T @ inside + lost.conj().T @ lost, rate, atol=1e-14)


def test_what_a_jump_leaves_outside_is_measured():
    system = random_system(5, 14, 2)
    states, columns = random_basis(14, 9, 6)
    arrays = reduced_arrays(system, states, columns, 1e-10)
    full = np.zeros((14, 6), complex)
    full[states] = columns
    propagator, seen = ModesPropagator(arrays), 0
    for number in range(20):
        rng = np.random.default_rng(number)
        ket = full @ (rng.normal(size=6) + 1j * rng.normal(size=6))
        state = propagator.start(ket / np.linalg.norm(ket), 2)
        clicks = np.zeros(1), np.zeros(1, np.int16)
        sampling = stack_operators([], 14), np.zeros(0), np.zeros((0, 0)), np.zeros((0, 0), complex)
        propagator.advance(jumps_of(system), 1e6, state, rng.random(9), sampling, clicks)
        if not state.fields.n_clicks:
            continue
        before = arrays.vectors @ (state.work.before[0, :6] + 1j * state.work.before[1, :6])
        after = system.channels[clicks[1][0]].operator[:, states] @ before
        outside = after - full @ (full.conj().T @ after)
        share = np.linalg.norm(outside) ** 2 / np.linalg.norm(after) ** 2
        assert share > 1e-3
        assert state.fields.leak == pytest.approx(share, rel=1e-8)
        seen += 1
    assert seen > 10


def test_what_a_jump_leaves_outside_is_never_understated(paper):
    """Columns that add less than its share of the limit are left out; what is stated still holds them."""
    compiled = paper[1]
    propagator, numbers = compiled.propagator._bases[0], np.random.default_rng(8)
    arrays = propagator.arrays
    state = propagator.start(compiled.kets[0], len(arrays.jump))
    sampling = stack_operators([], len(compiled.kets[0])), np.zeros(0), np.zeros((0, 0)), np.zeros((0, 0), complex)
    clicks, left_out = (np.zeros(1), np.zeros(1, np.int16)), 0
    for _ in range(60):
        uniforms = numbers.random(5)
        state.fields.n_clicks = state.fields.next_uniform = 0
        propagator.advance(compiled.jumps, 1e9, state, uniforms, sampling, clicks)
        threshold = 1.0 - uniforms[state.fields.next_uniform]
        size = BLOCK * int(state.work.jump[BEFORE_BLOCKS])
        before = state.work.before[0, :size] + 1j * state.work.before[1, :size]
        columns = arrays.leak[clicks[1][0], :size, 0] + 1j * arrays.leak[clicks[1][0], :size, 1]
        exact = np.linalg.norm(columns.T @ before)
        more = 2.0 * LEAK_ERROR * np.sqrt(arrays.scalars[MOST_LEAK] * threshold)
        stated = np.sqrt(state.fields.leak)
        assert exact * (1.0 - 1e-9) <= stated <= exact + more
        left_out += stated > exact * (1.0 + 1e-6)
    # The test could not fail if nothing were ever left out.
    assert left_out > 10


def test_tables_of_a_development_version_are_refused(paper):
    named = paper[1].propagator.arrays._asdict()
    without = {key: value for key, value in named.items() if not key.endswith((".leak", ".leak_size"))}
    assert ReducedPropagator.restored(named).levels[0].leak.any()
    with pytest.raises(RunFolderError, match="start the run anew"):
        ReducedPropagator.restored(without)


@pytest.mark.parametrize("own_states", [False, True], ids=["same basis states", "other basis states"])
def test_a_move_is_the_jump_between_two_bases_and_what_it_leaves_outside(own_states):
    system, rng = random_system(4, 30, 2), np.random.default_rng(5)
    states, columns = random_basis(30, 24, 20)
    other = np.arange(3, 28) if own_states else states
    levels = reduced_arrays(system, states, columns, 1e-8), reduced_arrays(system, other, None, 1e-8)
    made = moves(system, levels)
    for (i, j), each in zip(pairs(2), made, strict=True):
        source, target = levels[i], levels[j]
        lifted, held = np.zeros((2, 30, 30), complex)
        lifted[source.states, : source.vectors.shape[1]] = source.vectors
        basis = np.linalg.qr(target.vectors)[0]
        held[np.ix_(target.states, target.states)] = basis @ basis.conj().T
        for k, channel in enumerate(system.channels):
            before = rng.normal(size=(2, source.vectors.shape[1]))
            after = channel.operator @ (lifted[:, : before.shape[1]] @ (before[0] + 1j * before[1]))
            count = target.vectors.shape[1]
            outside, image = move(each.columns[k], before, before.shape[1], count)
            expected = target.inverse @ after[target.states]
            np.testing.assert_allclose(image[0, :count] + 1j * image[1, :count], expected, atol=1e-10)
            assert outside == pytest.approx(np.linalg.norm(after - held @ after) ** 2, rel=1e-9)
            # The modes from a block on, whatever they are, reach the other basis with no larger a norm than said.
            for block in range(-(-before.shape[1] // BLOCK)):
                rest = before[0, BLOCK * block :] + 1j * before[1, BLOCK * block :]
                reached = channel.operator @ (lifted[:, BLOCK * block : before.shape[1]] @ rest)
                said = each.carried[k, block] * source.jump_corner[k, block] * np.linalg.norm(rest)
                assert np.linalg.norm(target.inverse @ reached[target.states]) <= said * (1.0 + 1e-9)


def test_essential_states_are_those_that_trajectories_reach():
    system, low = weak_cavity(), weak_cavity(10)
    rho = null_space(superoperator(low), rcond=1e-12)[:, 0].reshape(20, 20)
    population = (rho.diagonal() / np.trace(rho)).real
    chosen = essential_states(system, ground(system)[None], np.ones(1), 1e-15)
    assert len(chosen) < 0.5 * system.dimension
    assert np.delete(population, chosen[chosen < 20]).sum() < 1e-13


@pytest.mark.parametrize("levels", [(5, 5, 5), pytest.param((6, 6, 6), marks=pytest.mark.slow)])
def test_a_start_in_the_steady_state_reaches_what_its_likeliest_ket_does(levels):
    """Else some clicks lead out of all bases, to the sparse action, which takes a million times as long."""
    system = tj.SpinningResonator(direction="left", detuning=1.3406).system(levels=levels)
    start = lindblad.steady_ensemble(system).initial_states()
    mixture = essential_states(system, start.kets, start.weights, 1e-15)
    alone = essential_states(system, start.kets[:1], np.ones(1), 1e-15)
    population = start.weights @ np.abs(start.kets) ** 2
    assert np.isin(alone, mixture).all()
    assert np.isin(np.flatnonzero(population > 1e-15), mixture).all()


def test_gap_by_gap_as_the_sparse_action(paper):
    """Gaps that no part of the preparation has seen, against the sparse action at 1e-12 and all eigenmodes."""
    system, compiled = paper
    audited_gap_by_gap(system, compiled, 6)


def test_kernels_get_what_the_audit_and_the_eigenbasis_leave(paper):
    """Errors known before a run and those of the kernels add up to less than the tolerance."""
    compiled = paper[1]
    for level in compiled.propagator.arrays.levels:
        known = level.scalars[FLOOR] + 2.0 * level.scalars[TURNED] + level.scalars[MOST_LEAK]
        assert 0.5e-10 < level.scalars[TOLERANCE] < 1e-10 - known
    block = run_block(compiled, BlockTask(0, 2, 1, 4e6))
    assert 0.4e-10 < block.worst_error < 1e-10


@pytest.mark.slow
def test_gap_by_gap_as_the_sparse_action_at_1024():
    system = tj.SpinningResonator(direction="left", detuning=1.3406).system(levels=(8, 8, 8))
    audited_gap_by_gap(system, compile_system(system, ground(system), propagator="reduced"), 12)


def audited_gap_by_gap(system: tj.OpenSystem, compiled: CompiledSystem, count: int) -> None:
    arrays = compiled.propagator.arrays
    inner, outer = arrays.levels
    assert inner.vectors.shape[1] < outer.vectors.shape[1] <= system.dimension
    fresh = list(
        gaps(inner, compiled.jumps, compiled.kets, np.ones(1), np.random.default_rng(11), 4 * count, count)
    )
    chosen = audited_gaps(system, inner, fresh)[-count:]
    right = survival_in_all(SparsePropagator.compile(system, AUDIT_TOLERANCE), chosen)
    assert np.abs(survival_in(inner, chosen) / right - 1.0).max() < 1e-10
    assert np.abs(survival_in(outer, chosen) / right - 1.0).max() < 1e-10
    whole = survival_in(ModesPropagator.compile(system, 1e-10).arrays, chosen)
    assert np.abs(survival_in(inner, chosen) / whole - 1.0).max() < 1e-10
    assert arrays.audit[WORST] < 0.4e-10


def test_basis_that_is_too_small_is_refused(monkeypatch):
    """Planted: vectors and states cut off far too early. The first costs the small basis, the second the run."""
    system = weak_cavity()
    start = ground(system)[None], np.ones(1)
    monkeypatch.setattr(bases, "CUTS", 1)
    monkeypatch.setattr(bases, "CUT", 1e-2)
    monkeypatch.setattr(bases, "ENRICHMENT_ROUNDS", 0)
    assert len(bases.make_bases(system, jumps_of(system), *start, 1e-10).levels) == 1
    monkeypatch.setattr(bases, "NEGLIGIBLE", (1e-5,))
    with pytest.raises(ConvergenceError, match="audit of the reduced basis found"):
        bases.make_bases(system, jumps_of(system), *start, 1e-10)


def counted_products(monkeypatch) -> list[int]:
    """Return a list that receives the products with H_eff of an audit, one propagation after another."""
    spent: list[int] = []

    def propagate(*arguments) -> int:
        spent.append(chebyshev_kernels.propagate(*arguments))
        return spent[-1]

    monkeypatch.setattr(audit, "propagate", propagate)
    return spent


@pytest.mark.parametrize(
    ("most", "replayed", "told"),
    [
        (3e6, 4, "256 gaps in the larger basis, 4 gaps by the sparse action"),
        (1e5, 1, "only 1 gap by the sparse action"),
    ],
)
def test_audit_follows_as_many_gaps_as_its_work_allows(monkeypatch, most, replayed, told):
    """Of gaps that are too long for all of them the first are followed that fit, and it is said how many."""
    spent = counted_products(monkeypatch)
    monkeypatch.setattr(audit, "WORK", 1e5)
    monkeypatch.setattr(audit, "MOST_WORK", most)
    system = weak_cavity()
    made = ReducedPropagator.compile(system, 1e-10, (ground(system)[None], np.ones(1)))
    assert made.arrays.audit[REPLAYED] == replayed
    assert told in made.promise
    assert 0 < sum(spent) * (system.dimension + audit.PRODUCT_ENTRIES) <= most


def test_making_a_basis_says_what_is_done_and_how_long_the_audit_will_take(monkeypatch):
    told: list[tuple[str, float]] = []
    enter = Stage.__enter__

    def entered(stage: Stage) -> Stage:
        told.append((stage.text, stage.left(time.monotonic())))
        return enter(stage)

    monkeypatch.setattr(Stage, "__enter__", entered)
    system = weak_cavity()
    made = ReducedPropagator.compile(system, 1e-10, (ground(system)[None], np.ones(1)))
    texts = [text for text, _ in told]
    for text in ("finding the basis states", "pilot of the reduced basis", "making the reduced basis"):
        assert any(each.startswith(text) for each in texts), text
    audited = [each for each in told if each[0].startswith("audit by the sparse action")]
    count = int(made.arrays.audit[REPLAYED])
    assert count > 1
    for number, (text, left) in enumerate(audited[:count], 1):
        assert text.startswith(f"audit by the sparse action {number} of {count}: a gap of ")
        assert (left > 0.0) == (number > 1)


def test_audit_of_a_slow_system_is_refused_before_any_work(monkeypatch):
    """Rates 1e9 below the frequencies: the shortest gap would be followed for hours."""
    spent = counted_products(monkeypatch)
    system = weak_cavity(slower=1e-9)
    with pytest.raises(InvalidInput, match=r"too rare.*; use propagator='auto'$"):
        compile_system(system, ground(system), propagator="reduced")
    assert not spent
    assert compile_system(system, ground(system)).propagator.name == "modes"


def test_nothing_is_called_audited_where_there_is_no_gap():
    """An atom in its ground state that nothing drives: the pilot sees no click at all."""
    space = tj.HilbertSpace(cavity=30, atom=2)
    lower = space.lower("atom")
    system = tj.OpenSystem(space.number("cavity"), [tj.Channel("atom", lower)], space)
    with pytest.raises(InvalidInput, match=r"saw no gap between two clicks.*; use propagator='auto'$"):
        compile_system(system, ground(system), propagator="reduced")


@pytest.mark.parametrize("rate", [1e-3, 1e-10])
def test_a_slow_chain_takes_every_state_and_no_audit(monkeypatch, rate):
    spent = counted_products(monkeypatch)
    hop = np.diag(np.ones(39), 1)
    out = np.sqrt(rate) * np.eye(1, 40, 0).T @ np.eye(1, 40, 39)
    system = tj.OpenSystem(hop + hop.T, [tj.Channel("end", out)])
    compiled = compile_system(system, ground(system), propagator="reduced")
    assert "a complete basis" in compiled.reason
    assert not spent
    block = run_block(compiled, BlockTask(0, 20, 1, 20.0 / rate))
    assert len(block.time) > 4


def test_a_pilot_that_mostly_ends_without_a_click_ends(monkeypatch):
    """Trajectories that are dark in all but one of a hundred starts: no more starts than asked for clicks."""
    system = shelving(1e-3)
    arrays = reduced_arrays(system, np.arange(5), None, 1e-10)
    kets = np.eye(5, dtype=complex)[[0, 4]]
    starts: list[int] = []
    begin = ModesPropagator.start
    monkeypatch.setattr(ModesPropagator, "start", lambda *given: starts.append(1) or begin(*given))
    weights = np.array([0.01, 0.99])
    found = list(gaps(arrays, jumps_of(system), kets, weights, np.random.default_rng(1), 300, 1))
    assert 0 < len(found) < 20
    assert len(starts) - len(found) == 301


def test_random_matrix_systems_take_every_state():
    """Where all states matter nothing is cut off, and the record is that of the eigenmodes."""
    matrix = random_matrix(np.random.default_rng(2), 8)
    system = tj.OpenSystem(
        matrix + matrix.conj().T, [tj.Channel("c", 0.5 * random_matrix(np.random.default_rng(3), 8))]
    )
    compiled = compile_system(system, ground(system), propagator="reduced")
    assert "a complete basis" in compiled.reason
    task = BlockTask(0, 3, 1, 60.0)
    other = run_block(compile_system(system, ground(system), propagator="modes"), task)
    np.testing.assert_array_equal(run_block(compiled, task).channel, other.channel)
