"""A small model of a stationary state: essential basis states, few modes of H_eff, a core of mode pairs.

`essential` → `mode_space` → `pair_core`, diagonalised by `spectrum`; `model` puts them behind the same methods as
the full system.
"""
