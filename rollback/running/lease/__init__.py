"""The exclusive right to change what a plan changes, with an end and a fencing number."""
