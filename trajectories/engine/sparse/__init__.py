"""Propagation between clicks by the action of exp(−iH_eff t), for any dimension."""
