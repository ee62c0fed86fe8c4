"""The float64 truth of a case, and its noise."""
