"""Is it equal? A trajectory against the reference."""
