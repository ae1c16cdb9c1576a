"""A process that dies at one of its calls: at each in turn, without time or chance."""

from __future__ import annotations

import os
import sys
import warnings
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from types import FrameType

_DIED: Final = 9
_FAILED: Final = 1


def deaths(act: Callable[[int], object], most: int) -> Iterator[int]:
    """Yield after each death: the number of the call at which it came, from 1; then the next.

    act: done in a process of its own (a fork of this one), given the number. Where it makes more
    than `most` calls, so many of them, spread over all. It dies without a word: nothing is tidied
    up. Only calls that leave Python count: between two of them nothing can change outside. Raises
    AssertionError where `act` raises by itself.
    """
    calls = _run(act, 0, 0)
    chosen = {1 + at * (calls - 1) // max(1, most - 1) for at in range(most)}
    for moment in sorted(one for one in chosen if one <= calls):
        _run(act, moment, moment)
        yield moment


def _run(act: Callable[[int], object], moment: int, dies_at: int) -> int:
    """Fork, act and die; return how many calls there were."""
    reading, writing = os.pipe()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)  # other threads: the child has none
        child = os.fork()
    if not child:
        os.close(reading)
        _act(act, moment, dies_at, writing)
    os.close(writing)
    with open(reading, "rb") as answer:  # noqa: PTH123 - a pipe
        said = answer.read()
    _, status = os.waitpid(child, 0)
    if os.waitstatus_to_exitcode(status) == _FAILED:
        raise AssertionError(f"in a process of its own it raised {said.decode()}")
    return int(said or b"0")


def _act(act: Callable[[int], object], moment: int, dies_at: int, writing: int) -> None:
    """In the child: never returns."""
    calls = 0

    def count(frame: FrameType, event: str, called: object) -> None:
        del frame, called
        nonlocal calls
        if event.startswith("c_"):  # before and after each call of what is not Python
            calls += 1
            if calls == dies_at:
                os._exit(_DIED)

    status = 0
    sys.setprofile(count)
    try:
        act(moment)
        sys.setprofile(None)
        os.write(writing, b"%d" % calls)
    except BaseException as error:  # noqa: BLE001 - told by the other process
        sys.setprofile(None)
        status = _FAILED
        os.write(writing, repr(error)[:500].encode("utf-8", "replace"))
    finally:
        os._exit(status)
