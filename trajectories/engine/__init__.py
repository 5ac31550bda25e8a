"""OpenSystem → clicks: propagation under H_eff, jumps, blocks of trajectories."""
