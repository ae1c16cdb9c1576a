"""``rollback evidence``: what a reviewer does with a bundle, offline; and a capture on its own."""

from __future__ import annotations

import click

from rollback.cli.evidence_capture import capture
from rollback.cli.evidence_diff import diff
from rollback.cli.evidence_export import export
from rollback.cli.evidence_show import show
from rollback.cli.evidence_timestamp import timestamp
from rollback.cli.evidence_verify import verify


@click.group(
    epilog="""\b
A bundle is one folder: plan, approvals, journal, report, and every piece of evidence by its digest.
Wherever BUNDLE stands, the name of a run on this machine does too: its newest bundle is taken.
"""
)
def evidence() -> None:
    """Capture evidence; verify, read, export and compare what was captured."""


for each in (capture, verify, show, diff, export, timestamp):
    evidence.add_command(each)
