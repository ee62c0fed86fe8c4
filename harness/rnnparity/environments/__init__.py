"""Interpreters in which frameworks run, made with uv."""
