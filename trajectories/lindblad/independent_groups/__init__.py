"""How clicks and pairs of clicks come in groups: how much a count tells, for `analysis/inference`."""
