"""Files of named arrays: read and written, without a meaning."""
