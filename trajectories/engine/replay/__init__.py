"""Replay: the state and the likelihood of a model, conditioned on the clicks of a record of ideal detectors."""
