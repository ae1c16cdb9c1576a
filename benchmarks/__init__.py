"""Benchmarks: one file per promise about cost, each with its bound."""
