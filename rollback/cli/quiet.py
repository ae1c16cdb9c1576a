"""Vendor logs: this is the application, so it may say where they go. The library never does."""

from __future__ import annotations


def vendors() -> None:
    """Keep the Azure SDKs' background warnings out of the terminal; findings have records."""
    import logging

    logging.getLogger("azure").addHandler(logging.NullHandler())
