"""What was found, in sentences and pictures. Nothing here computes."""
