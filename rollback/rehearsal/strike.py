"""What can befall a process: a signal, or a full disk; at which moment."""

from __future__ import annotations

import os
import resource
import shutil
import signal
import subprocess
import threading
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

WAYS = ("kill", "int", "term", "int-twice", "disk")
STATE_BYTES = 24 << 20
"""How large the small disk is: a few times what a run keeps."""

ROOM_MAX = 6000
"""Bytes that may still go into a file where no small disk can be had."""


@dataclass(frozen=True, slots=True)
class Strike:
    """How a process is struck, and when: `delay_s` after its line of that number (0: its start)."""

    way: str
    line: int
    delay_s: float
    room: int = 0

    def __str__(self) -> str:
        return f"{self.way} {self.delay_s:.2f} s after line {self.line}"


@dataclass(frozen=True, slots=True)
class Disk:
    """Where the state is kept. small: a file system of its own, that can be filled."""

    folder: Path
    small: bool

    def strike(self, process: subprocess.Popen[str], strike: Strike) -> None:
        """Do to a process what the strike says. One that has ended already is left alone."""
        with suppress(ProcessLookupError, OSError):
            if strike.way == "disk":
                self._fill(process, strike.room)
            elif strike.way == "kill":
                process.kill()
            else:
                number = signal.SIGTERM if strike.way == "term" else signal.SIGINT
                process.send_signal(number)
                if strike.way == "int-twice":
                    threading.Event().wait(strike.room / ROOM_MAX)
                    process.send_signal(number)

    def _fill(self, process: subprocess.Popen[str], room: int) -> None:
        """Leave no room: on the small disk for anything, otherwise in this process's own files."""
        if not self.small:
            journals = [path.stat().st_size for path in self.folder.glob("runs/*/journal.jsonl")]
            limit = max(journals, default=0) + room
            resource.prlimit(process.pid, resource.RLIMIT_FSIZE, (limit, limit))
            return
        with (self.folder / "filler").open("wb", buffering=0) as filler, suppress(OSError):
            while True:
                filler.write(bytes(4096))

    def relieve(self) -> None:
        """Give the room back."""
        (self.folder / "filler").unlink(missing_ok=True)


@contextmanager
def disk_of(folder: Path, *, small: bool = True) -> Iterator[Disk]:
    """A small file system in memory where this process may mount one, else the folder as it is.

    small: False takes the folder as it is, always.
    """
    mounted = (
        small
        and os.geteuid() == 0
        and subprocess.run(  # noqa: S603 - fixed arguments
            ["/bin/mount", "-t", "tmpfs", "-o", f"size={STATE_BYTES}", "tmpfs", str(folder)],
            check=False,
            capture_output=True,
        ).returncode
        == 0
    )
    try:
        yield Disk(folder, small=mounted)
    finally:
        if mounted:
            kept = folder.with_name("kept")
            shutil.copytree(folder, kept)
            subprocess.run(["/bin/umount", "-l", str(folder)], check=False)  # noqa: S603 - as above
            shutil.copytree(kept, folder, dirs_exist_ok=True)
