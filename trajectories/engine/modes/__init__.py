"""Propagation between clicks in the eigenbasis of H_eff."""
