"""Estimators, one file a quantity; the exact counterpart has the same file in `lindblad/click_statistics`."""
