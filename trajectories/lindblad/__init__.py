"""Exact numbers from the density matrix: the independent witness of everything that clicks estimate."""
