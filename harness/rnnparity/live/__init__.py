"""Frameworks running: workers, what they returned, and how it is judged."""
