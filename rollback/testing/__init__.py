"""Suites that parts of your own can be held to. Nothing else of the package imports them."""
