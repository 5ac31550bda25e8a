"""A request becomes a run: what is asked for, who does the work, and what is kept."""
