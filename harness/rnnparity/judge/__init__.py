"""Whether a trajectory equals the reference."""
