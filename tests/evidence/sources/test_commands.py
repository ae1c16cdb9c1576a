"""Standard output of real commands: kept as it came, bounded, and without our secrets."""

from __future__ import annotations

import json
import sys
from typing import TYPE_CHECKING

import pytest

from rollback.evidence.capture import capture
from rollback.evidence.sources import commands
from tests.connectors.stand import environment
from tests.evidence.pipeline import Kept, capturing

if TYPE_CHECKING:
    from pathlib import Path

    from rollback.model.evidence import SourceWindow


def captured(sink: Kept, *argv: str, seconds_max: int = 60) -> SourceWindow:
    env = environment(evidence={"commands": [{"name": "state", "argv": list(argv)}]})
    (source,) = commands.commands(env, seconds_max)
    with capturing(sink) as shared:
        return capture(source, "at/capture", shared)


def texts(sink: Kept, window: SourceWindow) -> list[str]:
    return [json.loads(line)["text"] for line in sink.lines(window)]


def test_output_is_kept_line_by_line_with_the_exit_status() -> None:
    sink = Kept()
    window = captured(sink, sys.executable, "-c", r"print('one\n\ntwo')")
    assert texts(sink, window) == ["one", "", "two"]
    assert window.completeness == "complete"
    assert [(fact.name, fact.value) for fact in window.facts] == [("exit_status", 0)]


def test_a_failing_command_keeps_what_it_said_and_is_a_gap() -> None:
    sink = Kept()
    window = captured(sink, sys.executable, "-c", "print('half'); raise SystemExit(3)")
    assert texts(sink, window) == ["half"]
    assert window.completeness == "partial"
    assert "exit status 3" in window.reason


def test_a_command_that_is_not_there_is_a_gap() -> None:
    window = captured(Kept(), "/no/such/command")
    assert (window.completeness, "No such file" in window.reason) == ("unknown", True)


def test_no_variable_of_ours_is_passed_on(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COSMOS_KEY", "s3cret")
    sink = Kept()
    window = captured(sink, sys.executable, "-c", "import os; print(*os.environ, sep='\\n')")
    assert set(texts(sink, window)) <= {*commands.PASSED, "LC_CTYPE"}
    assert "PATH" in texts(sink, window)


def test_no_shell_reads_the_arguments(tmp_path: Path) -> None:
    sink = Kept()
    window = captured(sink, "echo", f"$(touch {tmp_path}/here)", ";", "id")
    assert texts(sink, window) == [f"$(touch {tmp_path}/here) ; id"]
    assert not (tmp_path / "here").exists()


def test_a_command_that_does_not_end_is_ended_with_what_it_started() -> None:
    """The child holds the output open; both belong to one process group."""
    sink = Kept()
    script = "import subprocess, time; print('begun', flush=True); subprocess.run(['sleep', '600'])"
    window = captured(sink, sys.executable, "-c", script, seconds_max=1)
    assert texts(sink, window) == ["begun"]
    assert "ended, its time of 1 s" in window.reason


def test_bytes_that_are_no_text_are_kept_readable() -> None:
    sink = Kept()
    script = r"import sys; sys.stdout.buffer.write(b'\xff\xfe ok\n')"
    assert texts(sink, captured(sink, sys.executable, "-c", script)) == [r"\xff\xfe ok"]


def test_a_command_whose_heir_is_ended_did_not_say_everything(tmp_path: Path) -> None:
    """It ended well itself; who still wrote for it was ended when the time was over."""
    heir = "import os, time\nif os.fork() == 0:\n    time.sleep(60)\nprint('first half', flush=True)"
    sink = Kept()
    window = captured(sink, sys.executable, "-c", heir, seconds_max=1)
    assert texts(sink, window) == ["first half"]
    assert window.completeness == "partial"
    assert "ended, its time of 1 s" in window.reason


def test_a_command_that_a_signal_ends_is_a_gap_that_says_so() -> None:
    ends = "import os, signal; print('half', flush=True); os.kill(os.getpid(), signal.SIGSEGV)"
    window = captured(Kept(), sys.executable, "-c", ends)
    assert window.completeness == "partial"
    assert "signal 11" in window.reason


@pytest.mark.parametrize("end", ["os.kill(os.getpid(), 9)", "time.sleep(60)", "None"])
def test_what_is_cut_off_within_a_line_keeps_no_half_secret(end: str) -> None:
    """A line that its command ended itself is whole; one that somebody cut may hold half a secret."""
    said = f"import os, time; os.write(1, b'first\\nkey hunter2-is-'); {end}"
    sink = Kept()
    window = captured(sink, sys.executable, "-c", said, seconds_max=3)
    lines = [json.loads(one) for one in sink.lines(window)]
    assert lines[0] == {"line": 1, "text": "first"}
    if end == "None":
        assert (window.completeness, lines[1]["text"]) == ("complete", "key hunter2-is-")
    else:
        assert (window.completeness, lines[1:]) == ("partial", [{"line": 2, "left_out_bytes": 15}])
