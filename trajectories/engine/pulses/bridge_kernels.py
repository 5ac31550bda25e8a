"""Ways of a trajectory into a constant stretch and out of it: by its state, the slow space, or the next stretch.

In a constant stretch a trajectory is one of a constant system, with the amplitudes z of its eigenmodes. At the end
of a long stretch few of them are left. A *bridge* is the map V_b⁻¹UV_a of these to the next constant stretch b, U
the propagator in between; a second map leads there from the slow space. Like a jump, a map is carried out only as
far as the search that follows needs. Its tables are further channels of the eigenmodes' tables, and V_a†U†UV_a,
which gives S at the beginning of b, a further form.
"""

# mypy: allow-untyped-defs, allow-untyped-calls

from __future__ import annotations

import numpy as np

from ..jit import light_kernel
from ..modes.forms_kernels import (
    BEFORE_BLOCKS,
    BLOCK,
    CHANNEL,
    DRIFT,
    FLOOR,
    ROUNDING,
    START_BLOCKS,
    SUMS_STRIDE,
    TOLERANCE,
    TURNED,
    VECTORS_NORM,
    ModesArrays,
    fill_tails,
    form_value,
    move_to,
)
from ..modes.modal_jump_kernels import (
    begin_jump,
    drop_limit,
    extend_jump,
    live_blocks,
    open_base,
    parts_of_rate,
    sum_rounding,
    take_over,
)
from ..phase_kernels import exact_exponentials
from .place_kernels import (
    CYCLE,
    FOUND,
    FRAMED,
    INSIDE,
    LEAF,
    STEP,
    STILL,
    TRIED,
    take,
    time_of,
)
from .product_kernels import multiply, multiply_far
from .taylor_kernels import AUDITED

# Columns of ``TimedArrays.bridges``, a row for each leaf: the constant stretch that follows; of a constant stretch
# the numbers of the map to the next one, of the form of S at its beginning, and of the map to this one from the
# slow space; of some other leaves the node of the tree that is the propagator to the next constant stretch; and
# of the stretch of the anchor the map from the slow space to the place of the anchor.
NEXT, ACROSS, SURVIVAL, FROM_SLOW, DIRECT, FROM_ANCHOR = 0, 1, 2, 3, 4, 5
# What a state may miss at the end of a stretch, as a share of the tolerance: a gap may pass many stretches.
MISSED_AT_END = 1e-3
# A bridge is crossed if S behind it exceeds the threshold by the first share, and by the second of the parts of
# the form.
ABOVE_THRESHOLD, ROUNDED_PARTS = 1e-6, 1e-12


@light_kernel()
def modes_of(still, number):
    """Return the tables of one of the constant values of H_eff."""
    return ModesArrays(
        still.energy[number],
        still.energy_rest[number],
        still.decay[number],
        still.form[number],
        still.diagonal[number],
        still.form_tail[number],
        still.corner[number],
        still.leak[number],
        still.leak_size[number],
        still.jump[number],
        still.jump_single[number],
        still.jump_tail[number],
        still.slowest[number],
        still.jump_corner[number],
        still.states[number],
        still.vectors[number],
        still.inverse[number],
        still.scalars[number],
    )


@light_kernel()
def begin_stretch(now, state):
    """Begin a gap at the time `now`, the start of a constant stretch, with a state of norm 1."""
    # An error of the state so far, as one of its norm² when the click comes.
    state.norm_error = 2.0 * state.error / np.sqrt(state.threshold)
    state.threshold = min(state.threshold / state.survival, 1.0)
    state.survival = 1.0
    state.missing, state.rounded, state.error = 0.0, 0.0, 0.0
    state.gap_start, state.elapsed = now, 0.0


@light_kernel()
def enter(arrays, number, state, work):
    """Take the state of the trajectory to the eigenmodes of the stretch that begins."""
    place, modal = work.place, work.modal
    if place[INSIDE] == 1:
        multiply_far(arrays.near_inverse[number], work.phi, work.parts)
        place[INSIDE] = 0
    else:
        multiply(arrays.inverse[number], work.psi, work.parts)
    size, whole = len(work.psi), len(modal.start_square)
    scale = 1.0 / np.sqrt(state.survival)
    for j in range(whole):
        x, y = 0.0, 0.0
        if j < size:
            x, y = scale * work.parts[0, j], scale * work.parts[1, j]
        modal.start[j], modal.start[SUMS_STRIDE + j] = x, y
        modal.start_square[j] = x * x + y * y
        modal.rows[j] = 0
    modal.jump[CHANNEL], modal.jump[BEFORE_BLOCKS], modal.jump[START_BLOCKS] = -1, 0, whole // BLOCK
    begin_stretch(time_of(arrays, place, work.offset), state)
    state.norm_error += place[FRAMED] * arrays.scalars[AUDITED]
    place[STILL] = 1


@light_kernel()
def enter_by(modes, channel, blocks, survival, modal):
    """Take the amplitudes ``modal.here``, with the norm² `survival`, to a stretch by one of its maps."""
    take_over(channel, blocks, 1.0 / np.sqrt(survival), modal)
    sum_rounding(modes, channel, BLOCK * blocks, modal)
    # A gap may pass many bridges: of each less may be missing, and be rounded, than of a jump.
    for j in range(BLOCK * blocks + 1):
        modal.before_rest[j] /= MISSED_AT_END
    begin_jump(modal)


@light_kernel()
def enter_from_slow_space(arrays, modes, state, work):
    """Take the state of the slow space to the stretch where its click comes, with the norm² `survival` there."""
    place, slow, modal = work.place, work.slow, work.modal
    channel = arrays.bridges[place[LEAF], FROM_ANCHOR if work.offset[0] > 0.0 else FROM_SLOW]
    blocks = -(-len(slow) // BLOCK)
    for j in range(BLOCK * blocks):
        x, y = 0.0, 0.0
        if j < len(slow):
            x, y = slow[j].real, slow[j].imag
        modal.here[0, j], modal.here[1, j], modal.square[j] = x, y, x * x + y * y
    enter_by(modes, channel, blocks, state.survival, modal)
    begin_stretch(time_of(arrays, place, work.offset), state)
    state.norm_error += place[FRAMED] * arrays.scalars[AUDITED]
    place[STILL] = 1


@light_kernel()
def move_to_end(modes, time, least, state, work):
    """Move ``work.here`` to the end of a stretch, `time` after the beginning of the gap, unless S is small there.

    Returns S there, or a bound that is below `least`, the number of blocks, and the error of the amplitudes.
    """
    limit = MISSED_AT_END * drop_limit(modes, state.threshold, modes.scalars[TOLERANCE])
    missing = state.missing + extend_jump(modes, limit, limit, time, work)
    # Where a search has added rows in single precision before.
    if work.jump[CHANNEL] >= 0:
        missing += (limit if work.jump[CHANNEL] >= len(modes.jump_corner) else limit / MISSED_AT_END) / 6.0
    open_base(modes, time, work)
    # After a click most of the state is often in fast modes.
    most = modes.scalars[VECTORS_NORM] * (work.base_tails[0] + missing)
    if most * most < least:
        return most * most, 0, missing
    state.products += 1
    others = work.base_tails[1]
    for j in range(1, BLOCK):
        others += np.sqrt(work.square[j])
    if others <= limit and work.jump[START_BLOCKS] > 0:
        return _first_mode_at(modes, time, work), 1, missing + others
    blocks = live_blocks(work.base_tails, limit)
    missing += work.base_tails[blocks]
    move_to(modes, blocks, time, work)
    value, _ = form_value(modes, 0, MISSED_AT_END * modes.scalars[TOLERANCE] * state.threshold, blocks, work)
    return value, blocks, missing


@light_kernel()
def _first_mode_at(modes, time, work):
    """Make ``work.here`` the first mode alone, `time` after the beginning of the gap, and return S."""
    here, phase, square, start = work.here, work.phase, work.square, work.start
    exact_exponentials(modes.energy, modes.energy_rest, modes.decay, 1, time, phase[0], phase[1])
    x, y, u, v = start[0], start[SUMS_STRIDE], phase[0, 0], phase[1, 0]
    for j in range(BLOCK):
        here[0, j], here[1, j], square[j] = 0.0, 0.0, 0.0
    here[0, 0], here[1, 0] = x * u - y * v, x * v + y * u
    square[0] = here[0, 0] * here[0, 0] + here[1, 0] * here[1, 0]
    fill_tails(square, 1, work.tails)
    return modes.diagonal[0, 0] * square[0]


@light_kernel()
def end_gap(scalars, slowest, time, survival, missing, state):
    """Turn the errors of a gap into one of the state, `time` after its beginning, where S is `survival`."""
    size = np.sqrt(survival)
    grown = max(1.0, np.exp(-slowest * time) / size)
    relative = state.norm_error * np.sqrt(state.threshold) / size + scalars[FLOOR] + scalars[DRIFT] * time
    relative += 2.0 * scalars[TURNED] + 2.0 * grown * (scalars[ROUNDING] + state.rounded)
    state.error = scalars[VECTORS_NORM] * missing + 0.5 * relative * size
    state.survival = survival
    state.norm_error, state.missing, state.rounded = 0.0, 0.0, 0.0


@light_kernel()
def ket_of(vectors, blocks, here, parts, out):
    """Write the state whose amplitudes are those of the first blocks of `here` into `out`."""
    count = BLOCK * blocks
    for j in range(len(out)):
        out[j] = complex(here[0, j], here[1, j]) if j < count else 0.0j
    multiply(vectors, out, parts)
    take(parts, out)


@light_kernel()
def click_beyond(modes, form, blocks, threshold, modal):
    """Whether S at the beginning of the next stretch, a form of ``modal.here``, is above the threshold."""
    least = (1.0 + ABOVE_THRESHOLD) * threshold
    after, error = form_value(modes, form, 0.1 * ABOVE_THRESHOLD * threshold, blocks, modal)
    rounding = ROUNDED_PARTS * parts_of_rate(modes, form - 1, blocks, modal)
    return after - error - rounding > least


@light_kernel()
def cross(arrays, modes, leaf, blocks, state, work):
    """Cross the bridge from the end of a stretch, which has been left, if there is no click before the next one.

    Only where it is known that the click comes within two periods: many stretches are passed faster by blocks.
    """
    place, following, form = work.place, arrays.bridges[leaf, NEXT], arrays.bridges[leaf, SURVIVAL]
    if form < 0 or place[TRIED] == 0:
        return False
    if following != leaf + 1:
        if not click_beyond(modes, form, blocks, state.threshold, work.modal):
            return False
        state.error += _span(arrays.leaf_error, leaf + 1, following) * np.sqrt(state.survival)
    # After the last leaf the next period has begun already.
    if place[LEAF] > following:
        place[CYCLE] += 1
    place[LEAF], place[STEP], place[STILL] = following, arrays.leaf_step[following], 1
    work.offset[0] = 0.0
    there = modes_of(arrays.still, arrays.leaf_modes[following])
    enter_by(there, arrays.bridges[leaf, ACROSS], blocks, state.survival, work.modal)
    begin_stretch(time_of(arrays, place, work.offset), state)
    return True


@light_kernel()
def _span(leaf_error, first, last):
    """Return the error of a state of norm 1 by the leaves from `first` until `last`, which may begin a period."""
    whole = leaf_error[len(leaf_error) - 1] if last <= first else 0.0
    return leaf_error[last] - leaf_error[first] + whole


@light_kernel()
def pass_to_stretch(arrays, state, work):
    """Pass all leaves up to the next constant stretch, unless there is a click; return whether passed.

    Only where it is known that the click comes within two periods, and once for a gap. The stretch is then
    followed without trying blocks.
    """
    place = work.place
    leaf = place[LEAF]
    following, node = arrays.bridges[leaf, NEXT], arrays.bridges[leaf, DIRECT]
    if node < 0 or place[TRIED] != 1:
        return False
    place[TRIED] = 2
    after = multiply_far(arrays.tree[node], work.psi, work.parts)
    state.products += 1
    if after < state.threshold:
        return False
    take(work.parts, work.psi)
    state.error += _span(arrays.leaf_error, leaf, following) * np.sqrt(state.survival)
    state.survival = after
    place[LEAF], place[STEP], place[FOUND] = following, arrays.leaf_step[following], 1
    return True
