"""The trajectory of a case in float64, and the rounding error to be expected of a framework."""
