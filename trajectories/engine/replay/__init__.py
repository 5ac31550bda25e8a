"""A record of ideal detectors followed through the model: kets, and the likelihood, conditioned on every click."""
