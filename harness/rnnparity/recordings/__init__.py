"""What was stored: read, and judged."""
