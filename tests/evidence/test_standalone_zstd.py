"""The stand-alone verifier unpacks with whatever zstd there is: no further than it must, and alike."""

from __future__ import annotations

import importlib
import json
import resource
import struct
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
import rfc8785
from hypothesis import given, settings
from hypothesis import strategies as st

from rollback.evidence import chunks, standalone_verify
from rollback.evidence.bundle import MANIFEST
from rollback.evidence.chunks import CONTENT_BYTES_MAX, packed
from tests.evidence.sealed import Sealed, needs_ssh_keygen, resealed

if TYPE_CHECKING:
    from collections.abc import Callable

SCRIPT = Path(standalone_verify.__file__)
READERS = [
    name
    for name in standalone_verify.ZSTD
    if name != ("backports.zstd" if sys.version_info >= (3, 14) else "compression.zstd")
]
"""Those that exist for this Python: `backports.zstd` is what 3.14 calls `compression.zstd`."""


def run_with(module: str, folder: Path) -> subprocess.CompletedProcess[str]:
    """The file as a stranger runs it, with this reader of zstd installed and no other."""
    others = [name for name in standalone_verify.ZSTD if name != module]
    code = (
        "import runpy, sys\n"
        f"sys.modules.update(dict.fromkeys({others!r}))\n"
        f"sys.argv = [{str(SCRIPT)!r}, {str(folder)!r}]\n"
        f"runpy.run_path({str(SCRIPT)!r}, run_name='__main__')\n"
    )
    command = [sys.executable, "-I", "-c", code]
    return subprocess.run(command, capture_output=True, text=True, check=False)


def _lie(content: dict[str, Any]) -> None:
    content["windows"][0]["chunks"][0]["content_sha256"] = "0" * 64


def _count(content: dict[str, Any]) -> None:
    chunk = content["windows"][0]["chunks"][0]
    chunk["items"] += 1
    content["windows"][0]["items"] += 1


def _say_less(content: dict[str, Any]) -> None:
    content["windows"][0]["chunks"][0]["content_bytes"] -= 1


@pytest.mark.parametrize("module", READERS)
@needs_ssh_keygen
def test_with_a_reader_everything_is_checked(tmp_path: Path, module: str) -> None:
    ran = run_with(module, Sealed(tmp_path / "bundle", signed=True).folder)
    assert (ran.returncode, ran.stderr) == (0, ""), ran.stdout
    assert ran.stdout.splitlines()[-1].startswith("holds; manifest ")


@pytest.mark.parametrize("module", READERS)
@pytest.mark.parametrize("lie", [_lie, _count, _say_less])
def test_with_a_reader_lies_about_content_are_told(
    tmp_path: Path, module: str, lie: Callable[[dict[str, Any]], None]
) -> None:
    folder = Sealed(tmp_path / "bundle").folder
    content = json.loads((folder / MANIFEST).read_bytes())
    lie(content)
    resealed(folder, rfc8785.dumps(content))
    ran = run_with(module, folder)
    assert ran.returncode == 8
    assert "it unpacks to something else than the manifest says (V3)" in ran.stdout


# --- bombs ------------------------------------------------------------------------------------

GIB = 2**30


def bomb(head: bytes, blocks: int) -> bytes:
    """A frame of blocks of 128 KiB of one byte each, in four bytes each."""
    full = struct.pack("<I", 1 << 1 | 2**17 << 3)[:3] + b"x"
    last = struct.pack("<I", 1 | 1 << 1 | 2**17 << 3)[:3] + b"x"
    return b"\x28\xb5\x2f\xfd" + head + full * (blocks - 1) + last


BOMBS = {
    "says nothing of its size": bomb(b"\x00\x38", 2**16),
    "says it holds 300 bytes": bomb(b"\x40\x38" + struct.pack("<H", 300 - 256), 2**16),
}


def bounded(module: str, data: bytes, bytes_max: int) -> str:
    """What comes of unpacking it in a process that may have 1 GiB and no more."""
    code = (
        "import importlib, sys\n"
        "from rollback.evidence import chunks, standalone_verify\n"
        f"data = sys.stdin.buffer.read()\n"
        f"module = {module!r}\n"
        "if module:\n"
        f"    print(standalone_verify.unpacked(importlib.import_module(module), data, {bytes_max}))\n"
        "else:\n"
        "    try:\n"
        f"        print(chunks.unpacked(data, {bytes_max}))\n"
        "    except ValueError:\n"
        "        print(None)\n"
    )
    ran = subprocess.run(
        [sys.executable, "-c", code],
        input=data,
        capture_output=True,
        check=False,
        preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_AS, (GIB, GIB)),
    )
    return (ran.stdout or ran.stderr).decode()


@pytest.mark.parametrize("module", [*READERS, ""])
@pytest.mark.parametrize("kind", BOMBS)
def test_a_bomb_is_left_where_it_says_too_much(module: str, kind: str) -> None:
    assert len(BOMBS[kind]) < CONTENT_BYTES_MAX // 200
    assert bounded(module, BOMBS[kind], CONTENT_BYTES_MAX) == "None\n"
    assert bounded(module, BOMBS[kind], 10) == "None\n"


@pytest.mark.parametrize("module", READERS)
def test_the_shape_of_the_bombs_is_one_that_unpacks(module: str) -> None:
    zstd = importlib.import_module(module)
    small = bomb(b"\x00\x38", 3)
    assert standalone_verify.unpacked(zstd, small, 3 * 2**17) == b"x" * 3 * 2**17
    assert chunks.unpacked(small) == b"x" * 3 * 2**17
    assert standalone_verify.unpacked(zstd, small, 3 * 2**17 - 1) is None


# --- any bytes --------------------------------------------------------------------------------


BESIDE = ("skippable", "skippable before", "skippable after", "empty before", "empty after")
"""Frames that unpack to nothing, alone or beside the one that is a chunk: they could hide bytes."""


def skippable(size: int) -> bytes:
    """A frame that every reader steps over (RFC 8878, 3.1.2)."""
    return struct.pack("<II", 0x184D2A50 + size % 16, size) + b"x" * size


def ours(data: bytes, bytes_max: int) -> bytes | None:
    try:
        return chunks.unpacked(data, bytes_max)
    except ValueError:
        return None


@settings(max_examples=300, deadline=None)
@given(
    content=st.binary(min_size=1, max_size=5000).map(lambda data: data * 3),
    change=st.sampled_from(["none", "cut", "more", "twice", "flip", *BESIDE]),
    at=st.integers(0, 20_000),
    room=st.integers(-2, 2),
)
def test_all_readers_judge_alike(content: bytes, change: str, at: int, room: int) -> None:
    data = packed(content)
    at %= len(data)
    data = {
        "none": data,
        "cut": data[:at],
        "more": data + data[:at],
        "twice": data + data,
        "flip": data[:at] + bytes((data[at] ^ 0x10,)) + data[at + 1 :],
        "skippable": skippable(at),
        "skippable before": skippable(at) + data,
        "skippable after": data + skippable(at),
        "empty before": packed(b"") + data,
        "empty after": data + packed(b""),
    }[change]
    bytes_max = max(0, len(content) + room)
    found = ours(data, bytes_max)
    if change == "none":
        assert found == (content if room >= 0 else None)
    if change in BESIDE:
        assert found is None
    if found is not None:
        assert len(found) <= bytes_max
    for module in READERS:
        zstd = importlib.import_module(module)
        assert standalone_verify.unpacked(zstd, data, bytes_max) == found, module
