"""Rehearsal: the product's main use, practised against a simulated environment on loopback."""
