"""Bytes of the files people name, bounded; and the error of a file that does not load."""

from __future__ import annotations

import errno
import os
import stat
from os import fspath
from typing import TYPE_CHECKING, Final

from rollback.errors import Complaint, InputError

if TYPE_CHECKING:
    from os import PathLike

BYTES_MAX: Final = 2 * 2**20
"""Largest playbook or environment that is read: 2,000 steps take about half of it."""

_KINDS: Final = (
    (stat.S_ISDIR, "a directory"),
    (stat.S_ISFIFO, "a pipe"),
    (stat.S_ISCHR, "a device"),
    (stat.S_ISBLK, "a device"),
    (stat.S_ISSOCK, "a socket"),
)


def bytes_of(path: str | PathLike[str], bytes_max: int) -> bytes:
    """The bytes of a plain file, at most `bytes_max`.

    Raises OSError where it cannot be read, is no plain file (a pipe would be waited for, a device
    never ends), or is larger; ValueError for a name that no file can have.
    """
    # Not blocking: opening a pipe that nobody writes to would wait for ever.
    descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
    try:
        known = os.fstat(descriptor)
        if not stat.S_ISREG(known.st_mode):
            kind = next((name for is_one, name in _KINDS if is_one(known.st_mode)), "no file")
            raise OSError(errno.EINVAL, f"it is {kind}, not a file", fspath(path))
        data = b""
        if known.st_size <= bytes_max:
            with os.fdopen(descriptor, "rb", closefd=False) as file:
                data = file.read(bytes_max + 1)
        if max(known.st_size, len(data)) > bytes_max:
            raise OSError(errno.EFBIG, f"it is larger than {bytes_max} bytes", fspath(path))
    finally:
        os.close(descriptor)
    return data


def read_bytes(path: str | PathLike[str], bytes_max: int, *, what: str) -> bytes:
    """The bytes of a file, bounded. Raises InputError where it cannot be read or is too large."""
    try:
        return bytes_of(path, bytes_max)
    except (OSError, ValueError) as problem:
        why = getattr(problem, "strerror", None) or str(problem)
        expected = f"{with_article(what)} file of at most {bytes_max} bytes"
        complaint = Complaint(fspath(path), None, None, "", f"cannot be read: {why}", expected)
        raise refused(
            what, (complaint,), hint="name a file that is there and can be read; nothing was sent"
        ) from problem


def with_article(what: str) -> str:
    """The word with `a` or `an`."""
    return f"an {what}" if what[0] in "aeiou" else f"a {what}"


def refused(
    what: str, complaints: tuple[Complaint, ...], *, promise: str = "", hint: str = ""
) -> InputError:
    """The error of a file that does not load. code: ``<what>.invalid``."""
    ordered = tuple(sorted(complaints, key=lambda c: (c.file, c.line or 0, c.column or 0)))
    count = len(ordered)
    reason = f"the {what} does not load: {count} problem{'' if count == 1 else 's'}"
    return InputError(
        f"{what}.invalid",
        reason,
        hint=hint or "correct the lines named; nothing was sent",
        promise=promise,
        complaints=ordered,
    )


def decode(data: bytes | str, file: str, what: str) -> str:
    """Text from bytes, without a byte order mark. Raises InputError for anything but UTF-8."""

    def no(problem: str, line: int | None = None) -> InputError:
        return refused(what, (Complaint(file, line, None, "", problem, "UTF-8 text"),))

    if isinstance(data, str):
        try:
            data = data.encode()
        except UnicodeEncodeError as problem:
            raise no("holds half of a surrogate pair") from problem
    if len(data) > BYTES_MAX:
        raise no(f"is larger than {BYTES_MAX} bytes")
    if data[:2] in (b"\xff\xfe", b"\xfe\xff"):
        raise no("is UTF-16, not UTF-8", 1)
    data = data.removeprefix(b"\xef\xbb\xbf")
    if (nul := data.find(b"\0")) >= 0:
        raise no("is a binary file (it holds a zero byte)", data.count(b"\n", 0, nul) + 1)
    try:
        return data.decode()
    except UnicodeDecodeError as problem:
        raise no("is not UTF-8 text", data.count(b"\n", 0, problem.start) + 1) from problem
