"""Kinds of steps. Each observes, plans purely, acts once, looks, and verifies from outside."""
