"""Standard streams that were closed for this process: opened on nothing before anything is done."""

from __future__ import annotations

import os
import sys
from contextlib import suppress

_STREAMS = (("stdin", "r"), ("stdout", "w"), ("stderr", "w"))
"""In the order of their numbers, so that the lowest free one is the one that is missing."""


def open_closed() -> None:
    """Give each missing stream a place: what is said there is dropped, what is read there is empty.

    A supervisor, or `2>&-`, starts a process without them. Talk would then fail in the middle of a
    run; and the next file that is opened would get a stream's number, so that words meant for
    people could land in a journal.
    """
    for name, mode in _STREAMS:
        if getattr(sys, name) is not None:
            continue
        with suppress(OSError):
            nowhere = os.open(os.devnull, os.O_RDWR)
            os.set_inheritable(nowhere, True)  # noqa: FBT003 - the standard library's
            setattr(sys, name, os.fdopen(nowhere, mode, encoding="utf-8"))
