"""Exact counterparts of the estimators; each file bears the name of the one in `analysis/estimators`."""
