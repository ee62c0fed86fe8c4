"""What the harness costs beside bare scripts with the same calls: ``python -m bench``, from ``tests``."""
