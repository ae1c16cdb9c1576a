"""The group of verbs. A verb's file is imported only when the verb is used or asked about."""

from __future__ import annotations

from importlib import import_module

import click

from rollback.errors import did_you_mean

VERBS = {
    "validate": "Check playbooks, and an environment with them.",
    "plan": "Look at the world, read-only, and make a plan.",
    "show": "Show a plan again, in any of its faces.",
    "diff": "Show what changed between two plans.",
    "approve": "Sign a plan, or reject it.",
    "apply": "Apply a plan: its writes, and nothing else.",
    "status": "Show runs, or report one.",
    "resume": "Go on with an interrupted run.",
    "undo": "Make a plan that takes back what a run changed.",
    "lease": "Show who holds the right to change what, or give it up.",
    "hold": "Show releases on hold, or plan to release one.",
    "watch-hold": "Look whether a release on hold is seen again.",
    "rehearse": "Practise on a simulated platform on this machine.",
    "evidence": "Capture, verify, read, export and compare evidence.",
    "schema": "Print the JSON Schema of a file format.",
    "doctor": "Check that this machine is ready to roll back.",
}
"""Every verb and what it does, so that help needs no import."""


class LazyGroup(click.Group):
    """A group whose commands live in ``rollback.cli.<verb>``."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        """All verbs, in the order a rollback goes."""
        del ctx
        return list(VERBS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """The verb's command; None where there is none."""
        del ctx
        if cmd_name not in VERBS:
            return None
        name = cmd_name.replace("-", "_")
        command = getattr(import_module(f"rollback.cli.{name}"), name)
        if not isinstance(command, click.Command):
            msg = f"rollback.cli.{name} has no command"
            raise TypeError(msg)
        return command

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """List the verbs without importing one."""
        del ctx
        with formatter.section("Verbs"):
            formatter.write_dl(list(VERBS.items()))

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        """Find the verb; an unknown one is answered with the nearest."""
        if args and args[0] not in VERBS and not args[0].startswith("-"):
            near = did_you_mean(args[0], VERBS).rstrip()
            ctx.fail(f"no verb is named {args[0]!r}" + (f"; {near}" if near else ""))
        return super().resolve_command(ctx, args)
