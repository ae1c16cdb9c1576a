"""What is kept of the world, without the secrets that the world may say (no-secret-leaves).

A plan and a journal hold what was seen: an operator's name, a reason, a build id. Where one of them
holds a secret's value, the value is blotted before anybody decides by it, when a plan is made and
when a step looks again, so that both see the same.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from rollback.model.base import Facts
    from rollback.model.observation import Observation
    from rollback.model.ports import SecretSource
    from rollback.model.record import Record, RecordKind
    from rollback.running.journal import RunJournal


def discreetly(
    seen: tuple[Observation, ...], secrets: SecretSource
) -> tuple[Observation, ...]:
    """Observations without secrets; those that hold none are the same values."""
    return tuple(_discreet(one, secrets) for one in seen)


def _discreet(seen: Observation, secrets: SecretSource) -> Observation:
    made = {
        "compared": secrets.redact_facts(seen.compared),
        "context": secrets.redact_facts(seen.context),
        "gaps": tuple(secrets.redact(gap) for gap in seen.gaps),
    }
    if all(getattr(seen, name) == value for name, value in made.items()):
        return seen
    return seen.model_copy(update=made)


@dataclass(frozen=True, slots=True)
class DiscreetJournal:
    """A run's journal, into which no secret is written."""

    journal: RunJournal
    secrets: SecretSource

    @property
    def tight(self) -> bool:
        """As the journal says."""
        return self.journal.tight

    def append(self, stream: str, kind: RecordKind, body: Facts, *, durable: bool) -> Record:
        """Append one record without secrets. Raises as the journal does."""
        told = self.secrets.redact_facts(body)
        return self.journal.append(stream, kind, told, durable=durable)

    def records(self) -> tuple[Record, ...]:
        """As the journal says."""
        return self.journal.records()
