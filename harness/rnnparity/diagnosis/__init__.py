"""Diagnosis: the causes of a divergence."""
