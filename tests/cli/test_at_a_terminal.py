"""The command at a real terminal: what is shown first, how to read on, and no colour unasked."""

from __future__ import annotations

import fcntl
import os
import pty
import struct
import subprocess
import sys
import termios
from typing import TYPE_CHECKING

import pytest

from rollback.cli import output
from rollback.planning.canonical import canonical
from rollback.rendering.faces import render
from tests.builders import digest_of, make_plan
from tests.rendering.hostile import saying

if TYPE_CHECKING:
    from pathlib import Path

COLUMNS = 100


def at_terminal(*args: str | Path, **variables: str) -> str:
    """All that a terminal of 100 columns is sent."""
    master, end = pty.openpty()
    fcntl.ioctl(end, termios.TIOCSWINSZ, struct.pack("HHHH", 40, COLUMNS, 0, 0))
    ours = ("NO_COLOR", "TERM", "COLUMNS", "LINES")
    clean = {name: value for name, value in os.environ.items() if name not in ours}
    code = "import sys; from rollback.cli.main import run; sys.exit(run(sys.argv[1:]))"
    with subprocess.Popen(
        [sys.executable, "-c", code, *map(str, args)],
        stdin=end,
        stdout=end,
        stderr=end,
        env={**clean, "TERM": "xterm", **variables},
        start_new_session=True,
    ):
        os.close(end)
        said = b""
        try:
            while part := os.read(master, 65_536):
                said += part
        except OSError:  # the other end was closed: the process ended
            pass
    os.close(master)
    return said.decode().replace("\r\n", "\n")


def test_a_plan_at_a_terminal_ends_with_what_is_done_and_says_how_to_read_on(
    plan_file: Path,
) -> None:
    said = at_terminal("show", plan_file, NO_COLOR="1")
    whole = render(make_plan(), digest_of(make_plan()), "text", max_chars=None, width=COLUMNS)
    shown, _, more = said.partition("lines more: ")
    shown, count = shown.rsplit("\n", 1)
    assert whole.startswith(shown + "\n")
    assert "What is done, in order" in shown
    assert "Step 1: " not in shown
    assert whole.count("\n") == (shown + "\n").count("\n") + int(count)
    assert f"rollback show {plan_file} --whole" in " ".join(more.split("\n"))
    assert at_terminal("show", plan_file, "--whole", NO_COLOR="1").startswith(whole)


@pytest.mark.parametrize(
    ("variables", "coloured"), [({}, True), ({"NO_COLOR": "1"}, False), ({"TERM": "dumb"}, False)]
)
def test_colour_is_for_terminals_that_want_it(
    plan_file: Path, variables: dict[str, str], coloured: bool
) -> None:
    assert ("\x1b" in at_terminal("show", plan_file, **variables)) is coloured


def test_json_at_a_terminal_steers_nothing(tmp_path: Path) -> None:
    file = tmp_path / "plan.json"
    file.write_bytes(canonical(saying("\x9b31m\u202egood\u202c")))
    assert "\u202e" in file.read_text()
    said = at_terminal("show", file, "--json")
    assert not {"\x9b", "\x1b", "\u202e", "\u202c"} & set(said)
    assert "\\u202egood\\u202c" in said


def test_a_line_laid_out_with_spaces_is_one_line_and_steers_nothing(
    capsys: pytest.CaptureFixture[str],
) -> None:
    output.result_spaced("held       web by x\n\x1b[2Jfree       web")
    assert capsys.readouterr().out == "held       web by x\\u{a}\\u{1b}[2Jfree       web\n"
