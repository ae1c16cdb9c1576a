"""``rollback approve``: a person's signature over exactly these bytes; a reject is one too."""

from __future__ import annotations

import secrets
import sys
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

import click

from rollback.cli import faces, options, output
from rollback.cli.judging import judge
from rollback.cli.plan_files import load_plan
from rollback.errors import InputError, Refused
from rollback.model.base import seconds
from rollback.model.durations import spoken

if TYPE_CHECKING:
    from rollback.wiring import PlanDocument

_MARGIN_S = 300
_LASTS_S = 3_300
"""With the minute that clocks may differ by, inside the hour that environments allow by default."""


@click.command(
    epilog="""\b
Examples:
  rollback approve plan.json --key ~/.ssh/id_ed25519 --out ana.json
  rollback approve plan.json --key ~/.ssh/id_ed25519.pub        (the private half is in an agent)
  rollback approve plan.json --key ~/.ssh/id_ed25519 --reject --reason 'wrong release'
  rollback approve plan.json --key KEY --yes-environment production (where there is no terminal)

\b
Others can check the file with `ssh-keygen -Y verify -n plan-approval@trade-rollback`.
"""
)
@click.argument("plan", metavar="PLAN")
@click.option(
    "--key",
    metavar="KEY",
    required=True,
    help="Your SSH key: a private key file, or a public one held by an agent.",
)
@click.option("--out", metavar="FILE", help="Where the approval goes (default: beside the plan).")
@click.option("--reject", is_flag=True, help="Sign a no instead; it blocks this plan.")
@click.option("--reason", metavar="TEXT", help="Why, in words; signed with it.")
@click.option(
    "--approver",
    metavar="WHO",
    help="Your name in the allowed-signers file, where a key has several.",
)
@click.option(
    "--lasts",
    metavar="DURATION",
    help="How long it holds, like 45m (default: 55m, or longer where the plan takes longer).",
)
@click.option(
    "--yes-environment", metavar="NAME", help="The environment's name, instead of typing it."
)
@options.environment_file
@click.option("--json", "as_json", is_flag=True, help="Print the result as JSON.")
@click.pass_obj
def approve(  # noqa: PLR0913 - options of a command line
    state: str | None,
    *,
    plan: str,
    key: str,
    out: str | None,
    reject: bool,
    reason: str | None,
    approver: str | None,
    lasts: str | None,
    yes_environment: str | None,
    environment: str | None,
    as_json: bool,
) -> int:
    """Show PLAN's first screen, then sign its digest with your key.

    The signature covers the digest, the environment, your decision and how long it holds. A
    refused plan cannot be approved (exit 3); only a reject is signed. Where the environment file
    is found here, the plan is planned again from its own observations, as apply does: one that was
    edited is not shown and not signed (exit 3). You are told at once if your signature does not
    count.
    """
    from rollback.approval.sign import approve as sign
    from rollback.approval.sign import check_key
    from rollback.cli.counting import counts

    # What is wrong with the command is said before the screen, not under it.
    document = load_plan(plan)
    lasts_s = _duration(lasts, document.plan.duration_s_max)
    check_key(Path(key).expanduser())
    if out:
        output.check_place(Path(out), output.APPROVAL)
    if document.plan.verdict == "refused" and not reject:
        raise Refused(
            "approve.refused",
            "the plan is refused, so there is nothing to approve; nothing was signed",
            hint="`rollback show PLAN` says why; what is still possible in it waits for nobody: "
            "`rollback apply PLAN --only-safe`",
        )
    if not reject:
        _can_confirm(document.plan.environment, yes_environment)
    judged = judge(document, environment, state, Path(plan))
    if judged.edited is not None and not reject:
        raise judged.edited
    _show(document)
    faces.warn_of_age(document)
    judged.say()
    if not reject:
        _confirm(document.plan.environment, yes_environment)
    nonce = secrets.token_hex(16)
    file = sign(
        document.digest,
        document.plan.environment,
        key=Path(key).expanduser(),
        now=datetime.now(UTC),
        lasts_s=lasts_s,
        nonce=nonce,
        decision="reject" if reject else "approve",
        approver=approver,
        reason=reason,
        passphrase=_passphrase,
    )
    word = "rejection" if reject else "approval"
    path = Path(out) if out else Path(plan).with_suffix(f".{word}-{nonce[:8]}.json")
    output.write_file(path, file.to_bytes(), replace=out is not None)
    output.talk(f"signed: {word} of plan {document.digest}, for {spoken(lasts_s)}")
    root = options.state_root(state)
    known, why = counts(document, file.to_bytes(), environment, root, Path(plan), datetime.now(UTC))
    if known is False:
        output.talk(f"STOP this {word} does not count: {why}")
    elif known is None:
        output.talk(f"whether this {word} counts was not looked at here: {why}")
    if as_json:
        said = {"file": str(path), "plan": document.digest, "decision": word}
        output.result_json({**said, "counts": known, "why": why})
    else:
        output.result(str(path))
    return 0


def _duration(given: str | None, plan_s: int) -> int:
    if given is None:
        return max(_LASTS_S, plan_s + _MARGIN_S)
    read = seconds(given)
    if not isinstance(read, int) or read <= 0:
        raise InputError(
            "usage.lasts", f"--lasts {given!r} is not a duration", hint="write 45m or 2h"
        )
    if read <= plan_s:
        raise InputError(
            "usage.lasts",
            f"--lasts {given} is shorter than the plan may take ({spoken(plan_s)})",
            hint=f"give at least {plan_s + _MARGIN_S}s: an approval outlasts the plan",
        )
    return read


def _show(document: PlanDocument) -> None:
    from rollback.rendering.faces import first_screen_text

    text = first_screen_text(
        document.plan, document.digest, colour=output.coloured(sys.stderr), width=output.columns()
    )
    click.echo(text, err=True, color=True)


def _can_confirm(environment: str, given: str | None) -> None:
    """Raises InputError where the environment's name is another, or cannot be typed."""
    if given is None and not output.can_ask():
        raise InputError(
            "approve.no-terminal",
            "there is no terminal to type the environment's name at",
            hint="read the plan, then give --yes-environment NAME",
        )
    if given is not None:
        _same(environment, given)


def _confirm(environment: str, given: str | None) -> None:
    if given is None:
        _same(environment, output.ask("type the environment's name to approve").strip())


def _same(environment: str, given: str) -> None:
    if given != environment:
        raise InputError(
            "approve.environment",
            f"the plan is for {environment}, not {given!r}; nothing was signed",
            hint="check that you read the right plan",
        )


def _passphrase() -> str:
    if not output.can_ask():
        raise InputError(
            "approve.passphrase",
            "the key has a passphrase, and there is no terminal to type it at",
            hint="load the key into an agent and name its public half with --key",
        )
    return output.ask("passphrase of the key", hidden=True)
