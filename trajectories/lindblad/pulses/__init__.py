"""The master equation of systems that depend on time: its motion, and the state that a period repeats."""
