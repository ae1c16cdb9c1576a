"""Errors: a code, a reason, a hint, an exit status, and never a traceback."""

from __future__ import annotations

import base64
import os
from collections.abc import Iterator
from pathlib import Path

import click
import pytest

from rollback import errors
from rollback.cli import group, validate
from rollback.cli.main import cli, complain
from tests.cli.conftest import Rollback

ALL = (
    (errors.ProductDefect, 1),
    (errors.Refused, 3),
    (errors.ApprovalMissing, 4),
    (errors.PlanStale, 5),
    (errors.PersonNeeded, 6),
    (errors.AuthorityNotProved, 7),
    (errors.VerificationFailed, 8),
    (errors.EvidenceNotWritten, 9),
    (errors.LeaseHeld, 12),
    (errors.Interrupted, 130),
)


@pytest.fixture
def raising(monkeypatch: pytest.MonkeyPatch) -> object:
    def set_(error: BaseException) -> None:
        def fail(*_: object, **__: object) -> None:
            raise error

        monkeypatch.setattr(validate.validate, "callback", fail)

    return set_


@pytest.mark.parametrize(("kind", "status"), ALL)
def test_each_error_has_its_status_and_says_the_next_move(
    rollback: Rollback, raising: object, kind: type[errors.RollbackError], status: int
) -> None:
    raising(kind("some.code", "it went so", hint="do this", promise="fail-closed"))  # type: ignore[operator]
    ran = rollback("validate", "x")
    assert ran.status == status
    assert ran.out == ""
    assert ran.err == "error: some.code [fail-closed]: it went so\nhint: do this\n"


def test_a_defect_is_told_without_its_text_which_may_hold_a_secret(
    rollback: Rollback, raising: object
) -> None:
    raising(RuntimeError("token=hunter2"))  # type: ignore[operator]
    ran = rollback("validate", "x")
    assert ran.status == 1
    assert "error: defect: builtins.RuntimeError" in ran.err
    assert "hunter2" not in ran.err
    assert "Traceback" not in ran.err
    assert "Traceback" in rollback("--debug", "validate", "x").err


def test_a_traceback_shows_no_value_of_a_variable_and_cannot_colour_a_terminal(
    rollback: Rollback, raising: object, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("ANY_KEY", "hunter2+/=")
    monkeypatch.setenv("ITS_CONFIG", str(Path(__file__).parent))
    encoded = base64.b64encode(b"key=hunter2+/=").decode()
    text = f"hunter2+/= {encoded} hunter2%2B%2F%3D \x1b[2J\u202e"
    raising(RuntimeError(text))  # type: ignore[operator]
    told = rollback("--debug", "validate", "x").err
    assert "RuntimeError: [secret]" in told
    assert "hunter2" not in told
    assert encoded[8:-2] not in told
    assert "\\u{1b}[2J\\u{202e}" in told
    assert __file__ in told


def test_ctrl_c_is_130(rollback: Rollback, raising: object) -> None:
    raising(KeyboardInterrupt())  # type: ignore[operator]
    ran = rollback("validate", "x")
    assert ran.status == 130
    assert "give the command again" in ran.err


def test_the_move_after_ctrl_c_is_not_to_take_up_an_older_run(
    rollback: Rollback, plan_file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Before a run is begun, `latest` is whichever was begun before."""
    before = os.open

    def stopped(path: str, *args: int, **more: int) -> int:
        if str(path) == str(plan_file):
            raise KeyboardInterrupt
        return before(path, *args, **more)

    monkeypatch.setattr(os, "open", stopped)
    ran = rollback("show", plan_file)
    assert ran.status == 130
    assert ran.err.endswith("hint: no run was begun; give the command again\n")
    ran = rollback("apply", plan_file)
    assert ran.status == 130
    assert "`rollback status` lists every run that was begun" in ran.err
    assert "where it is not there, give the command again" in ran.err



def test_an_error_cannot_forge_a_line(capsys: pytest.CaptureFixture[str]) -> None:
    complain(errors.Refused("x", "bad\nhint: run this\x1b[31m"))
    assert capsys.readouterr().err == "error: x: bad\\u{a}hint: run this\\u{1b}[31m\n"


@pytest.mark.parametrize(
    "args",
    [
        ("plna",),
        ("plan",),
        ("plan", "full-rollback"),
        ("plan", "nosuch", "--environment", "e.yaml"),
        ("plan", "full-rollback", "--environment", "/nonexistent.yaml"),
        ("plan", "full-rollback", "--environment", "e.yaml", "--set", "novalue"),
        ("plan", "full-rollback", "--environment", "e.yaml", "--format", "pdf"),
        ("show", "/nonexistent.json"),
        ("apply", "/nonexistent.json"),
        ("apply", "p.json", "--break-glass", " "),
        ("apply", "p.json", "--attest", "no words"),
        ("resume", "nosuch"),
        ("resume", "x", "--said", "e=maybe"),
        ("status", "nosuch"),
        ("undo", "nosuch", "--out", "o.json"),
        ("evidence", "verify", "/nonexistent"),
        ("schema", "nosuch"),
        ("doctor",),
        ("rehearse", "--scenario", "nosuch"),
        ("approve", "/nonexistent.json", "--key", "k"),
        ("--nosuch",),
    ],
)
def test_bad_usage_is_2_with_a_hint_and_no_traceback(
    rollback: Rollback, tmp_path: Path, args: tuple[str, ...]
) -> None:
    ran = rollback("--state", tmp_path, *args)
    assert ran.status == 2, ran.err
    assert ran.err.startswith("error: ")
    assert "Traceback" not in ran.err
    assert "hint: " in ran.err
    assert ran.out == ""


@pytest.mark.parametrize("verb", [(), ("hold",), ("lease",), ("evidence",)])
def test_a_verb_group_alone_says_what_it_can_do(rollback: Rollback, verb: tuple[str, ...]) -> None:
    ran = rollback(*verb)
    assert ran.status == 2
    assert ran.out == ""
    assert ran.err.startswith(f"Usage: {' '.join(('rollback', *verb))} [OPTIONS] COMMAND")
    assert "Show this message and exit." in ran.err
    assert "\\u{" not in ran.err


def test_choices_are_said_on_one_line(rollback: Rollback) -> None:
    said = rollback("schema").err
    assert "Choose from: playbook, environment, plan" in said


def every_command() -> Iterator[tuple[str, ...]]:
    """The words of each, verb groups included."""
    left: list[tuple[tuple[str, ...], click.Command]] = [((), cli)]
    while left:
        words, command = left.pop()
        yield words
        if isinstance(command, click.Group):
            context = click.Context(command)
            for name in command.list_commands(context):
                found = command.get_command(context, name)
                assert found is not None
                left.append(((*words, name), found))


def test_no_help_holds_a_mark_of_its_own_making(rollback: Rollback) -> None:
    """A mark that keeps lines as they are counts at the head of a paragraph, and stands elsewhere."""
    commands = list(every_command())
    assert len(commands) > 20
    for words in commands:
        assert "\b" not in rollback(*words, "--help").out, words


@pytest.mark.parametrize(
    "data",
    [b"", b"   ", b"\x00\xff\xfe", b"{", b"[" * 5_000, b'{"format": 1}', b"null", b"\x89PNG\r\n"],
)
@pytest.mark.parametrize("verb", ["show", "apply", "diff"])
def test_what_is_no_plan_is_2(rollback: Rollback, tmp_path: Path, data: bytes, verb: str) -> None:
    path = tmp_path / "plan.json"
    path.write_bytes(data)
    ran = rollback(verb, path, *((path,) if verb == "diff" else ()))
    assert ran.status == 2, ran.err
    assert "Traceback" not in ran.err
    assert ran.out == ""


def test_json_that_is_no_plan_is_told_in_one_line(rollback: Rollback, tmp_path: Path) -> None:
    path = tmp_path / "other.json"
    path.write_text('{"name": "package", "version": "1.0"}')
    said = rollback("apply", path).err.splitlines()
    assert any("is JSON, and no plan" in one for one in said)
    assert len(said) <= 4


def test_a_verb_without_a_plan_finds_no_environment_by_one(rollback: Rollback) -> None:
    for words in (("watch-hold",), ("hold", "show"), ("lease", "show"), ("lease", "release")):
        said = " ".join(rollback(*words, "--help").out.split())
        assert "Environment file (also ROLLBACK_ENVIRONMENT)" in said, words
        assert "the plan's environment" not in said


def test_a_near_miss_is_answered(rollback: Rollback) -> None:
    assert "did you mean plan?" in rollback("plna").err


@pytest.mark.parametrize("verb", group.VERBS)
def test_every_verb_has_help_that_teaches(rollback: Rollback, verb: str) -> None:
    args = ("evidence", "verify") if verb == "evidence" else (verb,)
    ran = rollback(*args, "--help")
    assert ran.status == 0
    assert "Example" in ran.out
    assert f"rollback {' '.join(args)}" in ran.out
    assert ran.err == ""


def test_help_lists_every_verb(rollback: Rollback) -> None:
    ran = rollback("--help")
    assert all(f"  {verb} " in ran.out for verb in group.VERBS)
