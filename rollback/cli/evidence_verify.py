"""``rollback evidence verify``: a bundle from its own files, and from what was kept elsewhere."""

from __future__ import annotations

import re
from dataclasses import asdict
from typing import TYPE_CHECKING

import click

from rollback.cli import bundles, options, output
from rollback.errors import ExitStatus, InputError
from rollback.rendering.escape import visible

if TYPE_CHECKING:
    from pathlib import Path

    from rollback.approval.allowed_signers import AllowedSigner
    from rollback.evidence.problems import BundleCheck

_SHA256 = re.compile(r"[0-9a-fA-F]{64}")
JOURNAL_BYTES_MAX = 2**30


@click.command(
    epilog="""\b
Examples:
  rollback evidence verify evidence/bundle-1
  rollback evidence verify r-20261123-0936-4f2a --anchor 9f2c...e1
  rollback evidence verify evidence/bundle-1 --signers run-key --allowed-signers people --json

\b
What the bundle says by itself: that it is whole, that journal, plan and evidence agree, and that
the approvals were signed by the keys that the run trusted then. Whoever could write the whole
folder could have made another one, so trust comes from outside: --anchor, --journal and
--timestamp (this is the bundle of then), --signers (our run made it), --allowed-signers (these are
our people). A reviewer who does not trust this program runs one file of it with nothing installed:
  python3 rollback/evidence/standalone_verify.py BUNDLE [SHA256]

\b
Exit 0 when it holds; 8 when not, with file and byte of what is wrong, the first first.
"""
)
@click.argument("bundle", metavar="BUNDLE")
@click.option(
    "--signers",
    metavar="FILE",
    help="OpenSSH allowed-signers file: the bundle must be signed by one of them.",
)
@click.option(
    "--allowed-signers",
    "people",
    metavar="FILE",
    help="OpenSSH allowed-signers file: every approval that counted must be by one of them.",
)
@click.option(
    "--anchor",
    metavar="SHA256",
    help="Digest of the manifest as it was kept elsewhere (ticket, journal's mirror).",
)
@click.option(
    "--journal",
    metavar="FILE",
    help="The run's journal as it was kept elsewhere: its note of the sealing is the anchor.",
)
@click.option(
    "--timestamp", "reply", metavar="FILE", help="Reply of a time-stamping authority (RFC 3161)."
)
@click.option(
    "--timestamp-root", "root", metavar="FILE", help="Root certificate of that authority, in PEM."
)
@options.as_json
@click.pass_obj
def verify(  # noqa: PLR0913 (each option is one)
    state: str | None,
    *,
    bundle: str,
    signers: str | None,
    people: str | None,
    anchor: str | None,
    journal: str | None,
    reply: str | None,
    root: str | None,
    as_json: bool,
) -> int:
    """Verify BUNDLE, offline: every digest, the journal's chain, the plan, completeness.

    Needs no network and no environment.
    """
    if anchor is not None and not _SHA256.fullmatch(anchor):
        raise InputError(
            "usage.anchor", f"--anchor {anchor!r} is not a SHA-256", hint="give 64 hex digits"
        )
    if (reply is None) is not (root is None):
        raise InputError(
            "usage.timestamp",
            "--timestamp and --timestamp-root go together",
            hint="a time-stamp proves nothing without the root certificate of who gave it",
        )
    from rollback.evidence.verify import verify_bundle

    folder = bundles.find(bundle, state)
    check = verify_bundle(
        folder, anchor=anchor or "", signers=_signers(signers), approvers=_people(people)
    )
    stamped, problem = ("", "")
    if reply is not None and root is not None:
        stamped, problem = _stamped(folder, reply, root)
    told = "" if journal is None else _not_noted(check, journal)
    wrong = [*map(str, check.problems), *(one for one in (problem, told) if one)]
    holds = check.manifest is not None and not wrong
    if as_json:
        output.result_json(_as_json(folder, check, wrong, stamped, holds=holds))
    else:
        _print(folder, check, wrong, stamped, holds=holds)
        _print_approvals(check, people)
    return int(ExitStatus.DONE if holds else ExitStatus.VERIFICATION)


def _print(
    folder: Path, check: BundleCheck, wrong: list[str], stamped: str, *, holds: bool
) -> None:
    said = f"{check.files} files, {check.chunks} chunks, {check.items} items"
    output.result(visible(f"{folder}: {'holds' if holds else 'does not hold'}; {said}"))
    for each in wrong:
        output.result(f"  wrong: {visible(each)}")
    for gap in check.incomplete:
        output.result(f"  incomplete: {visible(gap)}")
    if check.manifest_sha256:
        output.result(f"  manifest: {check.manifest_sha256}")
    output.result(f"  signature: {visible(_signature(check))}")
    if stamped:
        output.result(f"  time-stamp: {stamped}")


def _print_approvals(check: BundleCheck, people: str | None) -> None:
    for one in check.approvals:
        with_ = f" with {one.key}" if one.key else ""
        did = "approved" if one.decision == "approve" else "rejected"
        state = f"DOES NOT HOLD: {one.problem}" if one.problem else "holds"
        said = f"{one.principal} {did}{with_}, {one.at}; {state}"
        output.result(f"  approval: {visible(said)}")
    if check.approvals and people is None:
        said = (
            "  approvals: held against the keys that the run trusted then; whether those are your "
        )
        output.result(
            f"{said}people's, an allowed-signers file of your own says (--allowed-signers)"
        )


def _signature(check: BundleCheck) -> str:
    if check.signed_by and check.principals:
        return f"by {', '.join(check.principals)} with {check.signed_by}"
    if check.signed_by:
        return f"by {check.signed_by}; whose key that is, an allowed-signers file says (--signers)"
    if check.manifest is not None and check.manifest.signature == "sshsig":
        return "signed, but the signature does not hold"
    return (
        "unsigned: whoever can write this folder can make another that holds; hold the manifest's "
        "digest against one kept elsewhere (--anchor)"
    )


def _as_json(
    folder: Path, check: BundleCheck, wrong: list[str], stamped: str, *, holds: bool
) -> dict[str, object]:
    return {
        "bundle": str(folder),
        "holds": holds,
        "problems": wrong,
        "places": [
            {"rule": one.rule, "file": one.file, "line": one.line, "byte": one.byte}
            for one in check.problems
        ],
        "files": check.files,
        "chunks": check.chunks,
        "items": check.items,
        "incomplete": list(check.incomplete),
        "manifest_sha256": check.manifest_sha256 or None,
        "signed_by": check.signed_by or None,
        "principals": list(check.principals),
        "approvals": [asdict(one) for one in check.approvals],
        "timestamp": stamped or None,
    }


def _signers(path: str | None) -> tuple[AllowedSigner, ...] | None:
    if path is None:
        return None
    from rollback.approval.allowed_signers import read_allowed_signers

    return read_allowed_signers(_text(path), name=path)


def _people(path: str | None) -> str | None:
    if path is None:
        return None
    from rollback.approval.allowed_signers import read_allowed_signers

    text = _text(path)
    read_allowed_signers(text, name=path)
    return text


def _text(path: str) -> str:
    from rollback.approval.allowed_signers import FILE_CHARS_MAX
    from rollback.loading.files import decode, read_bytes

    what = "allowed-signers"
    return decode(read_bytes(path, FILE_CHARS_MAX, what=what), path, what)


def _not_noted(check: BundleCheck, path: str) -> str:
    """Empty where a journal of elsewhere notes that this very manifest was sealed; else why not."""
    from rollback.evidence.journal_anchor import not_noted
    from rollback.loading.files import read_bytes

    data = read_bytes(path, JOURNAL_BYTES_MAX, what="journal")
    problem = not_noted(data, check.manifest, check.manifest_sha256)
    return f"{path}: {problem} (V9)" if problem else ""


def _stamped(folder: Path, reply: str, root: str) -> tuple[str, str]:
    """(when, what is wrong)."""
    from rollback.evidence import timestamp
    from rollback.loading.files import read_bytes
    from rollback.model.base import rfc3339

    _, manifest = bundles.manifest_of(folder)
    data = read_bytes(reply, timestamp.REPLY_BYTES_MAX, what="time-stamp")
    trusted = timestamp.roots(read_bytes(root, timestamp.REPLY_BYTES_MAX, what="certificate"), root)
    when, problem = timestamp.stamped(data, manifest, trusted)
    if when is None:
        return "", f"{reply}: {problem} (V9)"
    return f"{rfc3339(when)}, as {reply} says", ""
