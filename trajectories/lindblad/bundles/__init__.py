"""Bundles on the density matrix: the maps that their rates are made of, and bundles of a pair."""
