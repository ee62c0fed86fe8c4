"""Why not? The causes of a divergence."""
