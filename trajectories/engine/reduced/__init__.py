"""Propagation between clicks in an audited basis of a few hundred vectors, for any N."""
