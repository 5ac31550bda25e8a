"""A record followed through the model: the state, and the likelihood, conditioned on every click."""
