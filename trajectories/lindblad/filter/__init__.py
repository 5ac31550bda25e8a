"""The state conditioned on a record of imperfect detectors: a density matrix carried from click to click.

`linear_model` → `motions` → `follow_kernels`; `conditional` chooses a model, follows a record and says how far the
result may be off; `timed` does the same for systems that depend on time, on all numbers of ρ. They know nothing of
the engine whose clicks they read.
"""
