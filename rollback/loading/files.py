"""Bytes of the files people name, bounded; and the error of a file that does not load."""

from __future__ import annotations

from os import fspath
from typing import TYPE_CHECKING, Final

from rollback.errors import Complaint, InputError

if TYPE_CHECKING:
    from os import PathLike

BYTES_MAX: Final = 2 * 2**20
"""Largest playbook or environment that is read: 2,000 steps take about half of it."""


def read_bytes(path: str | PathLike[str], bytes_max: int, *, what: str) -> bytes:
    """The bytes of a file, bounded. Raises InputError where it cannot be read or is too large."""
    name = fspath(path)
    try:
        with open(name, "rb") as file:  # noqa: PTH123 - a Path refuses what open explains
            data = file.read(bytes_max + 1)
    except (OSError, ValueError) as problem:
        why = getattr(problem, "strerror", None) or str(problem)
        raise refused(
            what, (Complaint(name, None, None, "", f"cannot be read: {why}", f"a {what} file"),)
        ) from problem
    if len(data) > bytes_max:
        problem_ = f"larger than {bytes_max} bytes"
        raise refused(
            what, (Complaint(name, None, None, "", problem_, f"a {what} of at most that size"),)
        )
    return data


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
        raise no(f"larger than {BYTES_MAX} bytes")
    if data[:2] in (b"\xff\xfe", b"\xfe\xff"):
        raise no("is UTF-16, not UTF-8", 1)
    data = data.removeprefix(b"\xef\xbb\xbf")
    if (nul := data.find(b"\0")) >= 0:
        raise no("is a binary file (it holds a zero byte)", data.count(b"\n", 0, nul) + 1)
    try:
        return data.decode()
    except UnicodeDecodeError as problem:
        raise no("is not UTF-8 text", data.count(b"\n", 0, problem.start) + 1) from problem
