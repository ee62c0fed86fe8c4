"""Files of named arrays: reading and writing them, whatever the arrays mean."""
