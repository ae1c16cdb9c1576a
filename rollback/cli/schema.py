"""``rollback schema``: what editors and other programs hold files against."""

from __future__ import annotations

import click


@click.command(
    epilog="""\b
Examples:
  rollback schema playbook > playbook.json
  rollback schema environment
"""
)
@click.argument("kind", type=click.Choice(("playbook", "environment", "plan")))
def schema(kind: str) -> int:
    """Print the JSON Schema (2020-12) of a playbook, an environment or a plan."""
    from rollback.loading import schema as schemas

    make = {
        "playbook": schemas.playbook_schema,
        "environment": schemas.environment_schema,
        "plan": schemas.plan_schema,
    }[kind]
    click.echo(schemas.text_of(make()), nl=False)
    return 0
