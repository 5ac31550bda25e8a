"""Propagators of systems that depend on time: Taylor steps, eigenmodes of constant stretches, trees of both."""
