"""Environments: the interpreters in which frameworks run. They are created with uv."""
