"""Frozen values of the domain: what is said, seen, planned and recorded. No effects here."""
