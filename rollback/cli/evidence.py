"""``rollback evidence``: what a reviewer does with a bundle, offline."""

from __future__ import annotations

from pathlib import Path

import click

from rollback.cli import options, output
from rollback.errors import ExitStatus, InputError
from rollback.rendering.escape import visible


@click.group()
def evidence() -> None:
    """Verify evidence, offline."""


@evidence.command(
    epilog="""\b
Example:
  rollback evidence verify evidence/r-20261123-0936-4f2a
"""
)
@click.argument("bundle")
@options.as_json
def verify(bundle: str, as_json: bool) -> int:  # noqa: FBT001
    """Verify BUNDLE from its own files: every digest, the journal's chain, the plan, completeness.

    Needs no network and no environment. Exit 0 when it holds, 9 when not, 2 when it is no folder.
    """
    if not Path(bundle).is_dir():
        what = "is a file, and a bundle is a folder" if Path(bundle).exists() else "does not exist"
        raise InputError(
            "evidence.no-bundle",
            f"{bundle} {what}",
            hint="name the folder that `rollback apply` printed as the bundle",
        )
    from rollback.evidence.verify import verify_bundle  # only now

    check = verify_bundle(Path(bundle))
    holds = check.holds and check.manifest is not None
    if as_json:
        output.result_json(
            {
                "bundle": bundle,
                "holds": holds,
                "problems": [str(problem) for problem in check.problems],
                "files": check.files,
                "chunks": check.chunks,
                "items": check.items,
                "incomplete": list(check.incomplete),
                "signed_by": check.signed_by or None,
            }
        )
        return int(ExitStatus.DONE if holds else ExitStatus.EVIDENCE)
    said = f"{check.files} files, {check.chunks} chunks, {check.items} items"
    signed = f"signed by {check.signed_by}" if check.signed_by else "unsigned"
    output.result(visible(f"{bundle}: {'holds' if holds else 'does not hold'}; {said}; {signed}"))
    for problem in check.problems:
        output.result(f"  wrong: {visible(str(problem))}")
    for gap in check.incomplete:
        output.result(f"  incomplete: {visible(gap)}")
    return int(ExitStatus.DONE if holds else ExitStatus.EVIDENCE)
