"""What several tests share: cases, planted faults, small environments, a browser."""
