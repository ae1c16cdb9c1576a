"""Plan to run: journal, permissions, lease, and the loop that decides."""
