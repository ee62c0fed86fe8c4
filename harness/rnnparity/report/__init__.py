"""Rows -> console and JSON. Nothing here computes."""
