"""Recordings: reading, writing and judging what was stored in a file."""
