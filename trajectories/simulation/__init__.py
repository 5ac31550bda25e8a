"""From a request to a run: what is asked for, who does the work, and what is stored."""
