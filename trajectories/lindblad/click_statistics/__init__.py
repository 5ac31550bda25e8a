"""Exact counterparts of the estimators; each file has the name of its counterpart in `analysis/estimators`."""
