"""From an open system to clicks: propagation under H_eff, jumps, blocks of trajectories."""
